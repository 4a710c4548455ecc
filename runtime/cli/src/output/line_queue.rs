//! A queue of lines for a reader.

use std::collections::VecDeque;

use super::writer::{Enqueued, Queue, Writer};

/// A larger buffer is freed when it is empty.
const KEPT_BYTES: usize = 64 * 1024;

/// A queue of lines.
#[derive(Default)]
pub(crate) struct LineQueue {
    bytes: VecDeque<u8>,
}

/// Writes lines, and drops those that do not fit.
pub(crate) type LineWriter = Writer<LineQueue>;

impl LineWriter {
    /// Queues a line, which ends with its newline. If more than `limit` bytes would then wait, drops and counts it.
    /// Less important lines have a lower limit.
    pub(crate) fn push_up_to(&self, limit: usize, line: &[u8]) {
        self.enqueue(|queue| queue.push(limit, line));
    }
}

impl LineQueue {
    /// Queues a line if at most `limit` bytes wait then.
    pub(super) fn push(&mut self, limit: usize, line: &[u8]) -> Enqueued {
        if self.bytes.len().saturating_add(line.len()) > limit {
            return Enqueued::Dropped;
        }
        self.bytes.extend(line);
        Enqueued::Whole
    }

    /// Returns the number of waiting bytes.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Drops the last lines until at most `limit` bytes wait. Returns the number of dropped lines.
    pub(super) fn cut(&mut self, limit: usize) -> u64 {
        if self.bytes.len() <= limit {
            return 0;
        }
        let kept = self.bytes.range(..limit).rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let lines = self.lines_from(kept);
        self.bytes.truncate(kept);
        lines
    }

    fn lines_from(&self, first: usize) -> u64 {
        let newlines = self.bytes.range(first..).filter(|byte| **byte == b'\n').count();
        u64::try_from(newlines).unwrap_or(u64::MAX)
    }

    /// Moves whole lines to the end of `batch`: `bytes` of them, or a few more up to the next end of a line.
    pub(super) fn take_lines(&mut self, batch: &mut Vec<u8>, bytes: usize) {
        let least = bytes.saturating_sub(1).min(self.bytes.len());
        let more = self.bytes.range(least..).position(|byte| *byte == b'\n');
        let bytes = more.map_or(self.bytes.len(), |more| least + more + 1);
        let (front, back) = self.bytes.as_slices();
        let of_front = bytes.min(front.len());
        batch.extend_from_slice(front.get(..of_front).unwrap_or_default());
        batch.extend_from_slice(back.get(..bytes - of_front).unwrap_or_default());
        self.bytes.drain(..bytes);
        if self.bytes.is_empty() && self.bytes.capacity() > KEPT_BYTES {
            self.bytes = VecDeque::new();
        }
    }
}

impl Queue for LineQueue {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn take(&mut self, batch: &mut Vec<u8>, bytes: usize) {
        self.take_lines(batch, bytes);
    }

    fn lines(&self) -> u64 {
        self.lines_from(0)
    }
}
