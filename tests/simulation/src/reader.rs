//! A journal as its stream has it: what a node finds that takes it over.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};

use bytes::Bytes;
use lastword_jetstream::group::{Group, chain_hash};
use lastword_jetstream::subjects::Kind;

use crate::ledger::SessionId;

/// A record of the simulation: one byte that says what, and the numbers of sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Started = 1,
    Ended = 2,
    Delivered = 3,
}

/// The record of what happened to sessions.
pub(crate) fn record(what: What, sessions: &[SessionId]) -> Vec<u8> {
    let mut record = Vec::with_capacity(1 + 4 * sessions.len());
    record.push(what as u8);
    for session in sessions {
        record.extend_from_slice(&session.to_le_bytes());
    }
    record
}

/// The messages of a stream, read in their order, as `lastword_jetstream::replay` reads them, with a state that has only the numbers of
/// sessions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reader {
    /// Active sessions (`false`), and those whose end is on record (`true`).
    sessions: HashMap<SessionId, bool, BuildHasherDefault<DefaultHasher>>,
    /// The last fence's sequence.
    pub(crate) epoch: u64,
    /// The last message's.
    pub(crate) sequence: u64,
    pub(crate) hash: u64,
    pub(crate) number: u64,
    /// Records until now.
    pub(crate) records: u64,
    /// Groups of an older epoch behind a fence.
    pub(crate) stale: u64,
    /// Whether records are only counted, because `lastword_jetstream::replay` reads them.
    pub(crate) only_counts: bool,
}

impl Reader {
    /// A reader of nothing yet, that counts records only or knows what they say.
    pub(crate) fn new(only_counts: bool) -> Self {
        Self { only_counts, ..Self::default() }
    }

    /// Reads the next message. Gives what is wrong with it, if anything is.
    pub(crate) fn message(&mut self, sequence: u64, kind: Kind, body: &Bytes) -> Result<(), String> {
        if sequence != self.sequence + 1 {
            return Err(format!("sequence {sequence} follows {}", self.sequence));
        }
        self.sequence = sequence;
        let group = Group::decode(body).map_err(|error| format!("sequence {sequence}: {error}"))?;
        if kind == Kind::Fence {
            self.epoch = sequence;
            self.hash = chain_hash(self.hash, body);
            return Ok(());
        }
        if group.epoch != self.epoch {
            self.stale += 1;
            return Ok(());
        }
        if group.previous != self.hash || group.number != self.number + 1 {
            return Err(format!("sequence {sequence} is not chained to what is before it"));
        }
        self.hash = chain_hash(self.hash, body);
        self.number = group.number;
        if kind == Kind::Chunk {
            return Ok(());
        }
        for record in &group.records {
            self.records += 1;
            if self.only_counts {
                continue;
            }
            self.apply(record).ok_or_else(|| format!("sequence {sequence} has a record that is none"))?;
        }
        Ok(())
    }

    fn apply(&mut self, record: &[u8]) -> Option<()> {
        let (what, sessions) = record.split_first()?;
        for session in sessions.chunks_exact(4) {
            let session = SessionId::from_le_bytes(session.try_into().ok()?);
            match what {
                1 => drop(self.sessions.insert(session, false)),
                2 => drop(self.sessions.insert(session, true)),
                3 => drop(self.sessions.remove(&session)),
                _ => return None,
            }
        }
        Some(())
    }

    /// Sessions that are active, and those whose end is owed, each in their order.
    pub(crate) fn owed(&self) -> (Vec<SessionId>, Vec<SessionId>) {
        let of = |wanted: bool| {
            let mut sessions: Vec<SessionId> =
                self.sessions.iter().filter(|(_, ended)| **ended == wanted).map(|(session, _)| *session).collect();
            sessions.sort_unstable();
            sessions
        };
        (of(false), of(true))
    }
}
