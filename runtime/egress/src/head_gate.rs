//! Limits the bytes that a server may send before the response's header is complete.
//!
//! hyper limits one header, but not the number of informational (1xx) responses before the final one. The gate counts
//! all bytes that are read from the connection until the header is complete.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const OPEN: usize = usize::MAX;

/// The state of the exchange that the reader of a connection needs.
#[derive(Debug)]
pub(crate) struct HeadGate {
    remaining: AtomicUsize,
    looks_first: AtomicBool,
}

impl HeadGate {
    /// Makes the gate of a connection on which nothing was sent yet.
    pub(crate) fn new() -> Self {
        Self { remaining: AtomicUsize::new(OPEN), looks_first: AtomicBool::new(false) }
    }

    /// Closes the gate before a request is sent: the next bytes are its response's header. With `looks_first` the first
    /// read asks the system whether the server is still connected.
    pub(crate) fn close(&self, limit_bytes: usize, looks_first: bool) {
        self.remaining.store(limit_bytes.min(OPEN - 1), Ordering::Relaxed);
        self.looks_first.store(looks_first, Ordering::Relaxed);
    }

    /// Whether this read has to ask the system. hyper reads before it writes.
    pub(crate) fn take_look(&self) -> bool {
        self.looks_first.load(Ordering::Relaxed) && self.looks_first.swap(false, Ordering::Relaxed)
    }

    /// Returns the number of bytes that may be read now. At 0 the reader waits, until the header is complete and the
    /// gate opens, or the request fails.
    pub(crate) fn allowed(&self) -> usize {
        self.remaining.load(Ordering::Relaxed)
    }

    pub(crate) fn count(&self, bytes: usize) {
        let remaining = self.allowed();
        if remaining != OPEN {
            self.remaining.store(remaining.saturating_sub(bytes), Ordering::Relaxed);
        }
    }

    pub(crate) fn is_used_up(&self) -> bool {
        self.allowed() == 0
    }

    /// Opens the gate: the header is complete, and the body has its own limits. Returns the number of bytes that were
    /// left.
    pub(crate) fn open(&self) -> usize {
        self.remaining.swap(OPEN, Ordering::Relaxed)
    }
}
