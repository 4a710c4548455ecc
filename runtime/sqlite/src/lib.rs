//! The journal on disk, in an SQLite database: what is owed outlives the process, and the machine. No other crate knows SQL.
//!
//! [`SqliteJournal`] is the journal that the runtime writes to. [`JournalFile`] is the same file as an operator sees it: to
//! look at while a program runs, and to change while none does. What a journal's rows are and what becomes of them is
//! `lastword-journal`'s.
//!
//! ```
//! use lastword_journal::Journal;
//! use lastword_sqlite::{JournalFile, SqliteJournal};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! let path = directory.path().join("journal.db");
//! let journal = SqliteJournal::open(&path)?;
//! assert!(journal.recover()?.sessions.is_empty());
//! assert_eq!(JournalFile::look(&path)?.sessions()?, []);
//! # Ok(())
//! # }
//! ```

mod calls;
mod claim;
mod command;
mod connect;
mod content;
mod damage_note;
mod erase;
mod error;
mod file;
mod generations;
mod group_size;
mod limits;
mod lock;
mod log_page;
mod migrate;
mod name;
mod one_by_one;
mod open;
mod open_file;
mod others;
mod place;
mod read;
mod readers;
mod recent_ends;
mod recover;
mod retention;
mod salvage;
mod set_aside;
mod shape;
mod suspects;
mod tables;
mod text;
mod waiting;
#[cfg(target_os = "linux")]
mod watch;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use lastword_events::{Hook, Identity, JournalName};
use parking_lot::Mutex;

pub use self::erase::{Erased, Whose};
pub use self::error::OpenError;
pub use self::file::{Changed, DeliveryRow, DeliveryState, Erasure, JournalFile, SessionRow, SetAsideRow};
pub use self::limits::{MAX_QUEUED_WRITES, RETAINED_SET_ASIDE};
pub use self::others::{Unfinished, unfinished_beside};
pub use self::retention::RETAINED_FOR;

use self::lock::Lock;
use self::open::{Opened, Run};
use self::readers::Readers;
use self::writer::Queue;
use lastword_journal::state::Store;
use lastword_journal::{
    Appended, CallMark, Completion, DeliveryKey, Durability, Journal, JournalError, JournalOp, Pending, Recovered,
    RecoveredSession, Space, StagedCompletions,
};

/// The version of the file's schema that this program writes.
pub const SCHEMA_VERSION: u32 = 5;

/// A journal in an SQLite database: in WAL mode, each commit synced to the disk before anything is said to be recorded.
///
/// One thread writes; what has queued up becomes one transaction, of a size that is written in some milliseconds: lines first, and
/// then outcomes, of each tenant as much as of every other. What the runtime itself decides or has seen (an outcome, a drain)
/// is kept and tried again for as long as the file cannot be written; what an owner asks is refused meanwhile. What cannot be
/// written though the file can is set aside, and the rest goes on.
#[derive(Debug)]
pub struct SqliteJournal {
    name: JournalName,
    path: PathBuf,
    /// With the connections for what is read while the program runs.
    store: Arc<Store<Readers>>,
    /// Until the run begins.
    opened: Mutex<Option<Opened>>,
    /// From then on.
    run: OnceLock<Run>,
    // Last, because fields are dropped in their order: nobody else may have the file before it is closed.
    _lock: Lock,
}

impl SqliteJournal {
    /// Opens the journal at `path`, or makes one. The directory has to be there. The run begins with
    /// [`recover`](Journal::recover): a program that cannot start for another reason leaves no trace.
    ///
    /// # Errors
    /// When another program has it, when it is of a newer version or no journal, and when it cannot be read or written. A
    /// file that is damaged is no error: it is kept aside under a dated name, what can be read of it goes into a new one, and
    /// the log says so.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        open::open(path)
    }

    /// Whether dead runs have left anything to be delivered. Known before the run begins.
    #[must_use]
    pub fn has_unfinished(&self) -> bool {
        let opened = self.opened.lock();
        opened.as_ref().is_none_or(|opened| {
            let Recovered { sessions, deliveries, .. } = &opened.recovered;
            !deliveries.is_empty() || !sessions.iter().all(RecoveredSession::is_done)
        })
    }

    fn queue(&self) -> Option<&Queue> {
        self.run.get().map(|run| &run.queue)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The answer to whoever writes before [`Journal::recover`].
fn unread<T>() -> Pending<T> {
    Pending::ready(Err(JournalError::Unavailable("its run has not begun".to_owned())))
}

impl Journal for SqliteJournal {
    fn name(&self) -> JournalName {
        self.name
    }

    fn durability(&self) -> Durability {
        Durability::Disk
    }

    fn recover(&self) -> Result<Recovered, JournalError> {
        let opened = self.opened.lock().take();
        let opened = opened.ok_or_else(|| JournalError::Unavailable("it was recovered before".to_owned()))?;
        let (run, recovered) = opened.begin(&self.path, &self.store)?;
        // Nobody else had what it takes to begin the run.
        self.run.set(run).ok();
        Ok(recovered)
    }

    fn append(&self, op: JournalOp) -> Pending<Appended> {
        self.queue().map_or_else(unread, |queue| queue.append(op))
    }

    fn append_decided(&self, ops: Vec<JournalOp>) -> Pending<()> {
        self.queue().map_or_else(unread, |queue| queue.append_decided(ops))
    }

    fn known_op(&self, identity: &Identity, kind: Hook, op_id: &str) -> Option<u32> {
        match self.store.committed().read(|file| read::generation_of_op(file, identity, kind, op_id)) {
            Ok(generation) => generation,
            Err(error) => {
                tracing::error!(%error, "the journal cannot be read");
                None
            }
        }
    }

    fn complete(&self, tenant: &Arc<str>, completions: Vec<Completion>) -> StagedCompletions {
        let Some(queue) = self.queue() else { return StagedCompletions::all(unread()) };
        let (refused, pending) = self.store.stage(completions, |resolved| queue.complete(tenant, resolved));
        StagedCompletions { refused, pending }
    }

    fn mark_call(&self, delivery: &DeliveryKey) -> Option<CallMark> {
        self.run.get()?.calls.as_ref()?.mark(delivery)
    }

    fn leave(&self) {
        if let Some(calls) = self.run.get().and_then(|run| run.calls.as_ref()) {
            calls.leave();
        }
    }

    fn flush(&self) -> Pending<()> {
        self.queue().map_or_else(unread, Queue::flush)
    }

    fn set_aside(&self) -> u64 {
        self.queue().map_or(0, Queue::set_aside)
    }

    fn key_value(&self, space: &Space, key: &str) -> Result<Option<Vec<u8>>, JournalError> {
        Ok(self.store.value(space, key)?.map(|value| value.to_vec()))
    }

    fn key_value_len(&self, space: &Space, key: &str) -> Result<Option<u64>, JournalError> {
        self.store.value_len(space, key)
    }

    fn key_value_keys(&self, space: &Space, after: Option<&str>, limit: usize) -> Result<Vec<String>, JournalError> {
        self.store.keys(space, after, limit)
    }

    fn key_value_bytes(&self, space: &Space) -> Result<u64, JournalError> {
        Ok(self.store.bytes(space))
    }

    fn key_value_tenant_bytes(&self, tenant: &str) -> Result<u64, JournalError> {
        Ok(self.store.tenant_bytes(tenant))
    }
}
