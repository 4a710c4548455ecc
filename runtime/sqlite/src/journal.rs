//! The journal that the runtime writes to.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use lastword_events::{Hook, Identity, JournalName};
use lastword_journal::state::Store;
use lastword_journal::{
    Appended, CallMark, Completion, DeliveryKey, Durability, Journal, JournalError, JournalOp, Pending, Recovered,
    RecoveredSession, Space, StagedCompletions,
};
use parking_lot::Mutex;
use rusqlite::Connection;

use crate::error::OpenError;
use crate::open::{Contents, Opened, open};
use crate::ownership::lock::Lock;
use crate::readers::Readers;
use crate::run::Run;
use crate::tables::ops;
use crate::writer::WriterHandle;

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
    /// What guests have stored, over the connections that read the file while the program runs.
    store: Arc<Store<Readers>>,
    /// What was read, and the connection that writes, until the run begins.
    opened: Mutex<Option<(Connection, Contents)>>,
    /// The run, from then on.
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
        let Opened { claim, file, readers, mut contents } = open(path)?;
        let sizes = std::mem::take(&mut contents.sizes);
        Ok(Self {
            name: contents.name,
            path: claim.path,
            store: Arc::new(Store::new(readers, sizes)),
            opened: Mutex::new(Some((file, contents))),
            run: OnceLock::new(),
            _lock: claim.lock,
        })
    }

    /// Whether dead runs have left anything to be delivered. Known before the run begins.
    #[must_use]
    pub fn has_unfinished(&self) -> bool {
        let opened = self.opened.lock();
        opened.as_ref().is_none_or(|(_, contents)| {
            let Recovered { sessions, deliveries, .. } = &contents.recovered;
            !deliveries.is_empty() || !sessions.iter().all(RecoveredSession::is_done)
        })
    }

    fn writer(&self) -> Option<&WriterHandle> {
        self.run.get().map(|run| &run.writer)
    }

    /// The path of its file: links are followed.
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
        let (file, contents) = opened.ok_or_else(|| JournalError::Unavailable("it was recovered before".to_owned()))?;
        let (run, recovered) = Run::begin(file, contents, &self.path, &self.store)?;
        // Nobody else had what it takes to begin the run.
        self.run.set(run).ok();
        Ok(recovered)
    }

    fn append(&self, op: JournalOp) -> Pending<Appended> {
        self.writer().map_or_else(unread, |writer| writer.append(op))
    }

    fn append_decided(&self, ops: Vec<JournalOp>) -> Pending<()> {
        self.writer().map_or_else(unread, |writer| writer.append_decided(ops))
    }

    fn known_op(&self, identity: &Identity, kind: Hook, op_id: &str) -> Option<u32> {
        match self.store.committed().read(|file| ops::generation(file, identity, kind, op_id)) {
            Ok(generation) => generation,
            Err(error) => {
                tracing::error!(%error, "the journal cannot be read");
                None
            }
        }
    }

    fn complete(&self, tenant: &Arc<str>, completions: Vec<Completion>) -> StagedCompletions {
        let Some(writer) = self.writer() else { return StagedCompletions::all(unread()) };
        let (refused, pending) = self.store.stage(completions, |resolved| writer.complete(tenant, resolved));
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
        self.writer().map_or_else(unread, WriterHandle::flush)
    }

    fn set_aside(&self) -> u64 {
        self.writer().map_or(0, WriterHandle::set_aside)
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
