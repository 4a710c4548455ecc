//! The memory of calls that have ended. The pool resets its slots in batches, and has the memory until then.

use std::collections::VecDeque;

/// The memory of ended calls, in bytes, the newest last.
#[derive(Debug)]
pub(crate) struct Unflushed {
    calls: VecDeque<u64>,
    max_calls: usize,
    bytes: u64,
    max_bytes: u64,
}

impl Unflushed {
    pub(crate) fn new(max_calls: usize) -> Self {
        Self { calls: VecDeque::new(), max_calls, bytes: 0, max_bytes: u64::MAX }
    }

    pub(crate) fn set_max_bytes(&mut self, bytes: u64) {
        self.max_bytes = bytes;
    }

    /// Adds the memory of a call. Returns the bytes that no longer count, because there are too many.
    pub(crate) fn push(&mut self, bytes: u64) -> u64 {
        self.calls.push_back(bytes);
        self.bytes += bytes;
        let mut flushed = 0;
        while self.calls.len() > self.max_calls || self.bytes > self.max_bytes {
            let Some(oldest) = self.calls.pop_front() else { break };
            self.bytes -= oldest;
            flushed += oldest;
        }
        flushed
    }

    /// Empties the list. Returns its bytes; `None` when it was empty.
    pub(crate) fn flush(&mut self) -> Option<u64> {
        if self.calls.is_empty() {
            return None;
        }
        self.calls.clear();
        Some(std::mem::take(&mut self.bytes))
    }
}
