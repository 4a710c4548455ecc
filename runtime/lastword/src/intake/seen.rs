//! Something was heard of a session that is not one of its events.

use std::sync::Arc;

use lastword_events::Identity;
use lastword_journal::JournalOp;

use crate::core::Core;
use crate::session_order::SeenTurn;

/// If the session has ended just now, it lives all the same: its next end is a new one.
pub(crate) fn seen(core: &Arc<Core>, identity: &Identity) {
    match core.order().join_seen(identity) {
        SeenTurn::Now => register_alive(core, identity),
        SeenTurn::Merged => (),
        SeenTurn::Later(mut turn) => {
            let (in_turn, identity) = (core.clone(), identity.clone());
            drop(core.handle().spawn(async move {
                turn.comes().await;
                register_alive(&in_turn, &identity);
            }));
        }
    }
}

fn register_alive(core: &Core, identity: &Identity) {
    let mut set = core.lock_active();
    if set.has_active(identity) {
        return;
    }
    let alive = set.recent_ends.alive(identity, core.time().now());
    if !alive.is_empty() {
        // Nobody waits for the record. Without it a new end counts as a duplicate for some seconds after a crash.
        let alive = alive.into_iter().map(|sequence| JournalOp::Alive { sequence });
        drop(core.journal().append_decided(alive.collect()));
    }
}
