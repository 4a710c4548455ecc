//! A journal whose disk is another thread: what is written down is durable, and answered, when the scheduler lets that
//! thread go on. Beneath it is the journal in memory, which does at once what it is told.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::ops::AddAssign as _;
use std::sync::{Arc, Mutex};

use lastword_events::{EventKey, Hook, Identity, JournalName, Session};
use lastword_journal::testing::{Command, disk_is_full};
use lastword_journal::{
    Appended, Changed, ChangedDelivery, Completion, DeliveryChange, DeliveryFilter, DeliveryKey, DeliveryPage,
    DeliveryRow, DeliveryState, Durability, Journal, JournalError, JournalOp, MemoryJournal, PageRequest, Pending,
    Recovered, Settlement, Space, StagedCompletions,
};
use shuttle::sync::{Condvar, Mutex as ScheduledMutex};

use crate::changes::end_to_visitor;
use crate::draw::{chance, up_to};
use crate::owner::Generation;
use crate::trace::{describe, name, trace};

/// What a disk does with what owners ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// Everything is written before the function returns, as in memory.
    AtOnce,
    Good,
    /// Some requests cannot be written, and are refused.
    Refuses,
    /// It hangs from the moment at which it hears of a drain until somebody says [`Disk::thaw`].
    Freezes,
}

pub(crate) struct Disk {
    journal: MemoryJournal,
    health: Health,
    queue: ScheduledMutex<Queue>,
    changed: Condvar,
    /// What is on the disk. Of `std`: looking at it is no step of a schedule.
    record: Mutex<Record>,
}

#[derive(Default)]
struct Queue {
    commands: VecDeque<Command>,
    frozen: bool,
    /// The run has let go of it.
    released: bool,
    closed: bool,
}

/// What the disk has been made to write.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Sessions, by sequence number.
    pub(crate) sessions: BTreeMap<u64, Arc<Session>>,
    /// Sessions of which nothing but the end is known.
    pub(crate) without_start: HashSet<u64>,
    /// Sessions whose end is written down.
    pub(crate) ended: HashSet<u64>,
    /// Ends that were owed, as they were written down, to the plugin that comes and goes.
    pub(crate) owed_to_visitor: Vec<DeliveryKey>,
    /// Attempts that are.
    pub(crate) attempts: HashMap<DeliveryKey, Vec<(u32, Settlement)>>,
    /// How often deliveries were not dead any more that were given up: they are made again, or were let go.
    pub(crate) revived: HashMap<DeliveryKey, usize>,
    /// Deliveries that operators have let go.
    pub(crate) forgotten: HashSet<DeliveryKey>,
    /// Somebody has said that a drain begins. Nobody waits for that to be written.
    pub(crate) draining: bool,
}

impl Disk {
    pub(crate) fn new(health: Health) -> Arc<Self> {
        Arc::new(Self {
            journal: MemoryJournal::new(),
            health,
            queue: ScheduledMutex::default(),
            changed: Condvar::new(),
            record: Mutex::default(),
        })
    }

    /// A run that is over had started these, and left them active.
    pub(crate) fn start_in_a_dead_run(&self, sessions: Vec<JournalOp>) {
        drop(self.journal.recover().unwrap());
        for write in sessions {
            self.write_now(write).unwrap();
        }
    }

    pub(crate) fn look<T>(&self, at: impl FnOnce(&Record) -> T) -> T {
        at(&self.record.lock().unwrap())
    }

    /// The disk's thread. It leaves when the disk is closed and everything is written.
    pub(crate) fn run(&self) {
        while let Some(group) = self.next_group() {
            let answers: Vec<Box<dyn FnOnce()>> = group.into_iter().map(|command| self.carry_out(command)).collect();
            // Appended as one, and then answered one by one.
            for answer in answers {
                shuttle::thread::yield_now();
                answer();
            }
        }
    }

    pub(crate) fn thaw(&self) {
        self.queue.lock().unwrap().frozen = false;
        self.changed.notify_one();
    }

    /// Nothing more will come.
    pub(crate) fn close(&self) {
        self.queue.lock().unwrap().closed = true;
        self.changed.notify_one();
    }

    /// What the next run finds.
    pub(crate) fn recovered(&self) -> Recovered {
        self.journal.recover().unwrap()
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

    /// What the runtime has decided: it is never impossible, and an end comes before what became of it.
    fn record_now(&self, write: JournalOp) {
        if let JournalOp::End { sequence, .. } = write {
            let is_of_it = |one: &DeliveryKey| one.sequence == sequence && one.event == EventKey::End;
            let outcome = self.look(|record| record.attempts.keys().find(|one| is_of_it(one)).cloned());
            assert_eq!(outcome, None, "its outcome is on record before the end itself");
        }
        self.write_now(write).unwrap();
    }

    fn write_now(&self, write: JournalOp) -> Result<Appended, JournalError> {
        let ends = match &write {
            JournalOp::End { sequence, .. } => Some(*sequence),
            JournalOp::Replace { end, .. } => match &**end {
                JournalOp::End { sequence, .. } => Some(*sequence),
                _ => None,
            },
            _ => None,
        };
        let without_start = matches!(write, JournalOp::EndWithoutStart { .. });
        // The memory journal answers at once.
        let what = describe(&write);
        let written = at_once(self.journal.append(write));
        trace!("disk: {what}: {written:?}");
        let mut record = self.record.lock().unwrap();
        let mut ended = Vec::new();
        match &written {
            Ok(Appended::Session { sequence, session }) => {
                record.sessions.insert(*sequence, session.clone());
                record.without_start.extend(without_start.then_some(*sequence));
                ended.extend(without_start.then_some(*sequence));
            }
            Ok(Appended::Done) => ended.extend(ends),
            Ok(Appended::Replaced { end, start }) => {
                if **end == Appended::Done {
                    ended.extend(ends);
                }
                for (part, without_start) in [(end, true), (start, false)] {
                    if let Appended::Session { sequence, session } = &**part {
                        record.sessions.insert(*sequence, session.clone());
                        record.without_start.extend(without_start.then_some(*sequence));
                        ended.extend(without_start.then_some(*sequence));
                    }
                }
            }
            _ => (),
        }
        let is_owed = |end: &DeliveryKey| self.journal.delivery(end).unwrap().is_some();
        record.owed_to_visitor.extend(ended.iter().copied().map(end_to_visitor).filter(is_owed));
        record.ended.extend(ended);
        written
    }

    fn complete_now(&self, tenant: &Arc<str>, completions: Vec<Completion>) {
        let mut record = self.record.lock().unwrap();
        for one in &completions {
            trace!("disk: attempt {} of {}: {:?}", one.attempt, name(&one.delivery), one.settlement);
            record.attempts.entry(one.delivery.clone()).or_default().push((one.attempt, one.settlement.clone()));
        }
        at_once(self.journal.complete(tenant, completions).pending).unwrap();
    }

    /// What operators change: what was given up is not any more, and what is forgotten will not be made.
    fn change_now(
        &self,
        change: DeliveryChange,
        deliveries: Vec<DeliveryKey>,
    ) -> Result<Vec<ChangedDelivery>, JournalError> {
        let late = |delivery| self.journal.delivery(delivery).unwrap().is_some_and(|row| row.late);
        let late: Vec<bool> = deliveries.iter().map(late).collect();
        let changed = at_once(self.journal.change_deliveries(change, deliveries.clone()))?;
        let mut record = self.record.lock().unwrap();
        for ((delivery, late), changed) in deliveries.into_iter().zip(late).zip(&changed) {
            trace!("disk: {change:?} of {}: {:?}", name(&delivery), changed.changed);
            if changed.changed != Changed::Done {
                continue;
            }
            if changed.was == Some(DeliveryState::Dead) {
                record.revived.entry(delivery.clone()).or_default().add_assign(1);
            }
            if change == DeliveryChange::Forget {
                if changed.was == Some(DeliveryState::Owed) && !late {
                    let newer = record.newer_than(&delivery);
                    assert_eq!(newer, None, "{delivery:?} has not stepped aside, and is forgotten only now");
                }
                record.forgotten.insert(delivery);
            }
        }
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
            self.record.lock().unwrap().draining = true;
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

impl Record {
    /// The session's identity, and its generation.
    pub(crate) fn generation(&self, sequence: u64) -> Generation {
        let session = &self.sessions[&sequence];
        (session.identity.clone(), session.generation)
    }

    /// Whether a plugin may hear of this event of a session.
    pub(crate) fn may_be_told(&self, sequence: u64, event: EventKey) -> bool {
        let is_registered = self.sessions.contains_key(&sequence);
        is_registered && (event != EventKey::End || self.draining || self.ended.contains(&sequence))
    }

    pub(crate) fn is_delivered(&self, delivery: &DeliveryKey) -> bool {
        self.count(delivery, |settlement| *settlement == Settlement::Delivered) > 0
    }

    pub(crate) fn is_dead(&self, delivery: &DeliveryKey) -> bool {
        self.count(delivery, |settlement| matches!(settlement, Settlement::Dead { .. })) > 0
    }

    /// A newer event of the session that the plugin has taken.
    fn newer_than(&self, delivery: &DeliveryKey) -> Option<&DeliveryKey> {
        let is_newer = |other: &&DeliveryKey| {
            (other.sequence, &other.plugin) == (delivery.sequence, &delivery.plugin) && other.event > delivery.event
        };
        self.attempts.keys().filter(is_newer).find(|newer| self.is_delivered(newer))
    }

    /// How often a delivery came to this.
    pub(crate) fn count(&self, delivery: &DeliveryKey, settlement: impl Fn(&Settlement) -> bool) -> usize {
        self.attempts.get(delivery).map_or(0, |attempts| attempts.iter().filter(|(_, s)| settlement(s)).count())
    }
}
