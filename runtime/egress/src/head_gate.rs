//! How many bytes a server may send before the response's header is complete.
//!
//! hyper limits one header, but not how many informational (1xx) responses come before the final one. The gate counts
//! what is read from the connection, whatever it is, until the header is there.

use std::sync::atomic::{AtomicUsize, Ordering};

const OPEN: usize = usize::MAX;

#[derive(Debug)]
pub(crate) struct HeadGate {
    remaining: AtomicUsize,
}

impl HeadGate {
    pub(crate) fn new(limit_bytes: usize) -> Self {
        Self { remaining: AtomicUsize::new(limit_bytes.min(OPEN - 1)) }
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

    /// The header has come; the body has limits of its own.
    pub(crate) fn open(&self) {
        self.remaining.store(OPEN, Ordering::Relaxed);
    }
}
