//! A snapshot: the state in chunks, so that the records before it can be purged.
//!
//! A snapshot begins with a fence, which its writer appends behind the records that are in it. Then come the chunks, with groups in between.
//! The rows are lines of JSON. A chunk may end within a line.

use std::collections::HashMap;
use std::fmt;

use lastword_journal::Space;
use lastword_journal::state::{MemoryTables, TableRow};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::record::{RecordError, StoredValues};
use crate::state::State;
use crate::values::{Keys, Value};

/// Bytes of rows in a chunk, which with its head makes a message of less than 256 KiB: a group that waits for a chunk waits some
/// milliseconds.
pub const CHUNK_BYTES: usize = 255 * 1024;
/// A snapshot is due when so many bytes of groups follow the last one, in any case. They are read within a second.
pub const MIN_TAIL_BYTES: u64 = 64 << 20;
/// A snapshot is due when the stream has so many percent of the bytes that it may have.
pub const DUE_AT_PERCENT: u64 = 60;

/// The state at one moment, as chunks. The chunks are made as they are asked for.
pub struct Snapshot {
    lines: Box<dyn Iterator<Item = Line> + Send>,
    /// Lines, and the part of one, that are not in a chunk yet.
    buffer: Vec<u8>,
    hash: Sha256,
    rows: u64,
    progress: Progress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// There are lines that were not asked for.
    Lines,
    /// All lines are in the buffer.
    Buffer,
    /// The last chunk was given, or there will be none.
    Over,
}

/// A chunk of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Its part of the rows.
    pub rows: Vec<u8>,
    /// What all chunks have, with the last one.
    pub total: Option<Total>,
}

/// Which chunk of a snapshot it is. The snapshot's fence is the one of the message's epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkHead {
    /// Counts the chunks from 0.
    pub n: u64,
    /// What all chunks have, with the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<Total>,
}

/// What all chunks of a snapshot have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
    /// The number of rows.
    pub rows: u64,
    /// The SHA-256 of all rows, in hexadecimal digits.
    pub sha256: String,
}

/// One line of a snapshot.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Row(TableRow),
    Stored(StoredValues),
}

/// A snapshot that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct SnapshotError(pub String);

impl ChunkHead {
    /// The head as bytes.
    ///
    /// # Errors
    /// When it has no JSON, which every head has.
    pub fn encode(&self) -> Result<Vec<u8>, RecordError> {
        serde_json::to_vec(self).map_err(|error| RecordError(error.to_string()))
    }

    /// Reads a head.
    ///
    /// # Errors
    /// When the bytes are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        serde_json::from_slice(bytes).map_err(|error| RecordError(format!("this is no head of a chunk: {error}")))
    }
}

impl Snapshot {
    pub(crate) fn new(tables: MemoryTables, values: HashMap<Space, Keys>) -> Self {
        let stored = values.into_iter().flat_map(|(space, keys)| {
            // A line for each key: a line is in memory as a whole.
            keys.into_iter().map(move |(key, value)| {
                Line::Stored(StoredValues { space: space.clone(), writes: vec![(key, Some(Value(value)))] })
            })
        });
        let lines = Box::new(tables.into_rows().map(Line::Row).chain(stored));
        Self { lines, buffer: Vec::new(), hash: Sha256::new(), rows: 0, progress: Progress::Lines }
    }

    /// Fills the buffer until it has a chunk, or there are no more lines. Gives false if a line has no JSON.
    fn fill(&mut self) -> bool {
        while self.progress == Progress::Lines && self.buffer.len() <= CHUNK_BYTES {
            let Some(line) = self.lines.next() else {
                self.progress = Progress::Buffer;
                return true;
            };
            if serde_json::to_writer(&mut self.buffer, &line).is_err() {
                return false;
            }
            self.buffer.push(b'\n');
            self.rows += 1;
        }
        true
    }
}

impl Iterator for Snapshot {
    type Item = Chunk;

    /// None without a last chunk: the state has no JSON, and there is no snapshot of it. Every state has.
    fn next(&mut self) -> Option<Chunk> {
        if self.progress == Progress::Over || !self.fill() {
            self.progress = Progress::Over;
            return None;
        }
        let is_last = self.progress == Progress::Buffer && self.buffer.len() <= CHUNK_BYTES;
        let rest = self.buffer.split_off(self.buffer.len().min(CHUNK_BYTES));
        let rows = std::mem::replace(&mut self.buffer, rest);
        self.hash.update(&rows);
        if is_last {
            self.progress = Progress::Over;
        }
        let total = is_last.then(|| Total { rows: self.rows, sha256: hex(&self.hash) });
        Some(Chunk { rows, total })
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("rows", &self.rows).field("progress", &self.progress).finish_non_exhaustive()
    }
}

fn hex(hash: &Sha256) -> String {
    hash.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a snapshot, one chunk after the other.
#[derive(Debug, Default)]
pub struct SnapshotReader {
    state: State,
    /// The beginning of a line whose rest is in the next chunk.
    line: Vec<u8>,
    hash: Sha256,
    rows: u64,
    /// How many chunks were read.
    chunks: u64,
}

impl SnapshotReader {
    /// Reads the next chunk. Gives whether it is the last.
    ///
    /// # Errors
    /// When it is not the next chunk, or its rows are damaged.
    pub fn chunk(&mut self, head: &ChunkHead, rows: &[u8]) -> Result<bool, SnapshotError> {
        if head.n != self.chunks {
            let why = format!("it is chunk {} of the snapshot, and not {}", head.n, self.chunks);
            return Err(SnapshotError(why));
        }
        self.chunks += 1;
        self.hash.update(rows);
        let mut lines = rows.split_inclusive(|byte| *byte == b'\n');
        if let Some(first) = lines.next() {
            self.line.extend_from_slice(first);
            if first.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                self.line(&line)?;
            }
        }
        for line in lines {
            if line.ends_with(b"\n") {
                self.line(line)?;
            } else {
                self.line.extend_from_slice(line);
            }
        }
        let Some(total) = &head.total else { return Ok(false) };
        let found = Total { rows: self.rows, sha256: hex(&self.hash) };
        if !self.line.is_empty() {
            return Err(SnapshotError("the snapshot ends within a row".to_owned()));
        }
        if found != *total {
            let why = format!(
                "the snapshot has {} rows with the hash {}, and had {} with {} when it was written",
                found.rows, found.sha256, total.rows, total.sha256
            );
            return Err(SnapshotError(why));
        }
        Ok(true)
    }

    fn line(&mut self, line: &[u8]) -> Result<(), SnapshotError> {
        self.rows += 1;
        let wrong = |why: String| SnapshotError(format!("row {} of the snapshot cannot be read: {why}", self.rows));
        match serde_json::from_slice(line).map_err(|error| wrong(error.to_string()))? {
            Line::Row(row) => self.state.restore_row(row).map_err(|error| wrong(error.to_string()))?,
            Line::Stored(stored) => self.state.restore_values(&stored),
        }
        Ok(())
    }

    /// The state, once the last chunk was read.
    #[must_use]
    pub fn into_state(self) -> State {
        self.state
    }
}

/// Whether a snapshot is due, where `tail` are the bytes of groups after the last snapshot, `last` the size of that snapshot, `stream` the
/// size of the stream and `max` its `max_bytes`.
///
/// A stream that is nearly full of its last snapshot gains nothing by another one, until there is an eighth of it to purge.
#[must_use]
pub fn is_due(tail: u64, last: u64, stream: u64, max: u64) -> bool {
    let is_filling = stream >= max / 100 * DUE_AT_PERCENT;
    tail > MIN_TAIL_BYTES.max(last.saturating_mul(2)) || (is_filling && tail > stream / 8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_snapshot_is_due_when_much_follows_the_last_one_or_the_stream_fills() {
        const MIB: u64 = 1 << 20;
        let due = |tail: u64, last: u64, stream: u64| is_due(tail * MIB, last * MIB, stream * MIB, 1024 * MIB);
        assert_eq!([due(64, 0, 64), due(65, 0, 65), due(65, 40, 105), due(81, 40, 121)], [false, true, false, true]);
        assert_eq!([due(500, 300, 613), due(500, 300, 615)], [false, true]);
        assert_eq!([due(0, 700, 700), due(70, 630, 700), due(90, 610, 700)], [false, false, true]);
    }

    #[test]
    fn rows_that_are_longer_than_a_chunk_go_on_in_the_next() {
        let state = State::default();
        let space = Space { tenant: "acme".into(), plugin: "memory".parse().unwrap() };
        let large: Vec<u8> = (0..CHUNK_BYTES * 2).map(|n| b'a' + u8::try_from(n % 26).unwrap()).collect();
        for key in ["a", "b"] {
            let writes = vec![(key.into(), Some(Value(large.clone().into())))];
            state.values().store(&StoredValues { space: space.clone(), writes });
        }
        let chunks: Vec<Chunk> = state.snapshot().collect();
        assert_eq!(chunks.len(), 5);
        assert!(chunks.iter().all(|chunk| chunk.rows.len() <= CHUNK_BYTES));
        let mut reader = SnapshotReader::default();
        for (n, chunk) in (0..).zip(chunks) {
            let is_last = reader.chunk(&ChunkHead { n, total: chunk.total }, &chunk.rows).unwrap();
            assert_eq!(is_last, n == 4);
        }
        assert_eq!(reader.into_state().values().copy(), state.values().copy());
    }

    #[test]
    fn what_is_wrong_with_a_snapshot_is_told() {
        let chunk = State::default().snapshot().next().unwrap();
        let read = |n: u64, total: Option<Total>, rows: &[u8]| {
            let read = SnapshotReader::default().chunk(&ChunkHead { n, total }, rows);
            read.unwrap_err().to_string()
        };
        assert_eq!(read(1, None, b""), "it is chunk 1 of the snapshot, and not 0");
        let error = read(0, None, b"{}\n");
        assert!(error.starts_with("row 1 of the snapshot cannot be read: "), "{error}");
        let alone = br#"{"row":{"delivery":{"key":"1/session-end/a","fields":{"run":1,"attempt":0}}}}"#;
        let error = read(0, None, &[alone, &b"\n"[..]].concat());
        assert!(error.contains("the delivery 1/session-end/a has no session"), "{error}");
        assert_eq!(read(0, chunk.total.clone(), &chunk.rows[1..].repeat(0)), {
            let sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
            let total = chunk.total.as_ref().unwrap();
            format!(
                "the snapshot has 0 rows with the hash {sha256}, and had {} with {} when it was written",
                total.rows, total.sha256
            )
        });
        assert_eq!(read(0, chunk.total, b"{\"row\""), "the snapshot ends within a row");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(head in prop::collection::vec(any::<u8>(), 0..60), rows in ".{0,80}") {
            ChunkHead::decode(&head).ok();
            SnapshotReader::default().chunk(&ChunkHead { n: 0, total: None }, rows.as_bytes()).ok();
            SnapshotReader::default().chunk(&ChunkHead { n: 0, total: None }, &head).ok();
        }
    }
}
