//! What a drain does, and what may happen while it goes on.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use lastword::events::{CompactionPhase, DRAIN_WARNING, Deferral, DrainReason, EndReason, Hook, Outcome, PluginDrain};
use lastword::testing::ManualClock;
use lastword::{Acceptance, Refusal};
use lastword_harness::{Harness, ObservedOutcome};

/// By a clock that stands still.
const BUDGET: Duration = Duration::from_secs(600);

#[tokio::test]
async fn a_drain_of_nothing_reports_nothing_and_calls_no_plugin() {
    let harness = Harness::with(&["prints"]);
    let report = harness.drain().await;
    assert_eq!((report.sessions, report.owed(), report.timed_out), (0, 0, false));
    assert!(report.warnings.is_empty() && report.plugins.is_empty());
    assert!(harness.outcomes().is_empty() && harness.printed("prints").is_empty());
}

#[tokio::test]
async fn every_active_session_is_ended_once_and_a_second_drain_is_given_the_report_of_the_first() {
    let harness = Harness::with(&["prints"]);
    harness.start_many("s", 3).await.unwrap();
    let report = harness.drain().await;
    assert_eq!((report.sessions, report.delivered, report.failed, report.deferred), (3, 3, 0, 0));
    assert!(!report.timed_out && report.warnings.is_empty());
    let second = harness.drain().await;
    assert_eq!(second, report);
    let ends = harness.outcomes_of("prints", Hook::SessionEnd);
    assert_eq!(ends.len(), 3);
    assert!(ends.iter().all(|e| e.reason == Some(EndReason::Shutdown) && e.draining));
    let printed: HashSet<_> = harness.printed("prints").into_iter().filter(|l| l.starts_with("session-end")).collect();
    assert_eq!(printed.len(), 3);
}

#[tokio::test]
async fn a_restart_says_so() {
    let harness = Harness::with(&["prints"]);
    harness.start_many("s", 2).await.unwrap();
    let report = harness.runtime.drain(DrainReason::Restart).await;
    assert_eq!(report.reason, DrainReason::Restart);
    let ends = harness.outcomes_of("prints", Hook::SessionEnd);
    assert!(ends.len() == 2 && ends.iter().all(|e| e.reason == Some(EndReason::Restart)));
}

#[tokio::test]
async fn a_session_that_has_ended_is_not_ended_again_by_the_drain() {
    let harness = Harness::with(&["prints"]);
    harness.start_many("s", 4).await.unwrap();
    for (id, reason) in [("s0", EndReason::Reset), ("s1", EndReason::Deleted), ("s2", EndReason::Compaction)] {
        harness.end(id, reason).await.unwrap();
    }
    harness.runtime.settled().await;
    let report = harness.drain().await;
    assert_eq!((report.sessions, report.delivered), (1, 1));
    for id in ["s0", "s1", "s2", "s3"] {
        let ends = harness.printed("prints").iter().filter(|l| l.starts_with(&format!("session-end {id} "))).count();
        assert_eq!(ends, 1, "{id}");
    }
}

#[tokio::test]
async fn the_drain_waits_for_the_hooks_work_and_not_for_their_start() {
    let harness = Harness::with(&["sleep-50ms"]);
    harness.start_many("s", 10).await.unwrap();
    let report = harness.drain().await;
    assert_eq!((report.delivered, report.deferred), (10, 0));
    assert!(report.elapsed >= Duration::from_millis(50), "{:?}", report.elapsed);
}

/// A plugin that prints, beside one that hangs.
fn beside_one_that_hangs(clock: &ManualClock) -> Harness {
    let harness = Harness::builder().with_deadline("sleep", Duration::from_secs(60)).plugin("prints", "prints");
    harness.budget(BUDGET).clock(clock.clone()).build()
}

/// How many ends have an outcome.
fn count_ends(seen: &[ObservedOutcome]) -> usize {
    seen.iter().filter(|one| one.hook == Hook::SessionEnd).count()
}

#[tokio::test]
async fn one_hook_hangs_and_everyone_else_is_served() {
    let clock = ManualClock::new();
    let harness = beside_one_that_hangs(&clock);
    harness.start_many("s", 20).await.unwrap();
    let report = harness.drain_until(&clock, BUDGET, |seen| count_ends(seen) == 20).await;
    assert!(report.timed_out);
    assert_eq!((report.delivered, report.failed, report.deferred), (20, 0, 20));
    let ends = harness.printed("prints").iter().filter(|l| l.starts_with("session-end")).count();
    assert_eq!(ends, 20);
    let warning = &report.warnings[0];
    assert_eq!(warning.name, DRAIN_WARNING);
    assert!(warning.message.contains("plugin sleep") && warning.message.contains("20 deferred(budget)"), "{warning:?}");
    let hung = harness.outcomes_of("sleep", Hook::SessionEnd);
    assert_eq!(hung.len(), 20, "each has one outcome");
    assert!(hung.iter().all(|o| o.outcome == Outcome::Deferred(Deferral::Budget)));
}

#[tokio::test]
async fn sessions_leave_the_set_even_when_no_plugin_is_installed() {
    let harness = Harness::with(&[]);
    harness.start_many("s", 5).await.unwrap();
    let report = harness.drain().await;
    assert_eq!((report.sessions, report.owed()), (5, 0));
    assert!(harness.runtime.sessions().is_empty());
}

#[tokio::test]
async fn ordinary_ends_that_are_under_way_are_part_of_the_drain() {
    let clock = ManualClock::new();
    let harness = beside_one_that_hangs(&clock);
    harness.start_many("s", 2).await.unwrap();
    harness.end("s0", EndReason::Reset).await.unwrap();
    harness
        .first_outcome(|s| s.plugin == "prints" && s.hook == Hook::SessionEnd)
        .await
        .expect("the good plugin is served");
    let report = harness.drain_until(&clock, BUDGET, |seen| count_ends(seen) == 2).await;
    // Owed when the drain began: the hanging end of s0, and both ends of s1.
    assert_eq!((report.sessions, report.owed()), (1, 3));
    assert_eq!((report.delivered, report.deferred), (1, 2));
    let hung = harness.outcomes_of("sleep", Hook::SessionEnd);
    let reasons: HashSet<_> = hung.iter().map(|o| (o.session.as_str(), o.reason.clone().unwrap())).collect();
    assert_eq!(reasons, HashSet::from([("s0", EndReason::Reset), ("s1", EndReason::Shutdown)]));
}

#[tokio::test]
async fn an_end_in_backoff_gets_one_attempt_in_the_drain() {
    let harness = Harness::builder().plugin("retry", "retry").retry(Duration::from_secs(600), 8).build();
    harness.end("s1", EndReason::Reset).await.unwrap();
    harness.runtime.settled().await;
    let report = harness.drain().await;
    assert_eq!((report.sessions, report.failed, report.owed()), (0, 1, 1));
    let attempts: Vec<_> = harness.outcomes().iter().map(|o| (o.attempt, o.failures, o.draining)).collect();
    assert_eq!(attempts, [(1, 1, false), (2, 2, true)]);
}

#[tokio::test]
async fn starts_are_refused_and_ends_are_taken_during_a_drain() {
    let harness = Harness::builder().plugin("sleep-50ms", "sleep-50ms").build();
    harness.start("s1").await.unwrap();
    let drain = harness.runtime.drain(DrainReason::Shutdown);
    assert_eq!(harness.start("s2").await, Err(Refusal::Draining));
    assert_eq!(harness.compaction("s1", CompactionPhase::Before).await, Err(Refusal::Draining));
    let late = harness.end("s1", EndReason::Reset).await.unwrap();
    assert_eq!((late.how, late.generation), (Acceptance::DuplicateEnd, 1), "the drain has ended it already");
    let stranger = harness.end("stranger", EndReason::Reset).await.unwrap();
    assert_eq!(stranger.how, Acceptance::Implied);
    let report = drain.await;
    assert_eq!((report.sessions, report.delivered, report.owed()), (1, 2, 2));
    assert_eq!(harness.outcomes().len(), 2);
}

#[tokio::test]
async fn two_drains_at_once_make_one() {
    let harness = Harness::with(&["sleep-50ms"]);
    harness.start_many("s", 3).await.unwrap();
    let first = harness.runtime.drain(DrainReason::Restart);
    let second = harness.runtime.drain(DrainReason::Shutdown);
    let (first, second) = tokio::join!(first, second);
    assert_eq!((first.delivered, first.reason), (3, DrainReason::Restart));
    assert_eq!(second, first);
    let ends = harness.outcomes();
    assert!(ends.len() == 3 && ends.iter().all(|e| e.reason == Some(EndReason::Restart)), "the first cause wins");
}

#[tokio::test]
async fn a_drain_goes_on_when_nobody_waits_for_it() {
    let harness = Harness::with(&["prints"]);
    harness.start_many("s", 3).await.unwrap();
    drop(harness.runtime.drain(DrainReason::Shutdown));
    harness.runtime.settled().await;
    assert_eq!(harness.outcomes_of("prints", Hook::SessionEnd).len(), 3);
}

#[tokio::test]
async fn closing_without_a_drain_calls_nobody_and_everything_stays_owed() {
    let harness = Harness::with(&["good"]);
    harness.start_many("s", 3).await.unwrap();
    harness.runtime.close(DrainReason::Shutdown).await;
    assert!(harness.outcomes().is_empty());
    assert_eq!(harness.runtime.undelivered_ends(), 3);
    assert_eq!(harness.start("s9").await, Err(Refusal::Draining));
}

#[tokio::test]
async fn the_breaker_passes_over_a_plugin_that_only_traps() {
    let harness = Harness::builder().plugin("trap", "trap").plugin("prints", "prints").workers(1).build();
    harness.start_many("s", 200).await.unwrap();
    harness.runtime.settled().await;
    let report = harness.drain().await;
    assert_eq!((report.delivered, report.owed()), (200, 400));
    assert_eq!(report.failed + report.deferred, 200);
    let trap = report.plugins.iter().find(|p| p.plugin.as_str() == "trap").unwrap();
    assert!(trap.broken && trap.failed >= 5 && trap.deferred > 100, "{trap:?}");
    assert!(!report.timed_out, "passed over is not timed out");
    let deferred = harness.outcomes_of("trap", Hook::SessionEnd);
    assert!(deferred.iter().any(|o| o.outcome == Outcome::Deferred(Deferral::Breaker)));
}

#[tokio::test(flavor = "current_thread")]
async fn one_worker_on_a_runtime_with_one_thread_is_enough() {
    let clock = ManualClock::new();
    let harness = Harness::builder()
        .plugin("spin", "spin")
        .plugin("prints", "prints")
        .budget(BUDGET)
        .workers(1)
        .clock(clock.clone())
        .build();
    harness.start_many("s", 50).await.unwrap();
    let are_served = |seen: &[ObservedOutcome]| {
        seen.iter().filter(|one| one.plugin == "prints" && one.hook == Hook::SessionEnd).count() == 50
    };
    let report = harness.drain_until(&clock, BUDGET, are_served).await;
    assert_eq!(report.owed(), 100);
    let ends = harness.printed("prints").iter().filter(|l| l.starts_with("session-end")).count();
    assert_eq!(ends, 50);
}

#[tokio::test]
async fn the_budget_counts_from_the_moment_that_whoever_drains_says() {
    let harness = Harness::with(&["prints"]);
    harness.start_many("s", 3).await.unwrap();
    let earlier = Duration::from_millis(700);
    let began = Instant::now().checked_sub(earlier).unwrap();
    let report = harness.runtime.drain_since(DrainReason::Shutdown, began).await;
    assert!(report.elapsed >= earlier, "{report:?}");
    assert_eq!(report.delivered, 3);
}

#[tokio::test]
async fn a_budget_that_is_over_when_the_drain_begins_leaves_everything_owed() {
    let harness = Harness::with(&["sleep"]);
    harness.start_many("s", 30).await.unwrap();
    let began = Instant::now().checked_sub(Duration::from_secs(10)).unwrap();
    let report = harness.runtime.drain_since(DrainReason::Shutdown, began).await;
    assert_eq!((report.sessions, report.owed(), report.deferred), (30, 30, 30), "{report:?}");
    assert!(report.timed_out);
    assert_eq!(harness.runtime.undelivered_ends(), 30);
}

/// A gateway may have made up any number of tenants.
#[tokio::test]
async fn a_report_names_a_bounded_number_of_tenants_and_counts_all() {
    const TENANTS: u64 = 1_100;
    let harness = Harness::with(&["good", "trap"]);
    for n in 0..TENANTS {
        harness.start_for(&format!("t{n}"), "s").await.unwrap();
    }
    let report = harness.drain().await;
    assert_eq!((report.sessions, report.owed()), (TENANTS, 2 * TENANTS));
    assert_eq!(report.plugins.len(), 1_000);
    let lines = report.plugins.iter().map(|line| line.delivered + line.failed + line.deferred).sum::<u64>();
    let rest = report.rest.iter().map(|line| line.delivered + line.failed + line.deferred).sum::<u64>();
    assert_eq!(lines + rest, report.owed());
    assert_eq!(report.rest.iter().map(|line| line.tenants).sum::<u64>(), 2 * TENANTS - 1_000);
    let undelivered = |line: &PluginDrain| line.failed + line.deferred > 0;
    assert!(report.plugins.iter().all(undelivered), "those that something was not delivered of come first");
    let warnings: Vec<&str> = report.warnings.iter().map(|warning| &*warning.message).collect();
    assert_eq!(warnings.len(), 21, "{warnings:?}");
    let undelivered = report.failed + report.deferred;
    assert_eq!(
        warnings[20],
        format!("and deliveries of {} more pairs of tenant and plugin", undelivered - 20),
        "each has one end"
    );
}
