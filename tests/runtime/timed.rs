//! What is promised within a budget. These run alone: see `.config/nextest.toml`.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lastword::Limits;
use lastword::events::{Hook, Outcome};
use lastword_harness::{Harness, burn, machine};
use lastword_test_guests::component;

/// From the budget's end until everything is accounted for.
const SLACK: Duration = Duration::from_millis(100);

/// The usual budget: as much work fits into it as on a machine that nobody else uses.
fn budget() -> Duration {
    Duration::from_secs(2).mul_f64(machine::slowdown())
}

fn ends_printed(harness: &Harness, plugin: &str) -> usize {
    harness.printed(plugin).iter().filter(|line| line.starts_with("session-end")).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn twenty_hostile_plugins_cannot_take_one_end_from_a_good_one() {
    let hostile = ["spin", "sleep", "spin-start", "trap", "recurse", "grow", "exit", "log-flood"];
    let mut harness = Harness::builder();
    for n in 0..20 {
        harness = harness.plugin(&format!("hostile-{n}"), hostile[n % hostile.len()]);
    }
    let harness = harness.plugin("prints", "prints").budget(budget()).build();
    harness.start_many("s", 1_000).await.unwrap();
    let began = Instant::now();
    let report = harness.drain().await;
    let took = began.elapsed();
    assert_eq!(ends_printed(&harness, "prints"), 1_000);
    let good = report.plugins.iter().find(|p| p.plugin.as_str() == "prints").unwrap();
    assert_eq!((good.delivered, good.failed, good.deferred), (1_000, 0, 0));
    assert_eq!(report.owed(), 21_000);
    assert!(took <= report.budget + SLACK, "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_tenant_full_of_spinners_cannot_take_an_end_from_another_tenant() {
    let harness =
        Harness::builder().plugin("spin-on-x", "spin-on-x").plugin("prints", "prints").budget(budget()).build();
    for n in 0..5_000 {
        let session = lastword::events::Session::new("spinners", &format!("x{n}"));
        harness.runtime.start_session(lastword::StartRequest::new(session)).await.unwrap();
    }
    harness.start_many("s", 100).await.unwrap();
    let report = harness.drain().await;
    assert_eq!(ends_printed(&harness, "prints"), 100);
    let mine = report.plugins.iter().filter(|p| *p.tenant == *harness.tenant);
    assert!(mine.clone().count() == 2 && mine.clone().all(|p| p.delivered == 100), "{:?}", report.plugins);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn calls_that_cost_cpu_run_to_their_end_one_after_the_other() {
    const COST: Duration = Duration::from_millis(300);
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    // The budget cuts, and not the deadline where others have the processors.
    let limits = Limits { deadline: Duration::from_secs(10), ..Limits::default() };
    let harness = Harness::builder().component("burn", burn(COST).await, limits).build();
    // The row has 20 for two processors: twice as many, so that a machine that is suddenly faster does not finish in time.
    let sessions = 20 * processors;
    harness.start_many("s", u32::try_from(sessions).unwrap()).await.unwrap();
    let (began, used, idle) = (Instant::now(), machine::cpu_used(), machine::idle());
    let report = harness.drain().await;
    let took = began.elapsed();
    let (used, idle) = (machine::cpu_used() - used, machine::idle() - idle);
    assert!(took <= report.budget + SLACK, "{took:?}");
    assert_eq!(report.delivered + report.deferred, u64::try_from(sessions).unwrap());
    assert!(report.timed_out);
    let cut = harness.outcomes().iter().filter(|seen| seen.outcome != Outcome::Delivered && seen.attempt > 0).count();
    assert!(cut <= processors, "{cut} were begun and not finished");
    // What the machine had for us went into calls that came to their end: but for the last ones, and a third, which is what
    // two processors that are one lose to each other.
    assert!(idle < took.mul_f64(0.2) * u32::try_from(processors).unwrap(), "processors had nothing to do for {idle:?}");
    let delivered = u32::try_from(report.delivered).unwrap();
    let worked = (delivered + u32::try_from(processors).unwrap()) * COST;
    assert!(worked >= used.mul_f64(0.66), "{used:?} of CPU: {report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_plugin_is_not_cut_for_what_its_neighbours_do() {
    // 30 ms of CPU under a deadline of 150 ms, beside ten spinners on one worker: it takes far longer than its deadline
    // by the clock on the wall, and is delivered all the same.
    let burn = lastword_test_guests::burn(lastword_test_guests::BURN_ITERATIONS / 10);
    let mut harness = Harness::builder().workers(1).component(
        "modest",
        burn,
        Limits { deadline: Duration::from_millis(150), ..Limits::default() },
    );
    for n in 0..10 {
        harness = harness.plugin(&format!("spin-{n}"), "spin");
    }
    let harness = harness.budget(budget()).build();
    harness.start("s1").await.unwrap();
    let report = harness.drain().await;
    let modest = report.plugins.iter().find(|p| p.plugin.as_str() == "modest").unwrap();
    assert_eq!(modest.delivered, 1, "{:?}", harness.outcomes_of("modest", Hook::SessionEnd));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_drain_begins_at_once_although_ordinary_calls_hold_every_slot_they_may() {
    let long = Limits { deadline: Duration::from_secs(60), ..Limits::default() };
    let harness = Harness::builder()
        .component("sleep-a", component("sleep"), long)
        .component("sleep-b", component("sleep"), long)
        .plugin("prints", "prints")
        .budget(Duration::from_secs(1))
        .build();
    for n in 0..600 {
        harness.end(&format!("hanging{n}"), lastword::events::EndReason::Reset).await.unwrap();
    }
    harness.start_many("s", 100).await.unwrap();
    let began = Instant::now();
    let report = harness.drain().await;
    assert!(began.elapsed() <= report.budget + SLACK, "{:?}", began.elapsed());
    assert_eq!(ends_printed(&harness, "prints"), 700);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_drain_has_slots_although_many_tenants_hold_all_that_ordinary_calls_may() {
    let long = Limits { deadline: Duration::from_secs(60), ..Limits::default() };
    let harness = Harness::builder()
        .component("sleep", component("sleep"), long)
        .plugin("prints", "prints")
        .budget(Duration::from_secs(1))
        .build();
    for n in 0..400 {
        harness.end_for(&format!("hanging{n}"), "s").await.unwrap();
    }
    harness.start_many("s", 100).await.unwrap();
    for n in 0..400 {
        harness.start_for(&format!("hanging{n}"), "t").await.unwrap();
    }
    let began = Instant::now();
    let report = harness.drain().await;
    assert!(began.elapsed() <= report.budget + SLACK, "{:?}", began.elapsed());
    assert_eq!(ends_printed(&harness, "prints"), 100);
    let good = report.plugins.iter().filter(|p| p.plugin.as_str() == "prints");
    assert!(good.clone().all(|p| p.deferred == 0), "nor does any of the tenants with a plugin that hangs lose one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_plugin_that_one_tenant_has_poisoned_still_serves_the_other() {
    let harness = Harness::builder().with_deadline("spin-on-x", Duration::from_millis(20)).build();
    for n in 0..100 {
        harness.start_for("poisoner", &format!("x{n}")).await.unwrap();
    }
    harness.start_many("s", 100).await.unwrap();
    let report = harness.drain().await;
    let of = |tenant: &str| report.plugins.iter().find(|p| *p.tenant == *tenant).unwrap();
    assert!(of("poisoner").broken && of("poisoner").delivered == 0, "{:?}", of("poisoner"));
    let good = of(&harness.tenant);
    assert!(!good.broken && good.delivered == 100, "{good:?}");
}

/// A plugin that grows by 20 MiB, which is what a large guest in an interpreted language has, and waits for 100 ms.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_thousand_honest_calls_of_20_mib_that_wait_100_ms_are_delivered_in_one_drain() {
    let grows = lastword_test_guests::grows::grows(&[320], 100);
    let harness = Harness::builder().component("grows", grows, Limits::default()).budget(budget()).build();
    harness.start_many("s", 1_000).await.unwrap();
    let report = harness.drain().await;
    assert_eq!((report.delivered, report.failed, report.deferred), (1_000, 0, 0), "{report:?}");
}
