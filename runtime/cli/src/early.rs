//! A signal before `ready`: the program leaves, and its exit code says what is known by then.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use lastword::Journal;

use crate::exit::Exit;
use crate::limits::{LAST_LINES_WAIT, STALLED_READER};
use crate::output::line_queue::LineWriter;
use crate::signals::{Hangup, Signals};

/// Nothing was accepted before `ready`, so there is nothing to drain and nothing to wait for. What an earlier run owed
/// is in the journal: `exit` says whether there is any, as far as that is known by then. Calls of what was recovered may be
/// under way already.
pub(crate) fn leave_on_early_signal(hangup: Hangup, logs: LineWriter, exit: EarlyExit) -> io::Result<Signals> {
    Signals::install(hangup, move |signal| {
        tracing::info!("{} before `ready`: nothing was accepted; leaving", signal.name);
        logs.flush(Instant::now() + LAST_LINES_WAIT, STALLED_READER);
        signal_hook::low_level::exit(i32::from(exit.leave().code()));
    })
}

/// What a signal before `ready` leaves with: the exit code that is the best that is known so far, and the journal once it is
/// open. Until a journal was found that is that nothing is owed.
#[derive(Clone, Default)]
pub(crate) struct EarlyExit(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    owes: bool,
    journal: Option<Arc<dyn Journal>>,
}

impl EarlyExit {
    /// Whether an earlier run owes something. More may become known.
    pub(crate) fn expect(&self, owes: bool) {
        self.lock().owes = owes;
    }

    /// From now on calls may be under way when the program leaves.
    pub(crate) fn opened(&self, journal: Arc<dyn Journal>) {
        self.lock().journal = Some(journal);
    }

    /// The program leaves: no call has taken it down.
    pub(crate) fn leave(&self) -> Exit {
        let known = self.lock();
        if let Some(journal) = &known.journal {
            journal.end_call_marks();
        }
        if known.owes { Exit::Owed } else { Exit::Delivered }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
