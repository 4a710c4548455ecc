//! A stream as JetStream keeps one, for tests: expectations, purges, and a limit of a message's size.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use crate::chain::{Action, Chain, Effect, Heard};
use crate::group::Group;
use crate::record::{FORMAT, FenceRecord};
use crate::replay::{Replay, ReplayError, Replayed};
use crate::subjects::{Kind, Subjects};

pub(crate) type Headers = Vec<(&'static str, String)>;

/// A message that was published.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    pub(crate) subject: String,
    pub(crate) headers: Headers,
    pub(crate) body: Bytes,
}

#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) subjects: Subjects,
    /// The sequence of the first message that is there.
    pub(crate) first: u64,
    pub(crate) messages: VecDeque<(String, Bytes)>,
    /// Every message that was ever stored.
    pub(crate) archive: Vec<(String, Bytes)>,
    pub(crate) max_payload: usize,
}

pub(crate) fn subjects() -> Subjects {
    Subjects::new("LW", "abcdefgh".parse().unwrap())
}

pub(crate) fn fence(begins_run: bool, nonce: u64) -> FenceRecord {
    let at = lastword_events::Timestamp::from_millisecond(0);
    FenceRecord { format: FORMAT, begins_run, by: "n1".to_owned(), nonce, at }
}

impl Stream {
    /// An empty stream.
    pub(crate) fn new() -> Self {
        let (messages, archive) = (VecDeque::new(), Vec::new());
        Self { subjects: subjects(), first: 1, messages, archive, max_payload: usize::MAX }
    }

    pub(crate) fn last(&self) -> u64 {
        self.first + u64::try_from(self.messages.len()).unwrap() - 1
    }

    pub(crate) fn get(&self, sequence: u64) -> Option<&(String, Bytes)> {
        self.messages.get(usize::try_from(sequence.checked_sub(self.first)?).unwrap())
    }

    fn last_of(&self, subject: &str) -> u64 {
        let found = (self.first..=self.last()).rev().find(|sequence| self.get(*sequence).unwrap().0 == subject);
        found.unwrap_or(0)
    }

    pub(crate) fn publish(&mut self, Published { subject, headers, body }: &Published) -> Heard {
        if body.len() > self.max_payload {
            return Heard::TooLarge;
        }
        let header = |name: &str| headers.iter().find(|(of, _)| *of == name).map(|(_, value)| value.as_str());
        let refused = |last: u64| Heard::Refused { code: 10_071, description: format!("wrong last sequence: {last}") };
        assert_eq!(header("Nats-Expected-Stream"), Some("LW_J_abcdefgh"));
        if let Some(expected) = header("Nats-Expected-Last-Sequence")
            && expected != self.last().to_string()
        {
            return refused(self.last());
        }
        let of = header("Nats-Expected-Last-Subject-Sequence-Subject").unwrap_or(subject);
        if let Some(expected) = header("Nats-Expected-Last-Subject-Sequence")
            && expected != self.last_of(of).to_string()
        {
            return refused(self.last_of(of));
        }
        self.store(subject, body);
        Heard::Acked { sequence: self.last() }
    }

    /// Without expectations.
    pub(crate) fn store(&mut self, subject: &str, body: &Bytes) {
        self.messages.push_back((subject.to_owned(), body.clone()));
        self.archive.push((subject.to_owned(), body.clone()));
    }

    /// Appends a fence with which a run begins. Gives its sequence.
    pub(crate) fn take_over(&mut self, nonce: u64) -> u64 {
        let (subject, epoch) = (self.subjects.fence.clone(), self.last_of(&self.subjects.fence));
        self.store(&subject, &fence_body(epoch, true, nonce));
        self.last()
    }

    pub(crate) fn purge_below(&mut self, sequence: u64) {
        while self.first < sequence && self.messages.pop_front().is_some() {
            self.first += 1;
        }
    }

    pub(crate) fn answer(&mut self, action: Action) -> Heard {
        match action {
            Action::Publish { subject, headers, body, .. } => self.publish(&Published { subject, headers, body }),
            Action::Look { sequence, .. } => Heard::Found { sequence, message: self.get(sequence).cloned() },
            Action::Info { .. } => Heard::Info { first_sequence: self.first, last_sequence: self.last() },
        }
    }

    /// Lets the chain write until nothing waits.
    pub(crate) fn write(&mut self, chain: &mut Chain) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some(action) = chain.next(Duration::ZERO) {
            let heard = self.answer(action);
            effects.extend(chain.heard(heard, Duration::ZERO));
        }
        effects
    }

    pub(crate) fn replay(&self) -> Result<Replayed, ReplayError> {
        replay((self.first..).zip(&self.messages))
    }
}

pub(crate) fn fence_body(epoch: u64, begins_run: bool, nonce: u64) -> Bytes {
    let records = vec![fence(begins_run, nonce).encode().unwrap().into()];
    let (kind, number, previous) = (Kind::Fence, 0, 0);
    Group { kind, epoch, number, previous, continued: false, continues: false, records }.encode()
}

pub(crate) fn replay<'a>(messages: impl Iterator<Item = (u64, &'a (String, Bytes))>) -> Result<Replayed, ReplayError> {
    let mut replay = Replay::new(subjects());
    for (sequence, (subject, body)) in messages {
        replay.message(sequence, subject, body)?;
    }
    replay.finish()
}
