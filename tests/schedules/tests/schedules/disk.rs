//! A journal whose disk is another thread: what is written down is durable, and answered, when the scheduler lets that
//! thread go on. Beneath it is the journal in memory, which does at once what it is told.

use std::collections::VecDeque;
use std::sync::Arc;

use lastword_events::{Hook, Identity, JournalName};
use lastword_journal::testing::{Command, disk_is_full};
use lastword_journal::{
    Appended, ChangedDelivery, Completion, DeliveryChange, DeliveryFilter, DeliveryKey, DeliveryPage, DeliveryRow,
    Durability, Journal, JournalError, JournalOp, MemoryJournal, PageRequest, Pending, Recovered, Space,
    StagedCompletions,
};
use shuttle::sync::{Condvar, Mutex as ScheduledMutex};

use crate::draw::{chance, up_to};
use crate::medium::Medium;
use crate::record::{OnRecord, SaidOfEnds};
use crate::trace::{describe, trace};

/// What a disk does with what owners ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// Everything is written before the function returns, as in memory.
    AtOnce,
    Good,
    /// Some requests cannot be written, and are refused.
    Refuses,
    /// It hangs from the moment at which it hears of a drain until that is over.
    Freezes,
}

pub(crate) struct Disk {
    journal: MemoryJournal,
    health: Health,
    queue: ScheduledMutex<Queue>,
    changed: Condvar,
    on_record: Arc<OnRecord>,
}

#[derive(Default)]
struct Queue {
    commands: VecDeque<Command>,
    frozen: bool,
    /// The run has let go of it.
    released: bool,
    closed: bool,
}

impl Disk {
    pub(crate) fn new(health: Health) -> Arc<Self> {
        Arc::new(Self {
            journal: MemoryJournal::new(),
            health,
            queue: ScheduledMutex::default(),
            changed: Condvar::new(),
            on_record: Arc::default(),
        })
    }

    fn next_group(&self) -> Option<Vec<Command>> {
        let mut queue = self.queue.lock().unwrap();
        while queue.frozen || queue.commands.is_empty() {
            if queue.closed && queue.commands.is_empty() {
                return None;
            }
            queue = self.changed.wait(queue).unwrap();
        }
        let group = up_to(queue.commands.len() - 1) + 1;
        Some(queue.commands.drain(..group).collect())
    }

    fn carry_out(&self, command: Command) -> Box<dyn FnOnce()> {
        match command {
            Command::Append(_, reply) if self.health == Health::Refuses && chance(1, 4) => {
                Box::new(|| reply.send(Err(disk_is_full())))
            }
            Command::Append(write, reply) => {
                let written = self.write_now(*write);
                Box::new(|| reply.send(written))
            }
            Command::AppendDecided(writes, reply) => {
                writes.into_iter().for_each(|write| self.record_now(write));
                Box::new(|| reply.send(Ok(())))
            }
            Command::Complete(tenant, completions, reply) => {
                self.complete_now(&tenant, completions);
                Box::new(|| reply.send(Ok(())))
            }
            Command::Flush(reply) | Command::Probe(reply) => Box::new(|| reply.send(Ok(()))),
            Command::Release(reply) => {
                let released = self.release_now();
                Box::new(|| reply.send(released))
            }
            Command::ChangeDeliveries(change, deliveries, reply) => {
                let changed = self.change_now(change, deliveries);
                Box::new(|| reply.send(changed))
            }
        }
    }

    /// What the runtime has decided: it is never impossible.
    fn record_now(&self, write: JournalOp) {
        self.on_record.look(|record| record.check_that_no_outcome_is_before(&write));
        self.write_now(write).unwrap();
    }

    fn write_now(&self, write: JournalOp) -> Result<Appended, JournalError> {
        let (what, said) = (describe(&write), SaidOfEnds::by(&write));
        // The memory journal answers at once.
        let written = at_once(self.journal.append(write));
        trace!("disk: {what}: {written:?}");
        let is_owed = |end: &DeliveryKey| self.journal.delivery(end).unwrap().is_some();
        self.on_record.change(|record| record.written(&said, &written, is_owed));
        written
    }

    fn complete_now(&self, tenant: &Arc<str>, completions: Vec<Completion>) {
        self.on_record.change(|record| completions.iter().for_each(|one| record.attempted(one)));
        at_once(self.journal.complete(tenant, completions).pending).unwrap();
    }

    fn change_now(
        &self,
        change: DeliveryChange,
        deliveries: Vec<DeliveryKey>,
    ) -> Result<Vec<ChangedDelivery>, JournalError> {
        let is_late = |one: &DeliveryKey| self.journal.delivery(one).unwrap().is_some_and(|row| row.late);
        let before = deliveries.iter().map(|one| (one.clone(), is_late(one))).collect();
        let changed = at_once(self.journal.change_deliveries(change, deliveries))?;
        self.on_record.change(|record| record.changed(change, before, &changed));
        Ok(changed)
    }

    fn release_now(&self) -> Result<(), JournalError> {
        trace!("disk: it is let go of");
        at_once(self.journal.release())
    }

    /// Something is asked of it: not once it was let go of, nor when nothing is left of the runtime.
    fn is_asked(&self) {
        let queue = self.queue.lock().unwrap();
        assert!(!queue.released && !queue.closed, "something is written although the run is over");
    }

    fn queue<T>(&self, (command, pending): (Command, Pending<T>)) -> Pending<T> {
        self.queue.lock().unwrap().commands.push_back(command);
        self.changed.notify_one();
        pending
    }
}

impl Medium for Disk {
    fn on_record(&self) -> &Arc<OnRecord> {
        &self.on_record
    }

    fn start_in_a_dead_run(&self, sessions: Vec<JournalOp>) {
        drop(self.journal.recover().unwrap());
        for write in sessions {
            self.write_now(write).unwrap();
        }
    }

    fn journal(self: Arc<Self>) -> Arc<dyn Journal> {
        self
    }

    /// The disk's thread. It leaves when the disk is closed and everything is written.
    fn run(&self) {
        while let Some(group) = self.next_group() {
            let answers: Vec<Box<dyn FnOnce()>> = group.into_iter().map(|command| self.carry_out(command)).collect();
            // Appended as one, and then answered one by one.
            for answer in answers {
                shuttle::thread::yield_now();
                answer();
            }
        }
    }

    /// One that is frozen goes on.
    fn recover_from_faults(&self) {
        self.queue.lock().unwrap().frozen = false;
        self.changed.notify_one();
    }

    fn close(&self) {
        self.queue.lock().unwrap().closed = true;
        self.changed.notify_one();
    }

    fn recovered(self: Arc<Self>) -> Recovered {
        self.journal.recover().unwrap()
    }
}

fn at_once<T: Unpin>(pending: Pending<T>) -> Result<T, JournalError> {
    shuttle::future::block_on(pending)
}

impl Journal for Disk {
    fn name(&self) -> JournalName {
        self.journal.name()
    }

    fn durability(&self) -> Durability {
        Durability::Memory
    }

    fn recover(&self) -> Result<Recovered, JournalError> {
        self.journal.recover()
    }

    fn append(&self, op: JournalOp) -> Pending<Appended> {
        self.is_asked();
        if self.health == Health::AtOnce {
            return Pending::ready(self.write_now(op));
        }
        self.queue(Command::append(op))
    }

    fn append_decided(&self, ops: Vec<JournalOp>) -> Pending<()> {
        self.is_asked();
        if ops.iter().any(|write| matches!(write, JournalOp::Draining { .. })) {
            self.on_record.change(|record| record.draining = true);
            self.queue.lock().unwrap().frozen = self.health == Health::Freezes;
        }
        if self.health == Health::AtOnce {
            ops.into_iter().for_each(|write| self.record_now(write));
            return Pending::ready(Ok(()));
        }
        self.queue(Command::append_decided(ops))
    }

    fn known_op(&self, identity: &Identity, kind: Hook, op_id: &str) -> Option<u32> {
        self.journal.known_op(identity, kind, op_id)
    }

    /// Scripted plugins store nothing, so nothing is refused.
    fn complete(&self, tenant: &Arc<str>, completions: Vec<Completion>) -> StagedCompletions {
        self.is_asked();
        if self.health == Health::AtOnce {
            self.complete_now(tenant, completions);
            return StagedCompletions::all(Pending::ready(Ok(())));
        }
        StagedCompletions::all(self.queue(Command::complete(tenant, completions)))
    }

    fn flush(&self) -> Pending<()> {
        if self.health == Health::AtOnce { Pending::ready(Ok(())) } else { self.queue(Command::flush()) }
    }

    fn release(&self) -> Pending<()> {
        self.is_asked();
        self.queue.lock().unwrap().released = true;
        if self.health == Health::AtOnce { Pending::ready(self.release_now()) } else { self.queue(Command::release()) }
    }

    fn probe(&self) -> Pending<()> {
        if self.health == Health::AtOnce { Pending::ready(Ok(())) } else { self.queue(Command::probe()) }
    }

    fn delivery(&self, delivery: &DeliveryKey) -> Result<Option<DeliveryRow>, JournalError> {
        self.journal.delivery(delivery)
    }

    fn deliveries(&self, filter: &DeliveryFilter, page: &PageRequest) -> Result<DeliveryPage, JournalError> {
        self.journal.deliveries(filter, page)
    }

    fn change_deliveries(&self, change: DeliveryChange, deliveries: Vec<DeliveryKey>) -> Pending<Vec<ChangedDelivery>> {
        self.is_asked();
        if self.health == Health::AtOnce {
            return Pending::ready(self.change_now(change, deliveries));
        }
        self.queue(Command::change_deliveries(change, deliveries))
    }

    fn key_value(&self, space: &Space, key: &str) -> Result<Option<Vec<u8>>, JournalError> {
        self.journal.key_value(space, key)
    }

    fn key_value_keys(&self, space: &Space, after: Option<&str>, limit: usize) -> Result<Vec<String>, JournalError> {
        self.journal.key_value_keys(space, after, limit)
    }

    fn key_value_bytes(&self, space: &Space) -> Result<u64, JournalError> {
        self.journal.key_value_bytes(space)
    }

    fn key_value_tenant_bytes(&self, tenant: &str) -> Result<u64, JournalError> {
        self.journal.key_value_tenant_bytes(tenant)
    }
}
