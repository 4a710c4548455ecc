//! A change of the installed plugins, under the dispatcher's lock: the set, the tenants' queues and the plugin's number change at once.

use std::sync::Arc;

use lastword_events::PluginKey;

use super::dispatcher::Dispatcher;
use super::locked_state::LockedState;
use super::memory_admission::PluginMemory;
use super::state::plugins;
use super::unstarted::Unstarted;
use crate::install_error::InstallError;
use crate::installed::{Installed, InstalledPlugins, Leave, PluginNumber};
use crate::phase::Phase;
use crate::sandbox::Plugin;
use crate::tenants::Tenants;

/// A change that has begun. Until it is made or dropped nobody else has the dispatcher.
pub(crate) struct PluginChange<'a> {
    dispatcher: &'a Dispatcher,
    state: LockedState<'a>,
    /// The installed plugins before the change.
    installed: Arc<InstalledPlugins>,
}

/// A plugin that was installed just now.
pub(crate) struct PutIn {
    pub(crate) number: PluginNumber,
    pub(crate) installed: Arc<Installed>,
    /// No call of the plugin begins until what may be orphaned under its name is [enqueued](Dispatcher::end_orphans).
    pub(crate) reads_orphans: bool,
}

/// A plugin that was uninstalled just now.
#[derive(Debug)]
pub(crate) struct TakenOut {
    pub(crate) number: PluginNumber,
    pub(crate) installed: Arc<Installed>,
    /// What the plugin is owed and nobody has begun, queue by queue.
    pub(crate) unstarted: Vec<Unstarted>,
}

impl<'a> PluginChange<'a> {
    /// Begins a change, with the dispatcher's lock: nobody sees half of it. To be called with the active set's lock.
    pub(crate) fn begin(dispatcher: &'a Dispatcher) -> Result<Self, InstallError> {
        let (state, installed) = (dispatcher.state(), dispatcher.installed());
        // A drain's account, and the next start after it, go by who is installed as the drain begins.
        if state.phase() != Phase::Serving {
            return Err(InstallError::Draining);
        }
        Ok(Self { dispatcher, state, installed })
    }

    /// The plugin with this key, with its number.
    pub(crate) fn find(&self, key: &PluginKey) -> Option<(PluginNumber, Arc<Installed>)> {
        self.installed.find(key).map(|(number, one)| (number, one.clone()))
    }

    /// Installs a plugin. `has_orphans`: deliveries may be orphaned under its name. That may also be so while another plugin of its name is
    /// being uninstalled.
    pub(crate) fn install(
        mut self,
        plugin: Plugin,
        tenants: Tenants,
        has_orphans: bool,
    ) -> Result<PutIn, InstallError> {
        let (number, set) = self.installed.with(plugin, tenants)?;
        let installed = set.get(number).cloned().ok_or(InstallError::Draining)?;
        let reads_orphans = has_orphans || self.state.uninstalling().has_name(installed.name());
        let serves = |tenant: &str| installed.tenants.serves(tenant);
        let (memory, threshold) = (PluginMemory::new(&installed), self.dispatcher.breaker_threshold());
        plugins::add(&mut self.state, number, memory, reads_orphans, serves, threshold);
        self.dispatcher.publish(&mut self.state, set);
        Ok(PutIn { number, installed, reads_orphans })
    }

    /// Replaces the version of the plugin with this number. `reads_orphans`: somebody is going to read what was orphaned under its name.
    pub(crate) fn replace(mut self, number: PluginNumber, plugin: Plugin, reads_orphans: bool) {
        let set = self.installed.with_version(number, plugin);
        if let Some(new) = set.get(number) {
            self.state.scheduler_mut().replace_plugin(number, PluginMemory::new(new));
        }
        if reads_orphans {
            self.state.scheduler_mut().plugin_gates_mut().begin_orphans(number, false);
        }
        self.dispatcher.publish(&mut self.state, set);
        // Queues that waited for memory for the old version look anew.
        self.state.wake();
    }

    /// Uninstalls a plugin: nothing of it begins any more. [`Dispatcher::uninstall_step`] says how far that is.
    pub(crate) fn uninstall(mut self, key: &PluginKey, leave: Leave) -> Result<TakenOut, InstallError> {
        let (number, installed) = self.find(key).ok_or_else(|| InstallError::NotInstalled(key.clone()))?;
        installed.set_uninstalled(leave);
        let unstarted = plugins::take_out(&mut self.state, number, installed.name());
        self.dispatcher.publish(&mut self.state, self.installed.with_uninstalling(number));
        self.dispatcher.announce(&mut self.state);
        Ok(TakenOut { number, installed, unstarted })
    }
}
