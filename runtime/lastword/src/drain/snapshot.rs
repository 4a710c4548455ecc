//! What a drain takes over: the active sessions, and the ends that owners have asked for already.

use std::sync::Arc;

use lastword_events::{EventKey, PluginName, Session};
use lastword_journal::{PendingDelivery, RecoveredSession};

use super::schedule::Schedule;
use crate::active_session::{ActiveSession, Ending};
use crate::active_set::ActiveSet;
use crate::core::Core;
use crate::decided_ops::DecidedOps;
use crate::dispatch::DrainContext;
use crate::enqueue::enqueue;
use crate::installed::Owed;
use crate::intake::requested_end;
use crate::queued_delivery::QueuedDelivery;
use crate::recovered_end::{enqueue_recovered, record_recovered_end};

/// Takes the whole set, and hands its ends to the dispatcher.
pub(super) fn take_snapshot(core: &Core, schedule: &Schedule) {
    let mut set = core.lock_active();
    let snapshot = set.take_all(core.order().ends());
    // The ends are handed to the journal before anyone is called: so no outcome is on record before its end.
    let mut ops = DecidedOps::of(core.journal());
    let unattached: Vec<PendingDelivery> =
        snapshot.unattached.iter().flat_map(|active| record_unattached_end(core, active, &mut ops)).collect();
    let own: Vec<TakenOver> =
        snapshot.with_own_end.iter().filter_map(|active| take_over(core, active, &mut ops)).collect();
    drop(ops);
    let start = DrainContext { reason: schedule.reason, ended_at: schedule.at, cut_at: schedule.cut_at };
    core.dispatcher().begin_drain(start, snapshot.active);
    own.iter().for_each(|end| end.enqueue(core, &mut set));
    let mut ops = DecidedOps::of(core.journal());
    unattached.iter().for_each(|end| enqueue_recovered(core, end, &mut ops));
    core.dispatcher().announce_drain();
}

/// A session was written down after the snapshot. It ends at once: with the end that its owner has asked for already, or with the drain's.
pub(crate) fn end_late(core: &Core, set: &mut ActiveSet, sequence: u64, session: &Arc<Session>) {
    let identity = &session.identity;
    let Some(active) = set.take_over_late(identity, core.order().ends_of(identity)) else {
        return core.dispatcher().enqueue_end_for_drain(sequence, session);
    };
    let mut ops = DecidedOps::of(core.journal());
    let end = take_over(core, active, &mut ops);
    drop(ops);
    end.iter().for_each(|end| end.enqueue(core, set));
}

/// An end for which the owner has asked. The drain has taken the session first.
struct TakenOver {
    end: QueuedDelivery,
    owed: Owed,
    /// Plugins that were sent the session's start. If such a plugin is gone, the end counts as orphaned.
    started: Vec<PluginName>,
}

impl TakenOver {
    fn enqueue(&self, core: &Core, set: &mut ActiveSet) {
        enqueue(core, set, &self.end, &self.owed, &self.started);
    }
}

/// The end keeps its own reason, whenever it is written.
fn take_over(core: &Core, active: &ActiveSession, ops: &mut DecidedOps) -> Option<TakenOver> {
    let requested = match active.ending.as_deref()? {
        Ending::Submitted(requested) => requested.clone(),
        Ending::TakenOver(request) => {
            // The request reports what does not fit, when the request has its turn.
            let (requested, op) = requested_end(core, active, request, &mut Vec::new());
            ops.push(op);
            Arc::new(requested)
        }
    };
    let end = QueuedDelivery::new(active.sequence, EventKey::End, &requested.session, &requested.event);
    let end = QueuedDelivery { attempt: active.attempt_of_end(), ..end };
    Some(TakenOver { end, owed: requested.owed.clone(), started: active.started().to_vec() })
}

/// A drain begins, and nobody has come back for this session. The session belongs to a dead run, whatever ends it.
fn record_unattached_end(core: &Core, active: &ActiveSession, ops: &mut DecidedOps) -> Vec<PendingDelivery> {
    let recovered = RecoveredSession {
        sequence: active.sequence,
        session: active.session.clone(),
        compactions: active.compactions,
        started: active.started().to_vec(),
        attachable: false,
        attempt: active.attempt_of_end(),
        drained: None,
    };
    record_recovered_end(core, &recovered, ops)
}
