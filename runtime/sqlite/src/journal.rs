//! The journal that the runtime writes to.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use lastword_events::{Hook, Identity, JournalName};
use lastword_journal::state::Store;
use lastword_journal::{
    Appended, CallMark, ChangedDelivery, CommitObserver, Completion, DeliveryChange, DeliveryFilter, DeliveryKey,
    DeliveryPage, DeliveryRow, Durability, Journal, JournalError, JournalOp, PageRequest, Pending, Recovered,
    RecoveredSession, Space, StagedCompletions,
};
use parking_lot::Mutex;
use rusqlite::Connection;

use crate::error::OpenError;
use crate::open::{Contents, Opened, open};
use crate::ownership::lock::Lock;
use crate::readers::Readers;
use crate::release::{Release, ReleaseGuard};
use crate::run::Run;
use crate::tables::ops;
use crate::unmade::{self, DrainedEnds};
use crate::writer::WriterHandle;

/// A journal in an SQLite database: in WAL mode, each commit synced to the disk before the journal calls anything recorded.
///
/// One thread writes. It joins queued writes into one transaction, whose size takes some milliseconds: lines first, and then outcomes, as
/// much of each tenant as of every other. It tries again with outcomes and with decisions of the runtime for as long as the file cannot
/// be written, and refuses requests of owners meanwhile. It sets aside writes that a healthy file refuses, and goes on with the others.
#[derive(Debug)]
pub struct SqliteJournal {
    name: JournalName,
    path: PathBuf,
    /// The values that guests have stored, over the connections that read the file while the program runs.
    store: Arc<Store<Readers>>,
    /// The contents of the file, and the connection that writes, until the run begins.
    opened: Mutex<Option<(Connection, Contents)>>,
    /// The run, once it has begun.
    run: OnceLock<Run>,
    /// While the run drains, an undelivered end of an active session has no delivery row.
    drains: AtomicBool,
    release: Arc<Release>,
    /// None once the journal is released. Then the code that closes the file has the lock.
    lock: Mutex<Option<Lock>>,
}

impl SqliteJournal {
    /// Opens the journal at `path`, or makes one. The directory must exist. The run begins with [`recover`](Journal::recover), so a
    /// program that cannot start for another reason leaves no trace.
    ///
    /// # Errors
    /// When another program has the journal, when it is of a newer version or no journal, and when it cannot be read or written. A
    /// damaged file is no error: the journal keeps it aside under a dated name, copies all readable rows into a new file, and logs that.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let Opened { claim, file, readers, mut contents } = open(path)?;
        let sizes = std::mem::take(&mut contents.sizes);
        Ok(Self {
            name: contents.name,
            path: claim.path,
            store: Arc::new(Store::new(readers, sizes)),
            opened: Mutex::new(Some((file, contents))),
            run: OnceLock::new(),
            drains: AtomicBool::new(false),
            release: Arc::default(),
            lock: Mutex::new(Some(claim.lock)),
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

    fn writer(&self) -> Result<&WriterHandle, JournalError> {
        let begun = self.run.get().map(|run| &run.writer);
        begun.ok_or_else(|| if self.release.is_asked() { JournalError::Closed } else { JournalError::NotBegun })
    }

    fn drained_ends(&self) -> DrainedEnds {
        if self.drains.load(Ordering::Relaxed) { DrainedEnds::Listed } else { DrainedEnds::None }
    }

    /// The path of its file: links are followed.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SqliteJournal {
    fn drop(&mut self) {
        // Drop must not wait for the writer, see `WriterHandle`. So the writer gives the lock back, once the file is closed.
        drop(self.release());
    }
}

/// The answer to a write on a journal that cannot be written.
fn refused<T>(error: JournalError) -> Pending<T> {
    Pending::ready(Err(error))
}

impl Journal for SqliteJournal {
    fn name(&self) -> JournalName {
        self.name
    }

    fn durability(&self) -> Durability {
        Durability::Disk
    }

    fn recover(&self) -> Result<Recovered, JournalError> {
        // Held until the run has begun, so a concurrent release finds either the contents or the run.
        let mut opened = self.opened.lock();
        if self.release.is_asked() {
            return Err(JournalError::Closed);
        }
        let (file, contents) =
            opened.take().ok_or_else(|| JournalError::Unavailable("it was recovered before".to_owned()))?;
        let (run, recovered) = Run::begin(file, contents, &self.path, &self.store)?;
        // Only this call had the contents that a run needs, so no run is set yet.
        self.run.set(run).ok();
        Ok(recovered)
    }

    fn append(&self, op: JournalOp) -> Pending<Appended> {
        self.writer().map_or_else(refused, |writer| writer.append(op))
    }

    fn append_decided(&self, ops: Vec<JournalOp>) -> Pending<()> {
        if ops.iter().any(|op| matches!(op, JournalOp::Draining { .. })) {
            self.drains.store(true, Ordering::Relaxed);
        }
        self.writer().map_or_else(refused, |writer| writer.append_decided(ops))
    }

    fn known_op(&self, identity: &Identity, kind: Hook, op_id: &str) -> Option<u32> {
        match self.store.committed().read(|file| ops::generation(file, identity, kind, op_id)) {
            Ok(generation) => generation,
            Err(JournalError::Closed) => None,
            Err(error) => {
                tracing::error!(%error, "the journal cannot be read");
                None
            }
        }
    }

    fn complete(&self, tenant: &Arc<str>, completions: Vec<Completion>) -> StagedCompletions {
        let writer = match self.writer() {
            Ok(writer) => writer,
            Err(error) => return StagedCompletions::all(refused(error)),
        };
        let (refused, pending) = self.store.stage(completions, |resolved| writer.complete(tenant, resolved));
        StagedCompletions { refused, pending }
    }

    fn mark_call(&self, delivery: &DeliveryKey) -> Option<CallMark> {
        self.run.get()?.calls.as_ref()?.mark(delivery)
    }

    fn end_call_marks(&self) {
        if let Some(calls) = self.run.get().and_then(|run| run.calls.as_ref()) {
            calls.end_marks();
        }
    }

    fn release(&self) -> Pending<()> {
        let (pending, is_first) = self.release.join();
        if is_first {
            let guard = ReleaseGuard::new(self.store.clone(), self.lock.lock().take(), self.release.clone());
            let mut opened = self.opened.lock();
            match self.run.get() {
                Some(run) => run.release(guard),
                None => {
                    guard.close_readers();
                    drop(opened.take());
                    guard.finish(Ok(()));
                }
            }
        }
        pending
    }

    fn flush(&self) -> Pending<()> {
        self.writer().map_or_else(refused, WriterHandle::flush)
    }

    fn probe(&self) -> Pending<()> {
        self.writer().map_or_else(refused, WriterHandle::probe)
    }

    fn delivery(&self, delivery: &DeliveryKey) -> Result<Option<DeliveryRow>, JournalError> {
        let find = |file: &Connection| unmade::find(file, self.name, self.drained_ends(), delivery);
        self.store.committed().read(find)
    }

    fn deliveries(&self, filter: &DeliveryFilter, page: &PageRequest) -> Result<DeliveryPage, JournalError> {
        let read = |file: &Connection| unmade::page(file, self.name, self.drained_ends(), filter, page);
        self.store.committed().read(read)
    }

    fn change_deliveries(&self, change: DeliveryChange, deliveries: Vec<DeliveryKey>) -> Pending<Vec<ChangedDelivery>> {
        self.writer().map_or_else(refused, |writer| writer.change(change, deliveries))
    }

    fn set_aside(&self) -> u64 {
        self.run.get().map_or(0, |run| run.writer.set_aside())
    }

    fn observe_commits(&self, observer: CommitObserver) {
        if let Ok(writer) = self.writer() {
            writer.observe_commits(observer);
        }
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
