//! The installed plugins, and the tenants that they serve.

use lastword_events::{EventKey, Hook, PluginName};

use crate::dispatch::PluginNumber;
use crate::sandbox::Plugin;
use crate::tenants::Tenants;

/// An installed plugin and the tenants that it serves.
#[derive(Clone, Debug)]
pub(crate) struct Installed {
    pub(crate) plugin: Plugin,
    pub(crate) tenants: Tenants,
}

/// All of them, in the order of the configuration. A plugin's number is its index there.
#[derive(Clone, Debug, Default)]
pub(crate) struct InstalledPlugins(Vec<Installed>);

impl InstalledPlugins {
    pub(crate) fn new(installed: Vec<Installed>) -> Self {
        Self(installed)
    }

    pub(crate) fn get(&self, number: PluginNumber) -> Option<&Plugin> {
        self.0.get(number).map(|installed| &installed.plugin)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Installed> {
        self.0.iter()
    }

    pub(crate) fn plugins(&self) -> impl Iterator<Item = &Plugin> {
        self.0.iter().map(|installed| &installed.plugin)
    }

    /// The numbers of those that serve `tenant`.
    pub(crate) fn serving(&self, tenant: &str) -> Vec<PluginNumber> {
        let serving = self.0.iter().enumerate().filter(|(_, installed)| installed.tenants.serves(tenant));
        serving.map(|(number, _)| number).collect()
    }

    pub(crate) fn count_serving(&self, tenant: &str) -> u64 {
        let serving = self.0.iter().filter(|installed| installed.tenants.serves(tenant)).count();
        u64::try_from(serving).unwrap_or(u64::MAX)
    }

    pub(crate) fn has_hook(&self, number: PluginNumber, hook: Hook) -> bool {
        self.get(number).is_some_and(|plugin| plugin.hooks().contains(hook))
    }

    /// Those that are owed `event` of a session of `tenant`.
    pub(crate) fn owed_to(&self, tenant: &str, event: EventKey) -> Vec<PluginName> {
        let serves = |i: &&Installed| i.tenants.serves(tenant) && i.plugin.hooks().contains(event.hook());
        self.0.iter().filter(serves).map(|i| i.plugin.name().clone()).collect()
    }

    /// Those that are owed the end of a session: every one that serves its tenant now, and every one that was sent its start.
    pub(crate) fn owed_end(&self, tenant: &str, started: &[PluginName]) -> Vec<PluginName> {
        let mut owed = self.owed_to(tenant, EventKey::End);
        add_missing(&mut owed, started);
        owed
    }
}

/// Adds those of `others` that are not in `plugins` yet.
pub(crate) fn add_missing<'a>(plugins: &mut Vec<PluginName>, others: impl IntoIterator<Item = &'a PluginName>) {
    for plugin in others {
        if !plugins.contains(plugin) {
            plugins.push(plugin.clone());
        }
    }
}
