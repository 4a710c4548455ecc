//! The one clock of a runtime: no test of these waits for real time.

use std::sync::Arc;
use std::time::Duration;

use lastword::events::{Deferral, EndReason, Hook, Outcome};
use lastword::limits::MAX_DRAIN_RESERVE;
use lastword::testing::ManualClock;
use lastword::{Acceptance, Clock, MemoryJournal, TenantQuota};
use lastword_harness::{Harness, ObservedOutcome};

const MINUTE: Duration = Duration::from_secs(60);

/// Tokio does not see the workers, and jumps to its next timer as soon as its tasks have nothing to do.
#[tokio::test(start_paused = true)]
async fn with_tokios_clock_paused_a_drain_delivers_everything() {
    let harness = Harness::with(&["good"]);
    harness.start_many("s", 30).await.unwrap();
    let report = harness.drain().await;
    assert_eq!((report.delivered, report.deferred, report.timed_out), (30, 0, false));
}

/// Neither does the runtime need tokio's timers.
#[test]
fn without_tokios_timers_a_drain_delivers_everything_and_failures_are_made_again() {
    let tokio = tokio::runtime::Builder::new_current_thread().build().unwrap();
    tokio.block_on(async {
        let harness = Harness::builder().plugin("flaky", "retry-by-attempt").plugin("good", "good");
        let harness = harness.retry(Duration::from_millis(1), 8).build();
        harness.end("s", EndReason::Reset).await.unwrap();
        while harness.outcomes().iter().filter(|one| one.outcome == Outcome::Delivered).count() < 2 {
            tokio::task::yield_now().await;
        }
        harness.start_many("s", 30).await.unwrap();
        let report = harness.drain().await;
        assert_eq!(report.owed(), 60);
        assert_eq!((report.deferred, report.timed_out), (0, false));
    });
}

#[tokio::test]
async fn a_failure_is_made_again_when_the_clock_has_come_to_its_retry_and_not_before() {
    let clock = ManualClock::new();
    let harness = Harness::builder().plugin("retry", "retry").retry(MINUTE, 3).clock(clock.clone()).build();
    harness.end("s1", EndReason::Reset).await.unwrap();
    for failures in 1..=3 {
        harness.runtime.settled().await;
        let outcomes = harness.outcomes();
        assert_eq!(outcomes.iter().map(|one| one.failures).max(), Some(failures));
        let last = outcomes.last().unwrap();
        assert_eq!(last.dead, failures == 3);
        if let Some(retry_at) = last.retry_at {
            // From half of the pause on, in milliseconds as the wall clock has them.
            let pause = retry_at.as_millisecond() - clock.timestamp().as_millisecond();
            let pause = Duration::from_millis(u64::try_from(pause).unwrap());
            assert!(pause >= MINUTE / 2 - Duration::from_millis(1), "{pause:?}");
            clock.advance(pause - Duration::from_millis(2));
            harness.runtime.settled().await;
            assert_eq!(harness.outcomes().len(), outcomes.len(), "not before");
            clock.advance(Duration::from_millis(3));
        }
    }
    assert_eq!(harness.runtime.undelivered_ends(), 1);
}

#[tokio::test]
async fn what_is_due_is_made_although_nobody_asks() {
    let clock = ManualClock::new();
    let harness = Harness::builder().plugin("flaky", "retry-by-attempt").retry(MINUTE, 8).clock(clock.clone()).build();
    harness.end("s1", EndReason::Reset).await.unwrap();
    for attempt in 1..=3 {
        harness.first_outcome(|one| one.attempt == attempt).await.expect("the next attempt");
        // The worker that waits for the retry sleeps by now, or looks at the clock before it does.
        clock.advance(10 * MINUTE);
    }
}

#[tokio::test]
async fn a_tenant_has_fuel_again_when_the_clock_says_so() {
    let clock = ManualClock::new();
    let quota = TenantQuota { fuel_per_second: Some(1), ..TenantQuota::default() };
    let harness = Harness::builder().plugin("prints", "prints").quota(quota).workers(1).clock(clock.clone()).build();
    for n in 0..2 {
        harness.end(&format!("s{n}"), EndReason::Reset).await.unwrap();
    }
    harness.runtime.settled().await;
    let count = |outcome: Outcome| harness.outcomes().iter().filter(|one| one.outcome == outcome).count();
    assert_eq!((count(Outcome::Delivered), count(Outcome::Deferred(Deferral::Quota))), (1, 1));
    let used = harness.outcomes().iter().find_map(|one| one.fuel).unwrap();
    clock.advance(Duration::from_secs(used - 1));
    harness.runtime.settled().await;
    assert_eq!(count(Outcome::Delivered), 1, "a second too early");
    clock.advance(Duration::from_secs(2));
    harness.runtime.settled().await;
    assert_eq!(count(Outcome::Delivered), 2);
}

#[tokio::test]
async fn a_grace_is_over_when_the_clock_says_so() {
    let (clock, journal) = (ManualClock::new(), Arc::new(MemoryJournal::new()));
    let dead = Harness::builder().plugin("good", "good").journal(journal.clone()).build();
    dead.start_many("s", 3).await.unwrap();
    let tenant = dead.tenant.clone();
    drop(dead);
    let next = Harness::builder().plugin("good", "good").journal(journal).tenant(&tenant);
    let next = next.attach_grace(10 * MINUTE).clock(clock.clone()).build();
    clock.advance(10 * MINUTE - Duration::from_secs(1));
    assert_eq!(next.start("s0").await.unwrap().how, Acceptance::Updated, "its owner comes back in time");
    assert!(next.outcomes().is_empty());
    clock.advance(Duration::from_secs(1));
    for id in ["s1", "s2"] {
        let ended = next.first_outcome(|one| one.session == id).await.expect("its end");
        assert_eq!(ended.reason, Some(EndReason::Crashed));
    }
    assert_eq!(next.runtime.sessions().len(), 1);
}

#[tokio::test]
async fn an_end_is_a_repetition_for_ten_seconds_of_the_clock() {
    let clock = ManualClock::new();
    let harness = Harness::builder().plugin("good", "good").clock(clock.clone()).build();
    harness.start("s").await.unwrap();
    harness.end("s", EndReason::Reset).await.unwrap();
    clock.advance(Duration::from_secs(10));
    assert_eq!(harness.end("s", EndReason::Reset).await.unwrap().how, Acceptance::DuplicateEnd);
    clock.advance(Duration::from_millis(1));
    assert_eq!(harness.end("s", EndReason::Reset).await.unwrap().how, Acceptance::Implied);
}

#[tokio::test]
async fn a_drain_is_cut_when_the_clock_has_come_to_its_budget_and_not_before() {
    let clock = ManualClock::new();
    let harness = Harness::builder()
        .with_deadline("sleep", Duration::from_secs(3_600))
        .plugin("good", "good")
        .budget(10 * MINUTE)
        .clock(clock.clone())
        .build();
    harness.start_many("s", 3).await.unwrap();
    let early = clock.clone();
    let is_enough = move |seen: &[ObservedOutcome]| {
        // A minute and the reserve too early.
        if early.passed().is_zero() {
            early.advance(9 * MINUTE);
        }
        assert!(seen.iter().all(|one| one.plugin == "good"), "nothing is cut before the end");
        seen.len() == 3
    };
    let report = harness.drain_until(&clock, MINUTE, is_enough).await;
    assert_eq!((report.delivered, report.deferred, report.timed_out), (3, 3, true));
    assert_eq!(report.elapsed, 10 * MINUTE - MAX_DRAIN_RESERVE);
    let cut = harness.outcomes_of("sleep", Hook::SessionEnd);
    assert!(cut.len() == 3 && cut.iter().all(|one| one.outcome == Outcome::Deferred(Deferral::Budget)));
}
