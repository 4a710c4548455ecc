//! The state of a journal, made of the messages of its stream.

use bytes::Bytes;
use lastword_journal::JournalError;
use thiserror::Error;

use crate::chain::Position;
use crate::state::State;
use crate::subjects::Subjects;

/// Reads the messages of a stream in their order.
#[derive(Debug)]
pub struct Replay {
    _todo: (),
}

/// What the messages have made.
#[derive(Debug)]
pub struct Replayed {
    /// The state.
    pub state: State,
    /// Where the chain goes on.
    pub position: Position,
    /// Bytes of the messages after the last complete snapshot.
    pub tail_bytes: u64,
    /// The size of that snapshot; 0 if there is none.
    pub snapshot_bytes: u64,
    /// Messages below this sequence can be purged, because a complete snapshot has all of them.
    pub purge_below: Option<u64>,
    /// Groups and chunks of an older epoch behind a fence, which do not count.
    pub stale: u64,
    /// Records of which a part is missing at their run's end. Nobody was told that they are durable.
    pub unfinished: u64,
}

/// A stream that cannot be read as a journal.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the stream {stream} is damaged at sequence {sequence}: {why}")]
pub struct ReplayError {
    /// The stream.
    pub stream: String,
    /// The sequence of the message.
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
        let _ = subjects;
        todo!()
    }

    /// Reads the next message.
    ///
    /// # Errors
    /// When the stream is damaged.
    pub fn message(&mut self, sequence: u64, subject: &str, body: &Bytes) -> Result<(), ReplayError> {
        let _ = (sequence, subject, body);
        todo!()
    }

    /// All messages were read.
    ///
    /// # Errors
    /// When the stream does not end with a fence, or its beginning is incomplete.
    pub fn finish(self) -> Result<Replayed, ReplayError> {
        todo!()
    }
}
