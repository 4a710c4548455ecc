//! One message: a group of records, its place in the chain, and a checksum.

use bytes::Bytes;
use thiserror::Error;

use crate::subjects::Kind;

/// A message's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What the message is.
    pub kind: Kind,
    /// The sequence of the fence behind which it was written. Of a fence: the fence before it, 0 if there is none.
    pub epoch: u64,
    /// Counts the groups and chunks of the journal, from 1. Of a fence 0.
    pub number: u64,
    /// The hash of everything before it, see [`chain_hash`]. 0 of a fence that takes over: it does not know what is before it.
    pub previous: u64,
    /// Whether the first record is the rest of the record with which the group before it ended.
    pub continued: bool,
    /// Whether the last record goes on in the next group.
    pub continues: bool,
    /// The records.
    pub records: Vec<Bytes>,
}

/// A body that is no message of a journal, or a damaged one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct GroupError(pub String);

/// The hash of a chain up to and with this message, where `previous` is the hash up to the message before it. The hash before the first
/// message is 0.
#[must_use]
pub fn chain_hash(previous: u64, body: &[u8]) -> u64 {
    let _ = (previous, body);
    todo!()
}

impl Group {
    /// The message's body.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        todo!()
    }

    /// Reads a body.
    ///
    /// # Errors
    /// When it has another form, or its checksum is wrong.
    pub fn decode(body: &Bytes) -> Result<Self, GroupError> {
        let _ = body;
        todo!()
    }
}
