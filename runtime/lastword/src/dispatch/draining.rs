//! What a drain adds to the dispatcher: a backlog, a cut, and an account of every end that was owed.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use lastword_events::{Deferral, EventKey, Session};

use super::PluginNumber;
use super::dispatcher::Dispatcher;
use super::fair::QueueId;
use super::queue::Job;
use super::state::State;
use crate::active_session::Unended;
use crate::breaker::Breaker;
use crate::drain::account::{ClosedAccount, ClosedQueue, DeferredQueue, DrainAccount, Progress, Tally};
use crate::drain::backlog::Backlog;
use crate::drain::context::DrainContext;
use crate::phase::Phase;
use crate::queued_delivery::QueuedDelivery;
use crate::sync::now;

impl Dispatcher {
    /// Everything that is owed, and the ends of these sessions, gets one attempt from now on.
    pub(crate) fn begin_drain(&self, context: DrainContext, sessions: HashMap<Arc<str>, Vec<Unended>>) {
        let now = now();
        let found: usize = sessions.values().map(Vec::len).sum();
        let account = DrainAccount::new(context, u64::try_from(found).unwrap_or(u64::MAX));
        let context = account.context.clone();
        let mut state = self.state.lock();
        state.drain = Some(account);
        self.enter(&mut state, Phase::Draining);
        state.retries.clear();
        state.stop_counting_fuel();
        for queue in 0..state.queues.len() {
            let Some(q) = state.queues.get_mut(queue) else { continue };
            q.tally = Tally::default();
            q.breaker = Breaker::new(self.breaker_threshold);
            if !q.may_have_waiting() {
                continue;
            }
            let mut ready: Vec<QueuedDelivery> =
                q.lanes.values_mut().filter_map(|lane| lane.begin_drain(now)).collect();
            ready.sort_unstable_by_key(|delivery| delivery.sequence);
            for delivery in ready {
                state.make_ready(queue, Some(delivery));
            }
        }
        for (tenant, mut sessions) in sessions {
            // The oldest first: they have waited longest, and an operator can follow it.
            sessions.sort_unstable_by_key(|session| session.sequence);
            let sessions = Arc::new(sessions);
            let queues = self.queues_of(&mut state, &tenant);
            state.expect_ends(&queues, &sessions);
            for &(_, queue) in queues.iter() {
                state.add_backlog(queue, Backlog::new(context.clone(), sessions.clone()));
            }
        }
        state.fair.reset();
        state.wake();
    }

    /// The end of a session that became active after the drain's snapshot.
    pub(crate) fn enqueue_end_for_drain(&self, sequence: u64, session: &Arc<Session>) {
        let context = self.state.lock().drain.as_mut().map(|drain| {
            drain.sessions += 1;
            drain.context.clone()
        });
        if let Some(context) = context {
            self.enqueue(sequence, EventKey::End, session, &context.end_of(session));
        }
    }

    /// The budget has ended: nothing begins any more, and workers drop what they have begun.
    pub(crate) fn cut(&self) {
        let mut state = self.state.lock();
        if state.drain.is_none() {
            return;
        }
        self.enter(&mut state, Phase::Cut);
        state.defer_all_unstarted();
        state.wake_all();
        if state.is_quiet() {
            self.became_quiet.notify_waiters();
        }
    }

    /// Ends the account. What a worker still holds counts as cut by the budget, whatever comes of it.
    pub(crate) fn close_account(&self) -> ClosedAccount {
        let mut state = self.state.lock();
        // An end that came after the work was done and before this.
        state.defer_all_unstarted();
        let progress = state.progress();
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
        let (deferred, sessions, notified) = drain.map_or_else(Default::default, |drain| {
            drain.closed_with = Some(progress);
            (std::mem::take(&mut drain.deferred), drain.sessions, drain.notified.clone())
        });
        self.enter(&mut state, Phase::Closed);
        // Workers whose guests wait for the host drop them.
        state.wake_all();
        if state.is_quiet() {
            self.became_quiet.notify_waiters();
        }
        ClosedAccount { queues, deferred, held, sessions, notified }
    }

    /// What the drain has come to by now, for whoever cannot wait for its account: all that is not made is deferred. None when
    /// somebody has the lock just now.
    pub(crate) fn progress(&self) -> Option<Progress> {
        let state = self.state.try_lock()?;
        let mut progress = state.drain.as_ref().and_then(|drain| drain.closed_with).unwrap_or_else(|| state.progress());
        if let Some(drain) = &state.drain {
            progress.unnotified = progress.unnotified.saturating_sub(drain.notified.load(Ordering::Relaxed));
        }
        Some(progress)
    }

    /// Keeps what was deferred and the observer was not notified of, until the runtime goes: to free a million deliveries takes longer than
    /// a drain has at its end.
    pub(crate) fn keep_deferred(&self, deferred: Vec<DeferredQueue>) {
        let mut state = self.state.lock();
        if let Some(drain) = &mut state.drain {
            drain.deferred = deferred;
        }
    }

    /// The drain is over: its report is made.
    pub(crate) fn end_drain(&self) {
        self.enter(&mut self.state.lock(), Phase::Drained);
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

    fn progress(&self) -> Progress {
        let mut progress = Progress::default();
        for q in &self.queues {
            let unmade = u64::try_from(q.unstarted.ends).unwrap_or(u64::MAX) + q.held_ends();
            progress.delivered += q.tally.delivered;
            progress.failed += q.tally.failed;
            progress.deferred += q.tally.deferred + unmade;
            progress.unnotified += unmade;
        }
        if let Some(drain) = &self.drain {
            progress.sessions = drain.sessions;
            progress.unnotified += drain.deferred.iter().map(|deferred| deferred.unstarted.ends()).sum::<u64>();
        }
        progress
    }

    fn defer_all_unstarted(&mut self) {
        for queue in 0..self.queues.len() {
            self.defer_unstarted(queue, self.why_unstarted(queue));
        }
        self.end_idle_waits_for_memory();
        self.leave_memory_to_others();
    }

    fn add_backlog(&mut self, queue: QueueId, backlog: Backlog) {
        let Some(q) = self.queues.get_mut(queue) else { return };
        let ends = backlog.len();
        q.backlog = Some(backlog);
        q.unstarted.all += ends;
        q.unstarted.ends += ends;
        if let Some(tenant) = self.accounts.get_mut(q.owner) {
            tenant.owed += u64::try_from(ends).unwrap_or(u64::MAX);
        }
        self.undelivered_ends += u64::try_from(ends).unwrap_or(u64::MAX);
        self.update_ready(queue);
    }

    /// Why nothing of this queue may begin any more, if so.
    pub(super) fn deferral(&self, queue: QueueId) -> Option<Deferral> {
        self.drain.as_ref()?;
        if self.phase >= Phase::Cut {
            return Some(self.why_unstarted(queue));
        }
        self.queues.get(queue)?.breaker.is_open().then_some(Deferral::Breaker)
    }

    /// Defers everything of a queue that has not begun.
    pub(super) fn defer_unstarted(&mut self, queue: QueueId, why: Deferral) {
        let suspects = self.suspects.take_of(queue);
        let (Some(q), Some(drain)) = (self.queues.get_mut(queue), self.drain.as_mut()) else { return };
        q.tally.broken |= why == Deferral::Breaker;
        q.ready.extend(suspects.into_iter().map(Job::Queued));
        let unstarted = q.take_all();
        if unstarted.len() > 0 {
            if let Some(tenant) = self.accounts.get_mut(q.owner) {
                tenant.owed -= u64::try_from(unstarted.len()).unwrap_or(u64::MAX);
            }
            if self.phase < Phase::Closed {
                q.tally.defer(why, unstarted.ends());
                drain.deferred.push(DeferredQueue { queue, why, unstarted });
            }
            self.update_ready(queue);
        }
    }
}
