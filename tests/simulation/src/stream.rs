//! A stream of JetStream, as nats-server 2.15 was measured to treat one: what is refused, what is proposed and not yet stored, and what
//! is lost with a leader.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use lastword_jetstream::chain::Heard;
use lastword_jetstream::replay::{Replay, Replayed};
use lastword_jetstream::subjects::{Kind, Subjects};

use crate::network::ServerId;
use crate::reader::Reader;
use crate::request::{Answer, Publish, Reply};

/// "wrong last sequence", also of a subject.
const WRONG_LAST_SEQUENCE: u64 = 10_071;
/// Another message with an expectation of the same subject is under way.
const EXPECTATION_UNDER_WAY: u64 = 10_164;
/// So many messages are kept as they are. What is older is kept as what it has made, in the place of a snapshot.
const KEPT: usize = 256;

#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) subjects: Subjects,
    pub(crate) exists: bool,
    /// What the messages before `messages` have made.
    base: Reader,
    /// Stored, the oldest first.
    messages: VecDeque<(Kind, Bytes)>,
    /// Sequence of the last stored message, and the last stored fence.
    last: u64,
    fence: Option<(u64, Bytes)>,
    /// Taken by the leader and not stored by two servers yet.
    proposed: VecDeque<Proposal>,
    pub(crate) leader: Option<ServerId>,
    /// When the leader was lost, if there is none.
    pub(crate) lost_at: Duration,
    /// Counts the leaders.
    pub(crate) term: u32,
}

#[derive(Debug)]
struct Proposal {
    publish: Publish,
    reply: Reply,
}

impl Stream {
    /// A stream with that leader. Where its messages are `full`, nothing is taken away but by a purge.
    pub(crate) fn new(subjects: Subjects, leader: ServerId, full: bool) -> Self {
        Self {
            subjects,
            exists: false,
            base: Reader::new(full),
            messages: VecDeque::new(),
            last: 0,
            fence: None,
            proposed: VecDeque::new(),
            leader: Some(leader),
            lost_at: Duration::ZERO,
            term: 0,
        }
    }

    /// The sequence of the first message that is kept as it is. What is before it was purged.
    pub(crate) fn first(&self) -> u64 {
        self.base.sequence + 1
    }

    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    pub(crate) fn fence(&self) -> Option<(u64, Bytes)> {
        self.fence.clone()
    }

    pub(crate) fn proposals(&self) -> usize {
        self.proposed.len()
    }

    /// The leader checks a message against what was proposed before, stored or not. Gives the error, or takes it.
    pub(crate) fn propose(&mut self, publish: Publish, mut reply: Reply) -> Result<(), Reply> {
        let last = self.last + self.proposed.len() as u64;
        let fence = self.fence.as_ref().map_or(0, |(sequence, _)| *sequence);
        let refused = |code, description: String| Answer::Heard(Heard::Refused { code, description });
        if publish.last.is_some_and(|expected| expected != last) {
            reply.answer = refused(WRONG_LAST_SEQUENCE, format!("wrong last sequence: {last}"));
            return Err(reply);
        }
        if let Some(expected) = publish.fence {
            let is_under_way =
                |proposal: &Proposal| proposal.publish.fence.is_some() || proposal.publish.kind == Kind::Fence;
            if self.proposed.iter().any(is_under_way) {
                reply.answer = refused(EXPECTATION_UNDER_WAY, "wrong last sequence".to_owned());
                return Err(reply);
            }
            if expected != fence {
                reply.answer = refused(WRONG_LAST_SEQUENCE, format!("wrong last sequence: {fence}"));
                return Err(reply);
            }
        }
        self.proposed.push_back(Proposal { publish, reply });
        Ok(())
    }

    /// The oldest proposal is on two servers. Gives the acknowledgement.
    pub(crate) fn commit(&mut self) -> Result<Option<Reply>, String> {
        let Some(Proposal { publish, mut reply }) = self.proposed.pop_front() else { return Ok(None) };
        self.last += 1;
        let fence = self.fence.as_ref().map_or(0, |(sequence, _)| *sequence);
        if publish.kind == Kind::Group && publish.epoch < fence {
            return Err(format!(
                "a group of epoch {} is stored at {}, behind the fence {fence}",
                publish.epoch, self.last
            ));
        }
        if publish.kind == Kind::Fence {
            self.fence = Some((self.last, publish.body.clone()));
        }
        self.messages.push_back((publish.kind, publish.body));
        while !self.base.only_counts && self.messages.len() > KEPT {
            self.take_first()?;
        }
        reply.answer = Answer::Heard(Heard::Acked { sequence: self.last });
        Ok(Some(reply))
    }

    fn take_first(&mut self) -> Result<(), String> {
        match self.messages.pop_front() {
            Some((kind, body)) => self.base.message(self.base.sequence + 1, kind, &body),
            None => Ok(()),
        }
    }

    /// Takes the messages below that sequence away.
    pub(crate) fn purge(&mut self, below: u64) -> Result<(), String> {
        while self.base.sequence + 1 < below && !self.messages.is_empty() {
            self.take_first()?;
        }
        Ok(())
    }

    /// Reads everything up to this sequence, as a node does.
    pub(crate) fn replay(&self, up_to: u64) -> Result<Replayed, String> {
        let mut replay = Replay::new(self.subjects.clone());
        for (sequence, (kind, body)) in (self.base.sequence + 1..=up_to).zip(&self.messages) {
            replay.message(sequence, self.subjects.of(*kind), body).map_err(|error| error.to_string())?;
        }
        replay.finish().map_err(|error| error.to_string())
    }

    /// The leader is gone, and with it a part of what it had taken.
    pub(crate) fn lose_leader(&mut self, now: Duration, random: &mut fastrand::Rng) -> Result<(), String> {
        self.leader = None;
        self.lost_at = now;
        self.term += 1;
        // Of what it had taken, the next leader has the first so many. Nobody is told.
        for _ in 0..random.usize(0..=self.proposed.len()) {
            self.commit()?;
        }
        self.proposed.clear();
        Ok(())
    }

    /// Nothing is left of it. One that is made again begins anew.
    pub(crate) fn delete(&mut self) {
        let (subjects, full) = (self.subjects.clone(), self.base.only_counts);
        let (leader, lost_at, term) = (self.leader, self.lost_at, self.term);
        *self = Self { leader, lost_at, term, ..Self::new(subjects, 0, full) };
    }

    /// The stored message with this sequence; `None` also for one that is not kept as it is.
    pub(crate) fn message(&self, sequence: u64) -> Option<(String, Bytes)> {
        let place = usize::try_from(sequence.checked_sub(self.base.sequence + 1)?).ok()?;
        let (kind, body) = self.messages.get(place)?;
        Some((self.subjects.of(*kind).to_owned(), body.clone()))
    }

    /// Reads everything up to this sequence.
    pub(crate) fn read(&self, up_to: u64) -> Result<Reader, String> {
        let mut reader = self.base.clone();
        for (kind, body) in &self.messages {
            if reader.sequence >= up_to {
                break;
            }
            reader.message(reader.sequence + 1, *kind, body)?;
        }
        if reader.sequence < up_to { Err(format!("nothing to read at {up_to}")) } else { Ok(reader) }
    }
}
