//! A snapshot on its way into the chain.

use std::collections::VecDeque;

use bytes::Bytes;

use super::room;
use crate::group::RECORD_OVERHEAD;
use crate::record::{FenceRecord, RecordError};
use crate::snapshot::{Chunk, ChunkHead, Snapshot};
use crate::subjects::Kind;

/// Bytes that are kept for the head of a chunk.
const HEAD_BYTES: usize = 256;

/// A snapshot that is being written.
#[derive(Debug)]
pub(super) struct Snapshotting {
    snapshot: Snapshot,
    fence: FenceRecord,
    /// The number of the last record that is in it.
    behind: u64,
    /// The sequence of its fence, once that is stored.
    base: Option<u64>,
    /// Chunks that are too large for a message, in parts.
    parts: VecDeque<Chunk>,
    /// The number of the next chunk.
    n: u64,
    /// Bytes of its messages that are stored.
    bytes: u64,
    /// Bytes of groups that are stored behind its fence.
    tail_bytes: u64,
    /// Whether the next message is a chunk rather than a group.
    is_turn: bool,
}

/// A message of a snapshot.
#[derive(Clone, Debug)]
pub(super) enum Written {
    Fence(FenceRecord),
    Chunk(u64, Chunk),
}

/// A snapshot that is stored.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) purge_below: u64,
    pub(super) bytes: u64,
    pub(super) tail_bytes: u64,
}

impl Written {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Fence(_) => Kind::Fence,
            Self::Chunk(..) => Kind::Chunk,
        }
    }

    pub(super) fn records(&self) -> Result<Vec<Bytes>, RecordError> {
        Ok(match self {
            Self::Fence(fence) => vec![fence.encode()?.into()],
            Self::Chunk(n, Chunk { rows, total }) => {
                let head = ChunkHead { n: *n, total: total.clone() };
                vec![head.encode()?.into(), Bytes::copy_from_slice(rows)]
            }
        })
    }
}

impl Snapshotting {
    pub(super) fn new(snapshot: Snapshot, fence: FenceRecord, behind: u64) -> Self {
        let (parts, is_turn) = (VecDeque::new(), true);
        Self { snapshot, fence, behind, base: None, parts, n: 0, bytes: 0, tail_bytes: 0, is_turn }
    }

    pub(super) fn behind(&self) -> u64 {
        self.behind
    }

    /// Whether its fence is stored.
    pub(super) fn has_begun(&self) -> bool {
        self.base.is_some()
    }

    pub(super) fn is_turn(&self) -> bool {
        self.is_turn
    }

    pub(super) fn give_turn(&mut self) {
        self.is_turn = true;
    }

    /// The next message, with a body of at most `max` bytes. None if there is no snapshot of this state.
    pub(super) fn next(&mut self, max: usize) -> Option<Written> {
        self.is_turn = false;
        if self.base.is_none() {
            return Some(Written::Fence(self.fence.clone()));
        }
        let mut chunk = self.parts.pop_front().or_else(|| self.snapshot.next())?;
        let most = room(max).saturating_sub(RECORD_OVERHEAD + HEAD_BYTES);
        if chunk.rows.len() > most {
            let rest = Chunk { rows: chunk.rows.split_off(most), total: chunk.total.take() };
            self.parts.push_front(rest);
        }
        self.n += 1;
        Some(Written::Chunk(self.n - 1, chunk))
    }

    /// This message is made again, of a smaller size. One of a snapshot that was given up is forgotten.
    pub(super) fn put_back(&mut self, written: Written) {
        if let (Written::Chunk(n, chunk), Some(_)) = (written, self.base) {
            self.n = n;
            self.parts.push_front(chunk);
        }
        self.is_turn = true;
    }

    pub(super) fn group_stored(&mut self, bytes: u64) {
        if self.base.is_some() {
            self.tail_bytes = self.tail_bytes.saturating_add(bytes);
        }
    }

    /// A message is stored. Gives the snapshot if it was the last one.
    pub(super) fn stored(&mut self, written: &Written, sequence: u64, bytes: u64) -> Option<Done> {
        match (written, self.base) {
            (Written::Fence(fence), None) if *fence == self.fence => {
                (self.base, self.bytes) = (Some(sequence), bytes);
                None
            }
            (Written::Chunk(_, chunk), Some(purge_below)) => {
                self.bytes = self.bytes.saturating_add(bytes);
                chunk.total.as_ref()?;
                Some(Done { purge_below, bytes: self.bytes, tail_bytes: self.tail_bytes })
            }
            // It is of a snapshot that was given up.
            _ => None,
        }
    }
}
