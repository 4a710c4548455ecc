//! What the dispatcher's lock protects. Nothing here waits, calls a guest or writes a journal.
//!
//! [`State`] moves one delivery: into its lane, into its queue, to a worker and back. Functions in other files use it for what concerns
//! many queues at once: a [`drain`], [`plugins`] that are installed and uninstalled, and operators who [`withdraw`] deliveries.

pub(super) mod drain;
pub(super) mod plugins;
pub(super) mod withdraw;

use std::sync::Arc;
use std::time::{Duration, Instant};

use lastword_events::{Deferral, Outcome};

use super::drain_account::{AccountState, DeferredQueue, DrainAccount};
use super::finished_call::FinishedCall;
use super::idle_workers::{IdleWorkers, WokenWorkers};
use super::ids::{QueueId, QueueStamp};
use super::job::{Job, Taken};
use super::memory_admission::PluginMemory;
use super::notifications::{Deferred, Notifications};
use super::queue::{Finished, Queue};
use super::retries::Retries;
use super::scheduler::Scheduler;
use super::suspects::Suspects;
use super::tenant_gates::Gate;
use super::tenants::TenantQueues;
use super::uninstalling::UninstallingPlugins;
use super::worker_step::{ConcludedSlice, Slice, WorkerStep};
use crate::breaker::Breaker;
use crate::installed::PluginNumber;
use crate::phase::Phase;
use crate::queued_delivery::QueuedDelivery;
use crate::quota::TenantQuota;
use crate::sync::thread::Thread;
use crate::time::Time;

/// The queues with all that is owed, and the workers that serve them.
pub(super) struct State {
    time: Time,
    scheduler: Scheduler,
    /// By the number of the queue.
    queues: Vec<Queue>,
    /// The stamp of the queue that is made next.
    next_stamp: QueueStamp,
    /// Plugins that are being uninstalled.
    uninstalling: UninstallingPlugins,
    /// Counts the changes of installed plugins. A worker returns jobs that it was given before the last change.
    plugin_changes: u64,
    /// Failures whose slots were freed before the failures are on record.
    failures_being_recorded: u32,
    retries: Retries,
    notifications: Notifications,
    suspects: Suspects,
    idle: IdleWorkers,
    /// A retry or a refill was added that no idle worker knows of.
    new_timer: bool,
    phase: Phase,
    /// The account of the drain that has begun.
    drain: Option<DrainAccount>,
    /// `session-end` deliveries that are owed or dead.
    undelivered_ends: u64,
}

impl State {
    pub(super) fn new(slots_and_workers: (u32, u32), plugins: Vec<PluginMemory>, time: Time) -> Self {
        Self {
            time,
            scheduler: Scheduler::new(slots_and_workers, plugins),
            queues: Vec::new(),
            next_stamp: 0,
            uninstalling: UninstallingPlugins::default(),
            plugin_changes: 0,
            failures_being_recorded: 0,
            retries: Retries::default(),
            notifications: Notifications::default(),
            suspects: Suspects::default(),
            idle: IdleWorkers::default(),
            new_timer: false,
            phase: Phase::default(),
            drain: None,
            undelivered_ends: 0,
        }
    }

    pub(super) fn enter(&mut self, phase: Phase) {
        self.phase = phase;
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
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

    pub(super) fn remove_undelivered_ends(&mut self, ends: u64) {
        self.undelivered_ends = self.undelivered_ends.saturating_sub(ends);
    }

    /// Whether nothing can be done now, or ever again. A delivery that waits for its tenant's fuel, or for its retry, is not ready.
    pub(super) fn is_quiet(&self) -> bool {
        let is_over = self.phase == Phase::Stopped;
        is_over || self.has_nothing_to_do()
    }

    fn has_nothing_to_do(&self) -> bool {
        self.scheduler.fair().ready_deliveries() == 0
            && self.scheduler.slots().taken() == 0
            && self.failures_being_recorded == 0
            && self.notifications.is_idle()
            && self.suspects.is_empty()
            && !self.scheduler.journal_holds_up()
            && !self.scheduler.plugin_gates().some_read_orphans()
    }

    /// Wakes as many idle workers as there are batches of work. Each wakes more when it has taken its batch and something is left. It wakes
    /// one if there is only an observer to be notified, or a new moment until which to sleep.
    pub(super) fn wake(&mut self) {
        let suspect = self.scheduler.slots().taken() == 0 && self.suspects.want_turn();
        let one = std::mem::take(&mut self.new_timer) || self.notifications.has_pending() || suspect;
        let batch = usize::try_from(self.scheduler.slots().batch()).unwrap_or(usize::MAX);
        let batches = self.scheduler.fair().ready_deliveries().div_ceil(batch);
        self.idle.wake(batches.max(usize::from(one)));
    }

    pub(super) fn wake_all(&mut self) {
        self.idle.wake_all();
    }

    pub(super) fn forget_worker(&mut self, worker: &Thread) {
        self.idle.remove(worker);
    }

    /// Takes the workers that are to wake up once nobody has the lock.
    pub(super) fn take_woken(&mut self) -> WokenWorkers {
        self.idle.take_woken()
    }

    /// Adds a tenant. It gets spare queues, or new ones.
    pub(super) fn add_tenant(
        &mut self,
        tenant: &Arc<str>,
        quota: &TenantQuota,
        plugins: &[PluginNumber],
        breaker_threshold: u32,
    ) -> TenantQueues {
        let queues = self.scheduler.add_tenant(tenant, quota, plugins, self.time.now());
        for &(plugin, id) in queues.iter() {
            self.make_queue(id, tenant.clone(), plugin, breaker_threshold);
        }
        queues
    }

    fn make_queue(&mut self, id: QueueId, tenant: Arc<str>, plugin: PluginNumber, breaker_threshold: u32) {
        let queue = Queue::new(tenant, plugin, self.next_stamp, Breaker::new(breaker_threshold));
        self.next_stamp += 1;
        match self.queues.get_mut(id) {
            Some(spare) => *spare = queue,
            None => self.queues.push(queue),
        }
    }

    /// From now on the queue belongs to nobody. Its old stamp finds nothing.
    fn end_stamp(&mut self, queue: QueueId) {
        if let Some(q) = self.queues.get_mut(queue) {
            q.stamp = self.next_stamp;
            self.next_stamp += 1;
        }
    }

    /// Counts a change of installed plugins. Gives the number of the change.
    pub(super) fn plugin_changed(&mut self) -> u64 {
        self.plugin_changes += 1;
        self.plugin_changes
    }

    pub(super) fn uninstalling(&self) -> &UninstallingPlugins {
        &self.uninstalling
    }

    /// Keeps a delivery that was orphaned under the name of a plugin. The plugin is being uninstalled by now.
    pub(super) fn keep_orphan_for_uninstall(&mut self, plugin: PluginNumber, delivery: QueuedDelivery) {
        self.uninstalling.keep_for_uninstall(plugin, delivery);
    }

    /// The queue's plugin, if it is being uninstalled.
    fn uninstalling_of(&self, queue: QueueId) -> Option<PluginNumber> {
        if self.uninstalling.is_empty() {
            return None;
        }
        self.scheduler.plugin_of(queue).filter(|plugin| self.uninstalling.has(*plugin))
    }

    /// Whether somebody waits for calls of a plugin to end.
    pub(super) fn has_watched_plugins(&self) -> bool {
        !self.uninstalling.is_empty() || self.scheduler.plugin_gates().are_paused()
    }

    /// A plugin's gate has changed.
    pub(super) fn apply_plugin_gate(&mut self, plugin: PluginNumber) {
        self.scheduler.apply_plugin_gate(plugin);
        let scheduler = &self.scheduler;
        self.suspects.hold_back(|queue| scheduler.is_closed(queue), self.time.now());
    }

    /// The stamp of the queue that has this number now.
    pub(super) fn stamp_of(&self, queue: QueueId) -> Option<QueueStamp> {
        self.queues.get(queue).map(|q| q.stamp)
    }

    /// Puts a delivery into its lane that was orphaned until now. A dead run owed it.
    pub(super) fn push_orphan(&mut self, queue: QueueId, delivery: QueuedDelivery) {
        self.push_with(queue, delivery, Queue::push);
    }

    /// Changes the quota of a tenant.
    pub(super) fn change_quota(&mut self, tenant: &str, quota: &TenantQuota, now: Instant) {
        if let Some(number) = self.scheduler.tenants().number(tenant) {
            self.scheduler.change_quota(number, quota, now);
            // The tenant's fuel may be refilled sooner.
            self.new_timer = true;
        }
    }

    /// Forgets tenants that are owed nothing, once there are many. In a drain it forgets none, because the queues hold the drain's account.
    pub(super) fn forget_idle_tenants(&mut self) {
        if self.drain.is_none() {
            let queues = &self.queues;
            self.scheduler.forget_idle_tenants(self.time.now(), |queue| queues.get(queue).is_none_or(Queue::is_idle));
        }
    }

    /// Reserves memory for so many sessions.
    pub(super) fn reserve(&mut self, queue: QueueId, sessions: usize) {
        if let Some(q) = self.queues.get_mut(queue) {
            q.lanes.reserve(sessions);
            q.ready.reserve(sessions);
        }
    }

    /// Puts a new event into its lane. While the orphans of its plugin are being read, the event waits behind them.
    pub(super) fn push(&mut self, queue: QueueId, delivery: QueuedDelivery) {
        let plugin = self.queues.get(queue).map(|q| q.plugin);
        let waits = plugin.is_some_and(|plugin| self.scheduler.plugin_gates().waits_for_orphans(plugin));
        self.push_with(queue, delivery, if waits { Queue::hold } else { Queue::push });
    }

    /// Puts an event into its lane. Newer events have gone ahead of it.
    pub(super) fn push_late(&mut self, queue: QueueId, delivery: QueuedDelivery) {
        self.push_with(queue, delivery, Queue::push_late);
    }

    fn push_with(
        &mut self,
        queue: QueueId,
        delivery: QueuedDelivery,
        push: fn(&mut Queue, QueuedDelivery, Instant) -> Option<QueuedDelivery>,
    ) {
        self.undelivered_ends += u64::from(delivery.is_end());
        let deferral = self.deferral(queue);
        let Some(q) = self.queues.get_mut(queue) else { return };
        self.scheduler.add_owed(queue, 1);
        let ready = push(q, delivery, self.time.now());
        self.make_ready(queue, ready);
        if let Some(why) = deferral {
            self.defer_unstarted(queue, why);
        }
    }

    /// Puts a delivery that has become ready in its lane at the end of the queue.
    pub(super) fn make_ready(&mut self, queue: QueueId, delivery: Option<QueuedDelivery>) {
        let Some(mut delivery) = delivery else { return };
        if delivery.suspect {
            let may_begin = !self.scheduler.is_closed(queue);
            return self.suspects.push(queue, delivery, may_begin, self.time.now());
        }
        self.defer_if_throttled(queue, &mut delivery);
        let Some(q) = self.queues.get_mut(queue) else { return };
        q.ready.push_back(Job::Queued(delivery));
        self.update_ready(queue);
    }

    /// Tells the scheduler what the queue wants now. Whoever has changed which deliveries may begin calls this.
    pub(super) fn update_ready(&mut self, queue: QueueId) {
        if let Some(q) = self.queues.get(queue) {
            self.scheduler.update_ready(queue, q.demand());
        }
    }

    /// What a worker is to do now. The worker has begun calls of the queues `begun`, and can go on with them. `has_served`: it comes from a
    /// slice, and not from its sleep.
    pub(super) fn pick(&mut self, me: Thread, begun: &[QueueId], has_served: bool, now: Instant) -> WorkerStep {
        self.idle.remove(&me);
        if self.phase == Phase::Stopped {
            return WorkerStep::Stop;
        }
        let is_cut = self.phase >= Phase::Cut;
        self.look_at_timers(now);
        if self.notifications.has_pending() {
            return WorkerStep::Notify(self.notifications.take_batch());
        }
        if is_cut && self.drain.is_some() {
            self.idle.add(me);
            return WorkerStep::Cut;
        }
        let mine = begun.iter().copied().min_by_key(|&queue| self.scheduler.rank(queue));
        if is_cut || self.phase == Phase::Detaching {
            return match mine {
                Some(mine) if !is_cut => self.slice(mine, Vec::new()),
                _ => {
                    self.idle.add(me);
                    WorkerStep::Leave { cut: is_cut }
                }
            };
        }
        // A drain has no time to wait for a suspect.
        let alone_until = if self.drain.is_some() { None } else { self.suspects.hold_others_until(now) };
        let new = if alone_until.is_some() { None } else { self.scheduler.choose(begun, self.drain.is_some()) };
        match (mine, new) {
            (Some(mine), Some((new, _))) if self.scheduler.rank(mine) <= self.scheduler.rank(new) => {
                self.slice(mine, Vec::new())
            }
            (_, Some((new, most))) => {
                let jobs = self.take(new, most, now);
                self.slice(new, jobs)
            }
            (Some(mine), None) => self.slice(mine, Vec::new()),
            (None, None) => match self.take_suspect() {
                Some((queue, suspect)) => self.slice(queue, vec![suspect]),
                None if has_served && self.idle.yields(&me) => WorkerStep::Yield,
                None => {
                    self.idle.add(me);
                    self.new_timer = false;
                    let timers = [self.retries.next(), self.scheduler.gates().next_refill(), alone_until];
                    WorkerStep::Idle(timers.into_iter().flatten().min())
                }
            },
        }
    }

    /// Makes ready what is due by now.
    pub(super) fn look_at_timers(&mut self, now: Instant) {
        if self.phase < Phase::Cut {
            self.scheduler.refill(now);
            self.make_due_ready(now);
        }
    }

    fn slice(&self, queue: QueueId, jobs: Vec<Taken>) -> WorkerStep {
        let plugin = self.scheduler.plugin_of(queue).unwrap_or(usize::MAX);
        let drain = self.drain.as_ref().map(|drain| drain.context.clone());
        WorkerStep::Serve(Slice { queue, plugin, jobs, drain, plugin_changes: self.plugin_changes })
    }

    /// Takes deliveries out of a queue: at most `most`, no more than its tenant may begin, and none for whose call there is no memory.
    fn take(&mut self, queue: QueueId, most: u32, now: Instant) -> Vec<Taken> {
        let room = self.scheduler.room_to_take(queue, most, self.drain.is_none());
        let Some(q) = self.queues.get_mut(queue) else { return Vec::new() };
        let mut jobs = Vec::with_capacity(room.min(q.ready_len()));
        while jobs.len() < room
            && q.ready_len() > 0
            && let Some(admitted) = self.scheduler.admit(queue, q.next_call(), !jobs.is_empty())
            && let Some(job) = q.next_job(now)
            && let Some((permit, memory)) = self.scheduler.take(queue, admitted)
        {
            q.take(&job);
            jobs.push(Taken { job, permit, memory });
        }
        self.taken(queue);
        jobs
    }

    /// Takes the next suspect, if nothing else has a slot.
    fn take_suspect(&mut self) -> Option<(QueueId, Taken)> {
        if self.scheduler.slots().taken() > 0 {
            return None;
        }
        let (queue, delivery) = self.suspects.take(self.time.now())?;
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

    /// Makes ready the deliveries whose retry is due.
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

    /// Enters ended attempts in the account of the drain, charges the tenant for their fuel, and marks a delivery as late if something
    /// newer waits behind it. Gives false if the account is closed: then all of these attempts count as cut by the budget.
    pub(super) fn account(&mut self, queue: QueueId, finished: &mut [FinishedCall]) -> bool {
        let account = self.account_state();
        self.charge_fuel(queue, finished.iter().map(|call| call.fuel));
        let Some(q) = self.queues.get_mut(queue) else { return false };
        finished.iter_mut().for_each(|call| q.account(call, account));
        account != AccountState::Closed
    }

    /// Marks as late the failures that newer events go ahead of, and gives them. A delivery that was late before is not given.
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

    /// Frees the slots of failures that are being written down.
    pub(super) fn free_slots(&mut self, failed: &mut [FinishedCall]) {
        for call in failed {
            if let Some(permit) = call.permit.take() {
                self.scheduler.give_back(permit);
                self.failures_being_recorded += 1;
            }
        }
    }

    /// Takes back a worker's slice. Some of its deliveries are finished and accounted for, others were not begun.
    pub(super) fn take_back(&mut self, concluded: ConcludedSlice, now: Instant) {
        let ConcludedSlice { queue, time, finished, unstarted, without_hook } = concluded;
        self.scheduler.charge_time(queue, nanos(time));
        self.return_unstarted(queue, unstarted);
        for taken in without_hook {
            self.drop_without_hook(queue, taken, now);
        }
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

    /// Returns jobs that a worker has taken and not begun to where they were.
    fn return_unstarted(&mut self, queue: QueueId, mut unstarted: Vec<Taken>) {
        if let Some(plugin) = self.uninstalling_of(queue) {
            return unstarted.into_iter().for_each(|taken| self.keep_taken_for_uninstall((plugin, queue), taken));
        }
        for taken in &mut unstarted {
            if let Job::Queued(delivery) = &mut taken.job {
                self.defer_if_throttled(queue, delivery);
            }
        }
        let (may_begin, now) = (!self.scheduler.is_closed(queue), self.time.now());
        let Some(q) = self.queues.get_mut(queue) else { return };
        for Taken { job, permit, .. } in unstarted.into_iter().rev() {
            self.scheduler.give_back(permit);
            q.return_unstarted(&job);
            match job {
                Job::Queued(delivery) if delivery.suspect => {
                    self.suspects.return_unstarted(queue, delivery, may_begin, now);
                }
                job => q.put_in_front(job),
            }
        }
        self.update_ready(queue);
    }

    /// Keeps a job that a worker returns unstarted. Its plugin is being uninstalled, so nobody begins the job any more.
    fn keep_taken_for_uninstall(&mut self, (plugin, queue): (PluginNumber, QueueId), Taken { job, permit, .. }: Taken) {
        self.scheduler.give_back(permit);
        self.scheduler.remove_owed(queue, 1);
        if let Some(q) = self.queues.get_mut(queue) {
            q.forget_taken(&job);
        }
        let mut delivery = job.delivery();
        self.suspects.clear(&mut delivery, self.time.now());
        self.uninstalling.keep_for_uninstall(plugin, delivery);
    }

    /// Orphans a delivery for whose event its plugin has no hook any more, and lets its session go on. The event is no end: every plugin
    /// has a hook for ends.
    fn drop_without_hook(&mut self, queue: QueueId, Taken { job, permit, .. }: Taken, now: Instant) {
        self.scheduler.give_back(permit);
        self.scheduler.remove_owed(queue, 1);
        let mut delivery = job.delivery();
        self.suspects.clear(&mut delivery, now);
        self.advance_lane(queue, &delivery.session.identity.id, true, now);
    }

    fn finish(&mut self, queue: QueueId, mut call: FinishedCall, now: Instant) {
        self.suspects.clear(&mut call.delivery, now);
        let was_freed = call.permit.is_none();
        match call.permit.take() {
            Some(permit) => self.scheduler.give_back(permit),
            None => self.failures_being_recorded -= 1,
        }
        let is_made = call.delivery.is_end() && call.outcome == Outcome::Delivered;
        self.undelivered_ends = self.undelivered_ends.saturating_sub(u64::from(is_made));
        if let Some(report) = &call.report {
            self.scheduler.call_had(queue, call.version, report.counted_memory);
        }
        if call.is_owed()
            && let Some(plugin) = self.uninstalling_of(queue)
        {
            // Nobody calls the plugin again.
            self.uninstalling.keep_for_uninstall(plugin, call.delivery.clone());
            call.give_up_retry();
        }
        let account = self.account_state();
        let Some(q) = self.queues.get_mut(queue) else { return };
        let id = call.delivery.session.identity.id.clone();
        let finished = q.finish(call, was_freed, account, now);
        self.scheduler.remove_owed(queue, usize::from(!finished.is_owed));
        if let Some(at) = finished.look_at {
            self.retries.add(at, queue, id);
            self.new_timer = true;
        }
        self.make_ready(queue, finished.ready);
    }

    /// Charges the tenant for the fuel of calls. In a drain fuel does not count.
    pub(super) fn charge_fuel(&mut self, queue: QueueId, used: impl ExactSizeIterator<Item = u64>) {
        if self.drain.is_some() || used.len() == 0 {
            return;
        }
        let Some(tenant) = self.scheduler.tenant_of(queue) else { return };
        if self.scheduler.charge_fuel(tenant, used, self.time.now()) {
            self.new_timer = true;
            let siblings = self.scheduler.sibling_queues(queue);
            siblings.iter().flat_map(|queues| queues.iter()).for_each(|&(_, queue)| self.defer_ready(queue));
            self.scheduler.apply_limits(tenant);
        }
    }

    /// Notifies the observer of everything that is ready now, unless the observer knows of it already. The notified deliveries may be
    /// anywhere in the queue, because a delivery whose call was put back returns to the front.
    pub(super) fn defer_ready(&mut self, queue: QueueId) {
        let Some(q) = self.queues.get_mut(queue) else { return };
        let unnotified: Vec<QueuedDelivery> = q.ready.iter_mut().filter_map(Job::defer).collect();
        self.notify_later(queue, unnotified);
    }

    /// Notifies the observer of a delivery that has just become ready, if its tenant waits for fuel.
    fn defer_if_throttled(&mut self, queue: QueueId, delivery: &mut QueuedDelivery) {
        let gate = self.scheduler.tenant_of(queue).and_then(|tenant| self.scheduler.gates().get(tenant));
        if gate.is_some_and(Gate::waits_for_fuel)
            && let Some(delivery) = delivery.defer()
        {
            self.notify_later(queue, vec![delivery]);
        }
    }

    fn notify_later(&mut self, queue: QueueId, unnotified: Vec<QueuedDelivery>) {
        let Some(plugin) = self.scheduler.plugin_of(queue) else { return };
        // The caller applies the gate.
        self.scheduler.add_unnotified(queue, unnotified.len());
        self.notifications.add(unnotified.into_iter().map(|delivery| Deferred { queue, plugin, delivery }));
    }

    /// The observer was notified of these deliveries. Their tenants may go on, if nothing else throttles them.
    pub(super) fn notified(&mut self, deferred: &[Deferred]) {
        self.notifications.batch_done();
        deferred.iter().for_each(|one| self.scheduler.notified(one.queue));
    }

    /// Lets a session go on after a delivery has left its lane. `was_ready`: the delivery was ready, or with a worker.
    fn advance_lane(&mut self, queue: QueueId, id: &Arc<str>, was_ready: bool, now: Instant) {
        let Some(q) = self.queues.get_mut(queue) else { return };
        let Finished { ready, look_at, .. } = q.advance_lane(id, was_ready, now);
        if let Some(at) = look_at {
            self.retries.add(at, queue, id.clone());
            self.new_timer = true;
        }
        self.make_ready(queue, ready);
    }

    fn account_state(&self) -> AccountState {
        match &self.drain {
            None => AccountState::None,
            Some(drain) if drain.closed_with.is_some() => AccountState::Closed,
            Some(_) => AccountState::Open,
        }
    }

    /// Why nothing of this queue may begin any more. None if it may.
    fn deferral(&self, queue: QueueId) -> Option<Deferral> {
        self.drain.as_ref()?;
        if self.phase >= Phase::Cut {
            return Some(self.why_unstarted(queue));
        }
        self.queues.get(queue)?.breaker.is_open().then_some(Deferral::Breaker)
    }

    /// Why the deliveries of this queue that have not begun at the end of the budget have not.
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
    pub(super) fn idle_mut(&mut self) -> &mut IdleWorkers {
        &mut self.idle
    }

    #[cfg(test)]
    pub(super) fn suspects_mut(&mut self) -> &mut Suspects {
        &mut self.suspects
    }

    #[cfg(shuttle)]
    pub(super) fn held(&self) -> [(&'static str, u64); 3] {
        [
            ("failures that are being written down", u64::from(self.failures_being_recorded)),
            ("deliveries that are suspect", u64::try_from(self.suspects.held()).unwrap_or(u64::MAX)),
            ("deferrals of which the observer is to be notified", u64::from(!self.notifications.is_idle())),
        ]
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
