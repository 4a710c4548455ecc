//! A journal's stream in a run: the rules are [`lastword_stream`]'s; here it has a leader, and what is old takes less room.

use std::time::Duration;

use bytes::Bytes;
use lastword_jetstream::replay::{Replay, Replayed};
use lastword_jetstream::subjects::Subjects;

use crate::network::ServerId;
use crate::reader::Reader;
use crate::request::{Answer, Publish, Reply};

/// So many messages are kept as they are. What is older is kept as what it has made, in the place of a snapshot.
const KEPT: u64 = 256;

#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) subjects: Subjects,
    pub(crate) exists: bool,
    /// What the messages before those of `stream` have made.
    base: Reader,
    stream: lastword_stream::Stream<Reply>,
    pub(crate) leader: Option<ServerId>,
    /// When the leader was lost, if there is none.
    pub(crate) lost_at: Duration,
    /// Counts the leaders.
    pub(crate) term: u32,
}

impl Stream {
    /// A stream with that leader. Where its messages are `full`, nothing is taken away but by a purge.
    pub(crate) fn new(subjects: Subjects, leader: ServerId, full: bool) -> Self {
        Self {
            subjects,
            exists: false,
            base: Reader::new(full),
            stream: lastword_stream::Stream::default(),
            leader: Some(leader),
            lost_at: Duration::ZERO,
            term: 0,
        }
    }

    /// The sequence of the first message that is kept as it is. What is before it was purged.
    pub(crate) fn first(&self) -> u64 {
        self.stream.first()
    }

    pub(crate) fn last(&self) -> u64 {
        self.stream.last()
    }

    pub(crate) fn fence(&self) -> Option<(u64, Bytes)> {
        self.stream.fence().cloned()
    }

    pub(crate) fn proposals(&self) -> usize {
        self.stream.proposals()
    }

    /// Gives the error, or takes the message.
    pub(crate) fn propose(&mut self, publish: Publish, reply: Reply) -> Result<(), Reply> {
        self.stream.propose(publish, reply).map_err(|(heard, reply)| Reply { answer: Answer::Heard(heard), ..reply })
    }

    /// The oldest proposal is on two servers. Gives the acknowledgement.
    pub(crate) fn commit(&mut self) -> Result<Option<Reply>, String> {
        let stored = self.stream.commit()?;
        while !self.base.only_counts && self.last() - self.base.sequence > KEPT {
            let Some((kind, body)) = self.stream.take_first() else { break };
            self.base.message(self.base.sequence + 1, kind, &body)?;
        }
        Ok(stored.map(|(heard, reply)| Reply { answer: Answer::Heard(heard), ..reply }))
    }

    /// Takes the messages below that sequence away.
    pub(crate) fn purge(&mut self, below: u64) -> Result<(), String> {
        for (kind, body) in self.stream.purge(below) {
            self.base.message(self.base.sequence + 1, kind, &body)?;
        }
        Ok(())
    }

    /// Reads everything up to this sequence, as a node does.
    pub(crate) fn replay(&self, up_to: u64) -> Result<Replayed, String> {
        let mut replay = Replay::new(self.subjects.clone());
        for (sequence, (kind, body)) in self.stream.messages().take_while(|(sequence, _)| *sequence <= up_to) {
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
        for _ in 0..random.usize(0..=self.proposals()) {
            self.commit()?;
        }
        self.stream.lose_leader(0)
    }

    /// Nothing is left of it. One that is made again begins anew.
    pub(crate) fn delete(&mut self) {
        let (subjects, full) = (self.subjects.clone(), self.base.only_counts);
        let (leader, lost_at, term) = (self.leader, self.lost_at, self.term);
        *self = Self { leader, lost_at, term, ..Self::new(subjects, 0, full) };
    }

    /// The stored message with this sequence; `None` also for one that is not kept as it is.
    pub(crate) fn message(&self, sequence: u64) -> Option<(String, Bytes)> {
        let (kind, body) = self.stream.message(sequence)?;
        Some((self.subjects.of(*kind).to_owned(), body.clone()))
    }

    /// Reads everything up to this sequence.
    pub(crate) fn read(&self, up_to: u64) -> Result<Reader, String> {
        let mut reader = self.base.clone();
        for (sequence, (kind, body)) in self.stream.messages().take_while(|(sequence, _)| *sequence <= up_to) {
            reader.message(sequence, *kind, body)?;
        }
        if reader.sequence < up_to { Err(format!("nothing to read at {up_to}")) } else { Ok(reader) }
    }
}
