//! A snapshot: the state in chunks, so that the records before it can be purged.

use serde::{Deserialize, Serialize};

/// The state at one moment, as chunks. It is an iterator: the chunks are made as they are asked for.
#[derive(Debug)]
pub struct Snapshot {
    _todo: (),
}

/// A chunk of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Which chunk it is.
    pub head: ChunkHead,
    /// Its part of the rows.
    pub rows: Vec<u8>,
}

/// Which chunk of a snapshot it is. The snapshot's base is the fence of the chunk's epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkHead {
    /// Counts the chunks from 0.
    pub n: u64,
    /// What was written in all, with the last chunk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<Total>,
}

/// All that a snapshot has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
    /// The number of rows.
    pub rows: u64,
    /// The SHA-256 of all rows, in hexadecimal digits.
    pub sha256: String,
}

impl Iterator for Snapshot {
    type Item = Chunk;

    fn next(&mut self) -> Option<Chunk> {
        todo!()
    }
}

/// Whether a snapshot is due, where `tail` are the bytes after the last snapshot, `last` the size of that snapshot, `stream` the size of the
/// stream and `max` its `max_bytes`.
#[must_use]
pub fn is_due(tail: u64, last: u64, stream: u64, max: u64) -> bool {
    let _ = (tail, last, stream, max);
    todo!()
}
