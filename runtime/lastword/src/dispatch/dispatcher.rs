//! The dispatcher: the lock around its state, and what does not change.
//!
//! A delivery is under the lock four times: enqueued ([`Dispatcher::enqueue`]), taken by [`Dispatcher::next`], accounted for
//! ([`Dispatcher::account`]), brought back by a later `next`. As one `next` brings back and takes, a delivery costs three acquisitions.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use lastword_events::{Event, EventKey, Session};
use lastword_journal::PendingDelivery;
use tokio::sync::{Notify, watch};

use super::finished_call::{FinishedCall, PutBack};
use super::ids::{PluginNumber, QueueId};
use super::memory_admission::PluginMemory;
use super::notifications::Deferred;
use super::state::State;
use super::tenants::TenantQueues;
use super::worker_step::{ServedSlice, WorkerStep};
use crate::active_session::Unended;
use crate::drain::account::{ClosedAccount, DeferredQueue, DrainAccount, Progress};
use crate::drain::context::DrainContext;
use crate::installed::InstalledPlugins;
use crate::phase::Phase;
use crate::queued_delivery::QueuedDelivery;
use crate::quota::Quotas;
use crate::sync::{Mutex, MutexGuard, now, thread};

/// Which deliveries are owed, and whose turn it is.
pub(crate) struct Dispatcher {
    installed: InstalledPlugins,
    quotas: Arc<Quotas>,
    breaker_threshold: u32,
    state: Mutex<State>,
    /// Notified whenever nothing is ready and nothing is taken.
    became_quiet: Notify,
    /// Says the phase to whoever has no lock.
    phase: watch::Sender<Phase>,
}

impl Dispatcher {
    pub(crate) fn new(
        installed: InstalledPlugins,
        slots_and_workers: (u32, u32),
        breaker_threshold: u32,
        quotas: Arc<Quotas>,
    ) -> Self {
        let memory = installed.plugins().map(PluginMemory::new).collect();
        let state = Mutex::new(State::new(slots_and_workers, memory));
        let (became_quiet, phase) = (Notify::new(), watch::Sender::default());
        Self { installed, quotas, breaker_threshold, state, became_quiet, phase }
    }

    pub(crate) fn installed(&self) -> &InstalledPlugins {
        &self.installed
    }

    /// Is told when the phase changes.
    pub(crate) fn watch_phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    fn enter(&self, state: &mut State, phase: Phase) {
        state.enter(phase);
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

    /// Enqueues the end of a session that became active after the drain's snapshot.
    pub(crate) fn enqueue_end_for_drain(&self, sequence: u64, session: &Arc<Session>) {
        let context = self.state.lock().drain_mut().map(|drain| {
            drain.sessions += 1;
            drain.context.clone()
        });
        if let Some(context) = context {
            self.enqueue(sequence, EventKey::End, session, &context.end_of(session));
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

    /// Makes room for the sessions of a dead run: so many of each tenant.
    pub(crate) fn expect<'a>(&self, sessions: impl IntoIterator<Item = (&'a Arc<str>, usize)>) {
        let mut state = self.state.lock();
        for (tenant, count) in sessions {
            for &(_, queue) in self.queues_of(&mut state, tenant).iter() {
                state.reserve(queue, count);
            }
        }
    }

    /// The queues of the plugins that serve `tenant`.
    fn queues_of(&self, state: &mut State, tenant: &Arc<str>) -> TenantQueues {
        if let Some(queues) = state.scheduler().tenants().queues_of(tenant) {
            return queues.clone();
        }
        state.forget_idle_tenants();
        let plugins = self.installed.serving(tenant);
        state.add_tenant(tenant, self.quotas.of(tenant), &plugins, self.breaker_threshold)
    }

    /// What the worker that has begun calls of the queues `begun`, and can go on with them, is to do now. It brings back what it has
    /// `served`.
    pub(crate) fn next(&self, served: Option<ServedSlice>, begun: &[QueueId]) -> WorkerStep {
        let now = now();
        let mut state = self.state.lock();
        if let Some(served) = served {
            self.settle_in(&mut state, served, now);
        }
        state.pick(thread::current(), begun, now)
    }

    /// The observer was notified of these: the tenants may go on, if nothing else throttles them.
    pub(crate) fn notified(&self, deferred: &[Deferred]) {
        let mut state = self.state.lock();
        state.notified(deferred);
        self.announce(&mut state);
    }

    /// Charges the tenant for calls that ran and were put back.
    pub(crate) fn charge_put_back(&self, queue: QueueId, put_back: &[PutBack]) {
        if put_back.iter().any(|one| one.fuel > 0) {
            self.state.lock().charge_fuel(queue, put_back.iter().map(|one| one.fuel));
        }
    }

    /// The journal has so many bytes to write that plugins of this queue's tenant have stored.
    pub(crate) fn add_unwritten(&self, queue: QueueId, bytes: u64) {
        if bytes > 0 {
            self.state.lock().scheduler_mut().change_unwritten(queue, |unwritten| unwritten.saturating_add(bytes));
        }
    }

    /// They are written, or set aside.
    pub(crate) fn written(&self, queue: QueueId, bytes: u64) {
        if bytes > 0 {
            let mut state = self.state.lock();
            state.scheduler_mut().change_unwritten(queue, |unwritten| unwritten.saturating_sub(bytes));
            self.announce(&mut state);
        }
    }

    /// Takes attempts that are over into the account of the drain, charges the tenant for their fuel, and marks those as late
    /// that something newer waits behind. False when the account is closed: whatever came of them, they count as cut by the budget.
    pub(crate) fn account(&self, queue: QueueId, finished: &mut [FinishedCall]) -> bool {
        self.state.lock().account(queue, finished)
    }

    /// These failures are being written down: nothing of their sessions goes on until that is done, and others have their
    /// slots meanwhile.
    pub(crate) fn release(&self, failed: &mut [FinishedCall]) {
        if !failed.is_empty() {
            self.state.lock().release(failed);
        }
    }

    /// Those of these failures that newer events go ahead of: they are late from now on. Those that were late before are not
    /// among them.
    pub(crate) fn overtaken<'a>(&self, queue: QueueId, failed: &'a mut [FinishedCall]) -> Vec<&'a FinishedCall> {
        self.state.lock().overtaken(queue, failed)
    }

    /// Takes back what was served.
    pub(crate) fn settle(&self, served: ServedSlice) {
        self.settle_in(&mut self.state.lock(), served, now());
    }

    fn settle_in(&self, state: &mut State, served: ServedSlice, now: Instant) {
        let ServedSlice { queue, time, finished, unstarted } = served;
        state.settle(queue, time, finished, unstarted, now);
        self.announce(state);
    }

    /// Wakes who has something to do now, or has waited for there being nothing to do.
    fn announce(&self, state: &mut State) {
        state.wake();
        self.announce_quiet(state);
    }

    fn announce_quiet(&self, state: &State) {
        if state.is_quiet() {
            self.became_quiet.notify_waiters();
        }
    }

    /// Deliveries that this tenant is owed now.
    pub(crate) fn owed_by(&self, tenant: &str) -> u64 {
        let state = self.state.lock();
        let tenants = state.scheduler().tenants();
        tenants.number(tenant).map_or(0, |number| tenants.owed(number))
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
        self.state.lock().undelivered_ends()
    }

    /// Ends that are owed to plugins which are not installed.
    pub(crate) fn count_orphaned_ends(&self, ends: u64) {
        self.state.lock().add_undelivered_ends(ends);
    }

    /// Everything that is owed, and the ends of these sessions, gets one attempt from now on. Others learn of it with
    /// [`announce_drain`](Self::announce_drain).
    pub(crate) fn begin_drain(&self, context: DrainContext, sessions: HashMap<Arc<str>, Vec<Unended>>) {
        let now = now();
        let found: usize = sessions.values().map(Vec::len).sum();
        let account = DrainAccount::new(context, u64::try_from(found).unwrap_or(u64::MAX));
        let mut state = self.state.lock();
        state.begin_drain(account, self.breaker_threshold, now);
        for (tenant, sessions) in sessions {
            let queues = self.queues_of(&mut state, &tenant);
            state.add_backlog(&queues, sessions);
        }
        state.scheduler_mut().reset_times();
        state.enter(Phase::Draining);
        state.wake();
    }

    /// Says that a drain has begun. Not before every end that it took over is in its queue: who hears of it asks whether newer events
    /// wait behind a failure.
    pub(crate) fn announce_drain(&self) {
        self.phase.send_if_modified(|phase| {
            let is_news = *phase < Phase::Draining;
            *phase = (*phase).max(Phase::Draining);
            is_news
        });
    }

    /// Whether a drain has taken its snapshot, also when the runtime has stopped since.
    pub(crate) fn has_drain(&self) -> bool {
        self.state.lock().drain().is_some()
    }

    /// The budget has ended: nothing begins any more, and workers drop what they have begun.
    pub(crate) fn cut(&self) {
        let mut state = self.state.lock();
        if state.drain().is_some() {
            self.enter(&mut state, Phase::Cut);
            state.defer_all_unstarted();
            self.wake_all(state);
        }
    }

    /// Ends the account. What a worker still holds counts as cut by the budget, whatever comes of it.
    pub(crate) fn close_account(&self) -> ClosedAccount {
        let mut state = self.state.lock();
        let closed = state.close_account();
        self.enter(&mut state, Phase::Closed);
        // Workers whose guests wait for the host drop them.
        self.wake_all(state);
        closed
    }

    fn wake_all(&self, mut state: MutexGuard<'_, State>) {
        state.wake_all();
        self.announce_quiet(&state);
    }

    /// What the drain has come to by now, for whoever cannot wait for its account: all that is not made is deferred. None when
    /// somebody has the lock just now.
    pub(crate) fn progress(&self) -> Option<Progress> {
        let state = self.state.try_lock()?;
        let closed_with = state.drain().and_then(|drain| drain.closed_with);
        let mut progress = closed_with.unwrap_or_else(|| state.progress());
        if let Some(drain) = state.drain() {
            progress.unnotified = progress.unnotified.saturating_sub(drain.notified.load(Ordering::Relaxed));
        }
        Some(progress)
    }

    /// Keeps what was deferred and the observer was not notified of, until the runtime goes: to free a million deliveries takes
    /// longer than a drain has at its end.
    pub(crate) fn keep_deferred(&self, deferred: Vec<DeferredQueue>) {
        if let Some(drain) = self.state.lock().drain_mut() {
            drain.deferred = deferred;
        }
    }

    /// The drain is over: its report is made.
    pub(crate) fn end_drain(&self) {
        self.enter(&mut self.state.lock(), Phase::Drained);
    }

    /// Makes every worker leave.
    pub(crate) fn stop(&self) {
        let mut state = self.state.lock();
        self.enter(&mut state, Phase::Stopped);
        state.scheduler_mut().set_no_memory_aside();
        state.wake_all();
    }
}

#[cfg(any(test, shuttle))]
impl Dispatcher {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}
