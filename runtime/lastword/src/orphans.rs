//! Deliveries that are owed to plugins which are not installed, or which have lost the hook.

use std::sync::Arc;

use lastword_events::PluginName;
use lastword_journal::{DeliveryKey, JournalOp};

use crate::core::Core;
use crate::decided_ops::DecidedOps;
use crate::dispatch::{Job, Taken};
use crate::installed::Installed;

/// Marks a delivery as orphaned. The caller has locked the active set, and keeps the lock until the journal has been handed `ops`: then
/// whoever installs the plugin later finds the delivery.
pub(crate) fn orphan(core: &Core, delivery: DeliveryKey, late: bool, ops: &mut DecidedOps) {
    core.operators().out_of_queues().add_orphaned(&delivery.plugin, 1);
    ops.push(JournalOp::Orphaned { delivery, late });
}

/// Orphans the deliveries for whose events the plugin has no hook any more. Gives them, and the others, for which the plugin has a hook
/// again. Their sessions go on, and newer events of the sessions are told meanwhile.
pub(crate) fn orphan_without_hook(core: &Arc<Core>, name: &PluginName, taken: Vec<Taken>) -> (Vec<Taken>, Vec<Taken>) {
    if taken.is_empty() {
        return (taken, Vec::new());
    }
    let set = core.lock_active();
    let installed = core.dispatcher().installed();
    let mut ops = DecidedOps::of(core.journal());
    let (mut orphaned, mut kept) = (Vec::new(), Vec::new());
    for one in taken {
        // Every plugin has the hook of ends, and a backlog consists of ends.
        let Job::Queued(queued) = &one.job else {
            kept.push(one);
            continue;
        };
        let delivery = queued.delivery_key(name);
        let takes = |plugin: &Installed| plugin.name() == name && plugin.plugin.hooks().contains(delivery.event.hook());
        let is_taken = installed.serving(&queued.session.identity.tenant).any(|(_, plugin)| takes(plugin));
        if is_taken {
            kept.push(one);
        } else {
            tracing::warn!(
                delivery = %delivery.id(core.journal_name()),
                "its plugin has not the hook any more; the delivery is kept as orphaned"
            );
            orphan(core, delivery, true, &mut ops);
            orphaned.push(one);
        }
    }
    drop(ops);
    drop(set);
    (orphaned, kept)
}
