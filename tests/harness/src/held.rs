//! A journal that answers when a test says so.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lastword::events::{Change, EventKey, Hook, Identity};
use lastword::{Durability, Journal, JournalError, MemoryJournal};
use lastword_journal::{
    Appended, Completion, DeliveryKey, JournalOp, KeyValueChanges, Pending, Recovered, Reply, Settlement, Space,
    StagedCompletions,
};
use parking_lot::{Condvar, Mutex};

/// A journal on a disk that takes its time: it answers when it is told to, or not at all. What it is asked takes effect in
/// a [`MemoryJournal`] at the moment of the answer, as a commit would. What guests stored is read back as soon as it is
/// handed over, as from the queue of a real one.
#[derive(Default)]
pub struct HeldJournal {
    memory: MemoryJournal,
    /// Another one, which has what was handed over: of its key-values alone.
    staged: Mutex<StagedValues>,
    holding_writes: AtomicBool,
    holding_outcomes: AtomicBool,
    is_full: AtomicBool,
    held: Mutex<Vec<Held>>,
    reads: Reads,
}

/// Whether it is a file that takes its time to be read.
#[derive(Default)]
struct Reads {
    held: Mutex<bool>,
    let_go: Condvar,
    is_file: AtomicBool,
}

#[derive(Default)]
struct StagedValues {
    journal: MemoryJournal,
    spaces: HashSet<Space>,
}

enum Held {
    Append(Box<JournalOp>, Reply<Appended>),
    AppendDecided(Vec<JournalOp>, Reply<()>),
    Complete(Arc<str>, Vec<Completion>, Reply<()>),
    Flush(Reply<()>),
}

impl HeldJournal {
    /// From now on answers wait for [`Self::commit`] or [`Self::fail`].
    pub fn hold(&self) {
        self.holding_writes.store(true, Ordering::SeqCst);
        self.hold_outcomes();
    }

    /// The same for outcomes alone.
    pub fn hold_outcomes(&self) {
        self.holding_outcomes.store(true, Ordering::SeqCst);
    }

    /// From now on the disk is full: what owners ask is refused, what the runtime has decided waits for [`Self::commit`].
    pub fn fill(&self) {
        self.is_full.store(true, Ordering::SeqCst);
        self.hold();
    }

    /// From now on it is a file, and whoever asks for an `op_id` is held up until [`Self::let_reads_go`].
    pub fn hold_reads(&self) {
        self.reads.is_file.store(true, Ordering::SeqCst);
        *self.reads.held.lock() = true;
    }

    /// Whoever reads goes on.
    pub fn let_reads_go(&self) {
        *self.reads.held.lock() = false;
        self.reads.let_go.notify_all();
    }

    fn is_holding(&self) -> bool {
        self.holding_writes.load(Ordering::SeqCst) || self.holding_outcomes.load(Ordering::SeqCst)
    }

    fn let_go(&self) -> Vec<Held> {
        self.holding_writes.store(false, Ordering::SeqCst);
        self.holding_outcomes.store(false, Ordering::SeqCst);
        self.is_full.store(false, Ordering::SeqCst);
        std::mem::take(&mut *self.held.lock())
    }

    /// What waits to be written.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.lock().iter().filter(|one| !matches!(one, Held::Flush(_))).count()
    }

    /// Commits what waits, in order, and holds nothing back any more.
    pub async fn commit(&self) {
        for one in self.let_go() {
            match one {
                Held::Append(write, reply) => reply.send(self.memory.append(*write).await),
                Held::AppendDecided(writes, reply) => reply.send(self.memory.append_decided(writes).await),
                Held::Complete(tenant, completions, reply) => {
                    reply.send(self.memory.complete(&tenant, completions).pending.await);
                }
                Held::Flush(reply) => reply.send(Ok(())),
            }
        }
    }

    /// As a disk that is full for a moment: refuses what owners have asked, keeps and commits what the runtime has decided, and
    /// holds nothing back any more.
    pub async fn refuse_writes(&self) {
        for one in self.let_go() {
            match one {
                Held::Append(_, reply) => reply.send(Err(full())),
                Held::AppendDecided(writes, reply) => reply.send(self.memory.append_decided(writes).await),
                Held::Complete(tenant, completions, reply) => {
                    reply.send(self.memory.complete(&tenant, completions).pending.await);
                }
                Held::Flush(reply) => reply.send(Ok(())),
            }
        }
    }

    /// Refuses what waits, and holds nothing back any more.
    pub fn fail(&self) {
        let held = self.let_go();
        // What was handed over is gone: back to what is committed.
        let mut values = self.staged.lock();
        values.journal = MemoryJournal::new();
        let committed = values.spaces.iter().map(|space| {
            let keys = self.memory.key_value_keys(space, None, usize::MAX).unwrap_or_default();
            let value = |key: &String| self.memory.key_value(space, key).ok().flatten().map(Change::Set);
            let changes = keys.into_iter().filter_map(|key| value(&key).map(|value| (key, value))).collect();
            stored(KeyValueChanges { space: space.clone(), plugin_quota: None, tenant_quota: None, changes })
        });
        // Of every tenant: in memory nobody waits for a turn.
        drop(values.journal.complete(&"".into(), committed.collect()));
        drop(values);
        for one in held {
            match one {
                Held::Append(_, reply) => reply.send(Err(full())),
                Held::AppendDecided(_, reply) | Held::Complete(_, _, reply) | Held::Flush(reply) => {
                    reply.send(Err(full()))
                }
            }
        }
    }
}

impl Journal for HeldJournal {
    fn known_op(&self, identity: &Identity, kind: Hook, op_id: &str) -> Option<u32> {
        self.reads.let_go.wait_while(&mut self.reads.held.lock(), |held| *held);
        self.memory.known_op(identity, kind, op_id)
    }

    fn name(&self) -> lastword::events::JournalName {
        self.memory.name()
    }

    fn durability(&self) -> Durability {
        if self.reads.is_file.load(Ordering::SeqCst) { Durability::Disk } else { self.memory.durability() }
    }

    fn recover(&self) -> Result<Recovered, JournalError> {
        self.memory.recover()
    }

    fn append(&self, op: JournalOp) -> Pending<Appended> {
        if self.is_full.load(Ordering::SeqCst) {
            return Pending::ready(Err(full()));
        }
        if !self.holding_writes.load(Ordering::SeqCst) {
            return self.memory.append(op);
        }
        let (reply, pending) = Pending::later();
        self.held.lock().push(Held::Append(Box::new(op), reply));
        pending
    }

    fn append_decided(&self, ops: Vec<JournalOp>) -> Pending<()> {
        if !self.holding_writes.load(Ordering::SeqCst) {
            return self.memory.append_decided(ops);
        }
        let (reply, pending) = Pending::later();
        self.held.lock().push(Held::AppendDecided(ops, reply));
        pending
    }

    fn complete(&self, tenant: &Arc<str>, mut completions: Vec<Completion>) -> StagedCompletions {
        // Until they are queued, so that they are committed in the order in which they were resolved.
        let mut values = self.staged.lock();
        let changes = completions.iter().filter_map(|one| one.changes.as_deref());
        values.spaces.extend(changes.map(|changes| changes.space.clone()));
        let refused = values.journal.complete(tenant, completions.clone()).refused;
        for one in refused.iter().rev() {
            completions.remove(one.at);
        }
        if !self.holding_outcomes.load(Ordering::SeqCst) {
            return StagedCompletions { refused, pending: self.memory.complete(tenant, completions).pending };
        }
        let (reply, pending) = Pending::later();
        self.held.lock().push(Held::Complete(tenant.clone(), completions, reply));
        StagedCompletions { refused, pending }
    }

    fn flush(&self) -> Pending<()> {
        if self.is_full.load(Ordering::SeqCst) {
            return Pending::ready(Err(full()));
        }
        if !self.is_holding() {
            return self.memory.flush();
        }
        let (reply, pending) = Pending::later();
        self.held.lock().push(Held::Flush(reply));
        pending
    }

    fn key_value(&self, space: &Space, key: &str) -> Result<Option<Vec<u8>>, JournalError> {
        self.staged.lock().journal.key_value(space, key)
    }

    fn key_value_keys(&self, space: &Space, after: Option<&str>, limit: usize) -> Result<Vec<String>, JournalError> {
        self.staged.lock().journal.key_value_keys(space, after, limit)
    }

    fn key_value_bytes(&self, space: &Space) -> Result<u64, JournalError> {
        self.staged.lock().journal.key_value_bytes(space)
    }

    fn key_value_tenant_bytes(&self, tenant: &str) -> Result<u64, JournalError> {
        self.staged.lock().journal.key_value_tenant_bytes(tenant)
    }
}

fn full() -> JournalError {
    JournalError::Unavailable("the disk is full".to_owned())
}

/// A delivery that stores this, and that nobody knows of otherwise.
fn stored(changes: KeyValueChanges) -> Completion {
    let delivery = DeliveryKey { sequence: 0, event: EventKey::End, plugin: changes.space.plugin.clone() };
    Completion { delivery, attempt: 1, settlement: Settlement::Delivered, changes: Some(Box::new(changes)) }
}

/// For the tests' builders, which take a journal that others look at as well.
#[must_use]
pub fn held() -> Arc<HeldJournal> {
    Arc::new(HeldJournal::default())
}
