//! A stream of NATS JetStream, as nats-server 2.15 was measured to treat one: what is refused, what is proposed and not yet stored, and what
//! is lost with a leader.
//!
//! It has no clock, and does nothing by itself: `tests/simulation` drives it in virtual time, and `tests/schedules` in the order that a
//! scheduler draws.

#![forbid(unsafe_code)]

mod publish;

use std::collections::VecDeque;

use bytes::Bytes;
use lastword_jetstream::chain::Heard;
use lastword_jetstream::subjects::Kind;

pub use self::publish::Publish;

/// "wrong last sequence", also of a subject.
const WRONG_LAST_SEQUENCE: u64 = 10_071;
/// Another message with an expectation of the same subject is under way.
const EXPECTATION_UNDER_WAY: u64 = 10_164;

/// The messages of a journal's stream, and those that its leader has taken and that are not stored yet. With each of the latter comes
/// whoever waits for its acknowledgement.
#[derive(Debug)]
pub struct Stream<Waits> {
    /// Stored, the oldest first.
    messages: VecDeque<(Kind, Bytes)>,
    /// The sequence of the last stored message.
    last: u64,
    /// The last stored fence, unless a purge has taken it away.
    fence: Option<(u64, Bytes)>,
    /// Taken by the leader and not stored by two servers yet.
    proposed: VecDeque<(Publish, Waits)>,
}

impl<Waits> Default for Stream<Waits> {
    fn default() -> Self {
        Self { messages: VecDeque::new(), last: 0, fence: None, proposed: VecDeque::new() }
    }
}

impl<Waits> Stream<Waits> {
    /// The leader checks a message against what was proposed before, stored or not.
    ///
    /// # Errors
    /// The refusal, for whoever waits. Otherwise the message is proposed, and [`commit`](Self::commit) gives the acknowledgement.
    pub fn propose(&mut self, publish: Publish, waits: Waits) -> Result<(), (Heard, Waits)> {
        let proposed = u64::try_from(self.proposed.len()).unwrap_or(u64::MAX);
        let last = self.last.saturating_add(proposed);
        let refused = |code, description: String| Heard::Refused { code, description };
        if publish.last.is_some_and(|expected| expected != last) {
            return Err((refused(WRONG_LAST_SEQUENCE, format!("wrong last sequence: {last}")), waits));
        }
        if let Some(expected) = publish.fence {
            let is_under_way = |(other, _): &(Publish, Waits)| other.fence.is_some() || other.kind == Kind::Fence;
            if self.proposed.iter().any(is_under_way) {
                return Err((refused(EXPECTATION_UNDER_WAY, "wrong last sequence".to_owned()), waits));
            }
            let fence = self.fence_sequence();
            if expected != fence {
                return Err((refused(WRONG_LAST_SEQUENCE, format!("wrong last sequence: {fence}")), waits));
            }
        }
        self.proposed.push_back((publish, waits));
        Ok(())
    }

    /// The oldest proposal is on two servers. Gives the acknowledgement, for whoever waits.
    ///
    /// # Errors
    /// When it is a group of an older epoch behind a fence: no stream of ours may ever have one.
    pub fn commit(&mut self) -> Result<Option<(Heard, Waits)>, String> {
        let Some((publish, waits)) = self.proposed.pop_front() else { return Ok(None) };
        self.last += 1;
        let (sequence, fence) = (self.last, self.fence_sequence());
        if publish.kind == Kind::Group && publish.epoch < fence {
            return Err(format!(
                "a group of epoch {} is stored at {sequence}, behind the fence {fence}",
                publish.epoch
            ));
        }
        if publish.kind == Kind::Fence {
            self.fence = Some((sequence, publish.body.clone()));
        }
        self.messages.push_back((publish.kind, publish.body));
        Ok(Some((Heard::Acked { sequence }, waits)))
    }

    /// The leader is gone, and with it what was proposed, except the first `stored` of it: the next leader has these. Nobody is told.
    ///
    /// # Errors
    /// As of [`commit`](Self::commit).
    pub fn lose_leader(&mut self, stored: usize) -> Result<(), String> {
        for _ in 0..stored {
            self.commit()?;
        }
        self.proposed.clear();
        Ok(())
    }

    /// Takes the messages below this sequence away, and gives them.
    pub fn purge(&mut self, below: u64) -> impl Iterator<Item = (Kind, Bytes)> + use<Waits> {
        if self.fence_sequence() < below {
            self.fence = None;
        }
        let purged = usize::try_from(below.saturating_sub(self.first())).unwrap_or(usize::MAX);
        self.messages.drain(..purged.min(self.messages.len())).collect::<Vec<_>>().into_iter()
    }

    /// Gives the first message, which the caller keeps in another form. The servers still have it.
    pub fn take_first(&mut self) -> Option<(Kind, Bytes)> {
        self.messages.pop_front()
    }

    /// The sequence of the first message that is there; one more than that of the last one if none is.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.last + 1 - u64::try_from(self.messages.len()).unwrap_or(u64::MAX)
    }

    /// The sequence of the last message; 0 if there was none.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The last fence: its sequence and its body.
    #[must_use]
    pub fn fence(&self) -> Option<&(u64, Bytes)> {
        self.fence.as_ref()
    }

    /// How many messages are proposed and not stored.
    #[must_use]
    pub fn proposals(&self) -> usize {
        self.proposed.len()
    }

    /// The message with this sequence, if it is there.
    #[must_use]
    pub fn message(&self, sequence: u64) -> Option<&(Kind, Bytes)> {
        self.messages.get(usize::try_from(sequence.checked_sub(self.first())?).ok()?)
    }

    /// The messages that are there, the oldest first.
    pub fn messages(&self) -> impl Iterator<Item = (u64, &(Kind, Bytes))> {
        (self.first()..).zip(&self.messages)
    }

    fn fence_sequence(&self) -> u64 {
        self.fence.as_ref().map_or(0, |(sequence, _)| *sequence)
    }
}

#[cfg(test)]
mod tests;
