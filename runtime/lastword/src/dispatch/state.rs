//! What the dispatcher's lock protects. Nothing here waits, calls a guest or writes a journal.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use lastword_events::Outcome;

use super::PluginNumber;
use super::fair::{Fair, QueueId, TenantNumber};
use super::finished_call::FinishedCall;
use super::memory::{MemoryTurns, Taken};
use super::plugins::PluginUse;
use super::queue::{Job, Queue};
use super::quotas::Waiting;
use super::stored::Stored;
use super::suspects::Suspects;
use super::tenant::Tenant;
use crate::breaker::Breaker;
use crate::drain::account::DrainAccount;
use crate::lane::FailedIn;
use crate::limits::MAX_IDLE_TENANTS;
use crate::phase::Phase;
use crate::queued_delivery::QueuedDelivery;
use crate::quota::TenantQuota;
use crate::sync::{now, thread::Thread};

#[derive(Default)]
pub(crate) struct State {
    pub(super) fair: Fair,
    pub(super) queues: Vec<Queue>,
    pub(super) tenants: HashMap<Arc<str>, TenantNumber>,
    /// By number.
    pub(super) accounts: Vec<Tenant>,
    /// By number.
    pub(super) plugins: Vec<PluginUse>,
    /// Of tenants that were forgotten, to be used again.
    spare_tenants: Vec<TenantNumber>,
    spare_queues: Vec<QueueId>,
    /// With this many tenants the idle ones are forgotten.
    forget_at: usize,
    pub(super) taken: u32,
    /// Failures that are being written down.
    pub(super) unwritten: u32,
    pub(super) retries: BinaryHeap<Reverse<Retry>>,
    pub(super) waiting: Waiting,
    pub(super) suspects: Suspects,
    pub(super) stored: Stored,
    /// Queues that wait for memory.
    pub(super) memory: MemoryTurns,
    /// A retry or a refill was added that no idle worker knows of.
    pub(super) new_timer: bool,
    /// Workers that found nothing to do.
    pub(super) idle: Vec<Thread>,
    pub(super) phase: Phase,
    /// Of the drain that has begun.
    pub(super) drain: Option<DrainAccount>,
    /// `session-end` deliveries that are owed or dead.
    pub(super) undelivered_ends: u64,
}

/// A lane that wants to be looked at.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Retry {
    pub(super) at: Instant,
    queue: QueueId,
    id: Arc<str>,
}

impl State {
    pub(super) fn new(plugins: Vec<PluginUse>) -> Self {
        Self { plugins, ..Self::default() }
    }

    /// Nothing is to be done now. What waits for its tenant's fuel is not ready, as what waits for its retry.
    pub(super) fn is_quiet(&self) -> bool {
        self.fair.ready_deliveries() == 0
            && self.taken == 0
            && self.unwritten == 0
            && self.waiting.is_idle()
            && self.suspects.is_empty()
            && !self.stored.holds_up(&self.fair)
    }

    /// Wakes as many idle workers as there is work for; one, when there is only somebody to be told, or a new moment to
    /// sleep until.
    pub(super) fn wake(&mut self) {
        let suspect = self.taken == 0 && self.suspects.want_turn();
        let one = std::mem::take(&mut self.new_timer) || self.waiting.has_pending() || suspect;
        let wanted = self.fair.ready_deliveries().max(usize::from(one)).min(self.idle.len());
        self.idle.drain(..wanted).for_each(|worker| worker.unpark());
    }

    /// Wakes every idle worker.
    pub(super) fn wake_all(&mut self) {
        self.idle.drain(..).for_each(|worker| worker.unpark());
    }

    /// Adds a tenant and makes its queues, or takes spare ones.
    pub(super) fn add_tenant(
        &mut self,
        tenant: &Arc<str>,
        quota: &TenantQuota,
        plugins: &[PluginNumber],
        breaker_threshold: u32,
    ) -> Arc<[(PluginNumber, QueueId)]> {
        let account = Tenant::new(quota, now());
        let spare = self.spare_tenants.pop();
        let number = match spare.and_then(|number| Some((number, self.accounts.get_mut(number)?))) {
            Some((number, spare)) => {
                *spare = account;
                self.fair.reuse_tenant(number);
                number
            }
            None => {
                self.accounts.push(account);
                self.fair.add_tenant()
            }
        };
        let mut queues = Vec::with_capacity(plugins.len());
        for &plugin in plugins {
            let new = Queue::new(tenant.clone(), number, plugin, Breaker::new(breaker_threshold));
            let spare = self.spare_queues.pop();
            let id = match spare.and_then(|id| Some((id, self.queues.get_mut(id)?))) {
                Some((id, queue)) => {
                    *queue = new;
                    self.fair.reuse_queue(id, number);
                    id
                }
                None => {
                    self.queues.push(new);
                    self.fair.add_queue(number)
                }
            };
            queues.push((plugin, id));
        }
        let queues: Arc<[_]> = queues.into();
        if let Some(account) = self.accounts.get_mut(number) {
            account.queues = queues.clone();
        }
        self.tenants.insert(tenant.clone(), number);
        queues
    }

    /// Forgets tenants that are owed nothing, once there are many: owners may make up tenants for ever.
    pub(super) fn forget_idle_tenants(&mut self) {
        // A drain's account is kept in the queues.
        if self.drain.is_some() || self.tenants.len() < self.forget_at.max(MAX_IDLE_TENANTS) {
            return;
        }
        let now = now();
        let (queues, spare_queues, spare_tenants) = (&self.queues, &mut self.spare_queues, &mut self.spare_tenants);
        self.tenants.retain(|_, number| {
            let Some(account) = self.accounts.get(*number) else { return false };
            let idle = |&(_, queue): &(PluginNumber, QueueId)| queues.get(queue).is_none_or(Queue::is_idle);
            let forget = account.can_be_forgotten(now) && account.queues.iter().all(idle);
            if forget {
                spare_queues.extend(account.queues.iter().map(|(_, queue)| *queue));
                spare_tenants.push(*number);
            }
            !forget
        });
        // At most one look at each tenant for each new one.
        self.forget_at = self.tenants.len() * 2;
    }

    /// Puts a new event into its lane.
    pub(super) fn push(&mut self, queue: QueueId, delivery: QueuedDelivery) {
        self.undelivered_ends += u64::from(delivery.is_end());
        let deferral = self.deferral(queue);
        let Some(q) = self.queues.get_mut(queue) else { return };
        if let Some(tenant) = self.accounts.get_mut(q.owner) {
            tenant.owed += 1;
        }
        let now = now();
        q.unstarted.add(delivery.is_end());
        let lane = q.lanes.entry(delivery.session.identity.id.clone()).or_default();
        let ready = lane.push(delivery, now);
        self.make_ready(queue, ready);
        if let Some(why) = deferral {
            self.defer_unstarted(queue, why);
        }
    }

    /// Puts what a lane has ready at the end of its queue.
    pub(super) fn make_ready(&mut self, queue: QueueId, delivery: Option<QueuedDelivery>) {
        let Some(mut delivery) = delivery else { return };
        if delivery.suspect {
            return self.suspects.push(queue, delivery, now());
        }
        self.defer_if_waiting(queue, &mut delivery);
        let Some(q) = self.queues.get_mut(queue) else { return };
        q.ready.push_back(Job::Queued(delivery));
        self.update_ready(queue);
    }

    /// Takes deliveries out of a queue: at most `most`, no more than its tenant may begin, and none without its memory.
    pub(super) fn take(&mut self, queue: QueueId, most: u32) -> Vec<Taken> {
        let Some(q) = self.queues.get_mut(queue) else { return Vec::new() };
        let Some(tenant) = self.accounts.get_mut(q.owner) else { return Vec::new() };
        let room = most.min(tenant.free_calls()).min(tenant.at_once());
        // What a call uses has to be known before the next one begins.
        let by_fuel = tenant.fuel.is_some() && self.drain.is_none();
        let room = if by_fuel { room.min(1) } else { room };
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let mut jobs = Vec::with_capacity(room.min(q.ready_len()));
        while jobs.len() < room
            && let Some(taken) = self.take_one(queue, jobs.len())
        {
            jobs.push(taken);
        }
        self.note_taken(queue, &jobs);
        self.update_ready(queue);
        jobs
    }

    /// A worker has these: each holds a slot.
    pub(super) fn note_taken(&mut self, queue: QueueId, jobs: &[Taken]) {
        let Some(q) = self.queues.get_mut(queue) else { return };
        let taken = u32::try_from(jobs.len()).unwrap_or(u32::MAX);
        q.taken += taken;
        q.ends_taken += count_ends(jobs);
        jobs.iter().for_each(|taken| q.unstarted.remove(taken.job.is_end()));
        self.taken += taken;
        let owner = q.owner;
        if let Some(tenant) = self.accounts.get_mut(owner) {
            tenant.calls += taken;
        }
        if let Some(plugin) = self.plugins.get_mut(q.plugin) {
            plugin.taken += taken;
        }
        self.throttle_or_release(owner);
    }

    /// Deliveries that a worker has taken and not begun go back to where they were.
    pub(super) fn bring_back(&mut self, queue: QueueId, mut unstarted: Vec<Taken>) {
        for taken in &mut unstarted {
            if let Job::Queued(delivery) = &mut taken.job {
                self.defer_if_waiting(queue, delivery);
            }
        }
        let Some(q) = self.queues.get_mut(queue) else { return };
        let taken = u32::try_from(unstarted.len()).unwrap_or(u32::MAX);
        q.taken -= taken;
        q.ends_taken -= count_ends(&unstarted);
        unstarted.iter().for_each(|taken| q.unstarted.add(taken.job.is_end()));
        self.taken -= taken;
        if let Some(tenant) = self.accounts.get_mut(q.owner) {
            tenant.calls -= taken;
            tenant.memory -= unstarted.iter().map(|taken| taken.reserved).sum::<u64>();
        }
        if let Some(plugin) = self.plugins.get_mut(q.plugin) {
            plugin.taken -= taken;
        }
        let mut suspect = None;
        for taken in unstarted.into_iter().rev() {
            match taken.job {
                Job::Queued(delivery) if delivery.suspect => suspect = Some(delivery),
                job => q.ready.push_front(job),
            }
        }
        if let Some(delivery) = suspect {
            self.put_suspect_back(queue, delivery, now());
        }
        self.update_ready(queue);
    }

    /// Gives the slots of failures back that are being written down.
    pub(super) fn release(&mut self, queue: QueueId, failed: &mut [FinishedCall]) {
        for one in failed {
            self.give_slot_back(queue, one.delivery.reserved);
            one.released = true;
            self.unwritten += 1;
        }
    }

    fn give_slot_back(&mut self, queue: QueueId, reserved: u64) {
        self.taken -= 1;
        let Some(q) = self.queues.get_mut(queue) else { return };
        q.taken -= 1;
        if let Some(tenant) = self.accounts.get_mut(q.owner) {
            tenant.calls -= 1;
            tenant.memory -= reserved;
        }
        if let Some(plugin) = self.plugins.get_mut(q.plugin) {
            plugin.taken -= 1;
        }
    }

    pub(super) fn finish(&mut self, queue: QueueId, finished: FinishedCall, now: Instant) {
        let FinishedCall { mut delivery, outcome, report, retry, in_drain, unwritten, released, .. } = finished;
        self.cleared(&mut delivery, now);
        if released {
            self.unwritten -= 1;
        } else {
            self.give_slot_back(queue, delivery.reserved);
        }
        if outcome == Outcome::Delivered && delivery.is_end() {
            self.undelivered_ends -= 1;
        }
        let Some(q) = self.queues.get_mut(queue) else { return };
        q.ends_unwritten -= u32::from(unwritten);
        if let (Some(report), Some(plugin)) = (report, self.plugins.get_mut(q.plugin)) {
            plugin.memory.count(report.counted_memory);
        }
        // It failed before the drain, which waited for its record and cannot try it: the number would not be there. (What the
        // journal refuses at once was given up before the drain.)
        let untried = unwritten && released && retry.is_none();
        if untried && self.drain.is_some() && self.phase < Phase::Closed {
            q.tally.add(&outcome);
        }
        let id = delivery.session.identity.id.clone();
        if retry.is_some() && !in_drain && self.drain.is_some() && self.phase < Phase::Closed {
            // It failed before the drain, and its queue was passed over while its failure was written down: so is it.
            q.lanes.entry(id.clone()).or_default();
        }
        let lane = q.lanes.get_mut(&id);
        if let Some(tenant) = self.accounts.get_mut(q.owner) {
            // An end of a drain's backlog that fails when the account is closed has no lane to wait in.
            tenant.owed -= u64::from(retry.is_none() || in_drain || lane.is_none());
        }
        let Some(lane) = lane else { return };
        let ready = match retry {
            Some((due, _)) => {
                let failed_in = match self.drain.is_some() {
                    true if in_drain => FailedIn::Drain,
                    true => FailedIn::WorkBeforeDrain,
                    false => FailedIn::OrdinaryWork,
                };
                if failed_in != FailedIn::Drain {
                    q.unstarted.add(delivery.is_end());
                }
                lane.failed(delivery, due, now, failed_in)
            }
            None => lane.done(now),
        };
        if lane.is_empty() {
            q.lanes.remove(&id);
        } else if ready.is_none()
            && let Some(at) = lane.schedule()
        {
            self.retries.push(Reverse(Retry { at, queue, id }));
            self.new_timer = true;
        }
        self.make_ready(queue, ready);
    }

    /// Launches what has waited for its retry long enough.
    pub(super) fn make_due_ready(&mut self, now: Instant) {
        while let Some(Reverse(retry)) = self.retries.peek()
            && retry.at <= now
        {
            let Some(Reverse(Retry { queue, id, .. })) = self.retries.pop() else { return };
            let lane = self.queues.get_mut(queue).and_then(|q| q.lanes.get_mut(&id));
            let Some(lane) = lane else { continue };
            let ready = lane.look(now);
            if ready.is_none()
                && let Some(at) = lane.schedule()
            {
                self.retries.push(Reverse(Retry { at, queue, id }));
            }
            self.make_ready(queue, ready);
        }
    }
}

fn count_ends(jobs: &[Taken]) -> u32 {
    u32::try_from(jobs.iter().filter(|taken| taken.job.is_end()).count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_can_make_up_tenants_for_ever_and_only_those_that_are_owed_something_are_kept() {
        let mut state = State::default();
        let busy: Arc<str> = "busy".into();
        let quota = TenantQuota::default();
        let kept = state.add_tenant(&busy, &quota, &[0], 5);
        state.queues[kept[0].1].taken = 1;
        for n in 0..10 * MAX_IDLE_TENANTS {
            state.forget_idle_tenants();
            state.add_tenant(&format!("made-up-{n}").into(), &quota, &[0], 5);
        }
        assert!(state.tenants.len() <= 2 * MAX_IDLE_TENANTS, "{} tenants", state.tenants.len());
        assert!(state.queues.len() <= 2 * MAX_IDLE_TENANTS, "{} queues", state.queues.len());
        assert_eq!(state.accounts[state.tenants[&busy]].queues, kept);
        assert_eq!(*state.queues[kept[0].1].tenant, *busy, "its queue was given to nobody else");
    }
}
