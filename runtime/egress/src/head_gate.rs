//! How many bytes a server may send before the response's header is complete.
//!
//! hyper limits one header, but not how many informational (1xx) responses come before the final one. The gate counts
//! what is read from the connection, whatever it is, until the header is there.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const OPEN: usize = usize::MAX;

/// What the reader of a connection has to know of the exchange that is on it.
#[derive(Debug)]
pub(crate) struct HeadGate {
    remaining: AtomicUsize,
    looks_first: AtomicBool,
}

impl HeadGate {
    /// Of a connection on which nothing was sent yet.
    pub(crate) fn new() -> Self {
        Self { remaining: AtomicUsize::new(OPEN), looks_first: AtomicBool::new(false) }
    }

    /// A request is about to be sent: what comes from now on is its response's header. With `looks_first` the first read
    /// asks the system whether the server is still there.
    pub(crate) fn close(&self, limit_bytes: usize, looks_first: bool) {
        self.remaining.store(limit_bytes.min(OPEN - 1), Ordering::Relaxed);
        self.looks_first.store(looks_first, Ordering::Relaxed);
    }

    /// Whether this read is the one that has to look. hyper reads before it writes.
    pub(crate) fn take_look(&self) -> bool {
        self.looks_first.load(Ordering::Relaxed) && self.looks_first.swap(false, Ordering::Relaxed)
    }

    /// How many bytes may be read now. At 0 the reader waits: either the header has come and the gate is opened, or the
    /// request fails.
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

    /// The header has come; the body has limits of its own. Gives how many bytes could still have been read.
    pub(crate) fn open(&self) -> usize {
        self.remaining.swap(OPEN, Ordering::Relaxed)
    }
}
