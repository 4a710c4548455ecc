//! The steps of a [`Withdrawal`], which takes deliveries out of a queue and lets their sessions go on.

use std::time::Instant;

use super::super::queue::{Finished, Queue};
use super::super::withdrawal::{EventOfSession, Withdrawal};
use super::State;

/// Withdraws deliveries that wait, and then suspects that wait for their turn.
pub(in crate::dispatch) fn waiting(state: &mut State, withdrawal: &mut Withdrawal) {
    let before = withdrawal.withdrawn.len();
    if let Some(q) = queue_of(state, withdrawal) {
        q.withdraw_waiting(withdrawal);
        let lanes_of_suspects = withdrawal.stopped.len();
        state.suspects.withdraw(withdrawal);
        let suspects = withdrawal.stopped.len() - lanes_of_suspects;
        let of_suspects = withdrawal.withdrawn.iter().rev().take(suspects).map(|one| one.delivery.clone());
        if let Some(q) = queue_of(state, withdrawal) {
            of_suspects.for_each(|delivery| q.withdraw_suspect(delivery));
        }
    }
    withdrew(state, withdrawal, before);
}

/// Withdraws ready deliveries among the next few of the queue, from the place `from` on. Gives the place to go on from.
pub(in crate::dispatch) fn ready(state: &mut State, withdrawal: &mut Withdrawal, from: Option<i64>) -> Option<i64> {
    let before = withdrawal.withdrawn.len();
    let next = queue_of(state, withdrawal)?.withdraw_ready(withdrawal, from);
    withdrew(state, withdrawal, before);
    next
}

/// The queue of the withdrawal. None if another queue has its number by now.
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

/// Lets the lanes go on. The journal has been told what is forgotten.
pub(in crate::dispatch) fn advance_lanes(state: &mut State, withdrawal: &Withdrawal, now: Instant) {
    let queue = withdrawal.queue;
    let stopped = withdrawal.stopped.iter().map(|id| (id, true));
    for (id, was_stopped) in stopped.chain(withdrawal.shortened.iter().map(|id| (id, false))) {
        if queue_of(state, withdrawal).is_none() {
            return;
        }
        state.advance_lane(queue, id, was_stopped, now);
    }
}

/// The journal has answered. What it could not forget is owed as before. In a drain, and if the plugin is gone, the next start makes it. If
/// the plugin is being uninstalled, the uninstalling takes it with the rest.
pub(in crate::dispatch) fn end(
    state: &mut State,
    withdrawal: Withdrawal,
    stays: impl Fn(EventOfSession) -> bool,
    now: Instant,
) {
    let queue = withdrawal.queue;
    let is_there = queue_of(state, &withdrawal).is_some() && state.drain.is_none();
    let uninstalling = if is_there { state.uninstalling_of(queue) } else { None };
    let mut lanes = Vec::with_capacity(withdrawal.withdrawn.len());
    for one in withdrawal.withdrawn {
        let (stays, is_end) = (stays(one.event()), one.delivery.is_end());
        state.undelivered_ends += u64::from(stays && is_end);
        if !is_there {
            continue;
        }
        lanes.push(one.delivery.session.identity.id.clone());
        match uninstalling {
            Some(plugin) if stays => state.uninstalling.keep_for_uninstall(plugin, one.delivery),
            Some(_) => {}
            None => {
                let Some(q) = state.queues.get_mut(queue) else { continue };
                if stays {
                    q.restore_withdrawn(one, now);
                    state.scheduler.add_owed(queue, 1);
                } else {
                    q.forget(&one);
                }
            }
        }
    }
    // Nothing may begin before all deliveries have their places: otherwise it would go ahead of those that have none yet.
    for id in lanes {
        let Some(q) = state.queues.get_mut(queue) else { continue };
        let Finished { ready, look_at, .. } = q.look(&id, now);
        if let Some(at) = look_at {
            state.retries.add(at, queue, id);
            state.new_timer = true;
        }
        state.make_ready(queue, ready);
    }
}
