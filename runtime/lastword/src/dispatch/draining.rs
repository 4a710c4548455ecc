//! What a drain adds to the dispatcher: a backlog, a cut, and an account of every end that was owed.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use lastword_events::{Deferral, EventKey, Session};

use super::PluginNumber;
use super::dispatcher::Dispatcher;
use super::drain::{Closed, ClosedQueue, Drain, PassedOver, SoFar};
use super::fair::QueueId;
use super::queue::{Backlog, Job, Tally};
use super::state::State;
use crate::active::Unended;
use crate::breaker::Breaker;
use crate::owed::Owed;
use crate::sync::now;

impl Dispatcher {
    /// Everything that is owed, and the ends of these sessions, gets one attempt from now on.
    pub(crate) fn begin_drain(&self, drain: Drain, sessions: HashMap<Arc<str>, Vec<Unended>>) {
        let now = now();
        let facts = drain.facts.clone();
        let mut state = self.state.lock();
        state.drain = Some(drain);
        state.retries.clear();
        state.stop_counting_fuel();
        for queue in 0..state.queues.len() {
            let Some(q) = state.queues.get_mut(queue) else { continue };
            q.tally = Tally::default();
            q.breaker = Breaker::new(self.breaker_threshold);
            if !q.may_have_waiting() {
                continue;
            }
            let mut launched: Vec<Owed> = q.lanes.values_mut().filter_map(|lane| lane.begin_drain(now)).collect();
            launched.sort_unstable_by_key(|owed| owed.sequence);
            for owed in launched {
                state.launch(queue, Some(owed));
            }
        }
        let found: usize = sessions.values().map(Vec::len).sum();
        if let Some(drain) = &mut state.drain {
            drain.sessions = u64::try_from(found).unwrap_or(u64::MAX);
        }
        for (tenant, mut sessions) in sessions {
            // The oldest first: they have waited longest, and an operator can follow it.
            sessions.sort_unstable_by_key(|session| session.sequence);
            let sessions = Arc::new(sessions);
            let queues = self.queues_of(&mut state, &tenant);
            state.expect_ends(&queues, &sessions);
            for &(_, queue) in queues.iter() {
                state.add_backlog(queue, Backlog::new(facts.clone(), sessions.clone()));
            }
        }
        state.fair.reset();
        state.wake();
    }

    /// The end of a session that became active after the drain's snapshot.
    pub(crate) fn owe_end_to_drain(&self, sequence: u64, session: &Arc<Session>) {
        let facts = self.state.lock().drain.as_mut().map(|drain| {
            drain.late_sessions += 1;
            drain.facts.clone()
        });
        if let Some(facts) = facts {
            self.owe(sequence, EventKey::End, session, &facts.end_of(session));
        }
    }

    /// The budget has ended: nothing begins any more, and workers drop what they have begun.
    pub(crate) fn cut(&self) {
        let mut state = self.state.lock();
        let Some(drain) = &mut state.drain else { return };
        drain.is_cut = true;
        state.pass_all_over();
        state.wake_all();
        if state.is_quiet() {
            self.became_quiet.notify_waiters();
        }
    }

    /// Ends the account. What a worker still holds counts as cut by the budget, whatever comes of it.
    pub(crate) fn close(&self) -> Closed {
        let mut state = self.state.lock();
        // An end that came after the work was done and before this.
        state.pass_all_over();
        let so_far = state.so_far();
        let (mut queues, mut held) = (Vec::new(), 0);
        for q in &mut state.queues {
            let ends = q.held_ends();
            held += ends;
            q.tally.defer(Deferral::Budget, ends);
            if q.tally.owed() > 0 {
                queues.push(ClosedQueue {
                    tenant: q.tenant.clone(),
                    plugin: q.plugin,
                    tally: std::mem::take(&mut q.tally),
                });
            }
        }
        let drain = state.drain.as_mut();
        let (passed_over, late_sessions, told) = drain.map_or_else(Default::default, |drain| {
            drain.is_cut = true;
            drain.is_closed = true;
            drain.came_to = Some(so_far);
            (std::mem::take(&mut drain.passed_over), drain.late_sessions, drain.told.clone())
        });
        // Workers whose guests wait for the host drop them.
        state.wake_all();
        if state.is_quiet() {
            self.became_quiet.notify_waiters();
        }
        Closed { queues, passed_over, held, late_sessions, told }
    }

    /// What the drain has come to by now, for whoever cannot wait for its account: all that is not made is deferred. None when
    /// somebody has the lock just now.
    pub(crate) fn so_far(&self) -> Option<SoFar> {
        let state = self.state.try_lock()?;
        let mut so_far = state.drain.as_ref().and_then(|drain| drain.came_to).unwrap_or_else(|| state.so_far());
        if let Some(drain) = &state.drain {
            so_far.untold = so_far.untold.saturating_sub(drain.told.load(Ordering::Relaxed));
        }
        Some(so_far)
    }

    /// Keeps what was passed over and nobody was told of, until the runtime goes: to free a million deliveries takes longer than
    /// a drain has at its end.
    pub(crate) fn keep(&self, passed_over: Vec<PassedOver>) {
        let mut state = self.state.lock();
        if let Some(drain) = &mut state.drain {
            drain.passed_over = passed_over;
        }
    }
}

impl State {
    /// Lanes whose session's end is in the backlog: what fails in them is late.
    fn expect_ends(&mut self, queues: &[(PluginNumber, QueueId)], sessions: &[Unended]) {
        let has_lanes = |queue: QueueId| self.queues.get(queue).is_some_and(|q| !q.lanes.is_empty());
        if !queues.iter().any(|&(_, queue)| has_lanes(queue)) {
            return;
        }
        // Of an id there may be some, in different scopes: the newest comes last.
        let mut ends: HashMap<&str, u64> = HashMap::new();
        for one in sessions {
            let newest = ends.entry(&one.session.identity.id).or_default();
            *newest = one.sequence.max(*newest);
        }
        for &(_, queue) in queues {
            let lanes = self.queues.get_mut(queue).into_iter().flat_map(|q| q.lanes.iter_mut());
            for (id, lane) in lanes {
                if let Some(sequence) = ends.get(&**id) {
                    lane.expect_end(*sequence);
                }
            }
        }
    }

    fn so_far(&self) -> SoFar {
        let mut so_far = SoFar::default();
        for q in &self.queues {
            let unmade = u64::try_from(q.unbegun.ends).unwrap_or(u64::MAX) + q.held_ends();
            so_far.delivered += q.tally.delivered;
            so_far.failed += q.tally.failed;
            so_far.deferred += q.tally.deferred + unmade;
            so_far.untold += unmade;
        }
        if let Some(drain) = &self.drain {
            so_far.sessions = drain.sessions + drain.late_sessions;
            so_far.untold += drain.passed_over.iter().map(|passed| passed.unbegun.ends()).sum::<u64>();
        }
        so_far
    }

    fn pass_all_over(&mut self) {
        for queue in 0..self.queues.len() {
            self.pass_over(queue, self.why_unbegun(queue));
        }
        self.end_idle_waits_for_memory();
        self.leave_memory_to_others();
    }

    fn add_backlog(&mut self, queue: QueueId, backlog: Backlog) {
        let Some(q) = self.queues.get_mut(queue) else { return };
        let ends = backlog.len();
        q.backlog = Some(backlog);
        q.unbegun.all += ends;
        q.unbegun.ends += ends;
        if let Some(tenant) = self.accounts.get_mut(q.owner) {
            tenant.owed += u64::try_from(ends).unwrap_or(u64::MAX);
        }
        self.undelivered_ends += u64::try_from(ends).unwrap_or(u64::MAX);
        self.offer(queue);
    }

    /// Why nothing of this queue may begin any more, if so.
    pub(super) fn deferral(&self, queue: QueueId) -> Option<Deferral> {
        let drain = self.drain.as_ref()?;
        if drain.is_cut {
            return Some(self.why_unbegun(queue));
        }
        self.queues.get(queue)?.breaker.is_open().then_some(Deferral::Breaker)
    }

    /// Defers everything of a queue that has not begun.
    pub(super) fn pass_over(&mut self, queue: QueueId, why: Deferral) {
        let suspects = self.suspects.take_of(queue);
        let (Some(q), Some(drain)) = (self.queues.get_mut(queue), self.drain.as_mut()) else { return };
        q.tally.broken |= why == Deferral::Breaker;
        q.ready.extend(suspects.into_iter().map(Job::Owed));
        let unbegun = q.take_all();
        if unbegun.len() > 0 {
            if let Some(tenant) = self.accounts.get_mut(q.owner) {
                tenant.owed -= u64::try_from(unbegun.len()).unwrap_or(u64::MAX);
            }
            if !drain.is_closed {
                q.tally.defer(why, unbegun.ends());
                drain.passed_over.push(PassedOver { queue, why, unbegun });
            }
            self.offer(queue);
        }
    }
}
