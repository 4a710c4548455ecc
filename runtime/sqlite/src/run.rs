//! A run of the program on a journal: from when it begins until the journal is closed.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use lastword_journal::state::Store;
use lastword_journal::{DeliveryKey, JournalError, Recovered};
#[cfg(target_os = "linux")]
use parking_lot::Mutex;
use rusqlite::{Connection, TransactionBehavior};

use crate::apply::RunState;
use crate::calls::CallsUnderWay;
use crate::open::Contents;
use crate::ownership::JournalFiles;
use crate::readers::Readers;
use crate::recover;
use crate::release::ReleaseGuard;
use crate::sqlite_error::unavailable;
use crate::tables::recent_ends;
#[cfg(target_os = "linux")]
use crate::watch::Watch;
use crate::writer::{self, WriterHandle};

/// The advice when a thread cannot be started.
const NO_THREAD: &str =
    "raise the number of processes that this user may have (`ulimit -u`, or the container's pids limit)";

/// A run, until it is dropped.
#[derive(Debug)]
pub(crate) struct Run {
    // First, because Rust drops fields in their order: the writer ends once no thread can send to it.
    #[cfg(target_os = "linux")]
    watch: Mutex<Option<Watch>>,
    pub(crate) writer: WriterHandle,
    pub(crate) calls: Option<Arc<CallsUnderWay>>,
}

impl Run {
    /// Begins the run, which takes over the sessions and deliveries of dead runs.
    pub(crate) fn begin(
        mut file: Connection,
        contents: Contents,
        path: &Path,
        store: &Arc<Store<Readers>>,
    ) -> Result<(Self, Recovered), JournalError> {
        let suspects = record(&mut file, &contents).map_err(|error| unavailable(&error))?;
        let Contents { name, next_sequence, run, clean, recovered, forgotten, calls, .. } = contents;
        // Only now, because the marks of the dead run are recorded by now.
        if let Some(calls) = &calls {
            calls.begin(name);
        }
        let state = RunState::new((run, clean), next_sequence, forgotten, suspects);
        let files = JournalFiles::of(path)
            .map_err(|error| JournalError::Unavailable(format!("its files cannot be found any more: {error}")))?;
        let files = Arc::new(files);
        let writer = writer::spawn(file, files.clone(), state, store.clone()).map_err(|error| {
            JournalError::Unavailable(format!("its thread could not be started: {error}; {NO_THREAD}"))
        })?;
        let run = Self {
            #[cfg(target_os = "linux")]
            watch: Mutex::new(Watch::start(&files, writer.nudge())),
            writer,
            calls,
        };
        Ok((run, recovered))
    }

    /// Ends the run. The guard is dropped once every write is committed and the file is closed.
    pub(crate) fn release(&self, guard: ReleaseGuard) {
        if let Some(calls) = &self.calls {
            calls.end_marks();
        }
        // Stopped before SQLite removes the files beside the database.
        #[cfg(target_os = "linux")]
        drop(self.watch.lock().take());
        self.writer.release(guard);
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Some(calls) = &self.calls {
            calls.end_marks();
        }
    }
}

/// Writes down that the run begins. Gives the suspect deliveries.
fn record(file: &mut Connection, contents: &Contents) -> rusqlite::Result<HashSet<DeliveryKey>> {
    let transaction = file.transaction_with_behavior(TransactionBehavior::Immediate)?;
    recover::begin_run(&transaction, contents.run)?;
    recent_ends::forget(&transaction)?;
    let suspects = contents.suspects.record(&transaction, contents.name)?;
    transaction.commit()?;
    Ok(suspects)
}
