//! The state of a journal, made of the messages of its stream.
//!
//! A stream begins with a fence. If its sequence is 1, the journal was empty then, and all records are there. If not, a purge has taken away
//! what was before, and behind the fence is a snapshot of it. Snapshots further on are not needed: the records before them are there too.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use lastword_journal::JournalError;
use thiserror::Error;

use crate::chain::Position;
use crate::group::{Group, chain_hash};
use crate::record::{FenceRecord, Record};
use crate::snapshot::{ChunkHead, SnapshotReader};
use crate::state::State;
use crate::subjects::{Kind, Subjects};

/// Reads the messages of a stream in their order.
#[derive(Debug)]
pub struct Replay {
    subjects: Subjects,
    /// Its sequence is 0 before the first message.
    position: Position,
    start: Start,
    /// The beginning of a record whose rest is in the next group.
    unfinished: Option<Vec<u8>>,
    tail_bytes: u64,
    /// Of the last complete snapshot.
    snapshot_bytes: u64,
    purge_below: Option<u64>,
    /// The snapshot behind the last fence, as far as it was read.
    latest: Latest,
    stale: u64,
    unfinished_records: u64,
    read: Read,
}

/// What the state begins with.
#[derive(Debug)]
enum Start {
    /// The state is complete, up to the last record.
    State(Box<State>),
    /// The snapshot that the state begins with is incomplete. Records behind its fence wait for it.
    Snapshot(Box<SnapshotReader>, Vec<Record>),
}

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct Read {
    /// The sequence of the first message; 0 if there was none.
    pub first_sequence: u64,
    /// Groups that count, which are those of the state.
    pub groups: u64,
    /// Bytes of all messages, without their headers.
    pub bytes: u64,
    /// The node that has written the last fence.
    pub by: String,
}

/// Sizes since the last fence.
#[derive(Clone, Copy, Debug, Default)]
struct Latest {
    snapshot_bytes: u64,
    tail_bytes: u64,
}

/// What the messages have made.
#[derive(Debug)]
pub struct Replayed {
    /// The state.
    pub state: State,
    /// Where the chain goes on.
    pub position: Position,
    /// Bytes of the groups after the last complete snapshot, for [`Chain::with_tail`](crate::chain::Chain::with_tail).
    pub tail_bytes: u64,
    /// The size of that snapshot; 0 if there is none.
    pub snapshot_bytes: u64,
    /// Messages below this sequence can be purged, because a complete snapshot has all of them.
    pub purge_below: Option<u64>,
    /// Groups and chunks of an older epoch behind a fence, which do not count.
    pub stale: u64,
    /// Records of which a part is missing at their run's end. Nobody was told that they are durable.
    pub unfinished: u64,
    /// What was read.
    pub read: Read,
}

/// A stream that cannot be read as a journal.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the stream {stream} is damaged at sequence {sequence}: {why}")]
pub struct ReplayError {
    /// The stream.
    pub stream: String,
    /// The sequence of the message. Where one is missing, the first that is. 0 if there is none at all.
    pub sequence: u64,
    /// What is wrong.
    pub why: String,
}

impl From<ReplayError> for JournalError {
    fn from(error: ReplayError) -> Self {
        Self::Damaged(error.to_string())
    }
}

impl Replay {
    /// Nothing was read yet.
    #[must_use]
    pub fn new(subjects: Subjects) -> Self {
        Self {
            subjects,
            position: Position { epoch: 0, last_sequence: 0, hash: 0, number: 0 },
            start: Start::State(Box::default()),
            unfinished: None,
            tail_bytes: 0,
            snapshot_bytes: 0,
            purge_below: None,
            latest: Latest::default(),
            stale: 0,
            unfinished_records: 0,
            read: Read::default(),
        }
    }

    /// Reads the next message.
    ///
    /// # Errors
    /// When a message is missing before it, or it is damaged. Then nothing more can be read.
    pub fn message(&mut self, sequence: u64, subject: &str, body: &Bytes) -> Result<(), ReplayError> {
        let last = self.position.last_sequence;
        if last != 0 && sequence != last + 1 {
            return Err(self.error(last + 1, format!("the message behind {last} has the sequence {sequence}")));
        }
        self.take(sequence, subject, body).map_err(|why| self.error(sequence, why))?;
        if last == 0 {
            self.read.first_sequence = sequence;
        }
        self.read.bytes = self.read.bytes.saturating_add(u64::try_from(body.len()).unwrap_or(u64::MAX));
        self.position.last_sequence = sequence;
        Ok(())
    }

    /// What is wrong when the stream says that it goes on up to the sequence `until`, and does not have the message behind the last one that
    /// was read.
    #[must_use]
    pub fn missing(&self, until: u64) -> ReplayError {
        let next = self.position.last_sequence + 1;
        self.error(next, format!("it is missing, and the stream has messages up to {until}"))
    }

    /// All messages were read.
    ///
    /// # Errors
    /// When there was none, or the snapshot with which the stream begins is incomplete.
    pub fn finish(mut self) -> Result<Replayed, ReplayError> {
        let last = self.position.last_sequence;
        if last == 0 {
            return Err(self.error(0, "it is empty, and a journal begins with a fence".to_owned()));
        }
        self.drop_unfinished();
        let state = match self.start {
            Start::State(state) => *state,
            Start::Snapshot(..) => {
                let (stream, why) = (self.subjects.stream, INCOMPLETE.to_owned());
                return Err(ReplayError { stream, sequence: last + 1, why });
            }
        };
        Ok(Replayed {
            state,
            position: self.position,
            tail_bytes: self.tail_bytes,
            snapshot_bytes: self.snapshot_bytes,
            purge_below: self.purge_below,
            stale: self.stale,
            unfinished: self.unfinished_records,
            read: self.read,
        })
    }

    fn error(&self, sequence: u64, why: String) -> ReplayError {
        ReplayError { stream: self.subjects.stream.clone(), sequence, why }
    }

    fn take(&mut self, sequence: u64, subject: &str, body: &Bytes) -> Result<(), String> {
        let kind = self.subjects.kind(subject);
        let kind = kind.ok_or_else(|| format!("its subject {subject:?} is none of this journal"))?;
        let group = Group::decode(body).map_err(|error| error.to_string())?;
        if group.kind != kind {
            return Err(format!("it is a {}, on the subject of a {kind}", group.kind));
        }
        if kind == Kind::Fence {
            return self.fence(sequence, &group, body);
        }
        let Position { epoch, number, hash, .. } = self.position;
        if epoch == 0 {
            return Err(format!("the stream begins with a {kind}, and not with a fence"));
        }
        if group.epoch < epoch {
            self.stale += 1;
            return Ok(());
        }
        if group.epoch > epoch {
            return Err(format!("it is of the epoch {}, whose fence is missing: the last one is {epoch}", group.epoch));
        }
        if group.number != number + 1 {
            return Err(format!("its number is {}, and the one before it has {number}", group.number));
        }
        if group.previous != hash {
            return Err(format!("what is before it has the hash {hash:016x}, and had {:016x}", group.previous));
        }
        let bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
        match kind {
            Kind::Chunk => self.chunk(&group, bytes)?,
            Kind::Group | Kind::Fence => self.group(group, bytes)?,
        }
        self.position.number += 1;
        self.position.hash = chain_hash(hash, body);
        Ok(())
    }

    fn fence(&mut self, sequence: u64, group: &Group, body: &Bytes) -> Result<(), String> {
        let [record] = &*group.records else {
            return Err(format!("a fence has one record, and this one has {}", group.records.len()));
        };
        let fence = FenceRecord::decode(record).map_err(|error| error.to_string())?;
        let Position { epoch, number, hash, .. } = self.position;
        let is_first = epoch == 0;
        if is_first && sequence > 1 && !fence.begins_run {
            // What is before it is in the snapshot that follows.
            self.start = Start::Snapshot(Box::default(), Vec::new());
            (self.position.number, self.position.hash) = (group.number, group.previous);
        } else {
            if is_first && sequence > 1 {
                return Err(format!("the messages before {sequence} are missing, and no snapshot has them"));
            }
            if is_first && !fence.begins_run {
                return Err("the first fence of a journal begins a run, and this one does not".to_owned());
            }
            if group.epoch != epoch {
                return Err(format!("the fence before it was {}, and is {epoch}", group.epoch));
            }
            if matches!(self.start, Start::Snapshot(..)) {
                return Err(INCOMPLETE.to_owned());
            }
            if !fence.begins_run && (group.number, group.previous) != (number, hash) {
                let was = (group.number, group.previous);
                return Err(format!(
                    "before it are {number} groups with the hash {hash:016x}, and there were {} with {:016x}",
                    was.0, was.1
                ));
            }
        }
        if fence.begins_run {
            self.drop_unfinished();
            if let Start::State(state) = &mut self.start {
                state.begin_run();
            }
        } else if self.unfinished.is_some() {
            return Err("the rest of a record is missing before it".to_owned());
        }
        self.position.epoch = sequence;
        self.position.hash = chain_hash(self.position.hash, body);
        self.read.by = fence.by;
        self.latest = Latest { snapshot_bytes: u64::try_from(body.len()).unwrap_or(u64::MAX), tail_bytes: 0 };
        Ok(())
    }

    fn group(&mut self, group: Group, bytes: u64) -> Result<(), String> {
        match (group.continued, &self.unfinished) {
            (true, None) => return Err("it begins with the rest of a record whose beginning is missing".to_owned()),
            (false, Some(_)) => return Err("the rest of a record is missing before it".to_owned()),
            _ => (),
        }
        let count = group.records.len();
        for (n, bytes) in (1..).zip(group.records) {
            if n == count && group.continues {
                self.unfinished.get_or_insert_default().extend_from_slice(&bytes);
                break;
            }
            let record = match self.unfinished.take() {
                Some(mut beginning) => {
                    beginning.extend_from_slice(&bytes);
                    Record::decode(&beginning)
                }
                None => Record::decode(&bytes),
            };
            let mut record = record.map_err(|error| format!("record {n}: {error}"))?;
            match &mut self.start {
                // The answer was given when the record was written.
                Start::State(state) => drop(state.apply(&mut record)),
                Start::Snapshot(_, later) => later.push(record),
            }
        }
        self.read.groups += 1;
        self.tail_bytes = self.tail_bytes.saturating_add(bytes);
        self.latest.tail_bytes = self.latest.tail_bytes.saturating_add(bytes);
        Ok(())
    }

    fn chunk(&mut self, group: &Group, bytes: u64) -> Result<(), String> {
        let [head, rows] = &*group.records else {
            return Err(format!("a chunk has two records, and this one has {}", group.records.len()));
        };
        let head = ChunkHead::decode(head).map_err(|error| error.to_string())?;
        self.latest.snapshot_bytes = self.latest.snapshot_bytes.saturating_add(bytes);
        if let Start::Snapshot(reader, later) = &mut self.start
            && reader.chunk(&head, rows).map_err(|error| error.to_string())?
        {
            let mut state = std::mem::take(&mut **reader).into_state();
            later.iter_mut().for_each(|record| drop(state.apply(record)));
            self.start = Start::State(Box::new(state));
        }
        if head.total.is_some() {
            let Latest { snapshot_bytes, tail_bytes } = self.latest;
            (self.snapshot_bytes, self.tail_bytes) = (snapshot_bytes, tail_bytes);
            self.purge_below = Some(self.position.epoch);
        }
        Ok(())
    }

    /// The run is over without the rest of a record.
    fn drop_unfinished(&mut self) {
        if self.unfinished.take().is_some() {
            self.unfinished_records += 1;
        }
    }
}

const INCOMPLETE: &str = "the snapshot with which the stream begins is incomplete, and what is before it is gone";
