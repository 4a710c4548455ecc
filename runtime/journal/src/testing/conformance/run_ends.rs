//! The end of a run: which attempts the next run counts, and that the next run can begin at once.

use lastword_events::{DrainReason, EventKey, FailureCause, PluginName, Timestamp};

use super::runs::{Runs, completion, end_op, owed_again, plugin};
use crate::{CutCall, DeliveryKey, JournalOp, Recovered, Settlement};

fn cut(sequence: u64, plugin: PluginName, attempt: u32) -> CutCall {
    CutCall { delivery: DeliveryKey { sequence, event: EventKey::End, plugin }, attempt }
}

/// The attempts so far, by session: those of owed deliveries, and those of ends of active sessions.
fn attempts(found: &Recovered) -> Vec<(&str, u32)> {
    let owed = found.deliveries.iter().map(|owed| (&*owed.session.identity.id, owed.attempt));
    let active = found.sessions.iter().map(|left| (&*left.session.identity.id, left.attempt_for(&plugin())));
    owed.chain(active).collect()
}

pub(super) async fn a_run_that_has_ended_cleanly_counts_no_attempt_of_what_was_not_called(mut journal: Runs<'_>) {
    let (t, _) = journal.tenants();
    journal.next_run();
    for id in ["failed", "untried"] {
        let (sequence, session) = journal.start(id).await;
        journal.end(sequence, &session).await;
        if id == "failed" {
            journal.complete(&t, vec![completion(sequence, 1, owed_again(false))]).pending.await.unwrap();
        }
    }
    journal.start("active").await;
    for _ in 0..3 {
        journal.append_decided(vec![JournalOp::Ended { cut: vec![] }]).await.unwrap();
        assert_eq!(attempts(&journal.next_run()), [("failed", 1), ("untried", 0), ("active", 0)]);
    }
    // This run dies, and the next one ends cleanly: each owed delivery may have been called once.
    assert_eq!(attempts(&journal.next_run()), [("failed", 2), ("untried", 1), ("active", 1)]);
    journal.append_decided(vec![JournalOp::Ended { cut: vec![] }]).await.unwrap();
    assert_eq!(attempts(&journal.next_run()), [("failed", 2), ("untried", 1), ("active", 1)]);
}

pub(super) async fn a_call_that_was_cut_as_its_run_ended_counts_one_attempt_and_no_other_does(mut journal: Runs<'_>) {
    journal.next_run();
    let mut sequences = Vec::new();
    for id in ["cut", "untried"] {
        let (sequence, session) = journal.start(id).await;
        journal.end(sequence, &session).await;
        sequences.push(sequence);
    }
    let ended = JournalOp::Ended { cut: vec![cut(sequences[0], plugin(), 1)] };
    journal.append_decided(vec![ended]).await.unwrap();
    let found = journal.next_run();
    assert_eq!(attempts(&found), [("cut", 1), ("untried", 0)]);
    assert!(found.deliveries.iter().all(|owed| owed.failures == 0), "a cut is no failure");
}

/// A session that a drain ends has no row for a plugin before that plugin was called.
pub(super) async fn an_end_that_was_cut_in_a_drain_counts_one_attempt_to_its_plugin_alone(mut journal: Runs<'_>) {
    let (t, _) = journal.tenants();
    journal.next_run();
    let (sequence, session) = journal.start("drained").await;
    let other = PluginName::new("other").unwrap();
    let draining = JournalOp::Draining { reason: DrainReason::Restart, at: Timestamp::from_millisecond(7) };
    journal.append_decided(vec![draining]).await.unwrap();
    let gave_up = Settlement::Dead { failures: 1, cause: FailureCause::Fatal, message: "never".into() };
    let mut dead = completion(sequence, 1, gave_up);
    dead.delivery.plugin = PluginName::new("dead").unwrap();
    journal.complete(&t, vec![dead]).pending.await.unwrap();
    journal.append_decided(vec![JournalOp::Ended { cut: vec![cut(sequence, plugin(), 1)] }]).await.unwrap();
    let found = journal.next_run();
    let left = &found.sessions[0];
    assert_eq!((left.attempt_for(&plugin()), left.attempt_for(&other)), (1, 0));
    assert!(!left.attachable, "somebody may have been told of its end");

    let mut end = end_op(sequence, &session);
    if let JournalOp::End { owed, .. } = &mut end {
        owed.push(other);
    }
    journal.append(end).await.unwrap();
    journal.append_decided(vec![JournalOp::Ended { cut: vec![] }]).await.unwrap();
    let mut owed: Vec<_> = journal.next_run().deliveries;
    owed.sort_by(|a, b| a.delivery.plugin.cmp(&b.delivery.plugin));
    let owed: Vec<_> = owed.iter().map(|one| (one.delivery.plugin.as_str(), one.attempt, one.failures)).collect();
    assert_eq!(owed, [("memory", 1, 0), ("other", 0, 0)]);
}

pub(super) async fn what_is_released_is_on_record_and_free_for_the_next_run_whoever_holds_it(mut journal: Runs<'_>) {
    let (t, _) = journal.tenants();
    journal.next_run();
    let (sequence, session) = journal.start("ended").await;
    drop(journal.append_decided(vec![end_op(sequence, &session)]));
    drop(journal.complete(&t, vec![completion(sequence, 1, owed_again(true))]));
    assert_eq!(journal.release().await, Ok(()));
    let held = journal.handle();
    let found = journal.next_run();
    let owed: Vec<_> = found.deliveries.iter().map(|one| (one.delivery.sequence, one.failures, one.late)).collect();
    assert_eq!((found.sessions.len(), owed), (0, vec![(sequence, 1, true)]));
    drop(held);
}
