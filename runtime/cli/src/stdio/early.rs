//! The exit code of a signal before `ready`.

use std::sync::{Arc, Mutex, PoisonError};

use lastword::Journal;

use crate::exit::Exit;

/// What a signal before `ready` leaves with: the exit code that is the best that is known so far, and the journal once it is
/// open. Until a journal was found that is that nothing is owed.
#[derive(Clone, Default)]
pub(super) struct EarlyExit(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    owes: bool,
    journal: Option<Arc<dyn Journal>>,
}

impl EarlyExit {
    /// Whether an earlier run owes something. More may become known.
    pub(super) fn expect(&self, owes: bool) {
        self.lock().owes = owes;
    }

    /// From now on calls may be under way when the program leaves.
    pub(super) fn opened(&self, journal: Arc<dyn Journal>) {
        self.lock().journal = Some(journal);
    }

    /// The program leaves: no call has taken it down.
    pub(super) fn leave(&self) -> Exit {
        let known = self.lock();
        if let Some(journal) = &known.journal {
            journal.leave();
        }
        if known.owes { Exit::Owed } else { Exit::Delivered }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
