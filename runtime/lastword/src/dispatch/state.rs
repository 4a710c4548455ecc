//! What the dispatcher's lock protects. Nothing here waits, calls a guest or writes a journal.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lastword_events::{Deferral, Outcome};

use super::finished_call::FinishedCall;
use super::gates::Gate;
use super::idle_workers::IdleWorkers;
use super::ids::{PluginNumber, QueueId};
use super::job::{Job, Taken};
use super::memory_admission::PluginMemory;
use super::notifications::{Deferred, Notifications};
use super::queue::Queue;
use super::retries::Retries;
use super::scheduler::Scheduler;
use super::suspects::Suspects;
use super::tenants::TenantQueues;
use super::worker_step::{Slice, WorkerStep};
use crate::active_session::Unended;
use crate::breaker::Breaker;
use crate::drain::account::{AccountState, ClosedAccount, DeferredQueue, DrainAccount, Progress};
use crate::drain::backlog::{Backlog, newest_by_id};
use crate::phase::Phase;
use crate::queued_delivery::QueuedDelivery;
use crate::quota::TenantQuota;
use crate::sync::{now, thread::Thread};

/// The queues with all that is owed, and who serves them.
#[derive(Default)]
pub(crate) struct State {
    scheduler: Scheduler,
    /// By number.
    queues: Vec<Queue>,
    /// Failures that are being written down.
    unwritten: u32,
    retries: Retries,
    notifications: Notifications,
    suspects: Suspects,
    idle: IdleWorkers,
    /// A retry or a refill was added that no idle worker knows of.
    new_timer: bool,
    phase: Phase,
    /// Of the drain that has begun.
    drain: Option<DrainAccount>,
    /// `session-end` deliveries that are owed or dead.
    undelivered_ends: u64,
}

impl State {
    pub(super) fn new(slots_and_workers: (u32, u32), plugins: Vec<PluginMemory>) -> Self {
        Self { scheduler: Scheduler::new(slots_and_workers, plugins), ..Self::default() }
    }

    pub(super) fn enter(&mut self, phase: Phase) {
        self.phase = phase;
    }

    pub(super) fn drain(&self) -> Option<&DrainAccount> {
        self.drain.as_ref()
    }

    pub(super) fn drain_mut(&mut self) -> Option<&mut DrainAccount> {
        self.drain.as_mut()
    }

    pub(super) fn scheduler(&self) -> &Scheduler {
        &self.scheduler
    }

    pub(super) fn scheduler_mut(&mut self) -> &mut Scheduler {
        &mut self.scheduler
    }

    /// `session-end` deliveries that are owed or dead.
    pub(super) fn undelivered_ends(&self) -> u64 {
        self.undelivered_ends
    }

    pub(super) fn add_undelivered_ends(&mut self, ends: u64) {
        self.undelivered_ends += ends;
    }

    /// Nothing is to be done now. What waits for its tenant's fuel is not ready, as what waits for its retry.
    pub(super) fn is_quiet(&self) -> bool {
        self.scheduler.fair().ready_deliveries() == 0
            && self.scheduler.slots().taken() == 0
            && self.unwritten == 0
            && self.notifications.is_idle()
            && self.suspects.is_empty()
            && !self.scheduler.journal_holds_up()
    }

    /// Wakes as many idle workers as there is work for; one, when there is only an observer to be notified, or a new moment to
    /// sleep until.
    pub(super) fn wake(&mut self) {
        let suspect = self.scheduler.slots().taken() == 0 && self.suspects.want_turn();
        let one = std::mem::take(&mut self.new_timer) || self.notifications.has_pending() || suspect;
        self.idle.wake(self.scheduler.fair().ready_deliveries().max(usize::from(one)));
    }

    pub(super) fn wake_all(&mut self) {
        self.idle.wake_all();
    }

    /// Adds a tenant and makes its queues, or takes spare ones.
    pub(super) fn add_tenant(
        &mut self,
        tenant: &Arc<str>,
        quota: &TenantQuota,
        plugins: &[PluginNumber],
        breaker_threshold: u32,
    ) -> TenantQueues {
        let queues = self.scheduler.add_tenant(tenant, quota, plugins, now());
        for &(plugin, id) in queues.iter() {
            let queue = Queue::new(tenant.clone(), plugin, Breaker::new(breaker_threshold));
            match self.queues.get_mut(id) {
                Some(spare) => *spare = queue,
                None => self.queues.push(queue),
            }
        }
        queues
    }

    /// Forgets tenants that are owed nothing, once there are many. Not in a drain, whose account is kept in the queues.
    pub(super) fn forget_idle_tenants(&mut self) {
        if self.drain.is_none() {
            let queues = &self.queues;
            self.scheduler.forget_idle_tenants(now(), |queue| queues.get(queue).is_none_or(Queue::is_idle));
        }
    }

    /// Makes room for so many sessions.
    pub(super) fn reserve(&mut self, queue: QueueId, sessions: usize) {
        if let Some(q) = self.queues.get_mut(queue) {
            q.lanes.reserve(sessions);
            q.ready.reserve(sessions);
        }
    }

    /// Puts a new event into its lane.
    pub(super) fn push(&mut self, queue: QueueId, delivery: QueuedDelivery) {
        self.undelivered_ends += u64::from(delivery.is_end());
        let deferral = self.deferral(queue);
        let Some(q) = self.queues.get_mut(queue) else { return };
        self.scheduler.add_owed(queue, 1);
        let ready = q.push(delivery, now());
        self.make_ready(queue, ready);
        if let Some(why) = deferral {
            self.defer_unstarted(queue, why);
        }
    }

    /// Puts what is ready in a lane at the end of its queue.
    pub(super) fn make_ready(&mut self, queue: QueueId, delivery: Option<QueuedDelivery>) {
        let Some(mut delivery) = delivery else { return };
        if delivery.suspect {
            return self.suspects.push(queue, delivery, now());
        }
        self.defer_if_throttled(queue, &mut delivery);
        let Some(q) = self.queues.get_mut(queue) else { return };
        q.ready.push_back(Job::Queued(delivery));
        self.update_ready(queue);
    }

    /// To be called when the deliveries of a queue that may begin have changed.
    pub(super) fn update_ready(&mut self, queue: QueueId) {
        if let Some(q) = self.queues.get(queue) {
            self.scheduler.update_ready(queue, q.demand());
        }
    }

    /// What the worker that has begun calls of the queues `begun`, and can go on with them, is to do now.
    pub(super) fn pick(&mut self, me: Thread, begun: &[QueueId], now: Instant) -> WorkerStep {
        self.idle.remove(&me);
        if self.phase == Phase::Stopped {
            return WorkerStep::Stop;
        }
        let is_cut = self.phase >= Phase::Cut;
        if !is_cut {
            self.scheduler.refill(now);
            self.make_due_ready(now);
        }
        if self.notifications.has_pending() {
            return WorkerStep::Notify(self.notifications.take_batch());
        }
        if is_cut {
            self.idle.add(me);
            return WorkerStep::Cut;
        }
        let mine = begun.iter().copied().min_by_key(|&queue| self.scheduler.rank(queue));
        // A drain has no time to wait for one.
        let alone_until = if self.drain.is_some() { None } else { self.suspects.hold_others_until(now) };
        let new = if alone_until.is_some() { None } else { self.scheduler.choose(begun, self.drain.is_some()) };
        match (mine, new) {
            (Some(mine), Some((new, _))) if self.scheduler.rank(mine) <= self.scheduler.rank(new) => {
                self.slice(mine, Vec::new())
            }
            (_, Some((new, most))) => {
                let jobs = self.take(new, most);
                self.slice(new, jobs)
            }
            (Some(mine), None) => self.slice(mine, Vec::new()),
            (None, None) => match self.take_suspect() {
                Some((queue, suspect)) => self.slice(queue, vec![suspect]),
                None => {
                    self.idle.add(me);
                    let timers = [self.retries.next(), self.scheduler.gates().next_refill(), alone_until];
                    WorkerStep::Idle(timers.into_iter().flatten().min())
                }
            },
        }
    }

    fn slice(&self, queue: QueueId, jobs: Vec<Taken>) -> WorkerStep {
        let plugin = self.scheduler.plugin_of(queue).unwrap_or(usize::MAX);
        let drain = self.drain.as_ref().map(|drain| drain.context.clone());
        WorkerStep::Serve(Slice { queue, plugin, jobs, drain })
    }

    /// Takes deliveries out of a queue: at most `most`, no more than its tenant may begin, and none without its memory.
    fn take(&mut self, queue: QueueId, most: u32) -> Vec<Taken> {
        let room = self.scheduler.room_to_take(queue, most, self.drain.is_none());
        let Some(q) = self.queues.get_mut(queue) else { return Vec::new() };
        let mut jobs = Vec::with_capacity(room.min(q.ready_len()));
        while jobs.len() < room
            && q.ready_len() > 0
            && let Some(admitted) = self.scheduler.admit(queue, q.next_call(), !jobs.is_empty())
            && let Some(job) = q.next_job()
            && let Some((permit, memory)) = self.scheduler.take(queue, admitted)
        {
            q.take(&job);
            jobs.push(Taken { job, permit, memory });
        }
        self.taken(queue);
        jobs
    }

    /// The next suspect, when nothing else has a slot.
    fn take_suspect(&mut self) -> Option<(QueueId, Taken)> {
        if self.scheduler.slots().taken() > 0 {
            return None;
        }
        let (queue, delivery) = self.suspects.take(now())?;
        let (permit, job) = (self.scheduler.take_alone(queue)?, Job::Queued(delivery));
        self.queues.get_mut(queue)?.take(&job);
        self.taken(queue);
        Some((queue, Taken { job, permit, memory: None }))
    }

    fn taken(&mut self, queue: QueueId) {
        if let Some(tenant) = self.scheduler.tenant_of(queue) {
            self.scheduler.apply_limits(tenant);
        }
        self.update_ready(queue);
    }

    /// Makes ready what has waited for its retry long enough.
    fn make_due_ready(&mut self, now: Instant) {
        while let Some((queue, id)) = self.retries.due(now) {
            let Some(lane) = self.queues.get_mut(queue).and_then(|q| q.lanes.get_mut(&id)) else { continue };
            let ready = lane.look(now);
            if ready.is_none()
                && let Some(at) = lane.schedule()
            {
                self.retries.add(at, queue, id);
            }
            self.make_ready(queue, ready);
        }
    }

    /// Takes attempts that are over into the account of the drain, charges the tenant for their fuel, and marks those as late
    /// that something newer waits behind. False when the account is closed: whatever came of them, they count as cut by the budget.
    pub(super) fn account(&mut self, queue: QueueId, finished: &mut [FinishedCall]) -> bool {
        let account = self.account_state();
        self.charge_fuel(queue, finished.iter().map(|call| call.fuel));
        let Some(q) = self.queues.get_mut(queue) else { return false };
        finished.iter_mut().for_each(|call| q.account(call, account));
        account != AccountState::Closed
    }

    /// Those of these failures that newer events go ahead of: they are late from now on. Those that were late before are not
    /// among them.
    pub(super) fn overtaken<'a>(&self, queue: QueueId, failed: &'a mut [FinishedCall]) -> Vec<&'a FinishedCall> {
        let Some(q) = self.queues.get(queue) else { return Vec::new() };
        let mut overtaken = Vec::new();
        for call in failed.iter_mut().filter(|call| !call.delivery.late) {
            if q.has_newer(&call.delivery) {
                call.delivery.late = true;
                overtaken.push(&*call);
            }
        }
        overtaken
    }

    /// Gives the slots of failures back that are being written down.
    pub(super) fn release(&mut self, failed: &mut [FinishedCall]) {
        for call in failed {
            if let Some(permit) = call.permit.take() {
                self.scheduler.give_back(permit);
                call.released = true;
                self.unwritten += 1;
            }
        }
    }

    /// A worker has served a queue for `time`: some deliveries are finished and accounted for, some were not begun after all.
    pub(super) fn settle(
        &mut self,
        queue: QueueId,
        time: Duration,
        finished: Vec<FinishedCall>,
        unstarted: Vec<Taken>,
        now: Instant,
    ) {
        self.scheduler.charge_time(queue, nanos(time));
        self.bring_back(queue, unstarted);
        let wall = |call: &FinishedCall| call.report.as_ref().map(|report| report.wall);
        self.scheduler.charge_wait(queue, || nanos(finished.iter().filter_map(wall).sum()));
        for call in finished {
            self.finish(queue, call, now);
        }
        if let Some(why) = self.deferral(queue) {
            self.defer_unstarted(queue, why);
        }
        self.scheduler.calls_ended(queue);
    }

    /// Deliveries that a worker has taken and not begun go back to where they were.
    fn bring_back(&mut self, queue: QueueId, mut unstarted: Vec<Taken>) {
        for taken in &mut unstarted {
            if let Job::Queued(delivery) = &mut taken.job {
                self.defer_if_throttled(queue, delivery);
            }
        }
        let Some(q) = self.queues.get_mut(queue) else { return };
        for Taken { job, permit, .. } in unstarted.into_iter().rev() {
            self.scheduler.give_back(permit);
            q.put_back(&job);
            match job {
                Job::Queued(delivery) if delivery.suspect => self.suspects.put_back(queue, delivery, now()),
                job => q.ready.push_front(job),
            }
        }
        self.update_ready(queue);
    }

    fn finish(&mut self, queue: QueueId, mut call: FinishedCall, now: Instant) {
        self.suspects.clear(&mut call.delivery, now);
        match call.permit.take() {
            Some(permit) => self.scheduler.give_back(permit),
            None => self.unwritten -= 1,
        }
        self.undelivered_ends -= u64::from(call.delivery.is_end() && call.outcome == Outcome::Delivered);
        if let Some(report) = &call.report {
            self.scheduler.call_had(queue, report.counted_memory);
        }
        let account = self.account_state();
        let Some(q) = self.queues.get_mut(queue) else { return };
        let id = call.delivery.session.identity.id.clone();
        let finished = q.finish(call, account, now);
        self.scheduler.remove_owed(queue, usize::from(!finished.is_owed));
        if let Some(at) = finished.look_at {
            self.retries.add(at, queue, id);
            self.new_timer = true;
        }
        self.make_ready(queue, finished.ready);
    }

    /// Takes out of the tenant's fuel what calls have used. In a drain fuel does not count.
    pub(super) fn charge_fuel(&mut self, queue: QueueId, used: impl ExactSizeIterator<Item = u64>) {
        if self.drain.is_some() || used.len() == 0 {
            return;
        }
        let Some(tenant) = self.scheduler.tenant_of(queue) else { return };
        if self.scheduler.charge_fuel(tenant, used, now()) {
            self.new_timer = true;
            let siblings = self.scheduler.sibling_queues(queue);
            siblings.iter().flat_map(|queues| queues.iter()).for_each(|&(_, queue)| self.defer_ready(queue));
            self.scheduler.apply_limits(tenant);
        }
    }

    /// Everything that is ready now and of which the observer was not notified yet. Deliveries already reported are anywhere in the queue,
    /// because a put-back one returns to its head.
    pub(super) fn defer_ready(&mut self, queue: QueueId) {
        let Some(q) = self.queues.get_mut(queue) else { return };
        let unnotified: Vec<QueuedDelivery> = q.ready.iter_mut().filter_map(Job::defer).collect();
        self.notify_later(queue, unnotified);
    }

    /// What has just become ready of a tenant that waits for fuel.
    fn defer_if_throttled(&mut self, queue: QueueId, delivery: &mut QueuedDelivery) {
        let gate = self.scheduler.tenant_of(queue).and_then(|tenant| self.scheduler.gates().get(tenant));
        if gate.is_some_and(Gate::waits_for_fuel)
            && let Some(delivery) = delivery.defer()
        {
            self.notify_later(queue, vec![delivery]);
        }
    }

    fn notify_later(&mut self, queue: QueueId, unnotified: Vec<QueuedDelivery>) {
        let Some((tenant, plugin)) = self.scheduler.tenant_of(queue).zip(self.scheduler.plugin_of(queue)) else {
            return;
        };
        // The caller applies the gate.
        self.scheduler.add_unnotified(tenant, unnotified.len());
        self.notifications.add(unnotified.into_iter().map(|delivery| Deferred { queue, plugin, delivery }));
    }

    /// The observer was notified of these: the tenants may go on, if nothing else throttles them.
    pub(super) fn notified(&mut self, deferred: &[Deferred]) {
        self.notifications.batch_done();
        deferred.iter().for_each(|one| self.scheduler.notified(one.queue));
    }

    fn account_state(&self) -> AccountState {
        match &self.drain {
            None => AccountState::None,
            Some(drain) if drain.closed_with.is_some() => AccountState::Closed,
            Some(_) => AccountState::Open,
        }
    }

    /// A drain begins: everything that is owed gets one attempt.
    pub(super) fn begin_drain(&mut self, account: DrainAccount, breaker_threshold: u32, now: Instant) {
        self.drain = Some(account);
        self.retries.clear();
        self.notifications.cancel().iter().for_each(|one| self.scheduler.notified(one.queue));
        self.scheduler.stop_counting_fuel();
        for queue in 0..self.queues.len() {
            let Some(q) = self.queues.get_mut(queue) else { continue };
            for delivery in q.begin_drain(Breaker::new(breaker_threshold), now) {
                self.make_ready(queue, Some(delivery));
            }
        }
    }

    /// The drain has found these sessions of a tenant active.
    pub(super) fn add_backlog(&mut self, queues: &TenantQueues, mut sessions: Vec<Unended>) {
        let Some(context) = self.drain.as_ref().map(|drain| drain.context.clone()) else { return };
        // The oldest first: they have waited longest, and an operator can follow it.
        sessions.sort_unstable_by_key(|session| session.sequence);
        let has_lanes = |queue: QueueId| self.queues.get(queue).is_some_and(|q| !q.lanes.is_empty());
        let any_lanes = queues.iter().any(|&(_, queue)| has_lanes(queue));
        let sessions = Arc::new(sessions);
        let newest_ends = if any_lanes { newest_by_id(&sessions) } else { HashMap::new() };
        for &(_, queue) in queues.iter() {
            let Some(q) = self.queues.get_mut(queue) else { continue };
            let backlog = Backlog::new(context.clone(), sessions.clone());
            self.scheduler.add_owed(queue, backlog.len());
            self.undelivered_ends += u64::try_from(backlog.len()).unwrap_or(u64::MAX);
            q.set_backlog(backlog, &newest_ends);
            self.update_ready(queue);
        }
    }

    /// Why nothing of this queue may begin any more, if so.
    fn deferral(&self, queue: QueueId) -> Option<Deferral> {
        self.drain.as_ref()?;
        if self.phase >= Phase::Cut {
            return Some(self.why_unstarted(queue));
        }
        self.queues.get(queue)?.breaker.is_open().then_some(Deferral::Breaker)
    }

    /// Why what has not begun at the end of the budget has not.
    fn why_unstarted(&self, queue: QueueId) -> Deferral {
        let gate = self.scheduler.tenant_of(queue).and_then(|tenant| self.scheduler.gates().get(tenant));
        if gate.is_some_and(Gate::waits_for_journal) { Deferral::Journal } else { Deferral::Budget }
    }

    /// Defers everything of a queue that has not begun.
    fn defer_unstarted(&mut self, queue: QueueId, why: Deferral) {
        let (suspects, account) = (self.suspects.take_of(queue), self.account_state());
        let (Some(q), Some(drain)) = (self.queues.get_mut(queue), self.drain.as_mut()) else { return };
        q.tally.broken |= why == Deferral::Breaker;
        q.ready.extend(suspects.into_iter().map(Job::Queued));
        let unstarted = q.take_all();
        if unstarted.len() > 0 {
            self.scheduler.remove_owed(queue, unstarted.len());
            if account == AccountState::Open {
                q.tally.defer(why, unstarted.ends());
                drain.deferred.push(DeferredQueue { plugin: q.plugin, why, unstarted });
            }
            self.update_ready(queue);
        }
    }

    /// Defers everything that has not begun.
    pub(super) fn defer_all_unstarted(&mut self) {
        for queue in 0..self.queues.len() {
            self.defer_unstarted(queue, self.why_unstarted(queue));
        }
        self.scheduler.end_waits_for_memory();
    }

    /// What a drain has come to by now: all that is not made is deferred.
    pub(super) fn progress(&self) -> Progress {
        let mut progress = self.drain.as_ref().map(DrainAccount::progress).unwrap_or_default();
        self.queues.iter().for_each(|queue| queue.add_to(&mut progress));
        progress
    }

    /// Ends the account. What a worker still holds counts as cut by the budget, whatever comes of it.
    pub(super) fn close_account(&mut self) -> ClosedAccount {
        // An end that came after the work was done and before this.
        self.defer_all_unstarted();
        let progress = self.progress();
        let mut closed = self.drain.as_mut().map(|drain| drain.close(progress)).unwrap_or_default();
        for q in &mut self.queues {
            closed.held += q.held_ends();
            closed.queues.extend(q.close());
        }
        closed
    }
}

#[cfg(any(test, shuttle))]
impl State {
    pub(super) fn queues(&self) -> &[Queue] {
        &self.queues
    }

    #[cfg(test)]
    pub(super) fn queue_mut(&mut self, queue: QueueId) -> &mut Queue {
        &mut self.queues[queue]
    }

    #[cfg(test)]
    pub(super) fn suspects_mut(&mut self) -> &mut Suspects {
        &mut self.suspects
    }

    #[cfg(shuttle)]
    pub(super) fn held(&self) -> [(&'static str, u64); 3] {
        [
            ("failures that are being written down", u64::from(self.unwritten)),
            ("deliveries that are suspect", u64::try_from(self.suspects.held()).unwrap_or(u64::MAX)),
            ("deferrals of which the observer is to be notified", u64::from(!self.notifications.is_idle())),
        ]
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
