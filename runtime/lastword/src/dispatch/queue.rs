//! What one (tenant, plugin) pair is owed.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use lastword_events::Deferral;

use super::backlog::{Backlog, BacklogEnd};
use super::demand::{Demand, NextCall};
use super::drain_account::{AccountState, ClosedQueue, Progress, Tally};
use super::finished_call::{Counted, FinishedCall};
use super::ids::QueueStamp;
use super::job::{Count, Job};
use super::unstarted::Unstarted;
use super::withdrawal::{EventOfSession, LOOKED_AT_ONCE, Withdrawal, Withdrawn};
use crate::breaker::Breaker;
use crate::installed::PluginNumber;
use crate::lane::{FailedIn, Lane};
use crate::queued_delivery::QueuedDelivery;

/// What one (tenant, plugin) pair is owed.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) tenant: Arc<str>,
    pub(super) plugin: PluginNumber,
    /// Tells the queue apart from those that had its number before, or will have it.
    pub(super) stamp: QueueStamp,
    /// What came while the plugin's orphans are being read, in its order: the orphans go first. What is withdrawn here keeps its place
    /// until the journal has answered.
    held: VecDeque<QueuedDelivery>,
    /// Jobs that may begin now, in this order.
    pub(super) ready: VecDeque<Job>,
    /// How many of `ready` were withdrawn, and are passed over.
    withdrawn: usize,
    /// How many jobs were taken from the front of `ready`, less those that returned there. With it a search in pieces knows its place.
    taken_from_front: i64,
    /// Ends of a drain that have not been looked at. They come after everything in `ready`.
    pub(super) backlog: Option<Backlog>,
    /// The lanes, by session id. An id has one only while something of it is owed.
    pub(super) lanes: HashMap<Arc<str>, Lane>,
    /// Counts what has not begun: in `ready`, in `lanes`, in `held`, in `backlog`, and suspects that wait for their turn.
    pub(super) unstarted: Count,
    /// How many ends workers have taken and not brought back.
    pub(super) ends_taken: u32,
    /// How many ends failed, and have a failure that is being written down.
    pub(super) ends_being_recorded: u32,
    pub(super) breaker: Breaker,
    pub(super) tally: Tally,
}

/// What there is to do in a lane after a step of it.
pub(super) struct Finished {
    pub(super) ready: Option<QueuedDelivery>,
    /// When somebody has to look at the lane again.
    pub(super) look_at: Option<Instant>,
    /// Whether the delivery of an attempt that is over is still owed in this run.
    pub(super) is_owed: bool,
}

impl Queue {
    pub(super) fn new(tenant: Arc<str>, plugin: PluginNumber, stamp: QueueStamp, breaker: Breaker) -> Self {
        Self {
            tenant,
            plugin,
            stamp,
            held: VecDeque::new(),
            ready: VecDeque::new(),
            withdrawn: 0,
            taken_from_front: 0,
            backlog: None,
            lanes: HashMap::new(),
            unstarted: Count::default(),
            ends_taken: 0,
            ends_being_recorded: 0,
            breaker,
            tally: Tally::default(),
        }
    }

    /// How many deliveries may begin.
    pub(super) fn ready_len(&self) -> usize {
        self.ready.len() - self.withdrawn + self.backlog.as_ref().map_or(0, Backlog::len)
    }

    /// Takes what is to begin next.
    pub(super) fn next_job(&mut self, now: Instant) -> Option<Job> {
        loop {
            if let Some(job) = self.ready.pop_front() {
                self.taken_from_front += 1;
                if job.is_withdrawn() {
                    self.withdrawn -= 1;
                    continue;
                }
                return Some(job);
            }
            let end = self.backlog.as_mut()?.next()?;
            // The lane may give something older instead of the end, or keep the end.
            if let Some(job) = self.begin_end(end, now) {
                return Some(job);
            }
        }
    }

    /// Puts a job at the front: it is the next that begins.
    pub(super) fn put_in_front(&mut self, job: Job) {
        self.taken_from_front -= 1;
        self.ready.push_front(job);
    }

    /// Holds a delivery until the plugin's orphans are read. Nothing becomes ready by it.
    pub(super) fn hold(&mut self, delivery: QueuedDelivery, _now: Instant) -> Option<QueuedDelivery> {
        self.unstarted.add(delivery.is_end());
        self.held.push_back(delivery);
        None
    }

    /// Takes what was held, in its order, for [`Self::push_held`], when the plugin's orphans are read. It is not counted any more.
    pub(super) fn take_held(&mut self) -> VecDeque<QueuedDelivery> {
        let held = std::mem::take(&mut self.held);
        let there = held.iter().filter(|delivery| !delivery.withdrawn);
        there.for_each(|delivery| self.unstarted.remove(delivery.is_end()));
        held
    }

    /// Puts what was held into its lane. Gives what is ready, if anything.
    pub(super) fn push_held(&mut self, delivery: QueuedDelivery, now: Instant) -> Option<QueuedDelivery> {
        if !delivery.withdrawn {
            return self.push(delivery, now);
        }
        let lane = self.lanes.entry(delivery.session.identity.id.clone()).or_default();
        lane.push_away(QueuedDelivery { withdrawn: false, ..delivery });
        None
    }

    /// Withdraws deliveries that wait in lanes, or are held.
    pub(super) fn withdraw_waiting(&mut self, withdrawal: &mut Withdrawal) {
        let Withdrawal { missing, withdrawn, shortened, .. } = withdrawal;
        for delivery in self.held.iter_mut().filter(|delivery| !delivery.withdrawn) {
            if missing.remove(&(delivery.sequence, delivery.key)).is_some() {
                self.unstarted.remove(delivery.is_end());
                withdrawn.push(Withdrawn::new(delivery.clone(), None));
                delivery.withdrawn = true;
            }
        }
        let ids: HashSet<Arc<str>> = missing.values().cloned().collect();
        for id in ids {
            let Some(lane) = self.lanes.get_mut(&id) else { continue };
            let gone = lane.withdraw(|event| missing.contains_key(&event));
            if !gone.is_empty() {
                shortened.push(id);
            }
            for (delivery, due) in gone {
                self.unstarted.remove(delivery.is_end());
                missing.remove(&(delivery.sequence, delivery.key));
                withdrawn.push(Withdrawn::new(delivery, due));
            }
        }
    }

    /// Withdraws deliveries that are ready: looks at some, from a place on. Gives the place to go on from; none when all were looked at.
    pub(super) fn withdraw_ready(&mut self, withdrawal: &mut Withdrawal, from: Option<i64>) -> Option<i64> {
        let Withdrawal { missing, withdrawn, stopped, .. } = withdrawal;
        let first = from.map_or(0, |from| usize::try_from(from - self.taken_from_front).unwrap_or(0));
        for job in self.ready.iter_mut().skip(first).take(LOOKED_AT_ONCE) {
            if let Some(delivery) = job.withdraw(|event| missing.remove(&event).is_some()) {
                self.withdrawn += 1;
                self.unstarted.remove(delivery.is_end());
                if let Some(lane) = self.lanes.get_mut(&delivery.session.identity.id) {
                    lane.expect_back(delivery.clone());
                }
                stopped.push(delivery.session.identity.id.clone());
                withdrawn.push(Withdrawn::new(delivery, None));
            }
        }
        if self.withdrawn == self.ready.len() {
            self.forget_withdrawn();
        }
        let next = first.saturating_add(LOOKED_AT_ONCE);
        (next < self.ready.len()).then(|| self.taken_from_front + i64::try_from(next).unwrap_or(i64::MAX))
    }

    /// Withdraws a suspect that waited for its turn.
    pub(super) fn withdraw_suspect(&mut self, delivery: QueuedDelivery) {
        self.unstarted.remove(delivery.is_end());
        if let Some(lane) = self.lanes.get_mut(&delivery.session.identity.id) {
            lane.expect_back(delivery);
        }
    }

    /// Restores a delivery that was withdrawn and is still owed: it has its place again. Somebody has to [look](Self::look) at its lane
    /// then.
    pub(super) fn restore_withdrawn(&mut self, Withdrawn { delivery, due }: Withdrawn, now: Instant) {
        self.unstarted.add(delivery.is_end());
        let event = (delivery.sequence, delivery.key);
        if let Some(held) = self.held.iter_mut().find(|held| is_withdrawn(held, event)) {
            held.withdrawn = false;
            return;
        }
        self.lanes.entry(delivery.session.identity.id.clone()).or_default().restore(delivery, due, now);
    }

    /// Forgets a delivery that was withdrawn. Somebody has to [look](Self::look) at its lane then.
    pub(super) fn forget(&mut self, Withdrawn { delivery, .. }: &Withdrawn) {
        let event = (delivery.sequence, delivery.key);
        if let Some(place) = self.held.iter().position(|held| is_withdrawn(held, event)) {
            self.held.remove(place);
        } else if let Some(lane) = self.lanes.get_mut(&delivery.session.identity.id) {
            lane.forget(event);
        }
    }

    /// Looks at a lane, all of whose withdrawn deliveries are restored or forgotten.
    pub(super) fn look(&mut self, id: &Arc<str>, now: Instant) -> Finished {
        self.step(id, |lane| lane.look(now))
    }

    fn forget_withdrawn(&mut self) {
        if self.withdrawn > 0 {
            self.ready.retain(|job| !job.is_withdrawn());
            self.withdrawn = 0;
        }
    }

    /// Lets a lane go on from which a delivery has gone. `stopped`: the delivery was ready.
    pub(super) fn advance_lane(&mut self, id: &Arc<str>, stopped: bool, now: Instant) -> Finished {
        self.step(id, |lane| if stopped { lane.done(now) } else { lane.advance(now) })
    }

    /// Takes a step of a lane, and removes the lane if it is empty then.
    fn step(&mut self, id: &Arc<str>, step: impl FnOnce(&mut Lane) -> Option<QueuedDelivery>) -> Finished {
        let Some(lane) = self.lanes.get_mut(id) else { return Finished { ready: None, look_at: None, is_owed: false } };
        let ready = step(lane);
        let mut look_at = None;
        if lane.is_empty() {
            self.lanes.remove(id);
        } else if ready.is_none() {
            look_at = lane.schedule();
        }
        Finished { ready, look_at, is_owed: false }
    }

    /// Puts an end of the backlog into its lane. The end may begin, unless something older of its id has to go first.
    pub(super) fn begin_end(&mut self, end: BacklogEnd, now: Instant) -> Option<Job> {
        match self.lanes.entry(end.session.identity.id.clone()) {
            // What comes for this id from now on waits for the end.
            Entry::Vacant(vacant) => {
                vacant.insert(Lane::in_progress());
                Some(Job::End(end))
            }
            Entry::Occupied(mut lane) => lane.get_mut().push_end(end.delivery(), now).map(Job::Queued),
        }
    }

    /// How many ends workers have, or have a failure that is being written down.
    pub(super) fn held_ends(&self) -> u64 {
        u64::from(self.ends_taken + self.ends_being_recorded)
    }

    /// Whether nothing is owed here.
    pub(super) fn is_idle(&self) -> bool {
        self.lanes.is_empty() && self.held.is_empty() && self.ready_len() == 0
    }

    /// What the queue wants of the scheduler.
    pub(super) fn demand(&self) -> Demand {
        Demand { deliveries: self.ready_len(), next: self.next_call() }
    }

    pub(super) fn next_call(&self) -> NextCall {
        self.ready.front().map_or_else(NextCall::default, Job::next_call)
    }

    /// Counts a job that a worker takes.
    pub(super) fn take(&mut self, job: &Job) {
        self.ends_taken += u32::from(job.is_end());
        self.unstarted.remove(job.is_end());
    }

    /// A worker returns a job that it has not begun.
    pub(super) fn return_unstarted(&mut self, job: &Job) {
        self.ends_taken -= u32::from(job.is_end());
        self.unstarted.add(job.is_end());
    }

    /// A worker brings a job back unstarted, and its plugin is uninstalled: the queue does not owe the job any more.
    pub(super) fn forget_taken(&mut self, job: &Job) {
        self.ends_taken -= u32::from(job.is_end());
    }

    /// Puts a new event into its lane. Gives what is ready, if anything.
    pub(super) fn push(&mut self, delivery: QueuedDelivery, now: Instant) -> Option<QueuedDelivery> {
        self.unstarted.add(delivery.is_end());
        self.lanes.entry(delivery.session.identity.id.clone()).or_default().push(delivery, now)
    }

    /// Puts an event into its lane that newer ones have overtaken. Gives what is ready, if anything.
    pub(super) fn push_late(&mut self, delivery: QueuedDelivery, now: Instant) -> Option<QueuedDelivery> {
        self.unstarted.add(delivery.is_end());
        self.lanes.entry(delivery.session.identity.id.clone()).or_default().push_late(delivery, now)
    }

    /// Whether something newer waits behind this delivery.
    pub(super) fn has_newer(&self, than: &QueuedDelivery) -> bool {
        self.lanes.get(&than.session.identity.id).is_some_and(|lane| lane.has_newer(than))
    }

    /// Takes a call that is over into account, and marks its delivery as late if something newer waits behind it.
    pub(super) fn account(&mut self, call: &mut FinishedCall, account: AccountState) {
        let (is_end, is_due) = (call.delivery.is_end(), call.due().is_some());
        self.ends_taken -= u32::from(is_end);
        call.delivery.late |= is_due && self.has_newer(&call.delivery);
        call.counted = match account {
            AccountState::None if is_due && is_end => {
                // A drain that begins before the failure is settled has to know of it.
                self.ends_being_recorded += 1;
                Counted::FailedEnds
            }
            AccountState::None | AccountState::Closed => Counted::Nowhere,
            AccountState::Open => {
                let was_open = self.breaker.is_open();
                self.breaker.count(&call.outcome);
                if is_end {
                    self.tally.add(&call.outcome);
                }
                Counted::Drain { opens_breaker: !was_open && self.breaker.is_open() }
            }
        };
    }

    /// A call is over, and its record needs no waiting for: its session goes on. `was_freed`: its slot was freed before the failure was on
    /// record.
    pub(super) fn finish(
        &mut self,
        call: FinishedCall,
        was_freed: bool,
        account: AccountState,
        now: Instant,
    ) -> Finished {
        let (due, in_drain) = (call.due(), call.is_in_drain());
        let FinishedCall { delivery, outcome, counted, .. } = call;
        let (is_end, id) = (delivery.is_end(), delivery.session.identity.id.clone());
        let is_failed_end = counted == Counted::FailedEnds;
        self.ends_being_recorded -= u32::from(is_failed_end);
        // The call failed before the drain. Its record did not come in time, so the delivery has no retry: the drain counts the failure
        // here. (What the journal refuses at once was given up before the drain.)
        if is_failed_end && was_freed && due.is_none() && account == AccountState::Open {
            self.tally.add(&outcome);
        }
        if due.is_some() && !in_drain && account == AccountState::Open {
            // The call failed before the drain, and its queue was deferred while the failure was written down: so is the delivery.
            self.lanes.entry(id.clone()).or_default();
        }
        let lane = self.lanes.get_mut(&id);
        // What was taken before everything was deferred has no lane to wait in.
        let is_owed = due.is_some() && !in_drain && lane.is_some();
        let Some(lane) = lane else { return Finished { ready: None, look_at: None, is_owed } };
        let ready = match due {
            Some(due) => {
                let failed_in = match account {
                    AccountState::None => FailedIn::OrdinaryWork,
                    _ if in_drain => FailedIn::Drain,
                    _ => FailedIn::WorkBeforeDrain,
                };
                if failed_in != FailedIn::Drain {
                    self.unstarted.add(is_end);
                }
                lane.failed(delivery, due, now, failed_in)
            }
            None => lane.done(now),
        };
        let mut look_at = None;
        if lane.is_empty() {
            self.lanes.remove(&id);
        } else if ready.is_none() {
            look_at = lane.schedule();
        }
        Finished { ready, look_at, is_owed }
    }

    /// Begins a drain: everything gets one attempt. Gives what is ready in lanes.
    pub(super) fn begin_drain(&mut self, breaker: Breaker, now: Instant) -> Vec<QueuedDelivery> {
        self.tally = Tally::default();
        self.breaker = breaker;
        if !self.may_have_waiting() {
            return Vec::new();
        }
        let mut ready: Vec<QueuedDelivery> = self.lanes.values_mut().filter_map(|lane| lane.begin_drain(now)).collect();
        ready.sort_unstable_by_key(|delivery| delivery.sequence);
        ready
    }

    /// Adds the ends of sessions that a drain has found active. What fails in the lanes of these sessions is late.
    pub(super) fn set_backlog(&mut self, backlog: Backlog, newest_ends: &HashMap<&str, u64>) {
        for (id, lane) in &mut self.lanes {
            if let Some(sequence) = newest_ends.get(&**id) {
                lane.expect_end(*sequence);
            }
        }
        self.unstarted.add_ends(backlog.len());
        self.backlog = Some(backlog);
    }

    /// Closes the queue's part of a drain's account: what workers still have counts as cut. None when no end was owed here.
    pub(super) fn close(&mut self) -> Option<ClosedQueue> {
        self.tally.defer(Deferral::Budget, self.held_ends());
        if self.tally.owed() == 0 {
            return None;
        }
        let tally = std::mem::take(&mut self.tally);
        Some(ClosedQueue { tenant: self.tenant.clone(), plugin: self.plugin, tally })
    }

    /// Adds what has become of the queue's ends.
    pub(super) fn add_to(&self, progress: &mut Progress) {
        let unmade = u64::try_from(self.unstarted.ends).unwrap_or(u64::MAX) + self.held_ends();
        progress.delivered += self.tally.delivered;
        progress.failed += self.tally.failed;
        progress.deferred += self.tally.deferred + unmade;
        progress.unnotified += unmade;
    }

    /// Whether anything may wait in a lane. Also true when only a suspect waits for its turn.
    fn may_have_waiting(&self) -> bool {
        self.unstarted.all > self.ready_len()
    }

    /// Takes everything that has not begun, for good: what workers have finds no lane when it comes back. No delivery is looked at, because
    /// there may be a million.
    pub(super) fn take_all(&mut self) -> Unstarted {
        self.forget_withdrawn();
        let held = std::mem::take(&mut self.held).into_iter().filter(|delivery| !delivery.withdrawn);
        self.ready.extend(held.map(Job::Queued));
        let (ready, lanes) = (std::mem::take(&mut self.ready), std::mem::take(&mut self.lanes));
        Unstarted::new(ready, lanes, self.backlog.take(), std::mem::take(&mut self.unstarted))
    }
}

/// Whether this is the held delivery of this event, and was withdrawn.
fn is_withdrawn(held: &QueuedDelivery, event: EventOfSession) -> bool {
    held.withdrawn && (held.sequence, held.key) == event
}
