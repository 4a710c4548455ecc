//! A further plugin.

use std::sync::Arc;

use lastword_journal::JournalOp;

use super::adopt::Adoption;
use crate::core::Core;
use crate::dispatch::PluginChange;
use crate::install_error::InstallError;
use crate::sandbox::Plugin;
use crate::tenants::Tenants;

pub(crate) fn install(core: &Arc<Core>, plugin: Plugin, tenants: Tenants) -> Result<(), InstallError> {
    let _ticket = core.in_flight().enter().ok_or(InstallError::Draining)?;
    let name = plugin.name().clone();
    let mut set = core.lock_active();
    let has_orphans = core.operators().out_of_queues().has_orphaned(&name);
    let put_in = PluginChange::begin(core.dispatcher())?.install(plugin, tenants, has_orphans)?;
    record_plugins(core);
    // The ends of these sessions were counted as orphaned, and now count as those of active sessions.
    core.dispatcher().forget_undelivered_ends(set.count_started(&put_in.installed));
    drop(set);
    tracing::info!(plugin = %put_in.installed.plugin.key(), "installed");
    if put_in.reads_orphans {
        Adoption::before_calls(put_in.number, put_in.installed).begin(core);
    }
    Ok(())
}

/// Hands the journal the installed plugins. The caller holds the lock under which they have changed.
pub(super) fn record_plugins(core: &Core) {
    let plugins = core.dispatcher().installed().recorded();
    // Nobody has to wait for the record: it is written before everything that is decided with these plugins.
    drop(core.journal().append_decided(vec![JournalOp::PluginsChanged { plugins }]));
}
