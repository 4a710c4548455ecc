//! What becomes of a delivery that fails.

use std::sync::Arc;
use std::time::Duration;

use lastword::MemoryJournal;
use lastword::events::{EndReason, FailureCause, Outcome};
use lastword_harness::Harness;
use lastword_journal::RETAINED_DEAD_DELIVERIES;

const SOON: Duration = Duration::from_millis(10);

fn cause(outcome: &Outcome) -> Option<&FailureCause> {
    match outcome {
        Outcome::Failed { cause, .. } => Some(cause),
        _ => None,
    }
}

#[tokio::test]
async fn a_failed_delivery_is_made_again_under_the_same_id_with_a_new_attempt() {
    let harness = Harness::builder().plugin("flaky", "retry-by-attempt").retry(SOON, 8).build();
    harness.end("s1", EndReason::Reset).await.unwrap();
    harness.first_outcome(|o| o.outcome == Outcome::Delivered).await.expect("the third attempt delivers");
    let seen = harness.outcomes();
    assert_eq!(seen.iter().map(|o| o.attempt).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(seen.iter().all(|o| o.id == seen[0].id && o.generation == 1));
    assert_eq!(seen.iter().map(|o| o.failures).collect::<Vec<_>>(), [1, 2, 2]);
    assert!(seen[0].retry_at.is_some() && seen[2].retry_at.is_none());
    harness.runtime.settled().await;
    assert_eq!(harness.runtime.undelivered_ends(), 0);
}

#[tokio::test]
async fn a_fatal_answer_is_dead_at_once() {
    let harness = Harness::builder().plugin("fatal", "fatal").retry(SOON, 8).build();
    harness.end("s1", EndReason::Reset).await.unwrap();
    let seen = harness.first_outcome(|o| o.dead).await.expect("it is given up");
    assert_eq!((seen.attempt, cause(&seen.outcome)), (1, Some(&FailureCause::Fatal)));
    harness.runtime.settled().await;
    assert_eq!((harness.outcomes().len(), harness.runtime.undelivered_ends()), (1, 1));
}

#[tokio::test]
async fn whatever_keeps_failing_is_dead_after_its_failures() {
    let harness = Harness::builder().plugin("trap", "trap").retry(SOON, 3).build();
    harness.end("s1", EndReason::Reset).await.unwrap();
    harness.first_outcome(|o| o.dead).await.expect("it is given up");
    let seen = harness.outcomes();
    assert_eq!(
        seen.iter().map(|o| (o.attempt, o.failures, o.dead)).collect::<Vec<_>>(),
        [(1, 1, false), (2, 2, false), (3, 3, true)]
    );
    assert!(seen.iter().all(|o| cause(&o.outcome) == Some(&FailureCause::Trap("unreachable".into()))));
}

#[tokio::test]
async fn a_plugin_that_fails_does_not_hold_up_the_others() {
    let harness = Harness::builder().plugin("retry", "retry").plugin("prints", "prints").build();
    harness.end("s1", EndReason::Reset).await.unwrap();
    harness.runtime.settled().await;
    assert_eq!(harness.printed("prints"), ["session-end s1 attempt=1"]);
    assert_eq!(harness.runtime.undelivered_ends(), 1);
}

#[tokio::test]
async fn a_plugin_that_gives_everything_up_does_not_fill_the_memory_and_every_end_is_counted() {
    const TOO_MANY: usize = 3;
    let journal = Arc::new(MemoryJournal::new());
    let harness = Harness::builder().plugin("fatal", "fatal").journal(journal.clone()).build();
    for n in 0..RETAINED_DEAD_DELIVERIES + TOO_MANY {
        harness.end(&format!("s{n}"), EndReason::Reset).await.unwrap();
    }
    harness.runtime.settled().await;
    assert_eq!((journal.dead().len(), journal.forgotten_dead()), (RETAINED_DEAD_DELIVERIES, TOO_MANY as u64));
    let dead = journal.dead();
    assert!(dead.iter().all(|delivery| delivery.plugin.as_str() == "fatal"), "{dead:?}");
    assert_eq!(harness.runtime.undelivered_ends(), (RETAINED_DEAD_DELIVERIES + TOO_MANY) as u64, "none is left out");
}
