//! An owner has told of an event of a session that is no start, end or compaction.

use std::sync::Arc;

use lastword_events::Identity;
use lastword_journal::JournalOp;

use crate::core::Core;
use crate::session_order::SeenTurn;

/// Notes that a session is alive. If it has ended just now, its next end is a new one.
pub(crate) fn seen(core: &Arc<Core>, identity: &Identity) {
    match core.order().join_seen(identity) {
        SeenTurn::Now => register_seen(core, identity),
        SeenTurn::Merged => (),
        SeenTurn::Later(mut turn) => {
            let (in_turn, identity) = (core.clone(), identity.clone());
            drop(core.handle().spawn(async move {
                turn.comes().await;
                register_seen(&in_turn, &identity);
            }));
        }
    }
}

fn register_seen(core: &Core, identity: &Identity) {
    let mut set = core.lock_active();
    if set.has_active(identity) {
        return;
    }
    let seen = set.recent_ends.seen(identity, core.time().now());
    if !seen.is_empty() {
        // Nobody waits for the record. Without it a new end counts as a duplicate for some seconds after a crash.
        let seen = seen.into_iter().map(|sequence| JournalOp::Seen { sequence });
        drop(core.journal().append_decided(seen.collect()));
    }
}
