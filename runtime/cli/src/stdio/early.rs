use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::exit::Exit;

/// With which exit code a signal before `ready` leaves: the best that is known so far. Until a journal was found that is
/// that nothing is owed.
#[derive(Clone)]
pub(super) struct EarlyExit(Arc<AtomicU8>);

impl Default for EarlyExit {
    fn default() -> Self {
        Self(Arc::new(AtomicU8::new(Exit::Delivered.code())))
    }
}

impl EarlyExit {
    /// More is known.
    pub(super) fn expect(&self, exit: Exit) {
        self.0.store(exit.code(), Ordering::Relaxed);
    }

    pub(super) fn code(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }
}
