//! A new version of a plugin.

use std::sync::Arc;

use lastword_events::Hook;

use super::adopt::Adoption;
use crate::core::Core;
use crate::dispatch::PluginChange;
use crate::install_error::InstallError;
use crate::sandbox::Plugin;

pub(crate) fn replace(core: &Arc<Core>, plugin: Plugin) -> Result<Plugin, InstallError> {
    let _ticket = core.in_flight().enter().ok_or(InstallError::Draining)?;
    let key = plugin.key();
    let mut set = core.lock_active();
    let change = PluginChange::begin(core.dispatcher())?;
    let (number, old) = change.find(&key).ok_or_else(|| InstallError::NotInstalled(key.clone()))?;
    let (is_sent_starts, was_sent_starts) =
        (plugin.hooks().contains(Hook::SessionStart), old.plugin.hooks().contains(Hook::SessionStart));
    if was_sent_starts && !is_sent_starts {
        // From now on the set of plugins does not say which starts the old version was sent.
        set.keep_started(&old);
    }
    // A delivery for a hook that the new version lacks is orphaned when its turn comes. For a new hook there may be orphans from before.
    let is_new = |hook: &Hook| plugin.hooks().contains(*hook) && !old.plugin.hooks().contains(*hook);
    let reads_orphans = Hook::ALL.iter().any(is_new) && core.operators().out_of_queues().has_orphaned(&key.name);
    change.replace(number, plugin, reads_orphans);
    drop(set);
    tracing::info!(plugin = %key, "replaced");
    if reads_orphans {
        Adoption::beside_calls(number, old.clone()).begin(core);
    }
    Ok(old.plugin.clone())
}
