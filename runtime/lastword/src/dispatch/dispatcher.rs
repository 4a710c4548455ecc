//! The dispatcher: the lock around its state, and what changes seldom or never.
//!
//! A delivery is under the lock four times. It is enqueued ([`Dispatcher::enqueue`]), taken ([`Dispatcher::next`]), accounted for
//! ([`Dispatcher::account`]), and taken back by a later `next`. One `next` takes a slice back and gives another, so a delivery costs three
//! acquisitions.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lastword_events::{EventKey, PluginKey, PluginName, Session};
use lastword_journal::PendingDelivery;
use tokio::sync::{Notify, watch};

use super::backlog::DrainContext;
use super::drain_account::{ClosedAccount, DeferredQueue, DrainAccount, Progress};
use super::finished_call::{FinishedCall, PutBack};
use super::ids::QueueId;
use super::locked_state::LockedState;
use super::memory_admission::PluginMemory;
use super::notifications::Deferred;
use super::plugin_counts::InstalledCounts;
use super::state::{State, drain, plugins, withdraw};
use super::tenants::TenantQueues;
use super::uninstalling::UninstallStep;
use super::withdrawal::{EventOfSession, Withdrawal};
use super::worker_step::{ConcludedSlice, WorkerStep};
use crate::active_session::Unended;
use crate::installed::{Installed, InstalledId, InstalledPlugins, PluginNumber};
use crate::phase::Phase;
use crate::queued_delivery::QueuedDelivery;
use crate::quota::{Quotas, TenantQuota};
use crate::sync::{Mutex, thread};
use crate::time::Time;

/// Knows which deliveries are owed, and which queue is next.
pub(crate) struct Dispatcher {
    /// Changed with the lock of the state, and with that of the active set, see [`plugin_changes`](crate::plugin_changes).
    installed: Mutex<Arc<InstalledPlugins>>,
    /// How often installed plugins have changed, for workers between two calls.
    plugin_changes: AtomicU64,
    quotas: Arc<Quotas>,
    breaker_threshold: u32,
    time: Time,
    state: Mutex<State>,
    /// Notified whenever nothing is ready and nothing is taken.
    became_quiet: Notify,
    /// The phase, to be read without the lock.
    phase: watch::Sender<Phase>,
    /// Notified when calls may have ended, while somebody waits for calls of a plugin.
    calls: watch::Sender<()>,
}

/// Counts of what the dispatcher has.
#[derive(Debug)]
pub(crate) struct DispatchCounts {
    /// The installed plugins with their counts, in the order in which they were installed.
    pub(crate) plugins: Vec<(Arc<Installed>, InstalledCounts)>,
    /// Bytes that plugins have stored and the journal has not written yet.
    pub(crate) unwritten: u64,
    /// Calls that can be under way at once.
    pub(crate) slots: u32,
    /// Slots that calls hold.
    pub(crate) slots_taken: u32,
}

impl Dispatcher {
    pub(crate) fn new(
        installed: InstalledPlugins,
        slots_and_workers: (u32, u32),
        breaker_threshold: u32,
        quotas: Arc<Quotas>,
        time: Time,
    ) -> Self {
        // The numbers of these plugins are 0, 1, and so on.
        let memory = installed.iter().map(|one| PluginMemory::new(one)).collect();
        let state = Mutex::new(State::new(slots_and_workers, memory, time.clone()));
        let (became_quiet, phase, calls) = (Notify::new(), watch::Sender::default(), watch::Sender::default());
        let (installed, plugin_changes) = (Mutex::new(Arc::new(installed)), AtomicU64::new(0));
        Self { installed, plugin_changes, quotas, breaker_threshold, time, state, became_quiet, phase, calls }
    }

    /// The installed plugins as they are now. They stay so as long as the caller has the active set's lock.
    pub(crate) fn installed(&self) -> Arc<InstalledPlugins> {
        self.installed.lock().clone()
    }

    /// How often installed plugins have changed: the number that a [`Slice`](super::Slice) has.
    pub(crate) fn plugin_changes(&self) -> u64 {
        self.plugin_changes.load(Ordering::Acquire)
    }

    /// Watches for the end of calls, while somebody waits for calls of a plugin.
    pub(crate) fn watch_calls(&self) -> watch::Receiver<()> {
        self.calls.subscribe()
    }

    /// Watches the phase.
    pub(crate) fn watch_phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    fn enter(&self, state: &mut State, phase: Phase) {
        state.enter(phase);
        self.phase.send_replace(phase);
    }

    /// Enqueues a delivery for those of the plugins `owed` that are installed and have its hook. Gives the other plugins. To be called with
    /// the active set's lock, so that the installed plugins stay as they are until the caller has seen to the others.
    pub(crate) fn enqueue(&self, delivery: &QueuedDelivery, owed: &[PluginName]) -> Vec<PluginName> {
        let mut state = self.state();
        let queues = self.queues_of(&mut state, &delivery.session.identity.tenant);
        let installed = self.installed.lock();
        let (hook, mut gone, mut next) = (delivery.key.hook(), Vec::new(), 0);
        for name in owed {
            // The names and the queues are nearly always in the same order.
            let (before, from_here) = queues.split_at(next.min(queues.len()));
            let takes = |one: &Arc<Installed>| one.name() == name && one.plugin.hooks().contains(hook);
            let is_it = |&(number, _): &(PluginNumber, QueueId)| installed.get(number).is_some_and(takes);
            let found = from_here.iter().position(is_it).map(|at| next + at).or_else(|| before.iter().position(is_it));
            match found.and_then(|at| Some((at, queues.get(at)?))) {
                Some((at, &(_, queue))) => {
                    state.push(queue, delivery.clone());
                    next = at + 1;
                }
                None => gone.push(name.clone()),
            }
        }
        state.wake();
        gone
    }

    /// Enqueues the end of a session that became active after the drain's snapshot.
    pub(crate) fn enqueue_end_for_drain(&self, sequence: u64, session: &Arc<Session>) {
        let context = self.state().drain_mut().map(|drain| {
            drain.sessions += 1;
            drain.context.clone()
        });
        let Some(context) = context else { return };
        let end = QueuedDelivery::new(sequence, EventKey::End, session, &context.end_of(session));
        let mut state = self.state();
        let queues = self.queues_of(&mut state, &session.identity.tenant);
        for &(_, queue) in queues.iter() {
            state.push(queue, end.clone());
        }
        state.wake();
    }

    /// Enqueues a delivery that a dead run owed, whatever the time of its retry. False when its plugin is not installed any more, or has
    /// lost the hook.
    pub(crate) fn enqueue_recovered(&self, pending: &PendingDelivery) -> bool {
        self.enqueue_pending(pending, State::push)
    }

    /// Enqueues a delivery that was given up and is to be made again. False when its plugin is not installed any more, or has lost the
    /// hook. Once a drain has begun the delivery is left to the next start: the attempt after which it was given up may have been the
    /// drain's.
    pub(crate) fn enqueue_redelivered(&self, pending: &PendingDelivery) -> bool {
        self.enqueue_pending(pending, |state, queue, delivery| match state.drain() {
            Some(_) => state.add_undelivered_ends(u64::from(delivery.is_end())),
            None => state.push_late(queue, delivery),
        })
    }

    fn enqueue_pending(
        &self,
        pending: &PendingDelivery,
        push: impl FnOnce(&mut State, QueueId, QueuedDelivery),
    ) -> bool {
        let mut state = self.state();
        let installed = self.installed();
        let queues = self.queues_of(&mut state, &pending.session.identity.tenant);
        let (name, hook) = (&pending.delivery.plugin, pending.delivery.event.hook());
        let takes = |one: &Arc<Installed>| one.name() == name && one.plugin.hooks().contains(hook);
        let queue = queues.iter().find(|&&(number, _)| installed.get(number).is_some_and(takes));
        let Some(&(_, queue)) = queue else { return false };
        push(&mut state, queue, QueuedDelivery::recovered(pending));
        state.wake();
        true
    }

    /// Withdraws events of a tenant's sessions from what a plugin is owed, unless calls with them are under way. `wanted` has the events
    /// with the ids of their sessions. None when the plugin is owed nothing of the tenant, or a drain has begun. Nothing newer of the
    /// sessions begins before their [lanes are advanced](Self::advance_lanes).
    pub(crate) fn withdraw(
        &self,
        tenant: &str,
        plugin: &PluginName,
        wanted: HashMap<EventOfSession, Arc<str>>,
    ) -> Option<Withdrawal> {
        let (queue, stamp) = {
            let state = self.state();
            let installed = self.installed();
            let queues = state.scheduler().tenants().queues_of(tenant)?;
            let is_it = |number: PluginNumber| installed.get(number).is_some_and(|one| one.name() == plugin);
            let queue = queues.iter().find(|&&(number, _)| is_it(number)).map(|&(_, queue)| queue)?;
            (queue, state.stamp_of(queue)?)
        };
        let mut withdrawal = Withdrawal::new(queue, stamp, wanted);
        // A drain gives each of them its attempt, wherever it is.
        if self.state().drain().is_some() {
            return None;
        }
        let mut from = None;
        while !withdrawal.missing.is_empty() {
            from = withdraw::ready(&mut self.state(), &mut withdrawal, from);
            if from.is_none() {
                break;
            }
        }
        let mut state = self.state();
        withdraw::waiting(&mut state, &mut withdrawal);
        self.announce_quiet(&state);
        drop(state);
        Some(withdrawal)
    }

    /// Lets go on what is newer of the sessions: the journal has been told what of the withdrawn is forgotten.
    pub(crate) fn advance_lanes(&self, withdrawal: &Withdrawal) {
        let mut state = self.state();
        withdraw::advance_lanes(&mut state, withdrawal, self.time.now());
        self.announce(&mut state);
    }

    /// Ends a withdrawal, when the journal has answered: what `stays` is owed as before, and the rest is forgotten. To be called after
    /// [`advance_lanes`](Self::advance_lanes).
    pub(crate) fn end_withdrawal(&self, withdrawal: Withdrawal, stays: impl Fn(EventOfSession) -> bool) {
        let mut state = self.state();
        withdraw::end(&mut state, withdrawal, stays, self.time.now());
        self.announce(&mut state);
    }

    /// Counts of what the dispatcher has.
    pub(crate) fn counts(&self) -> DispatchCounts {
        let state = self.state();
        let (scheduler, installed) = (state.scheduler(), self.installed());
        let plugins = installed.numbered().map(|(number, one)| (one.clone(), scheduler.counts_of(number))).collect();
        let (unwritten, slots) = (scheduler.gates().unwritten(), scheduler.slots());
        DispatchCounts { plugins, unwritten, slots: slots.total(), slots_taken: slots.taken() }
    }

    /// Changes how many calls can be under way at once. Whatever has a slot keeps it.
    pub(crate) fn set_slots(&self, slots: u32) {
        let mut state = self.state();
        state.scheduler_mut().set_slots(slots);
        self.announce(&mut state);
    }

    /// Makes room for the sessions of a dead run. `sessions` says how many each tenant has.
    pub(crate) fn expect<'a>(&self, sessions: impl IntoIterator<Item = (&'a Arc<str>, usize)>) {
        let mut state = self.state();
        for (tenant, count) in sessions {
            for &(_, queue) in self.queues_of(&mut state, tenant).iter() {
                state.reserve(queue, count);
            }
        }
    }

    /// The queues of the plugins that serve `tenant`, which are made if there are none.
    fn queues_of(&self, state: &mut State, tenant: &Arc<str>) -> TenantQueues {
        if let Some(queues) = state.scheduler().tenants().queues_of(tenant) {
            return queues.clone();
        }
        state.forget_idle_tenants();
        let plugins: Vec<PluginNumber> = self.installed().serving(tenant).map(|(number, _)| number).collect();
        state.add_tenant(tenant, &self.quotas.of(tenant), &plugins, self.breaker_threshold)
    }

    /// What a worker is to do now. `begun`: the queues of which it has begun calls, and can go on with them. `concluded`: the slice that it
    /// has served, which is taken back.
    pub(crate) fn next(&self, concluded: Option<ConcludedSlice>, begun: &[QueueId]) -> WorkerStep {
        let now = self.time.now();
        let mut state = self.state();
        let has_served = concluded.is_some();
        if let Some(concluded) = concluded {
            state.take_back(concluded, now);
        }
        let step = state.pick(thread::current(), begun, has_served, now);
        // The worker has what it takes itself. It has looked at everything if it goes to sleep: nothing is left for others.
        if matches!(step, WorkerStep::Serve(_) | WorkerStep::Notify(_)) {
            state.wake();
        }
        if has_served {
            self.announce_rest(&state);
        }
        step
    }

    /// The worker leaves, and is not to be woken any more.
    pub(crate) fn leave(&self) {
        self.state().forget_worker(&thread::current());
    }

    /// Notes that the observer was notified of these. Their tenants go on, if nothing else throttles them.
    pub(crate) fn notified(&self, deferred: &[Deferred]) {
        let mut state = self.state();
        state.notified(deferred);
        self.announce(&mut state);
    }

    /// Charges the tenant for calls that ran and were put back.
    pub(crate) fn charge_put_back(&self, queue: QueueId, put_back: &[PutBack]) {
        if put_back.iter().any(|one| one.fuel > 0) {
            self.state().charge_fuel(queue, put_back.iter().map(|one| one.fuel));
        }
    }

    /// Notes that the queue's plugin has stored so many bytes that the journal has yet to write.
    pub(crate) fn add_unwritten(&self, queue: QueueId, bytes: u64) {
        if bytes > 0 {
            self.state().scheduler_mut().add_unwritten(queue, bytes);
        }
    }

    /// Notes that so many bytes that the queue's plugin has stored are written, or set aside.
    pub(crate) fn written(&self, queue: QueueId, bytes: u64) {
        if bytes > 0 {
            let mut state = self.state();
            state.scheduler_mut().written(queue, bytes);
            self.announce(&mut state);
        }
    }

    /// Takes calls that are over into the account of the drain, charges the tenant for their fuel, and marks those deliveries as late that
    /// something newer waits behind. False when the account is closed: then the calls count as cut by the budget, whatever came of them.
    pub(crate) fn account(&self, queue: QueueId, finished: &mut [FinishedCall]) -> bool {
        self.state().account(queue, finished)
    }

    /// Frees the slots of these failures, which are being written down. Nothing of their sessions goes on until that is done.
    pub(crate) fn free_slots(&self, failed: &mut [FinishedCall]) {
        if !failed.is_empty() {
            self.state().free_slots(failed);
        }
    }

    /// Marks each overtaken failure as late. Returns the newly marked ones.
    pub(crate) fn overtaken<'a>(&self, queue: QueueId, failed: &'a mut [FinishedCall]) -> Vec<&'a FinishedCall> {
        self.state().overtaken(queue, failed)
    }

    /// Takes back a slice.
    pub(crate) fn take_back(&self, concluded: ConcludedSlice) {
        let now = self.time.now();
        let mut state = self.state();
        state.take_back(concluded, now);
        self.announce(&mut state);
    }

    /// Wakes workers that have something to do now, and tasks that wait until there is nothing to do.
    pub(super) fn announce(&self, state: &mut State) {
        state.wake();
        self.announce_rest(state);
    }

    /// Wakes up tasks that wait until there is nothing to do, or until a plugin has no calls.
    fn announce_rest(&self, state: &State) {
        self.announce_quiet(state);
        if state.has_watched_plugins() {
            self.calls.send_replace(());
        }
    }

    fn announce_quiet(&self, state: &State) {
        if state.is_quiet() {
            self.became_quiet.notify_waiters();
        }
    }

    /// How many deliveries this tenant is owed now.
    pub(crate) fn owed_by(&self, tenant: &str) -> u64 {
        let state = self.state();
        let tenants = state.scheduler().tenants();
        tenants.number(tenant).map_or(0, |number| tenants.owed(number))
    }

    /// Resolves when no delivery is ready, and none is with a worker.
    pub(crate) async fn quiet(&self) {
        loop {
            let notified = self.became_quiet.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if self.is_quiet() {
                return;
            }
            notified.await;
        }
    }

    /// Whether no delivery is ready or with a worker. A delivery that is due by now is ready, whether or not a worker has seen that.
    fn is_quiet(&self) -> bool {
        let now = self.time.now();
        let mut state = self.state();
        state.look_at_timers(now);
        state.wake();
        state.is_quiet()
    }

    /// How many `session-end` deliveries are owed or were given up, besides those that active sessions will owe.
    pub(crate) fn undelivered_ends(&self) -> u64 {
        self.state().undelivered_ends()
    }

    /// Counts so many ends no more that were owed or given up.
    pub(crate) fn forget_undelivered_ends(&self, ends: u64) {
        if ends > 0 {
            self.state().remove_undelivered_ends(ends);
        }
    }

    /// Counts so many ends that are owed to plugins which are not installed.
    pub(crate) fn count_orphaned_ends(&self, ends: u64) {
        self.state().add_undelivered_ends(ends);
    }

    /// Begins to detach: no call begins any more, and workers leave when they have none.
    pub(crate) fn begin_detach(&self) {
        let mut state = self.state();
        self.enter(&mut state, Phase::Detaching);
        state.scheduler_mut().end_waits_for_memory();
        self.wake_all(state);
    }

    /// Ends the budget of a runtime that detaches: workers drop the calls that they have, and leave.
    pub(crate) fn cut_detached(&self) {
        let mut state = self.state();
        self.enter(&mut state, Phase::Cut);
        self.wake_all(state);
    }

    /// Whether no worker has a call, or a job that it is to begin.
    pub(crate) fn has_no_call(&self) -> bool {
        self.state().scheduler().slots().taken() == 0
    }

    /// Begins a drain: from now on everything that is owed, and the end of each of these sessions, gets one attempt. Others learn of the
    /// drain with [`announce_drain`](Self::announce_drain).
    pub(crate) fn begin_drain(&self, context: DrainContext, sessions: HashMap<Arc<str>, Vec<Unended>>) {
        let now = self.time.now();
        let found: usize = sessions.values().map(Vec::len).sum();
        let account = DrainAccount::new(context, u64::try_from(found).unwrap_or(u64::MAX));
        let mut state = self.state();
        drain::begin(&mut state, account, self.breaker_threshold, now);
        for (tenant, sessions) in sessions {
            let queues = self.queues_of(&mut state, &tenant);
            drain::add_backlog(&mut state, &queues, sessions);
        }
        state.scheduler_mut().reset_times();
        state.enter(Phase::Draining);
        state.wake();
    }

    /// Announces that a drain has begun. To be called when every end of the drain's snapshot is in its queue: after the announcement it
    /// matters whether newer events wait behind a failure.
    pub(crate) fn announce_drain(&self) {
        self.phase.send_if_modified(|phase| {
            let is_news = *phase < Phase::Draining;
            *phase = (*phase).max(Phase::Draining);
            is_news
        });
    }

    /// Whether a drain has taken its snapshot, also when the runtime has stopped since.
    pub(crate) fn has_drain(&self) -> bool {
        self.state().drain().is_some()
    }

    /// Ends the budget of a drain: nothing begins any more, and workers drop the calls that they have begun.
    pub(crate) fn cut(&self) {
        let mut state = self.state();
        if state.drain().is_some() {
            self.enter(&mut state, Phase::Cut);
            drain::defer_all(&mut state);
            self.wake_all(state);
        }
    }

    /// Closes the account of a drain. What a worker still has counts as cut by the budget, whatever comes of it.
    pub(crate) fn close_account(&self) -> ClosedAccount {
        let mut state = self.state();
        let closed = drain::close(&mut state);
        self.enter(&mut state, Phase::Closed);
        // Workers drop the calls whose guests wait for the host.
        self.wake_all(state);
        closed
    }

    fn wake_all(&self, mut state: LockedState<'_>) {
        state.wake_all();
        self.announce_quiet(&state);
    }

    /// The counts of the drain so far, for a caller that cannot wait for the account. What is not made counts as deferred. None if somebody
    /// has the lock.
    pub(crate) fn progress(&self) -> Option<Progress> {
        let state = self.state.try_lock()?;
        let closed_with = state.drain().and_then(|drain| drain.closed_with);
        let mut progress = closed_with.unwrap_or_else(|| drain::progress(&state));
        if let Some(drain) = state.drain() {
            progress.unnotified = progress.unnotified.saturating_sub(drain.notified.load(Ordering::Relaxed));
        }
        Some(progress)
    }

    /// Keeps deferred deliveries that the observer was not notified of until the runtime goes: to free a million takes longer than a drain
    /// has at its end.
    pub(crate) fn keep_deferred(&self, deferred: Vec<DeferredQueue>) {
        if let Some(drain) = self.state().drain_mut() {
            drain.deferred = deferred;
        }
    }

    /// Ends the drain, whose report is made.
    pub(crate) fn end_drain(&self) {
        self.enter(&mut self.state(), Phase::Drained);
    }

    /// Makes every worker leave.
    pub(crate) fn stop(&self) {
        let mut state = self.state();
        self.enter(&mut state, Phase::Stopped);
        state.scheduler_mut().set_no_memory_aside();
        self.wake_all(state);
        // From now on nobody tells those who wait for calls.
        self.calls.send_replace(());
    }

    /// Locks the state, for parts of the dispatcher that are in files of their own.
    pub(super) fn state(&self) -> LockedState<'_> {
        LockedState::new(self.state.lock())
    }

    /// Publishes a set: these plugins are installed from now on. What workers were given to begin goes back.
    pub(super) fn publish(&self, state: &mut State, installed: InstalledPlugins) {
        *self.installed.lock() = Arc::new(installed);
        self.note_plugin_change(state);
    }

    fn note_plugin_change(&self, state: &mut State) {
        self.plugin_changes.store(state.plugin_changed(), Ordering::Release);
    }

    pub(super) fn breaker_threshold(&self) -> u32 {
        self.breaker_threshold
    }

    /// How far the uninstalling of a plugin is; none when the runtime has stopped, because then no worker says anything of its calls.
    pub(crate) fn uninstall_step(&self, plugin: PluginNumber) -> Option<UninstallStep> {
        let mut state = self.state();
        let step = plugins::uninstall_step(&mut state, plugin);
        let is_known = !matches!(step, UninstallStep::Waits) || state.phase() != Phase::Stopped;
        is_known.then_some(step)
    }

    /// Removes an uninstalled plugin of which nothing is left. Its number is free then.
    pub(crate) fn remove_plugin(&self, plugin: PluginNumber) {
        let mut state = self.state();
        if plugins::remove(&mut state, plugin) {
            let set = self.installed().without(plugin);
            self.publish(&mut state, set);
        }
        // A plugin of the same name may wait for that.
        self.calls.send_replace(());
    }

    /// Whether a plugin of this name is being uninstalled, beside the one that has this number.
    pub(crate) fn is_uninstalling_beside(&self, plugin: PluginNumber, name: &PluginName) -> bool {
        self.state().uninstalling().has_name_beside(plugin, name)
    }

    /// Enqueues a delivery that was orphaned under a plugin's name until now. To be called until the orphans [are read](Self::end_orphans).
    /// `late`: the plugin was called with newer events meanwhile.
    pub(crate) fn enqueue_orphan(&self, plugin: PluginNumber, pending: &PendingDelivery, late: bool) {
        let delivery = QueuedDelivery::recovered(pending);
        let mut state = self.state();
        if state.uninstalling().has(plugin) {
            return state.keep_orphan_for_uninstall(plugin, delivery);
        }
        let queues = self.queues_of(&mut state, &pending.session.identity.tenant);
        let Some(&(_, queue)) = queues.iter().find(|(number, _)| *number == plugin) else { return };
        // The end counts already, as an orphan.
        state.remove_undelivered_ends(u64::from(delivery.is_end()));
        if late {
            state.push_late(queue, QueuedDelivery { late: true, ..delivery });
        } else {
            state.push_orphan(queue, delivery);
        }
        state.wake();
    }

    /// Ends the reading of orphans: all that was orphaned under the plugin's name is enqueued. If the plugin has `waited` for that, its
    /// calls begin.
    pub(crate) fn end_orphans(&self, plugin: PluginNumber, waited: bool) {
        let mut state = self.state();
        plugins::end_orphans(&mut state, plugin, waited);
        self.announce(&mut state);
    }

    /// Pauses a plugin, until it was [resumed](Self::resume) as often as it was paused.
    pub(crate) fn pause(&self, key: &PluginKey) -> Option<(PluginNumber, InstalledId)> {
        let mut state = self.state();
        let installed = self.installed();
        let (number, one) = installed.find(key)?;
        state.scheduler_mut().plugin_gates_mut().pause(number);
        state.apply_plugin_gate(number);
        self.note_plugin_change(&mut state);
        self.announce(&mut state);
        Some((number, one.id))
    }

    /// Undoes one [pause](Self::pause) of a plugin.
    pub(crate) fn resume(&self, plugin: PluginNumber, id: InstalledId) {
        let mut state = self.state();
        if self.has_number(plugin, id) {
            state.scheduler_mut().plugin_gates_mut().resume(plugin);
            state.apply_plugin_gate(plugin);
            self.announce(&mut state);
        }
    }

    /// Whether no call of this plugin is under way. When the runtime has stopped no call is.
    pub(crate) fn has_no_calls(&self, plugin: PluginNumber, id: InstalledId) -> bool {
        let state = self.state();
        let calls = state.scheduler().slots().of_plugin(plugin);
        calls == 0 || state.phase() == Phase::Stopped || !self.has_number(plugin, id)
    }

    /// Whether the plugin is still the one with this number.
    fn has_number(&self, plugin: PluginNumber, id: InstalledId) -> bool {
        self.installed().get(plugin).is_some_and(|one| one.id == id)
    }

    /// Sets what a tenant may use from now on; none: the default again. False once a drain has begun.
    pub(crate) fn set_quota(&self, tenant: &str, quota: Option<TenantQuota>) -> bool {
        let mut state = self.state();
        let is_serving = state.phase() == Phase::Serving;
        if is_serving {
            let quota = self.quotas.set(tenant, quota);
            state.change_quota(tenant, &quota, self.time.now());
            self.announce(&mut state);
        }
        is_serving
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};
    use std::time::{Duration, Instant};

    use lastword_events::{EndReason, Event, SessionEnd, Timestamp};
    use lastword_journal::DeliveryKey;

    use super::super::job::Job;
    use super::super::tests::{
        bring_back, calls, dispatcher, drain, finish, owe, owe_ends, queue_of, settle, take_all,
    };
    use super::super::worker_step::Slice;
    use super::*;
    use crate::limits::MAX_UNWRITTEN_BYTES_OF_TENANT;

    fn name() -> PluginName {
        PluginName::new("first").unwrap()
    }

    fn begin_drain(dispatcher: &Dispatcher) {
        dispatcher.begin_drain(drain(Instant::now() + Duration::from_secs(60)), HashMap::new());
    }

    fn bring_all_back(dispatcher: &Dispatcher, taken: impl IntoIterator<Item = Slice>) {
        taken.into_iter().for_each(|slice| bring_back(dispatcher, slice.queue, slice.jobs, false));
    }

    #[test]
    fn what_plugins_have_stored_counts_until_it_is_written_and_a_tenant_with_too_much_waits_until_then() {
        let dispatcher = dispatcher(16, 2);
        owe(&dispatcher, "t", &calls(None), 1);
        let queue = queue_of(&dispatcher, "t");
        dispatcher.add_unwritten(queue, 0);
        dispatcher.add_unwritten(queue, MAX_UNWRITTEN_BYTES_OF_TENANT);
        assert_eq!(dispatcher.counts().unwritten, MAX_UNWRITTEN_BYTES_OF_TENANT);
        assert!(matches!(dispatcher.next(None, &[]), WorkerStep::Idle(None)));
        assert!(!dispatcher.is_quiet(), "it goes on when the journal has written");
        dispatcher.written(queue, MAX_UNWRITTEN_BYTES_OF_TENANT);
        assert_eq!(dispatcher.counts().unwritten, 0);
        let taken = take_all(&dispatcher);
        let counts = dispatcher.counts();
        assert_eq!((counts.slots, counts.slots_taken, taken.len()), (16, 2, 2));
        assert!(!dispatcher.has_no_call());
        bring_all_back(&dispatcher, taken);
        assert!(dispatcher.has_no_call() && dispatcher.is_quiet());
        dispatcher.add_unwritten(queue, MAX_UNWRITTEN_BYTES_OF_TENANT);
        assert!(dispatcher.is_quiet(), "it has nothing to go on with");
    }

    #[test]
    fn a_session_that_is_written_down_after_the_snapshot_counts_in_the_drain_and_ends_in_it() {
        let dispatcher = dispatcher(16, 2);
        owe(&dispatcher, "t", &calls(None), 0);
        let session = Arc::new(Session::new("t", "late"));
        dispatcher.enqueue_end_for_drain(7, &session);
        assert!(!dispatcher.has_drain() && take_all(&dispatcher).is_empty(), "no drain has begun");
        let found = Unended { sequence: 1, session: Arc::new(Session::new("t", "found")), attempt: 0 };
        let cut_at = Instant::now() + Duration::from_secs(60);
        dispatcher.begin_drain(drain(cut_at), HashMap::from([("t".into(), vec![found])]));
        dispatcher.enqueue_end_for_drain(7, &session);
        let owed = Progress { sessions: 2, deferred: 4, unnotified: 4, ..Progress::default() };
        assert!(dispatcher.has_drain());
        assert_eq!((dispatcher.progress(), dispatcher.undelivered_ends()), (Some(owed), 4));
        bring_all_back(&dispatcher, take_all(&dispatcher));
        let made = Progress { sessions: 2, delivered: 4, ..Progress::default() };
        assert_eq!((dispatcher.progress(), dispatcher.undelivered_ends()), (Some(made), 0));
        assert_eq!(dispatcher.close_account().sessions, 2);
    }

    #[test]
    fn ends_count_as_undelivered_until_they_are_made_or_forgotten() {
        let dispatcher = dispatcher(16, 2);
        owe_ends(&dispatcher, 3);
        dispatcher.count_orphaned_ends(2);
        assert_eq!((dispatcher.undelivered_ends(), dispatcher.owed_by("t"), dispatcher.owed_by("u")), (5, 3, 0));
        bring_all_back(&dispatcher, take_all(&dispatcher));
        assert_eq!((dispatcher.undelivered_ends(), dispatcher.owed_by("t")), (2, 0));
        dispatcher.forget_undelivered_ends(0);
        dispatcher.forget_undelivered_ends(1);
        assert_eq!(dispatcher.undelivered_ends(), 1);
        dispatcher.forget_undelivered_ends(3);
        assert_eq!(dispatcher.undelivered_ends(), 0);
    }

    #[test]
    fn a_runtime_that_detaches_begins_nothing_more_and_ends_what_it_has_begun_until_its_budget_ends() {
        let dispatcher = dispatcher(16, 2);
        let phase = dispatcher.watch_phase();
        owe(&dispatcher, "t", &calls(None), 1);
        let WorkerStep::Serve(Slice { queue, jobs, .. }) = dispatcher.next(None, &[]) else { panic!() };
        dispatcher.begin_detach();
        assert_eq!(*phase.borrow(), Phase::Detaching);
        assert!(matches!(dispatcher.next(None, &[]), WorkerStep::Leave { cut: false }));
        let WorkerStep::Serve(again) = dispatcher.next(None, &[queue]) else { panic!("it goes on with its call") };
        assert!(again.queue == queue && again.jobs.is_empty());
        dispatcher.cut_detached();
        assert_eq!(*phase.borrow(), Phase::Cut);
        assert!(matches!(dispatcher.next(None, &[queue]), WorkerStep::Leave { cut: true }));
        assert_eq!(dispatcher.state().idle_mut().len(), 1, "it waits if it has a call");
        dispatcher.leave();
        assert_eq!(dispatcher.state().idle_mut().len(), 0, "and is not woken when it has none");
        bring_back(&dispatcher, queue, jobs, false);
        dispatcher.stop();
        assert_eq!(*phase.borrow(), Phase::Stopped);
        assert!(matches!(dispatcher.next(None, &[queue]), WorkerStep::Stop) && dispatcher.is_quiet());
    }

    #[test]
    fn who_watches_a_drain_learns_of_it_when_it_is_announced_and_of_each_of_its_steps() {
        let dispatcher = dispatcher(16, 2);
        let mut phase = dispatcher.watch_phase();
        dispatcher.cut();
        begin_drain(&dispatcher);
        assert!(
            !phase.has_changed().unwrap(),
            "without a drain nothing is cut, and its ends are not in the queues yet"
        );
        dispatcher.announce_drain();
        assert!(phase.has_changed().unwrap());
        assert_eq!(*phase.borrow_and_update(), Phase::Draining);
        dispatcher.announce_drain();
        assert!(!phase.has_changed().unwrap(), "once is enough");
        dispatcher.cut();
        assert!(matches!(dispatcher.next(None, &[]), WorkerStep::Cut));
        dispatcher.announce_drain();
        assert_eq!(*phase.borrow_and_update(), Phase::Cut, "it does not begin anew");
        dispatcher.close_account();
        assert_eq!(*phase.borrow_and_update(), Phase::Closed);
        dispatcher.end_drain();
        assert_eq!(*phase.borrow_and_update(), Phase::Drained);
    }

    #[test]
    fn a_quota_that_is_changed_counts_at_once_and_once_a_drain_has_begun_none_is() {
        let dispatcher = dispatcher(16, 2);
        owe(&dispatcher, "t", &calls(Some(1)), 10);
        let _first = take_all(&dispatcher);
        assert_eq!(dispatcher.counts().slots_taken, 1);
        assert!(dispatcher.set_quota("t", Some(calls(Some(4)))));
        let _more = take_all(&dispatcher);
        assert_eq!(dispatcher.counts().slots_taken, 4);
        begin_drain(&dispatcher);
        assert!(!dispatcher.set_quota("t", None));
        assert!(take_all(&dispatcher).is_empty());
    }

    #[test]
    fn a_failure_that_is_overtaken_while_it_is_written_down_is_marked_as_late_once() {
        let dispatcher = dispatcher(16, 2);
        owe(&dispatcher, "t", &calls(None), 1);
        let WorkerStep::Serve(slice) = dispatcher.next(None, &[]) else { panic!() };
        let mut failed = finish(slice.jobs, true);
        assert!(dispatcher.account(slice.queue, &mut failed));
        dispatcher.free_slots(&mut failed);
        assert_eq!(dispatcher.counts().slots_taken, 0);
        assert!(dispatcher.overtaken(slice.queue, &mut failed).is_empty());
        let end = Arc::new(Event::End(SessionEnd::new(EndReason::Reset, Timestamp::now())));
        let end = QueuedDelivery::new(0, EventKey::End, &Arc::new(Session::new("t", "s0")), &end);
        dispatcher.state().push(slice.queue, end);
        assert_eq!(dispatcher.overtaken(slice.queue, &mut failed).len(), 1);
        assert!(failed[0].delivery.late && dispatcher.overtaken(slice.queue, &mut failed).is_empty());
        bring_all_back(&dispatcher, take_all(&dispatcher));
        assert!(!dispatcher.is_quiet(), "it is not written down");
        settle(&dispatcher, slice.queue, failed);
        let taken = take_all(&dispatcher);
        let is_end = |slice: &Slice| slice.jobs.iter().all(|taken| taken.job.is_end());
        assert!(taken.len() == 1 && taken.iter().all(is_end), "the end goes ahead");
    }

    fn orphan(sequence: u64) -> PendingDelivery {
        let event = Arc::new(Event::End(SessionEnd::new(EndReason::Reset, Timestamp::now())));
        PendingDelivery {
            delivery: DeliveryKey { sequence, event: EventKey::End, plugin: name() },
            session: Arc::new(Session::new("t", &format!("s{sequence}"))),
            event,
            attempt: 3,
            failures: 1,
            late: false,
            suspect: false,
        }
    }

    #[test]
    fn an_orphan_that_is_enqueued_counts_as_before_and_is_late_if_its_plugin_had_newer_events_meanwhile() {
        let dispatcher = dispatcher(16, 2);
        owe(&dispatcher, "t", &calls(None), 0);
        dispatcher.count_orphaned_ends(2);
        dispatcher.enqueue_orphan(0, &orphan(1), false);
        dispatcher.enqueue_orphan(0, &orphan(2), true);
        dispatcher.enqueue_orphan(9, &orphan(3), false);
        assert_eq!((dispatcher.undelivered_ends(), dispatcher.owed_by("t")), (2, 2), "no plugin has number 9");
        let WorkerStep::Serve(slice) = dispatcher.next(None, &[]) else { panic!() };
        let order =
            |job: &Job| if let Job::Queued(one) = job { (one.sequence, one.late, one.attempt) } else { panic!() };
        assert_eq!(slice.jobs.iter().map(|taken| order(&taken.job)).collect::<Vec<_>>(), [(1, false, 3), (2, true, 3)]);
        bring_back(&dispatcher, slice.queue, slice.jobs, false);
        assert_eq!((dispatcher.undelivered_ends(), dispatcher.owed_by("t")), (0, 0));
    }

    #[test]
    fn an_orphan_of_a_plugin_that_goes_is_kept_for_its_uninstalling() {
        let dispatcher = dispatcher(16, 2);
        owe(&dispatcher, "t", &calls(None), 0);
        plugins::take_out(&mut dispatcher.state(), 0, &name());
        assert!(dispatcher.is_uninstalling_beside(1, &name()) && !dispatcher.is_uninstalling_beside(0, &name()));
        assert!(!dispatcher.is_uninstalling_beside(1, &PluginName::new("second").unwrap()));
        dispatcher.count_orphaned_ends(1);
        dispatcher.enqueue_orphan(0, &orphan(1), false);
        assert_eq!((dispatcher.undelivered_ends(), dispatcher.owed_by("t")), (1, 0));
        let step = dispatcher.uninstall_step(0);
        assert!(matches!(step, Some(UninstallStep::BroughtBack(left)) if left.len() == 1 && left[0].sequence == 1));
    }

    #[test]
    fn workers_know_that_plugins_have_changed_and_who_waits_for_calls_is_told_of_them_until_the_end() {
        let dispatcher = dispatcher(16, 2);
        owe(&dispatcher, "t", &calls(None), 1);
        let mut told = dispatcher.watch_calls();
        let mut taken = take_all(&dispatcher);
        assert!(!told.has_changed().unwrap(), "nobody waits for a plugin");
        plugins::take_out(&mut dispatcher.state(), 0, &name());
        assert!(matches!(dispatcher.uninstall_step(0), Some(UninstallStep::Waits)));
        let of_first = taken.iter().position(|slice| slice.plugin == 0).unwrap();
        let of_first = taken.remove(of_first).unwrap();
        assert_eq!((of_first.plugin_changes, dispatcher.plugin_changes()), (0, 0));
        bring_back(&dispatcher, of_first.queue, of_first.jobs, false);
        assert!(told.has_changed().unwrap());
        told.mark_unchanged();
        assert!(matches!(dispatcher.uninstall_step(0), Some(UninstallStep::Over)));
        dispatcher.remove_plugin(0);
        assert!(told.has_changed().unwrap(), "a plugin of its name may wait for that");
        assert_eq!(dispatcher.plugin_changes(), 1);
        owe(&dispatcher, "u", &calls(None), 1);
        let WorkerStep::Serve(after) = dispatcher.next(None, &[]) else { panic!() };
        assert_eq!(after.plugin_changes, 1);
        told.mark_unchanged();
        plugins::take_out(&mut dispatcher.state(), 1, &name());
        dispatcher.stop();
        assert!(told.has_changed().unwrap());
        assert!(dispatcher.uninstall_step(1).is_none(), "no worker says anything of its calls any more");
    }

    #[test]
    fn who_waits_until_there_is_nothing_to_do_goes_on_when_the_last_call_is_over() {
        let dispatcher = dispatcher(16, 2);
        owe(&dispatcher, "t", &calls(None), 1);
        let (mut quiet, mut cx) = (pin!(dispatcher.quiet()), Context::from_waker(Waker::noop()));
        assert!(quiet.as_mut().poll(&mut cx).is_pending());
        let mut taken = take_all(&dispatcher);
        let last = taken.pop_back();
        bring_all_back(&dispatcher, taken);
        assert!(quiet.as_mut().poll(&mut cx).is_pending());
        bring_all_back(&dispatcher, last);
        assert!(quiet.as_mut().poll(&mut cx).is_ready());
    }

    #[test]
    fn a_tenant_that_has_used_up_its_fuel_waits_for_it_and_nothing_begins_before_the_observer_knows() {
        for drains in [false, true] {
            let dispatcher = dispatcher(16, 2);
            let quota = TenantQuota { fuel_per_second: Some(1_000), ..TenantQuota::default() };
            owe(&dispatcher, "t", &quota, 3);
            let WorkerStep::Serve(slice) = dispatcher.next(None, &[]) else { panic!() };
            assert_eq!(slice.jobs.len(), 1, "what it takes is known before the next begins");
            let mut finished = finish(slice.jobs, false);
            finished[0].fuel = 3_600_000;
            assert!(dispatcher.account(slice.queue, &mut finished));
            settle(&dispatcher, slice.queue, finished);
            let WorkerStep::Notify(waiting) = dispatcher.next(None, &[]) else { panic!("the others wait") };
            assert_eq!(waiting.len(), 5);
            assert!(!dispatcher.is_quiet(), "the observer is being notified");
            let WorkerStep::Idle(Some(at)) = dispatcher.next(None, &[]) else { panic!() };
            let hour = Duration::from_secs(3_600);
            assert!(at > Instant::now() + hour / 2 && at < Instant::now() + hour);
            if drains {
                begin_drain(&dispatcher);
                assert!(matches!(dispatcher.next(None, &[]), WorkerStep::Idle(None)));
                dispatcher.notified(&waiting);
                let taken: usize = take_all(&dispatcher).iter().map(|slice| slice.jobs.len()).sum();
                assert_eq!(taken, 5, "in a drain fuel does not count");
            } else {
                dispatcher.notified(&waiting);
                assert!(dispatcher.is_quiet() && matches!(dispatcher.next(None, &[]), WorkerStep::Idle(Some(_))));
                dispatcher.state().look_at_timers(at);
                assert!(matches!(dispatcher.next(None, &[]), WorkerStep::Serve(_)));
            }
        }
    }
}
