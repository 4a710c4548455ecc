//! The steps of a drain in the queues, from its beginning to its account.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::super::backlog::{Backlog, newest_by_id};
use super::super::drain_account::{ClosedAccount, DrainAccount, Progress};
use super::super::ids::QueueId;
use super::super::tenants::TenantQueues;
use super::State;
use crate::active_session::Unended;
use crate::breaker::Breaker;

/// Begins a drain: every owed delivery gets one attempt.
pub(in crate::dispatch) fn begin(state: &mut State, account: DrainAccount, breaker_threshold: u32, now: Instant) {
    state.drain = Some(account);
    for plugin in state.scheduler.plugin_gates_mut().end_pauses() {
        state.apply_plugin_gate(plugin);
    }
    state.retries.clear();
    state.notifications.cancel().iter().for_each(|one| state.scheduler.notified(one.queue));
    state.scheduler.stop_counting_fuel();
    for queue in 0..state.queues.len() {
        let Some(q) = state.queues.get_mut(queue) else { continue };
        for delivery in q.begin_drain(Breaker::new(breaker_threshold), now) {
            state.make_ready(queue, Some(delivery));
        }
    }
}

/// Adds the sessions of a tenant that the drain has found active.
pub(in crate::dispatch) fn add_backlog(state: &mut State, queues: &TenantQueues, mut sessions: Vec<Unended>) {
    let Some(context) = state.drain.as_ref().map(|drain| drain.context.clone()) else { return };
    // The oldest session comes first: it has waited longest, and an operator can follow the order.
    sessions.sort_unstable_by_key(|session| session.sequence);
    let has_lanes = |queue: QueueId| state.queues.get(queue).is_some_and(|q| !q.lanes.is_empty());
    let any_lanes = queues.iter().any(|&(_, queue)| has_lanes(queue));
    let sessions = Arc::new(sessions);
    let newest_ends = if any_lanes { newest_by_id(&sessions) } else { HashMap::new() };
    for &(_, queue) in queues.iter() {
        let Some(q) = state.queues.get_mut(queue) else { continue };
        let backlog = Backlog::new(context.clone(), sessions.clone());
        state.scheduler.add_owed(queue, backlog.len());
        state.undelivered_ends += u64::try_from(backlog.len()).unwrap_or(u64::MAX);
        q.set_backlog(backlog, &newest_ends);
        state.update_ready(queue);
    }
}

/// Defers everything that has not begun.
pub(in crate::dispatch) fn defer_all(state: &mut State) {
    for queue in 0..state.queues.len() {
        state.defer_unstarted(queue, state.why_unstarted(queue));
    }
    state.scheduler.end_waits_for_memory();
}

/// The counts of a drain so far. What has no outcome yet counts as deferred.
pub(in crate::dispatch) fn progress(state: &State) -> Progress {
    let mut progress = state.drain.as_ref().map(DrainAccount::progress).unwrap_or_default();
    state.queues.iter().for_each(|queue| queue.add_to(&mut progress));
    progress
}

/// Closes the account. What a worker still holds counts as cut by the budget, whatever comes of it.
pub(in crate::dispatch) fn close(state: &mut State) -> ClosedAccount {
    // An end may have arrived after the work was done and before the account is closed.
    defer_all(state);
    let progress = progress(state);
    let mut closed = state.drain.as_mut().map(|drain| drain.close(progress)).unwrap_or_default();
    for q in &mut state.queues {
        closed.held += q.held_ends();
        closed.queues.extend(q.close());
    }
    closed
}
