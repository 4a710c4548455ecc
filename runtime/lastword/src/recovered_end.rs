//! The ends of sessions that a dead run left active.

use std::sync::Arc;

use lastword_events::{EndReason, Event, EventKey, PluginName, SessionEnd};
use lastword_journal::{DeliveryKey, JournalOp, PendingDelivery, RecoveredSession};

use crate::core::Core;
use crate::decided_ops::DecidedOps;
use crate::installed::add_missing;
use crate::orphans::orphan;

/// Enqueues a delivery that a dead run owed. If its plugin is gone, the delivery is marked as orphaned.
pub(crate) fn enqueue_recovered(core: &Core, pending: &PendingDelivery, ops: &mut DecidedOps) {
    if !core.dispatcher().enqueue_recovered(pending) {
        mark_orphaned(core, pending, ops);
    }
}

/// Marks a delivery as orphaned, because its plugin is gone.
pub(crate) fn mark_orphaned(core: &Core, pending: &PendingDelivery, ops: &mut DecidedOps) {
    tracing::warn!(
        delivery = %pending.delivery.id(core.journal_name()),
        "its plugin is not installed for this tenant any more; the delivery is kept as orphaned"
    );
    // A plugin that serves the tenant and has lost the hook is told of newer events all the same.
    let tenant = &pending.session.identity.tenant;
    let late = core.dispatcher().installed().serves(tenant, &pending.delivery.plugin);
    orphan(core, pending.delivery.clone(), late, ops);
}

/// Records the end of a session that a dead run left active. Gives the deliveries that are owed.
pub(crate) fn record_recovered_end(
    core: &Core,
    recovered: &RecoveredSession,
    ops: &mut DecidedOps,
) -> Vec<PendingDelivery> {
    let drained = recovered.drained();
    let (reason, ended_at) = match drained.drain {
        Some((reason, at)) => (reason.end_reason(), at),
        None => (EndReason::Crashed, core.time().timestamp()),
    };
    let event = Arc::new(Event::End(SessionEnd::new(reason, ended_at).since(recovered.session.started_at)));
    let mut owed = match &drained.owed {
        Some(owed) => owed.clone(),
        None => core.dispatcher().installed().owed_to(&recovered.session.identity.tenant, EventKey::End).plugins,
    };
    // A drain has tried to deliver the end to these plugins, and the calls failed or were cut. The end is owed to these plugins whether or
    // not they are still installed.
    let tried = drained.tried.iter().map(|end| &end.plugin);
    add_missing(&mut owed, recovered.started.iter().chain(tried));
    owed.retain(|plugin| !drained.settled.contains(plugin));
    let (sequence, session) = (recovered.sequence, recovered.session.clone());
    let (event_of_all, to) = (event.clone(), owed.clone());
    ops.push(JournalOp::End { sequence, session, event: event_of_all, owed: to, received: None, op_id: None });
    let again = |plugin: PluginName| PendingDelivery {
        failures: drained.tried.iter().find(|end| end.plugin == plugin).map_or(0, |end| end.failures),
        attempt: recovered.attempt_for(&plugin),
        suspect: drained.suspect.contains(&plugin),
        delivery: DeliveryKey { sequence, event: EventKey::End, plugin },
        session: recovered.session.clone(),
        event: event.clone(),
        late: false,
    };
    owed.into_iter().map(again).collect()
}
