//! Puts events that are on record into the queues of the plugins that are owed them.

use lastword_events::{EventKey, PluginName};
use lastword_journal::{DeliveryChange, DeliveryKey, JournalOp};

use crate::active_set::ActiveSet;
use crate::core::Core;
use crate::decided_ops::DecidedOps;
use crate::installed::{Leave, Owed};
use crate::orphans::orphan;
use crate::queued_delivery::QueuedDelivery;

/// Enqueues a delivery for all plugins that are owed it on record. For a plugin that was uninstalled since, or has lost the hook, the
/// delivery is orphaned or dropped, as everything else that the plugin was owed. `counted`: plugins for which the end counts as orphaned
/// already.
pub(crate) fn enqueue(
    core: &Core,
    set: &mut ActiveSet,
    delivery: &QueuedDelivery,
    owed: &Owed,
    counted: &[PluginName],
) {
    let gone = core.dispatcher().enqueue(delivery, &owed.plugins);
    if gone.is_empty() {
        return;
    }
    let identity = &delivery.session.identity;
    let installed = core.dispatcher().installed();
    let (mut ops, mut dropped) = (DecidedOps::of(core.journal()), Vec::new());
    for plugin in gone {
        let key = delivery.delivery_key(&plugin);
        // A plugin that is sent a session's start is owed the session's end as well.
        let is_sent_start = delivery.key == EventKey::Start;
        match owed.how_uninstalled(&identity.tenant, &plugin) {
            Leave::Orphaned => {
                // A plugin that has only lost the hook is told of newer events. Its ends count as those of active sessions.
                let serves = installed.serves(&identity.tenant, &plugin);
                orphan(core, key, delivery.late || serves, &mut ops);
                if is_sent_start {
                    set.add_started(identity, delivery.sequence, &plugin);
                }
                let is_new = is_sent_start || (delivery.is_end() && !counted.contains(&plugin));
                core.dispatcher().count_orphaned_ends(u64::from(is_new && !serves));
            }
            Leave::Dropped => {
                dropped.push(key);
                if is_sent_start {
                    ops.push(JournalOp::EndNotOwed { sequence: delivery.sequence, plugin });
                }
            }
        }
    }
    drop(ops);
    if !dropped.is_empty() {
        forget(core, dropped);
    }
}

/// Nobody waits for the record. Without it the next start orphans the deliveries.
fn forget(core: &Core, deliveries: Vec<DeliveryKey>) {
    drop(core.journal().change_deliveries(DeliveryChange::Forget, deliveries));
}
