//! Per (plugin, session id), events go in the order they happened, and an end never waits for what keeps failing.

use std::time::Duration;

use lastword::events::{CompactionPhase, EndReason, Hook, Outcome};
use lastword_harness::{Harness, NEVER};
use proptest::prelude::*;

#[tokio::test]
async fn an_end_overtakes_a_start_that_keeps_failing_and_the_start_is_late_from_then_on() {
    // `start-fails` answers every start with `retry`, and the other hooks with ok.
    let harness = Harness::builder().plugin("p", "start-fails").retry(NEVER, 3).build();
    harness.start("s1").await.unwrap();
    harness.runtime.settled().await;
    harness.end("s1", EndReason::Reset).await.unwrap();
    harness.runtime.settled().await;
    harness.drain().await;
    let seen: Vec<_> =
        harness.outcomes().into_iter().map(|o| (o.hook, o.attempt, o.late, o.outcome.as_str())).collect();
    assert_eq!(
        seen,
        [
            (Hook::SessionStart, 1, false, "failed"),
            (Hook::SessionStart, 2, true, "failed"),
            (Hook::SessionEnd, 1, false, "delivered"),
            (Hook::SessionStart, 3, true, "failed"),
        ]
    );
    assert_eq!(harness.printed("p"), ["session-end s1 attempt=1"]);
}

#[tokio::test]
async fn a_guest_is_told_that_it_is_late() {
    let harness = Harness::builder().plugin("p", "starts-late").retry(NEVER, 8).build();
    harness.start("s1").await.unwrap();
    harness.runtime.settled().await;
    harness.end("s1", EndReason::Reset).await.unwrap();
    harness.runtime.settled().await;
    harness.drain().await;
    assert_eq!(harness.printed("p"), ["session-end s1 attempt=1", "session-start s1 attempt=3 late"]);
}

#[tokio::test]
async fn compactions_have_ids_of_their_own_and_keep_their_place() {
    let harness = Harness::with(&["prints"]);
    harness.start("s1").await.unwrap();
    harness.compaction("s1", CompactionPhase::Before).await.unwrap();
    harness.compaction("s1", CompactionPhase::After).await.unwrap();
    harness.end("s1", EndReason::Reset).await.unwrap();
    harness.runtime.settled().await;
    let ids: Vec<_> = harness.outcomes().iter().map(|o| o.id.to_string()).collect();
    let events: Vec<_> = ids.iter().map(|id| id.split_once('/').unwrap().1).collect();
    assert_eq!(
        events,
        [
            "session-start/prints",
            "session-compaction.1-before/prints",
            "session-compaction.2-after/prints",
            "session-end/prints"
        ]
    );
}

#[tokio::test]
async fn a_drain_gives_what_waits_before_an_end_one_attempt_first() {
    let harness = Harness::builder().plugin("p", "start-fails").retry(NEVER, 8).build();
    harness.start("s1").await.unwrap();
    harness.runtime.settled().await;
    let report = harness.drain().await;
    assert_eq!((report.delivered, report.owed()), (1, 1), "the report counts ends");
    let seen: Vec<_> = harness.outcomes().into_iter().map(|o| (o.hook, o.attempt, o.outcome.as_str())).collect();
    assert_eq!(
        seen,
        [(Hook::SessionStart, 1, "failed"), (Hook::SessionStart, 2, "failed"), (Hook::SessionEnd, 1, "delivered")]
    );
}

/// What an owner may say of one session.
#[derive(Clone, Copy, Debug)]
enum Say {
    Start,
    Compaction,
    End,
}

fn say() -> impl Strategy<Value = (usize, Say)> {
    (0usize..3, prop_oneof![Just(Say::Start), Just(Say::Compaction), Just(Say::End)])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn events_of_one_id_go_in_order_unless_they_are_late(says in prop::collection::vec(say(), 1..40)) {
        let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
        tokio.block_on(async {
            let harness = Harness::builder()
                .plugin("steady", "good-all")
                .plugin("flaky", "start-fails")
                .retry(Duration::from_millis(2), 4)
                .build();
            for (id, what) in says {
                let id = format!("s{id}");
                match what {
                    Say::Start => { harness.start(&id).await.unwrap(); }
                    Say::Compaction => { harness.compaction(&id, CompactionPhase::After).await.unwrap(); }
                    Say::End => { harness.end(&id, EndReason::Reset).await.unwrap(); }
                }
            }
            harness.drain().await;
            check_order(&harness);
        });
    }
}

/// In each (plugin, session id), an event that was delivered after a newer one must have said that it is late; attempts
/// of one delivery count up; and ends, which this plugin always takes, are never late.
fn check_order(harness: &Harness) {
    let seen = harness.outcomes();
    for (at, one) in seen.iter().enumerate() {
        let same_lane = |o: &&lastword_harness::ObservedOutcome| o.plugin == one.plugin && o.session == one.session;
        let newer_before = seen[..at].iter().filter(same_lane).any(|earlier| {
            earlier.outcome == Outcome::Delivered
                && (earlier.id.sequence, earlier.id.event) > (one.id.sequence, one.id.event)
        });
        assert!(!newer_before || one.late, "{one:?} came after something newer and did not say so:\n{seen:#?}");
        let earlier_attempts = seen[..at].iter().filter(|o| o.id == one.id).map(|o| o.attempt);
        assert!(earlier_attempts.clone().all(|a| a < one.attempt), "attempts count up: {one:?}");
        if one.hook == Hook::SessionEnd {
            assert!(!one.late && one.outcome == Outcome::Delivered, "an end waits for nothing: {one:?}");
        }
    }
}
