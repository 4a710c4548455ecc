//! Memory that calls share: who lacks it waits, and nobody fails for what others hold.

use lastword::Limits;
use lastword::events::{Deferral, EndReason, Hook, Outcome};
use lastword_harness::{Harness, ObservedOutcome};
use lastword_test_guests::grows::{grows, grows_by_hook};

const MIB: u64 = 1 << 20;

/// Without a deadline of their own on a busy machine.
fn limits(total_memory: u64) -> Limits {
    Limits { total_memory, deadline: std::time::Duration::from_secs(60), ..Limits::default() }
}

fn is_put_back(seen: &ObservedOutcome) -> bool {
    seen.outcome == Outcome::Deferred(Deferral::Memory)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn calls_that_grow_in_two_steps_with_room_for_one_and_a_half_are_all_delivered() {
    // 128 of one queue are under way at once.
    let harness = Harness::builder().component("grows", grows(&[64, 64], 2), limits(128 * 6 * MIB)).build();
    for n in 0..200 {
        harness.end(&format!("s{n}"), EndReason::Reset).await.unwrap();
    }
    harness.runtime.settled().await;
    let outcomes = harness.outcomes();
    let delivered = outcomes.iter().filter(|seen| seen.outcome == Outcome::Delivered).count();
    assert_eq!(delivered, 200);
    assert!(outcomes.iter().all(|seen| seen.attempt == 1 && seen.failures == 0 || is_put_back(seen)), "{outcomes:?}");
    for put_back in outcomes.iter().filter(|seen| is_put_back(seen)) {
        let told = outcomes.iter().filter(|seen| seen.id == put_back.id);
        assert_eq!(told.map(|seen| &seen.outcome).collect::<Vec<_>>(), [&put_back.outcome, &Outcome::Delivered]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn calls_of_one_tenant_never_fail_for_what_another_ones_hold() {
    let harness = Harness::builder_with_memory(128 * MIB)
        .component_for("greedy", grows(&[400, 400], 5), limits(128 * MIB), &["greedy"])
        .component_for("modest", grows(&[200], 1), limits(128 * MIB), &["modest"])
        .build();
    for n in 0..40 {
        harness.end_for("greedy", &format!("s{n}")).await.unwrap();
        harness.end_for("modest", &format!("s{n}")).await.unwrap();
    }
    harness.runtime.settled().await;
    for plugin in ["greedy", "modest"] {
        let seen = harness.outcomes_of(plugin, Hook::SessionEnd);
        let delivered = seen.iter().filter(|seen| seen.outcome == Outcome::Delivered).count();
        assert_eq!(delivered, 40, "{plugin}");
        assert!(seen.iter().all(|seen| seen.failures == 0), "{seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn one_call_of_60_mib_after_fifty_small_ones_is_delivered() {
    let harness = Harness::builder_with_memory(64 * MIB)
        .component("grows", grows_by_hook(32, 960, 1), Limits { memory: 64 * MIB, ..limits(64 * MIB) })
        .build();
    for n in 0..50 {
        harness.start(&format!("s{n}")).await.unwrap();
    }
    harness.end("s0", EndReason::Reset).await.unwrap();
    for n in 50..100 {
        harness.start(&format!("s{n}")).await.unwrap();
    }
    harness.runtime.settled().await;
    let seen = harness.outcomes();
    assert_eq!(seen.iter().filter(|seen| seen.outcome == Outcome::Delivered).count(), 101, "{seen:?}");
    assert!(seen.iter().all(|seen| seen.failures == 0), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn in_a_drain_too_who_lacks_memory_waits_and_has_one_outcome() {
    let harness = Harness::builder_with_memory(128 * MIB)
        .component("grows", grows(&[400, 400], 2), limits(128 * MIB))
        .budget(std::time::Duration::from_secs(60))
        .build();
    harness.start_many("s", 60).await.unwrap();
    let report = harness.drain().await;
    assert_eq!((report.delivered, report.failed, report.deferred), (60, 0, 0), "{report:?}");
    let seen = harness.outcomes_of("grows", Hook::SessionEnd);
    assert_eq!(seen.len(), 60, "nobody is told that it waits: {seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_never_got_its_memory_in_a_drain_is_deferred_and_still_owed() {
    let forever = 3_600_000;
    let harness = Harness::builder_with_memory(128 * MIB)
        .component("grows", grows(&[400, 400], forever), limits(128 * MIB))
        .budget(std::time::Duration::from_millis(500))
        .build();
    harness.start_many("s", 20).await.unwrap();
    let report = harness.drain().await;
    assert_eq!((report.delivered, report.failed, report.deferred), (0, 0, 20), "{report:?}");
    assert!(report.timed_out && report.plugins.iter().all(|line| !line.broken));
}
