//! Who is owed what, and whose turn it is.
//!
//! One queue for each (tenant, plugin), one [`Lane`] for each session id in it. Events come in through
//! [`Dispatcher::owe`], workers take deliveries with [`Dispatcher::next`] and bring them back with
//! [`Dispatcher::settle`]; `drain.rs` has what a drain adds. All state is behind one lock that is held for microseconds
//! and never while a guest runs or a journal is written.

mod drain;
mod fair;
mod queue;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::thread::Thread;
use std::time::{Duration, Instant};

use lastword_events::{Event, EventKey, Outcome, PluginName, Session, Timestamp};
use lastword_journal::OwedDelivery;
use lastword_sandbox::{Plugin, Report};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::breaker::Breaker;
use crate::lane::Lane;
use crate::limits::{DRAIN_SLOTS_DIVISOR, MAX_BATCH};
use crate::owed::Owed;
use crate::tenants::Tenants;

pub(crate) use drain::{Closed, Drain, DrainFacts};
use fair::Fair;
pub(crate) use fair::QueueId;
use queue::Queue;
pub(crate) use queue::{Backlog, BacklogEnd, Job, Waiting};

/// A plugin's place in the configuration.
pub(crate) type PluginNumber = usize;

/// An installed plugin and the tenants that it serves.
#[derive(Clone, Debug)]
pub(crate) struct Installed {
    pub(crate) plugin: Plugin,
    pub(crate) tenants: Tenants,
}

pub(crate) struct Dispatcher {
    installed: Vec<Installed>,
    slots: u32,
    breaker_threshold: u32,
    state: Mutex<State>,
    /// Told whenever nothing is ready and nothing is taken.
    quiet: Notify,
}

#[derive(Default)]
struct State {
    fair: Fair,
    queues: Vec<Queue>,
    tenants: HashMap<Arc<str>, TenantEntry>,
    ready: usize,
    taken: u32,
    retries: BinaryHeap<Reverse<Retry>>,
    /// One was added that no idle worker knows of.
    new_retry: bool,
    /// Workers that found nothing to do.
    idle: Vec<Thread>,
    drain: Option<Drain>,
    stopping: bool,
    /// `session-end` deliveries that are owed or dead.
    undelivered_ends: u64,
}

struct TenantEntry {
    /// Queues of the plugins that serve this tenant, in the order of the configuration.
    queues: Arc<[(PluginNumber, QueueId)]>,
}

/// A lane that wants to be looked at.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Retry {
    at: Instant,
    queue: QueueId,
    id: Arc<str>,
}

/// What a worker is to do now.
pub(crate) enum Pick {
    /// Serve this queue: finish what the worker has begun of it, then these.
    Serve(Turn),
    /// Sleep until there is something, or until this moment.
    Idle(Option<Instant>),
    /// The budget has ended: drop every call.
    Cut,
    /// The runtime is gone.
    Stop,
}

/// A worker's turn at one queue.
pub(crate) struct Turn {
    pub(crate) queue: QueueId,
    pub(crate) plugin: PluginNumber,
    /// What it may begin.
    pub(crate) jobs: Vec<Job>,
    /// The drain that goes on.
    pub(crate) drain: Option<Arc<DrainFacts>>,
}

/// An attempt that a worker brings back.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) owed: Owed,
    pub(crate) outcome: Outcome,
    pub(crate) report: Option<Report>,
    /// When it is due again, if it is.
    pub(crate) retry: Option<(Instant, Timestamp)>,
    /// It has failed for the last time.
    pub(crate) dead: bool,
}

impl Dispatcher {
    pub(crate) fn new(installed: Vec<Installed>, slots: u32, breaker_threshold: u32) -> Self {
        Self { installed, slots, breaker_threshold, state: Mutex::default(), quiet: Notify::new() }
    }

    pub(crate) fn installed(&self) -> &[Installed] {
        &self.installed
    }

    pub(crate) fn plugin_name(&self, queue: QueueId) -> Option<PluginName> {
        let number = self.state.lock().queues.get(queue)?.plugin;
        self.installed.get(number).map(|i| i.plugin.name().clone())
    }

    /// Who is to be told of `event` for a session of `tenant`.
    pub(crate) fn owed_to(&self, tenant: &str, event: EventKey) -> Vec<PluginName> {
        let serves = |i: &&Installed| i.tenants.serves(tenant) && i.plugin.hooks().contains(event.hook());
        self.installed.iter().filter(serves).map(|i| i.plugin.name().clone()).collect()
    }

    /// Everyone who serves the session's tenant and has the event's hook is owed it from now on.
    pub(crate) fn owe(&self, sequence: u64, key: EventKey, session: &Arc<Session>, event: &Arc<Event>) {
        let mut state = self.state.lock();
        let queues = self.queues_of(&mut state, &session.identity.tenant);
        for &(plugin, queue) in queues.iter() {
            if self.installed.get(plugin).is_some_and(|i| i.plugin.hooks().contains(key.hook())) {
                state.push(queue, Owed::new(sequence, key, session, event));
            }
        }
        state.wake();
    }

    /// Takes over a delivery that a dead run left, if its plugin is installed. Its retry time does not count.
    pub(crate) fn recover(&self, owed: &OwedDelivery) -> bool {
        let mut state = self.state.lock();
        let queues = self.queues_of(&mut state, &owed.session.identity.tenant);
        let is_it = |&&(plugin, _): &&(PluginNumber, QueueId)| {
            self.installed.get(plugin).is_some_and(|i| *i.plugin.name() == owed.delivery.plugin)
        };
        let Some(&(_, queue)) = queues.iter().find(is_it) else {
            state.undelivered_ends += u64::from(owed.delivery.event == EventKey::End);
            return false;
        };
        let key = owed.delivery.event;
        let mut recovered = Owed::new(owed.delivery.sequence, key, &owed.session, &owed.event);
        (recovered.attempt, recovered.failures, recovered.late) = (owed.attempt, owed.failures, owed.late);
        state.push(queue, recovered);
        state.wake();
        true
    }

    /// The queues of the plugins that serve `tenant`.
    fn queues_of(&self, state: &mut State, tenant: &Arc<str>) -> Arc<[(PluginNumber, QueueId)]> {
        if let Some(entry) = state.tenants.get(tenant) {
            return entry.queues.clone();
        }
        let number = state.fair.add_tenant();
        let mut queues = Vec::new();
        for (plugin, _) in self.installed.iter().enumerate().filter(|(_, i)| i.tenants.serves(tenant)) {
            let breaker = Breaker::new(self.breaker_threshold);
            state.queues.push(Queue::new(tenant.clone(), plugin, breaker));
            queues.push((plugin, state.fair.add_queue(number)));
        }
        let entry = TenantEntry { queues: queues.into() };
        let queues = entry.queues.clone();
        state.tenants.insert(tenant.clone(), entry);
        queues
    }

    /// What the worker that has begun calls of the queues `begun`, and can go on with them, is to do now.
    pub(crate) fn next(&self, begun: &[QueueId]) -> Pick {
        let now = Instant::now();
        let me = std::thread::current();
        let mut state = self.state.lock();
        state.idle.retain(|worker| worker.id() != me.id());
        if state.stopping {
            return Pick::Stop;
        }
        if state.drain.as_ref().is_some_and(Drain::is_cut) {
            state.idle.push(me);
            return Pick::Cut;
        }
        state.launch_due(now);
        let mine = begun.iter().copied().min_by_key(|&queue| state.fair.turn(queue));
        let slots = self.free_slots(&state);
        let share = self.slots_of_one_queue(&state);
        let may_begin = |queue: QueueId| {
            slots > 0 && !begun.contains(&queue) && state.queues.get(queue).is_some_and(|q| q.taken < share)
        };
        let new = state.fair.first(may_begin);
        let (queue, jobs) = match (mine, new) {
            (Some(mine), Some(new)) if state.fair.turn(mine) <= state.fair.turn(new) => (mine, Vec::new()),
            (_, Some(new)) => (new, state.take(new, slots, share)),
            (Some(mine), None) => (mine, Vec::new()),
            (None, None) => {
                state.idle.push(me);
                return Pick::Idle(state.retries.peek().map(|Reverse(retry)| retry.at));
            }
        };
        let plugin = state.queues.get(queue).map_or(usize::MAX, |q| q.plugin);
        let drain = state.drain.as_ref().map(|drain| drain.facts().clone());
        Pick::Serve(Turn { queue, plugin, jobs, drain })
    }

    /// Slots that new calls may take now.
    fn free_slots(&self, state: &State) -> u32 {
        let kept = if state.drain.is_some() { 0 } else { self.slots / DRAIN_SLOTS_DIVISOR };
        self.slots.saturating_sub(kept).saturating_sub(state.taken)
    }

    /// One queue may hold at most half of the slots, and its equal part when many want some: a plugin that keeps its
    /// guests waiting cannot keep the others from beginning.
    fn slots_of_one_queue(&self, state: &State) -> u32 {
        let queues = u32::try_from(state.fair.ready_queues()).unwrap_or(u32::MAX).max(2);
        (self.slots / queues).max(1)
    }

    /// Takes attempts that are over into the account of the drain, and marks those as late that something newer waits
    /// behind. False when the account is closed: whatever came of them, they count as cut by the budget.
    pub(crate) fn account(&self, queue: QueueId, finished: &mut [Finished]) -> bool {
        let mut state = self.state.lock();
        let drain = state.drain.as_ref().map(Drain::is_closed);
        let Some(q) = state.queues.get_mut(queue) else { return false };
        for one in finished {
            q.ends_taken -= u32::from(one.owed.is_end());
            if one.retry.is_some() {
                one.owed.late |= q.lanes.get(&one.owed.session.identity.id).is_some_and(Lane::has_newer);
            }
            if drain == Some(false) {
                q.breaker.note(&one.outcome);
                if one.owed.is_end() {
                    q.tally.add(&one.outcome);
                }
            }
        }
        drain != Some(true)
    }

    /// A worker has served `queue` for `served`: some deliveries are finished and accounted for, some were not begun after
    /// all.
    pub(crate) fn settle(&self, queue: QueueId, served: Duration, finished: Vec<Finished>, unbegun: Vec<Job>) {
        let now = Instant::now();
        let mut state = self.state.lock();
        state.fair.charge(queue, u64::try_from(served.as_nanos()).unwrap_or(u64::MAX));
        state.bring_back(queue, unbegun);
        for one in finished {
            state.finish(queue, one, now);
        }
        if let Some(why) = state.passed_over(queue) {
            state.pass_over(queue, why);
        }
        state.wake();
        if state.is_quiet() {
            self.quiet.notify_waiters();
        }
    }

    /// Resolves when nothing is ready and nothing is taken.
    pub(crate) async fn settled(&self) {
        loop {
            let told = self.quiet.notified();
            tokio::pin!(told);
            told.as_mut().enable();
            if self.state.lock().is_quiet() {
                return;
            }
            told.await;
        }
    }

    /// `session-end` deliveries that are owed or dead, besides those that active sessions will owe.
    pub(crate) fn undelivered_ends(&self) -> u64 {
        self.state.lock().undelivered_ends
    }

    /// Makes every worker leave.
    pub(crate) fn stop(&self) {
        let mut state = self.state.lock();
        state.stopping = true;
        state.idle.drain(..).for_each(|worker| worker.unpark());
    }
}

impl State {
    fn is_quiet(&self) -> bool {
        self.ready == 0 && self.taken == 0
    }

    /// Wakes as many idle workers as there is work for; one, when there is only a new retry to sleep until.
    fn wake(&mut self) {
        let retry = usize::from(std::mem::take(&mut self.new_retry));
        let wanted = self.ready.max(retry).min(self.idle.len());
        self.idle.drain(..wanted).for_each(|worker| worker.unpark());
    }

    /// Puts a new event into its lane.
    fn push(&mut self, queue: QueueId, owed: Owed) {
        self.undelivered_ends += u64::from(owed.is_end());
        let draining = self.drain.is_some();
        let passed_over = self.passed_over(queue);
        let Some(q) = self.queues.get_mut(queue) else { return };
        let now = Instant::now();
        let lane = q.lanes.entry(owed.session.identity.id.clone()).or_default();
        if draining && lane.is_empty() {
            lane.begin_drain(now);
        }
        let launched = lane.push(owed, now);
        self.launch(queue, launched);
        if let Some(why) = passed_over {
            self.pass_over(queue, why);
        }
    }

    /// Puts what a lane has launched at the end of its queue.
    fn launch(&mut self, queue: QueueId, owed: Option<Owed>) {
        let (Some(owed), Some(q)) = (owed, self.queues.get_mut(queue)) else { return };
        q.ready.push_back(Job::Owed(owed));
        self.ready += 1;
        self.fair.set_ready(queue, true);
    }

    /// Takes deliveries out of a queue: at most `slots`, and so many that it holds no more than its `share`.
    fn take(&mut self, queue: QueueId, slots: u32, share: u32) -> Vec<Job> {
        let Some(q) = self.queues.get_mut(queue) else { return Vec::new() };
        let room = slots.min(share.saturating_sub(q.taken));
        let room = usize::try_from(room).unwrap_or(usize::MAX).min(MAX_BATCH);
        let mut jobs = Vec::with_capacity(room.min(q.ready_len()));
        let before = q.ready_len();
        while jobs.len() < room {
            if let Some(job) = q.ready.pop_front() {
                jobs.push(job);
            } else if let Some(end) = q.backlog.as_mut().and_then(Iterator::next) {
                jobs.extend(q.begin_end(end));
            } else {
                break;
            }
        }
        // A lane may have launched something of its own in place of an end.
        let taken = u32::try_from(jobs.len()).unwrap_or(u32::MAX);
        q.taken += taken;
        q.ends_taken += count_ends(&jobs);
        self.taken += taken;
        let (left, ready) = (q.ready_len(), q.ready_len() > 0);
        self.ready = self.ready + left - before;
        self.fair.set_ready(queue, ready);
        jobs
    }

    /// Deliveries that a worker has taken and not begun go back to where they were.
    fn bring_back(&mut self, queue: QueueId, unbegun: Vec<Job>) {
        let Some(q) = self.queues.get_mut(queue) else { return };
        let count = unbegun.len();
        let taken = u32::try_from(count).unwrap_or(u32::MAX);
        q.taken -= taken;
        q.ends_taken -= count_ends(&unbegun);
        self.taken -= taken;
        for job in unbegun.into_iter().rev() {
            q.ready.push_front(job);
        }
        self.ready += count;
        if count > 0 {
            self.fair.set_ready(queue, true);
        }
    }

    fn finish(&mut self, queue: QueueId, finished: Finished, now: Instant) {
        let Finished { owed, outcome, retry, .. } = finished;
        self.taken -= 1;
        if outcome == Outcome::Delivered && owed.is_end() {
            self.undelivered_ends -= 1;
        }
        let Some(q) = self.queues.get_mut(queue) else { return };
        q.taken -= 1;
        let id = owed.session.identity.id.clone();
        let Some(lane) = q.lanes.get_mut(&id) else { return };
        let launched = match retry {
            Some((due, _)) => lane.failed(owed, due, now),
            None => lane.settled(now),
        };
        if lane.is_empty() {
            q.lanes.remove(&id);
        } else if launched.is_none()
            && let Some(at) = lane.next_due()
        {
            self.retries.push(Reverse(Retry { at, queue, id }));
            self.new_retry = true;
        }
        self.launch(queue, launched);
    }

    /// Launches what has waited for its retry long enough.
    fn launch_due(&mut self, now: Instant) {
        while let Some(Reverse(retry)) = self.retries.peek()
            && retry.at <= now
        {
            let Some(Reverse(Retry { queue, id, .. })) = self.retries.pop() else { return };
            let lane = self.queues.get_mut(queue).and_then(|q| q.lanes.get_mut(&id));
            let Some(lane) = lane else { continue };
            let launched = lane.launch(now);
            if launched.is_none()
                && let Some(at) = lane.next_due().filter(|at| *at > now)
            {
                self.retries.push(Reverse(Retry { at, queue, id }));
            }
            self.launch(queue, launched);
        }
    }
}

fn count_ends(jobs: &[Job]) -> u32 {
    u32::try_from(jobs.iter().filter(|job| job.is_end()).count()).unwrap_or(u32::MAX)
}
