//! The dispatcher: its lock, and what is done under it.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lastword_events::{Event, EventKey, PluginName, Session};
use lastword_journal::PendingDelivery;
use tokio::sync::{Notify, watch};

use super::PluginNumber;
use super::fair::QueueId;
use super::finished_call::FinishedCall;
use super::memory::{PluginMemory, Taken};
use super::plugins::PluginUse;
use super::quotas::Deferred;
use super::state::State;
use crate::drain::context::DrainContext;
use crate::installed::InstalledPlugins;
use crate::limits::{DRAIN_SLOTS_DIVISOR, FIRST_SLOTS_DIVISOR, MAX_BATCH, MAX_FIRST_SLOTS_DIVISOR, MIN_BATCH};
use crate::phase::Phase;
use crate::queued_delivery::QueuedDelivery;
use crate::quota::Quotas;
use crate::sync::{Mutex, now, thread};

pub(crate) struct Dispatcher {
    installed: InstalledPlugins,
    slots: u32,
    /// Those of them that are for queues without any.
    first_slots: u32,
    /// Deliveries that a worker takes at once.
    batch: u32,
    quotas: Arc<Quotas>,
    pub(super) breaker_threshold: u32,
    pub(super) state: Mutex<State>,
    /// Notified whenever nothing is ready and nothing is taken.
    pub(super) became_quiet: Notify,
    phase: watch::Sender<Phase>,
}

/// What a worker is to do now.
pub(crate) enum Pick {
    /// Notify the observer that these wait, and then call [`Dispatcher::notified`].
    Notify(Vec<Deferred>),
    /// Serve this queue: finish what the worker has begun of it, then these.
    Serve(Slice),
    /// Sleep until there is something, or until this moment.
    Idle(Option<Instant>),
    /// The budget has ended: drop every call.
    Cut,
    /// The runtime is gone.
    Stop,
}

/// A worker's slice of one queue.
pub(crate) struct Slice {
    pub(crate) queue: QueueId,
    pub(crate) plugin: PluginNumber,
    /// What it may begin.
    pub(crate) jobs: Vec<Taken>,
    /// The drain that goes on.
    pub(crate) drain: Option<Arc<DrainContext>>,
}

impl Dispatcher {
    pub(crate) fn new(
        installed: InstalledPlugins,
        (slots, workers): (u32, u32),
        breaker_threshold: u32,
        quotas: Arc<Quotas>,
    ) -> Self {
        let plugins = installed.plugins().map(|plugin| PluginUse::new(PluginMemory::new(plugin)));
        let state = Mutex::new(State::new(plugins.collect()));
        // No worker takes so much that the others find nothing left of what one queue may hold.
        let batch = (slots / 2 / workers.max(1)).clamp(MIN_BATCH, MAX_BATCH);
        let first_slots = (slots / FIRST_SLOTS_DIVISOR).max(workers).min(slots / MAX_FIRST_SLOTS_DIVISOR);
        let (became_quiet, phase) = (Notify::new(), watch::Sender::default());
        Self { installed, slots, first_slots, batch, quotas, breaker_threshold, state, became_quiet, phase }
    }

    pub(crate) fn installed(&self) -> &InstalledPlugins {
        &self.installed
    }

    pub(crate) fn plugin_name(&self, queue: QueueId) -> Option<PluginName> {
        let number = self.state.lock().queues.get(queue)?.plugin;
        self.installed.get(number).map(|plugin| plugin.name().clone())
    }

    /// How far the runtime is on its way to its end.
    pub(crate) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Is told when the phase changes.
    pub(crate) fn watch_phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    pub(super) fn enter(&self, state: &mut State, phase: Phase) {
        state.phase = phase;
        self.phase.send_replace(phase);
    }

    /// Enqueues an event for every plugin that serves the session's tenant and has the event's hook.
    pub(crate) fn enqueue(&self, sequence: u64, key: EventKey, session: &Arc<Session>, event: &Arc<Event>) {
        self.enqueue_each(&QueuedDelivery::new(sequence, key, session, event));
    }

    /// Enqueues an event that the session's end may have overtaken already.
    pub(crate) fn enqueue_late(&self, sequence: u64, key: EventKey, session: &Arc<Session>, event: &Arc<Event>) {
        self.enqueue_each(&QueuedDelivery { late: true, ..QueuedDelivery::new(sequence, key, session, event) });
    }

    /// Enqueues the end of a session of which dead runs may have made `attempt` attempts.
    pub(crate) fn enqueue_end(&self, sequence: u64, session: &Arc<Session>, event: &Arc<Event>, attempt: u32) {
        self.enqueue_each(&QueuedDelivery { attempt, ..QueuedDelivery::new(sequence, EventKey::End, session, event) });
    }

    /// Enqueues a delivery of which something is known already.
    pub(crate) fn enqueue_each(&self, delivery: &QueuedDelivery) {
        let mut state = self.state.lock();
        let queues = self.queues_of(&mut state, &delivery.session.identity.tenant);
        for &(plugin, queue) in queues.iter() {
            if self.installed.has_hook(plugin, delivery.key.hook()) {
                state.push(queue, delivery.clone());
            }
        }
        state.wake();
    }

    /// Makes room for the sessions of a dead run: so many of each tenant.
    pub(crate) fn expect<'a>(&self, sessions: impl IntoIterator<Item = (&'a Arc<str>, usize)>) {
        let mut state = self.state.lock();
        for (tenant, count) in sessions {
            for &(_, queue) in self.queues_of(&mut state, tenant).iter() {
                if let Some(q) = state.queues.get_mut(queue) {
                    q.lanes.reserve(count);
                    q.ready.reserve(count);
                }
            }
        }
    }

    /// Enqueues a delivery that a dead run owed. False when its plugin is not installed any more, or has lost the hook. Its retry
    /// time does not count.
    pub(crate) fn enqueue_recovered(&self, pending: &PendingDelivery) -> bool {
        let mut state = self.state.lock();
        let queues = self.queues_of(&mut state, &pending.session.identity.tenant);
        let (name, hook) = (&pending.delivery.plugin, pending.delivery.event.hook());
        let is_it = |number: PluginNumber| self.installed.get(number).is_some_and(|plugin| plugin.name() == name);
        let queue = queues.iter().find(|&&(number, _)| is_it(number) && self.installed.has_hook(number, hook));
        let Some(&(_, queue)) = queue else { return false };
        state.push(queue, QueuedDelivery::recovered(pending));
        state.wake();
        true
    }

    /// The queues of the plugins that serve `tenant`.
    pub(crate) fn queues_of(&self, state: &mut State, tenant: &Arc<str>) -> Arc<[(PluginNumber, QueueId)]> {
        if let Some(account) = state.tenants.get(tenant).and_then(|&number| state.accounts.get(number)) {
            return account.queues.clone();
        }
        state.forget_idle_tenants();
        let plugins = self.installed.serving(tenant);
        state.add_tenant(tenant, self.quotas.of(tenant), &plugins, self.breaker_threshold)
    }

    /// What the worker that has begun calls of the queues `begun`, and can go on with them, is to do now.
    pub(crate) fn next(&self, begun: &[QueueId]) -> Pick {
        let now = now();
        let me = thread::current();
        let mut state = self.state.lock();
        state.idle.retain(|worker| worker.id() != me.id());
        if state.phase == Phase::Stopped {
            return Pick::Stop;
        }
        let is_cut = state.phase >= Phase::Cut;
        if !is_cut {
            state.refill_due(now);
            state.make_due_ready(now);
        }
        if state.waiting.has_pending() {
            return Pick::Notify(state.waiting.take_pending());
        }
        if is_cut {
            state.idle.push(me);
            return Pick::Cut;
        }
        let mine = begun.iter().copied().min_by_key(|&queue| state.fair.rank(queue));
        // A drain has no time to wait for one.
        let held = if state.drain.is_some() { None } else { state.suspects.hold_others_until(now) };
        let new = if held.is_some() { None } else { self.first_to_begin(&mut state, begun) };
        let (queue, jobs) = match (mine, new) {
            (Some(mine), Some((new, _))) if state.fair.rank(mine) <= state.fair.rank(new) => (mine, Vec::new()),
            (_, Some((new, most))) => (new, state.take(new, most)),
            (Some(mine), None) => (mine, Vec::new()),
            (None, None) => match state.take_suspect() {
                Some(suspect) => suspect,
                None => {
                    state.idle.push(me);
                    let retry = state.retries.peek().map(|Reverse(retry)| retry.at);
                    return Pick::Idle(retry.into_iter().chain(state.waiting.next_refill()).chain(held).min());
                }
            },
        };
        let plugin = state.queues.get(queue).map_or(usize::MAX, |q| q.plugin);
        let drain = state.drain.as_ref().map(|drain| drain.context.clone());
        Pick::Serve(Slice { queue, plugin, jobs, drain })
    }

    /// The queue whose turn it is to begin something, and the slots that it may take.
    fn first_to_begin(&self, state: &mut State, begun: &[QueueId]) -> Option<(QueueId, u32)> {
        let slots = self.free_slots(state);
        if slots == 0 {
            return None;
        }
        let share = self.slots_of_one_queue(state);
        let of_plugin = state.slots_of_one_plugin(self.slots);
        loop {
            let room_of = |queue: QueueId| {
                let slots = self.slots_for(state, queue, slots);
                state.queue_room(queue, share, of_plugin).min(slots)
            };
            match state.fair.first(|queue| !begun.contains(&queue) && room_of(queue) > 0) {
                Some(queue) => match state.plugin_room(queue, of_plugin) {
                    0 => state.park(queue),
                    _ if !state.memory_fits(queue) => state.wait_for_memory(queue),
                    room => return Some((queue, room.min(room_of(queue)).min(self.batch))),
                },
                // Others want fewer slots than when these were parked.
                None if state.unpark_one_with_room(of_plugin) => (),
                None => return None,
            }
        }
    }

    /// Slots that new calls may take now.
    fn free_slots(&self, state: &State) -> u32 {
        let kept = if state.drain.is_some() { 0 } else { self.slots / DRAIN_SLOTS_DIVISOR };
        self.slots.saturating_sub(kept).saturating_sub(state.taken)
    }

    /// Those of `free` slots that a queue may take: the last ones are for queues that hold none, one for each. So whoever comes
    /// new has a slot although calls that hang hold all others.
    fn slots_for(&self, state: &State, queue: QueueId, free: u32) -> u32 {
        let holds_none = state.queues.get(queue).is_some_and(|q| q.taken == 0);
        free.saturating_sub(self.first_slots).max(u32::from(holds_none).min(free))
    }

    /// One queue may hold at most half of the slots, and its equal part when many want some: a plugin that keeps its
    /// guests waiting cannot keep the others from beginning.
    fn slots_of_one_queue(&self, state: &State) -> u32 {
        let queues = u32::try_from(state.fair.ready_queues()).unwrap_or(u32::MAX).max(2);
        (self.slots / queues).max(1)
    }

    /// Takes attempts that are over into the account of the drain, charges the tenant for their fuel, and marks those as late
    /// that something newer waits behind. False when the account is closed: whatever came of them, they count as cut by the budget.
    pub(crate) fn account(&self, queue: QueueId, finished: &mut [FinishedCall]) -> bool {
        let mut state = self.state.lock();
        let drain = state.drain.as_ref().map(|_| state.phase >= Phase::Closed);
        state.charge_fuel(queue, finished.iter().map(|one| one.fuel));
        let Some(q) = state.queues.get_mut(queue) else { return false };
        for one in finished {
            q.ends_taken -= u32::from(one.delivery.is_end());
            // A drain that begins before this is settled has to know of it.
            one.unwritten = drain.is_none() && one.retry.is_some() && one.delivery.is_end();
            q.ends_unwritten += u32::from(one.unwritten);
            if one.retry.is_some()
                && let Some(lane) = q.lanes.get(&one.delivery.session.identity.id)
            {
                one.delivery.late |= lane.has_newer(&one.delivery);
            }
            one.in_drain = drain == Some(false);
            if one.in_drain {
                q.breaker.count(&one.outcome);
                if one.delivery.is_end() {
                    q.tally.add(&one.outcome);
                }
            }
        }
        drain != Some(true)
    }

    /// These failures are being written down: nothing of their sessions goes on until that is done, and others have their
    /// slots meanwhile.
    pub(crate) fn release(&self, queue: QueueId, failed: &mut [FinishedCall]) {
        if !failed.is_empty() {
            self.state.lock().release(queue, failed);
        }
    }

    /// Those of these failures that newer events go ahead of: they are late from now on. Those that were late before are not
    /// among them.
    pub(crate) fn overtaken<'a>(&self, queue: QueueId, failed: &'a mut [FinishedCall]) -> Vec<&'a FinishedCall> {
        let state = self.state.lock();
        let Some(q) = state.queues.get(queue) else { return Vec::new() };
        let mut overtaken = Vec::new();
        for one in failed.iter_mut().filter(|one| !one.delivery.late) {
            if q.lanes.get(&one.delivery.session.identity.id).is_some_and(|lane| lane.has_newer(&one.delivery)) {
                one.delivery.late = true;
                overtaken.push(&*one);
            }
        }
        overtaken
    }

    /// A worker has served `queue` for `served`: some deliveries are finished and accounted for, some were not begun after
    /// all.
    pub(crate) fn settle(&self, queue: QueueId, served: Duration, finished: Vec<FinishedCall>, unstarted: Vec<Taken>) {
        let now = now();
        let mut state = self.state.lock();
        state.fair.charge(queue, u64::try_from(served.as_nanos()).unwrap_or(u64::MAX));
        state.bring_back(queue, unstarted);
        state.charge_for_places(queue, &finished);
        for one in finished {
            state.finish(queue, one, now);
        }
        if let Some(why) = state.deferral(queue) {
            state.defer_unstarted(queue, why);
        }
        let of_plugin = state.slots_of_one_plugin(self.slots);
        if let Some((owner, plugin)) = state.queues.get(queue).map(|q| (q.owner, q.plugin)) {
            state.throttle_or_release(owner);
            state.unpark(plugin, of_plugin);
        }
        state.bring_back_for_memory();
        self.announce(&mut state);
    }

    /// Wakes who has something to do now, or has waited for there being nothing to do.
    pub(super) fn announce(&self, state: &mut State) {
        state.wake();
        if state.is_quiet() {
            self.became_quiet.notify_waiters();
        }
    }

    /// Deliveries that this tenant is owed now.
    pub(crate) fn owed_by(&self, tenant: &str) -> u64 {
        let state = self.state.lock();
        state.tenants.get(tenant).and_then(|&number| state.accounts.get(number)).map_or(0, |account| account.owed)
    }

    /// Resolves when nothing is ready and nothing is taken.
    pub(crate) async fn quiet(&self) {
        loop {
            let notified = self.became_quiet.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if self.state.lock().is_quiet() {
                return;
            }
            notified.await;
        }
    }

    /// `session-end` deliveries that are owed or were given up, besides those that active sessions will owe.
    pub(crate) fn undelivered_ends(&self) -> u64 {
        self.state.lock().undelivered_ends
    }

    /// Ends that are owed to plugins which are not installed.
    pub(crate) fn count_orphaned_ends(&self, ends: u64) {
        self.state.lock().undelivered_ends += ends;
    }

    /// Makes every worker leave.
    pub(crate) fn stop(&self) {
        let mut state = self.state.lock();
        self.enter(&mut state, Phase::Stopped);
        state.leave_memory_to_others();
        state.wake_all();
    }
}
