//! The steps of a [`Withdrawal`]: it takes deliveries out of their queue, and lets their sessions go on.

use std::time::Instant;

use super::super::queue::Queue;
use super::super::withdrawal::{EventOfSession, Withdrawal};
use super::State;

/// Withdraws what waits, and what may take the process down and waits for its turn. It comes last.
pub(in crate::dispatch) fn waiting(state: &mut State, withdrawal: &mut Withdrawal) {
    let before = withdrawal.withdrawn.len();
    if let Some(q) = queue_of(state, withdrawal) {
        q.withdraw_waiting(withdrawal);
        let lanes_of_suspects = withdrawal.stopped.len();
        state.suspects.withdraw(withdrawal);
        let suspects = withdrawal.stopped.len() - lanes_of_suspects;
        let of_suspects = withdrawal.withdrawn.iter().rev().take(suspects);
        let is_end: Vec<bool> = of_suspects.map(|one| one.delivery.is_end()).collect();
        if let Some(q) = queue_of(state, withdrawal) {
            is_end.into_iter().for_each(|is_end| q.unstarted.remove(is_end));
        }
    }
    if let Some(q) = queue_of(state, withdrawal) {
        for one in &mut withdrawal.withdrawn {
            one.newer = q.next_newer(&one.delivery);
        }
    }
    withdrew(state, withdrawal, before);
}

/// Withdraws what is ready: from a place on, and some. Gives the place to go on from.
pub(in crate::dispatch) fn ready(state: &mut State, withdrawal: &mut Withdrawal, from: Option<i64>) -> Option<i64> {
    let before = withdrawal.withdrawn.len();
    let next = queue_of(state, withdrawal)?.withdraw_ready(withdrawal, from);
    withdrew(state, withdrawal, before);
    next
}

/// None when another queue has its number by now.
fn queue_of<'s>(state: &'s mut State, withdrawal: &Withdrawal) -> Option<&'s mut Queue> {
    state.queues.get_mut(withdrawal.queue).filter(|q| q.stamp == withdrawal.stamp)
}

fn withdrew(state: &mut State, withdrawal: &Withdrawal, before: usize) {
    let new = withdrawal.withdrawn.get(before..).unwrap_or_default();
    let ends = new.iter().filter(|one| one.delivery.is_end()).count();
    state.undelivered_ends = state.undelivered_ends.saturating_sub(u64::try_from(ends).unwrap_or(u64::MAX));
    state.scheduler.remove_owed(withdrawal.queue, new.len());
    state.update_ready(withdrawal.queue);
}

/// The journal has been told: the lanes go on.
pub(in crate::dispatch) fn release(state: &mut State, withdrawal: &Withdrawal, now: Instant) {
    let queue = withdrawal.queue;
    let stopped = withdrawal.stopped.iter().map(|id| (id, true));
    for (id, was_stopped) in stopped.chain(withdrawal.shortened.iter().map(|id| (id, false))) {
        if queue_of(state, withdrawal).is_none() {
            return;
        }
        state.go_on(queue, id, was_stopped, now);
    }
}

/// Some of it could not be forgotten: it is owed as before. In a drain, and where its plugin is gone, the next start makes it.
pub(in crate::dispatch) fn put_back(
    state: &mut State,
    withdrawal: Withdrawal,
    stays: impl Fn(EventOfSession) -> bool,
    now: Instant,
) {
    let queue = withdrawal.queue;
    let is_there = queue_of(state, &withdrawal).is_some() && state.drain.is_none();
    for one in withdrawal.withdrawn.into_iter().filter(|one| stays(one.event())) {
        state.undelivered_ends += u64::from(one.delivery.is_end());
        if !is_there {
            continue;
        }
        let Some(q) = state.queues.get_mut(queue) else { continue };
        let id = one.delivery.session.identity.id.clone();
        state.scheduler.add_owed(queue, 1);
        let (ready, look_at) = q.put_back_withdrawn(one, now);
        if let Some(at) = look_at {
            state.retries.add(at, queue, id);
            state.new_timer = true;
        }
        state.make_ready(queue, ready);
    }
}
