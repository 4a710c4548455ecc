//! A journal that answers when a test says so.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lastword_events::{Change, EventKey, Hook, Identity, JournalName};
use lastword_journal::{
    Appended, Completion, DeliveryKey, Durability, Journal, JournalError, JournalOp, KeyValueChanges, MemoryJournal,
    Pending, Recovered, Settlement, Space, StagedCompletions,
};
use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

use crate::command::{Command, disk_is_full};

/// How long a test waits for commands. Much longer than anything takes: it says nothing of how long it should take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A journal on a disk that takes its time: it answers when it is told to, or not at all. What it is asked takes effect in
/// a [`MemoryJournal`] at the moment of the answer, as a commit would. What guests stored is read back as soon as it is
/// staged, as from the queue of a real one.
#[derive(Default)]
pub struct HeldJournal {
    memory: MemoryJournal,
    /// What guests stored and is not committed yet, in front of what is.
    staged: Mutex<StagedValues>,
    holding_writes: AtomicBool,
    holding_outcomes: AtomicBool,
    is_full: AtomicBool,
    held: Mutex<Vec<Command>>,
    held_more: Notify,
    reads: Reads,
}

/// Whether it is a file that takes its time to be read.
#[derive(Default)]
struct Reads {
    held: Mutex<bool>,
    released: Condvar,
    is_file: AtomicBool,
}

#[derive(Default)]
struct StagedValues {
    journal: MemoryJournal,
    spaces: HashSet<Space>,
}

impl HeldJournal {
    /// From now on answers wait for [`Self::commit`] or [`Self::fail`].
    pub fn hold(&self) {
        self.holding_writes.store(true, Ordering::SeqCst);
        self.hold_outcomes();
    }

    /// From now on answers to outcomes wait, and no others.
    pub fn hold_outcomes(&self) {
        self.holding_outcomes.store(true, Ordering::SeqCst);
    }

    /// From now on the disk is full: what owners ask is refused, what the runtime has decided waits for [`Self::commit`].
    pub fn fill(&self) {
        self.is_full.store(true, Ordering::SeqCst);
        self.hold();
    }

    /// From now on it is a file, and whoever asks for an `op_id` is held up until [`Self::release_reads`].
    pub fn hold_reads(&self) {
        self.reads.is_file.store(true, Ordering::SeqCst);
        *self.reads.held.lock() = true;
    }

    /// Whoever reads goes on.
    pub fn release_reads(&self) {
        *self.reads.held.lock() = false;
        self.reads.released.notify_all();
    }

    fn is_holding(&self) -> bool {
        self.holding_writes.load(Ordering::SeqCst) || self.holding_outcomes.load(Ordering::SeqCst)
    }

    fn release(&self) -> Vec<Command> {
        self.holding_writes.store(false, Ordering::SeqCst);
        self.holding_outcomes.store(false, Ordering::SeqCst);
        self.is_full.store(false, Ordering::SeqCst);
        std::mem::take(&mut *self.held.lock())
    }

    /// What waits to be written.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.lock().iter().filter(|one| !matches!(one, Command::Flush(_))).count()
    }

    /// Resolves when so many commands wait to be written.
    ///
    /// # Panics
    /// When they do not come.
    pub async fn until_held(&self, commands: usize) {
        let come = async {
            loop {
                let held_more = self.held_more.notified();
                tokio::pin!(held_more);
                held_more.as_mut().enable();
                if self.held() >= commands {
                    return;
                }
                held_more.await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, come).await;
        assert!(in_time.is_ok(), "{} of {commands} commands wait to be written", self.held());
    }

    /// Commits what waits, in order, and holds nothing back any more.
    pub async fn commit(&self) {
        for command in self.release() {
            command.commit(&self.memory).await;
        }
    }

    /// As a disk that is full for a moment: refuses what owners have asked, keeps and commits what the runtime has decided, and
    /// holds nothing back any more.
    pub async fn refuse_writes(&self) {
        for command in self.release() {
            match command {
                Command::Append(..) => command.refuse(),
                _ => command.commit(&self.memory).await,
            }
        }
    }

    /// Refuses what waits, and holds nothing back any more.
    pub fn fail(&self) {
        let held = self.release();
        // What was staged is gone: back to what is committed.
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
        held.into_iter().for_each(Command::refuse);
    }

    fn hold_command<T>(&self, (command, pending): (Command, Pending<T>)) -> Pending<T> {
        self.held.lock().push(command);
        self.held_more.notify_waiters();
        pending
    }
}

impl Journal for HeldJournal {
    fn known_op(&self, identity: &Identity, kind: Hook, op_id: &str) -> Option<u32> {
        self.reads.released.wait_while(&mut self.reads.held.lock(), |held| *held);
        self.memory.known_op(identity, kind, op_id)
    }

    fn name(&self) -> JournalName {
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
            return Pending::ready(Err(disk_is_full()));
        }
        if !self.holding_writes.load(Ordering::SeqCst) {
            return self.memory.append(op);
        }
        self.hold_command(Command::append(op))
    }

    fn append_decided(&self, ops: Vec<JournalOp>) -> Pending<()> {
        if !self.holding_writes.load(Ordering::SeqCst) {
            return self.memory.append_decided(ops);
        }
        self.hold_command(Command::append_decided(ops))
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
        StagedCompletions { refused, pending: self.hold_command(Command::complete(tenant, completions)) }
    }

    fn flush(&self) -> Pending<()> {
        if self.is_full.load(Ordering::SeqCst) {
            return Pending::ready(Err(disk_is_full()));
        }
        if !self.is_holding() {
            return self.memory.flush();
        }
        self.hold_command(Command::flush())
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
