//! A signal before `ready`: the program exits at once with the best known exit code.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use lastword::Journal;

use crate::exit::Exit;
use crate::limits::{LAST_LINES_WAIT, STALLED_READER};
use crate::output::line_queue::LineWriter;
use crate::signals::{Hangup, Signals};

/// Exits at a signal before `ready`. Nothing was accepted yet, so there is nothing to drain and nothing to wait for.
/// The journal has the deliveries that an earlier run owed, and `exit` says whether there are any, as far as that is
/// known. Calls of recovered deliveries may already run.
pub(crate) fn leave_on_early_signal(hangup: Hangup, logs: LineWriter, exit: EarlyExit) -> io::Result<Signals> {
    Signals::install(hangup, move |signal| {
        tracing::info!("{} before `ready`: nothing was accepted; leaving", signal.name);
        logs.flush(Instant::now() + LAST_LINES_WAIT, STALLED_READER);
        signal_hook::low_level::exit(i32::from(exit.leave().code()));
    })
}

/// The state for an exit before `ready`: the best known exit code, and the journal once it is open. Until a journal is
/// found, the code says that nothing is owed.
#[derive(Clone, Default)]
pub(crate) struct EarlyExit(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    owes: bool,
    journal: Option<Arc<dyn Journal>>,
}

impl EarlyExit {
    /// Sets whether an earlier run owes something. A later call may replace it.
    pub(crate) fn expect(&self, owes: bool) {
        self.lock().owes = owes;
    }

    /// Sets the open journal: from now on calls may be running at the exit.
    pub(crate) fn opened(&self, journal: Arc<dyn Journal>) {
        self.lock().journal = Some(journal);
    }

    /// Records that no running call has crashed the program, and returns the exit code.
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
