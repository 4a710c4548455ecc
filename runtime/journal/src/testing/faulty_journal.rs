//! A journal whose disk does what a test says.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lastword_events::{Change, EventKey, Hook, Identity, JournalName};
use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

use super::command::{Command, disk_is_full};
use crate::{
    Appended, CallMark, ChangedDelivery, CommitObserver, Completion, DeliveryChange, DeliveryFilter, DeliveryKey,
    DeliveryPage, DeliveryRow, Durability, Journal, JournalError, JournalOp, KeyValueChanges, MemoryJournal,
    PageRequest, Pending, Recovered, Settlement, Space, StagedCompletions,
};

/// A journal whose disk a test controls: it is slow, is full, or loses answers. Until the test says so, the journal behaves as the journal
/// inside. While it is [held](Self::hold), commands wait, and take effect in the journal inside at the moment of the answer, as a commit
/// would. What guests store is read back as soon as it is staged, as with the queue of a real journal.
///
/// ```
/// # use std::sync::Arc;
/// # use lastword_events::Session;
/// # use lastword_journal::{Journal, JournalError, JournalOp, testing::FaultyJournal};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let session = Arc::new(Session::new("acme", "s1"));
/// # let event = Arc::new(lastword_events::Event::Start(Default::default()));
/// # let start = || JournalOp::Start { session: session.clone(), event: event.clone(), owed: vec![], op_id: None };
/// let journal = FaultyJournal::in_memory();
/// journal.fill();
/// assert!(matches!(journal.append(start()).await, Err(JournalError::Full(_))));
/// journal.commit().await;
/// assert!(journal.append(start()).await.is_ok(), "there is room again");
/// # }
/// ```
pub struct FaultyJournal<J = MemoryJournal> {
    inner: J,
    /// Values that guests stored and that are not committed yet, over the committed ones.
    staged: Mutex<StagedValues>,
    held: Mutex<Held>,
    held_more: Notify,
    reads: Reads,
    /// Whether no record of a delivery can be changed.
    unwritable: AtomicBool,
}

/// The waiting commands, and which commands wait. One lock protects both, so no command is left behind that comes at the moment of a
/// commit.
#[derive(Default)]
struct Held {
    commands: Vec<Command>,
    /// Whether all commands but outcomes wait.
    holds_writes: bool,
    /// Whether requests of owners wait.
    holds_appends: bool,
    /// Whether decisions of the runtime wait.
    holds_decided: bool,
    holds_outcomes: bool,
    holds_changes: bool,
    is_full: bool,
}

/// Whether this is a file that takes its time to be read.
#[derive(Default)]
struct Reads {
    held: Mutex<bool>,
    released: Condvar,
    is_file: AtomicBool,
    /// The tenants of the lists of deliveries that were begun to be read.
    lists: Mutex<Vec<Option<Arc<str>>>>,
}

/// All values of the spaces in which anything was stored since.
#[derive(Default)]
struct StagedValues {
    journal: MemoryJournal,
    spaces: HashSet<Space>,
}

impl StagedValues {
    /// Takes over what is committed of a space. No quota counts for that.
    fn load(&self, space: &Space, committed: &dyn Journal) {
        let keys = committed.key_value_keys(space, None, usize::MAX).unwrap_or_default();
        let value = |key: &String| committed.key_value(space, key).ok().flatten().map(Change::Set);
        let changes: Vec<_> = keys.into_iter().filter_map(|key| value(&key).map(|value| (key, value))).collect();
        let changes = KeyValueChanges { space: space.clone(), plugin_quota: None, tenant_quota: None, changes };
        drop(self.journal.complete(&space.tenant, vec![stored(changes)]));
    }
}

impl FaultyJournal {
    /// A faulty journal over a journal in memory.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::new(MemoryJournal::new())
    }
}

impl<J: Journal> FaultyJournal<J> {
    /// A faulty journal over `inner`.
    pub fn new(inner: J) -> Self {
        Self {
            inner,
            staged: Mutex::default(),
            held: Mutex::default(),
            held_more: Notify::new(),
            reads: Reads::default(),
            unwritable: AtomicBool::new(false),
        }
    }

    /// The journal inside.
    pub fn inner(&self) -> &J {
        &self.inner
    }

    /// From now on answers wait for [`commit`](Self::commit), [`fail`](Self::fail) or [`lose_answers`](Self::lose_answers).
    pub fn hold(&self) {
        let mut held = self.held.lock();
        (held.holds_writes, held.holds_outcomes) = (true, true);
    }

    /// From now on answers to [what owners ask](Journal::append) wait, and no others.
    pub fn hold_appends(&self) {
        self.held.lock().holds_appends = true;
    }

    /// From now on answers to [what the runtime has decided](Journal::append_decided) wait, and whoever flushes waits for them.
    pub fn hold_decided(&self) {
        self.held.lock().holds_decided = true;
    }

    /// From now on answers to outcomes wait, and no others.
    pub fn hold_outcomes(&self) {
        self.held.lock().holds_outcomes = true;
    }

    /// From now on [changes of deliveries](Journal::change_deliveries) wait, and nothing else.
    pub fn hold_changes(&self) {
        self.held.lock().holds_changes = true;
    }

    /// Sets whether each [change of a delivery](Journal::change_deliveries) is answered as if its record were damaged
    /// ([`Changed::Unwritable`](crate::Changed::Unwritable)), and nothing of it is changed.
    pub fn spoil_changes(&self, spoilt: bool) {
        self.unwritable.store(spoilt, Ordering::SeqCst);
    }

    /// From now on the disk is full: owners' requests are refused, and what the runtime has decided waits for [`commit`](Self::commit).
    pub fn fill(&self) {
        let mut held = self.held.lock();
        (held.is_full, held.holds_writes, held.holds_outcomes) = (true, true, true);
    }

    /// From now on this is a file, and a look-up of an `op_id` and a list of deliveries wait until
    /// [`release_reads`](Self::release_reads).
    pub fn hold_reads(&self) {
        self.reads.is_file.store(true, Ordering::SeqCst);
        *self.reads.held.lock() = true;
    }

    /// Lets waiting reads go on.
    pub fn release_reads(&self) {
        *self.reads.held.lock() = false;
        self.reads.released.notify_all();
    }

    /// How many lists of deliveries were begun to be read so far.
    pub fn lists_begun(&self) -> usize {
        self.reads.lists.lock().len()
    }

    /// The tenants whose deliveries were begun to be read so far, one for each list, in order. None is every tenant.
    pub fn tenants_of_lists(&self) -> Vec<Option<Arc<str>>> {
        self.reads.lists.lock().clone()
    }

    fn is_full(&self) -> bool {
        self.held.lock().is_full
    }

    /// Takes the waiting commands, in their order. None if none waits. Later commands do not wait, so nothing overtakes the waiting ones.
    fn release_some(&self) -> Option<Vec<Command>> {
        let mut held = self.held.lock();
        held.is_full = false;
        if held.commands.is_empty() {
            *held = Held::default();
            return None;
        }
        Some(std::mem::take(&mut held.commands))
    }

    /// The waiting commands.
    #[must_use]
    pub fn held(&self) -> usize {
        let held = self.held.lock();
        held.commands.iter().filter(|one| !matches!(one, Command::Flush(_) | Command::Release(_))).count()
    }

    /// Resolves when so many commands wait to be written.
    pub async fn until_held(&self, commands: usize) {
        loop {
            let held_more = self.held_more.notified();
            tokio::pin!(held_more);
            held_more.as_mut().enable();
            if self.held() >= commands {
                return;
            }
            held_more.await;
        }
    }

    /// Commits the waiting commands in order. Later commands do not wait.
    pub async fn commit(&self) {
        while let Some(commands) = self.release_some() {
            for command in commands {
                command.commit(&self.inner).await;
            }
        }
    }

    /// Commits the waiting commands in order, and drops the answers, as when a process dies between the commit and its answer. Later
    /// commands do not wait.
    pub async fn lose_answers(&self) {
        while let Some(commands) = self.release_some() {
            for command in commands {
                command.commit_without_answer(&self.inner).await;
            }
        }
    }

    /// Behaves as a disk that is full for a moment: refuses owners' requests, and commits what the runtime has decided. Later commands do
    /// not wait.
    pub async fn refuse_writes(&self) {
        while let Some(commands) = self.release_some() {
            for command in commands {
                match command {
                    Command::Append(..) | Command::Probe(_) => command.refuse(),
                    _ => command.commit(&self.inner).await,
                }
            }
        }
    }

    /// Refuses the waiting commands. Later commands do not wait.
    pub fn fail(&self) {
        let held = std::mem::take(&mut *self.held.lock()).commands;
        // The staged values are gone: only the committed ones are left.
        let mut values = self.staged.lock();
        values.journal = MemoryJournal::new();
        values.spaces.iter().for_each(|space| values.load(space, &self.inner));
        drop(values);
        held.into_iter().for_each(Command::refuse);
    }

    fn read<T>(&self, space: &Space, read: impl FnOnce(&dyn Journal) -> T) -> T {
        let values = self.staged.lock();
        read(if values.spaces.contains(space) { &values.journal } else { &self.inner })
    }

    /// Queues a command if `waits` says so, and asks the journal inside otherwise.
    fn hold_if<V, T>(
        &self,
        waits: impl FnOnce(&Held) -> bool,
        value: V,
        command: impl FnOnce(V) -> (Command, Pending<T>),
        ask: impl FnOnce(&J, V) -> Pending<T>,
    ) -> Pending<T> {
        let mut held = self.held.lock();
        if !waits(&held) {
            drop(held);
            return ask(&self.inner, value);
        }
        let (command, pending) = command(value);
        held.commands.push(command);
        drop(held);
        self.held_more.notify_waiters();
        pending
    }
}

impl<J: Journal> Journal for FaultyJournal<J> {
    fn known_op(&self, identity: &Identity, kind: Hook, op_id: &str) -> Option<u32> {
        self.reads.released.wait_while(&mut self.reads.held.lock(), |held| *held);
        self.inner.known_op(identity, kind, op_id)
    }

    fn name(&self) -> JournalName {
        self.inner.name()
    }

    fn durability(&self) -> Durability {
        if self.reads.is_file.load(Ordering::SeqCst) { Durability::Disk } else { self.inner.durability() }
    }

    fn recover(&self) -> Result<Recovered, JournalError> {
        self.inner.recover()
    }

    fn append(&self, op: JournalOp) -> Pending<Appended> {
        if self.is_full() {
            return Pending::ready(Err(disk_is_full()));
        }
        self.hold_if(|held| held.holds_writes || held.holds_appends, op, Command::append, J::append)
    }

    fn append_decided(&self, ops: Vec<JournalOp>) -> Pending<()> {
        let waits = |held: &Held| held.holds_writes || held.holds_decided;
        self.hold_if(waits, ops, Command::append_decided, J::append_decided)
    }

    fn complete(&self, tenant: &Arc<str>, mut completions: Vec<Completion>) -> StagedCompletions {
        // Held until the completions are queued, so that they are committed in the order in which they were resolved.
        let mut values = self.staged.lock();
        for KeyValueChanges { space, .. } in completions.iter().filter_map(|one| one.changes.as_deref()) {
            if values.spaces.insert(space.clone()) {
                values.load(space, &self.inner);
            }
        }
        let refused = values.journal.complete(tenant, completions.clone()).refused;
        for one in refused.iter().rev() {
            completions.remove(one.at);
        }
        let command = |completions| Command::complete(tenant, completions);
        let ask = |inner: &J, completions| inner.complete(tenant, completions).pending;
        StagedCompletions { refused, pending: self.hold_if(|held| held.holds_outcomes, completions, command, ask) }
    }

    fn flush(&self) -> Pending<()> {
        if self.is_full() {
            return Pending::ready(Err(disk_is_full()));
        }
        let waits = |held: &Held| held.holds_writes || held.holds_decided || held.holds_outcomes;
        self.hold_if(waits, (), |()| Command::flush(), |inner, ()| inner.flush())
    }

    fn mark_call(&self, delivery: &DeliveryKey) -> Option<CallMark> {
        self.inner.mark_call(delivery)
    }

    fn end_call_marks(&self) {
        self.inner.end_call_marks();
    }

    /// On a full disk the waiting commands are lost, and the journal is released all the same.
    fn release(&self) -> Pending<()> {
        if self.is_full() {
            self.fail();
            drop(self.inner.release());
            return Pending::ready(Err(disk_is_full()));
        }
        let waits = |held: &Held| held.holds_writes || held.holds_outcomes;
        self.hold_if(waits, (), |()| Command::release(), |inner, ()| inner.release())
    }

    fn set_aside(&self) -> u64 {
        self.inner.set_aside()
    }

    fn observe_commits(&self, observer: CommitObserver) {
        self.inner.observe_commits(observer);
    }

    fn probe(&self) -> Pending<()> {
        if self.is_full() {
            return Pending::ready(Err(disk_is_full()));
        }
        self.hold_if(|held| held.holds_writes, (), |()| Command::probe(), |inner, ()| inner.probe())
    }

    fn delivery(&self, delivery: &DeliveryKey) -> Result<Option<DeliveryRow>, JournalError> {
        self.inner.delivery(delivery)
    }

    fn deliveries(&self, filter: &DeliveryFilter, page: &PageRequest) -> Result<DeliveryPage, JournalError> {
        self.reads.lists.lock().push(filter.tenant.clone());
        self.reads.released.wait_while(&mut self.reads.held.lock(), |held| *held);
        self.inner.deliveries(filter, page)
    }

    fn change_deliveries(&self, change: DeliveryChange, deliveries: Vec<DeliveryKey>) -> Pending<Vec<ChangedDelivery>> {
        if self.unwritable.load(Ordering::SeqCst) {
            return Pending::ready(Ok(deliveries.iter().map(|_| ChangedDelivery::unwritable()).collect()));
        }
        let command = |deliveries| Command::change_deliveries(change, deliveries);
        let ask = |inner: &J, deliveries| inner.change_deliveries(change, deliveries);
        self.hold_if(|held| held.holds_writes || held.holds_changes, deliveries, command, ask)
    }

    fn key_value(&self, space: &Space, key: &str) -> Result<Option<Vec<u8>>, JournalError> {
        self.read(space, |journal| journal.key_value(space, key))
    }

    fn key_value_keys(&self, space: &Space, after: Option<&str>, limit: usize) -> Result<Vec<String>, JournalError> {
        self.read(space, |journal| journal.key_value_keys(space, after, limit))
    }

    fn key_value_bytes(&self, space: &Space) -> Result<u64, JournalError> {
        self.read(space, |journal| journal.key_value_bytes(space))
    }

    fn key_value_tenant_bytes(&self, tenant: &str) -> Result<u64, JournalError> {
        let values = self.staged.lock();
        let staged = values.spaces.iter().filter(|space| *space.tenant == *tenant);
        let replaced = staged.map(|space| self.inner.key_value_bytes(space)).sum::<Result<u64, _>>()?;
        let others = self.inner.key_value_tenant_bytes(tenant)?.saturating_sub(replaced);
        Ok(others.saturating_add(values.journal.key_value_tenant_bytes(tenant)?))
    }
}

/// The completion of an otherwise unknown delivery that stores these values.
fn stored(changes: KeyValueChanges) -> Completion {
    let delivery = DeliveryKey { sequence: 0, event: EventKey::End, plugin: changes.space.plugin.clone() };
    Completion { delivery, attempt: 1, settlement: Settlement::Delivered, changes: Some(Box::new(changes)) }
}
