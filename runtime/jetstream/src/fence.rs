//! Taking a journal over: a fence is appended, and from then on the stream refuses whoever wrote before.

use std::time::Duration;

use bytes::Bytes;
use lastword_events::Timestamp;

use crate::chain::Heard;
use crate::connect::pause;
use crate::error::ClusterError;
use crate::group::Group;
use crate::limits::{NO_LEADER_AGAIN, NO_LEADER_FOR};
use crate::record::{FORMAT, FenceRecord};
use crate::stream::JournalStream;
use crate::subjects::Kind;
use crate::sync::Instant;

/// How long one fence waits for its acknowledgement.
const WAIT: Duration = Duration::from_secs(2);
/// The time between two tries against a writer that is at work: its message is under way for most of a millisecond, then there is room.
const COLLIDED_AGAIN: Duration = Duration::from_millis(2);
/// "wrong last sequence", also of the subject.
const WRONG_LAST_SEQUENCE: u64 = 10_071;
/// Another message with an expectation is under way.
const EXPECTATION_UNDER_WAY: u64 = 10_164;
/// JetStream, or the server that was asked, cannot answer just now. 0 is an answer that is none.
const UNAVAILABLE: [u64; 5] = [0, 503, 10_008, 10_009, 10_039];

/// The record of a new fence.
pub(crate) fn record(by: &str, begins_run: bool) -> FenceRecord {
    let mut nonce = [0; 8];
    // Without random bytes the time tells fences apart.
    getrandom::fill(&mut nonce).ok();
    FenceRecord {
        format: FORMAT,
        begins_run,
        by: by.to_owned(),
        nonce: u64::from_le_bytes(nonce),
        at: Timestamp::now(),
    }
}

/// Appends a fence with which a run begins. Gives its sequence, which is the run's epoch. `is_wanted` is asked right before each try: the
/// servers may have taken long to answer, and a fence that comes late stops whoever has the journal rightly by then.
pub(crate) async fn append(
    stream: &JournalStream,
    record: &FenceRecord,
    is_wanted: &dyn Fn() -> bool,
) -> Result<u64, ClusterError> {
    let until = Instant::now() + NO_LEADER_FOR;
    let mut before = sequence_of(stream.last_fence().await?.as_ref());
    loop {
        let body = body(record, before)?;
        let headers = vec![
            ("Nats-Expected-Stream", stream.subjects().stream.clone()),
            ("Nats-Expected-Last-Subject-Sequence", before.to_string()),
        ];
        if !is_wanted() {
            return Err(ClusterError::NotWanted(stream.name()));
        }
        let heard = stream.publish(stream.subjects().fence.clone(), headers, body.clone(), WAIT).await;
        if let Heard::Acked { sequence } = heard {
            return Ok(sequence);
        }
        // Whatever the answer: what is in the stream decides.
        let last = stream.last_fence().await?;
        match &last {
            Some((sequence, found)) if *found == body => return Ok(*sequence),
            Some((sequence, found)) if *sequence != before => {
                // The writer has renewed its own fence just now. It is as it was: a writer that has to be fenced.
                if !is_renewal_of(found, before) {
                    return Err(ClusterError::TakenByAnother(stream.name()));
                }
                before = *sequence;
            }
            _ => {
                let again = match heard {
                    Heard::Refused { code: WRONG_LAST_SEQUENCE | EXPECTATION_UNDER_WAY, .. } => COLLIDED_AGAIN,
                    Heard::Refused { code, description } if !UNAVAILABLE.contains(&code) => {
                        return Err(ClusterError::request("take a fence", format!("{description} ({code})")));
                    }
                    Heard::TooLarge => {
                        return Err(ClusterError::request("take a fence", "the servers take only small messages"));
                    }
                    _ => NO_LEADER_AGAIN,
                };
                if Instant::now() > until {
                    return Err(ClusterError::request(
                        "take a fence",
                        "nothing was acknowledged: the stream has no leader or no quorum",
                    ));
                }
                pause(again).await;
            }
        }
    }
}

fn sequence_of(fence: Option<&(u64, Bytes)>) -> u64 {
    fence.map_or(0, |(sequence, _)| *sequence)
}

fn body(record: &FenceRecord, before: u64) -> Result<Bytes, ClusterError> {
    let record = record.encode().map_err(|error| ClusterError::request("take a fence", error))?;
    let records = vec![Bytes::from(record)];
    let group =
        Group { kind: Kind::Fence, epoch: before, number: 0, previous: 0, continued: false, continues: false, records };
    Ok(group.encode())
}

/// Looks whether a fence can be read, and is of a form that this program knows, before another one is appended behind it.
pub(crate) fn check(stream: &JournalStream, sequence: u64, body: &Bytes) -> Result<(), ClusterError> {
    let damaged = |why: &dyn std::fmt::Display| ClusterError::Damaged {
        name: stream.name(),
        why: format!("the fence at sequence {sequence} cannot be read: {why}"),
    };
    let group = Group::decode(body).map_err(|error| damaged(&error))?;
    let record = group.records.first().ok_or_else(|| damaged(&"it has no record"))?;
    // A later form is no damage: a newer program reads it.
    FenceRecord::decode(record)
        .map(drop)
        .map_err(|error| ClusterError::request("give a journal that can be read", error))
}

/// Whether this is a fence that the writer behind the fence `before` has renewed.
fn is_renewal_of(body: &Bytes, before: u64) -> bool {
    let Ok(group) = Group::decode(body) else { return false };
    let record = group.records.first().and_then(|record| FenceRecord::decode(record).ok());
    group.epoch == before && record.is_some_and(|record| !record.begins_run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_next_fence_of_the_same_writer_is_a_renewal() {
        let fence = |begins_run, before| body(&record("n1", begins_run), before).unwrap();
        assert!(is_renewal_of(&fence(false, 7), 7));
        assert!(!is_renewal_of(&fence(true, 7), 7));
        assert!(!is_renewal_of(&fence(false, 8), 7));
        assert!(!is_renewal_of(&Bytes::from_static(b"something else"), 7));
    }

    #[test]
    fn no_two_fences_are_the_same() {
        assert_ne!(record("n1", true).nonce, record("n1", true).nonce);
    }
}
