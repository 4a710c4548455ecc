//! How many deliveries are in no queue, because they were given up or their plugin is not installed.

use std::collections::BTreeMap;

use lastword_events::PluginName;

use crate::sync::Mutex;

/// Deliveries that no queue has, by plugin.
#[derive(Debug, Default)]
pub(crate) struct OutOfQueues(Mutex<BTreeMap<PluginName, LeftOver>>);

/// Those of one plugin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOver {
    pub(crate) dead: u64,
    pub(crate) orphaned: u64,
}

impl OutOfQueues {
    /// So many were given up.
    pub(crate) fn add_dead(&self, plugin: &PluginName, deliveries: u64) {
        self.change(plugin, deliveries, |left| left.dead += deliveries);
    }

    /// So many that were given up are owed again, or forgotten.
    pub(crate) fn remove_dead(&self, plugin: &PluginName, deliveries: u64) {
        self.change(plugin, deliveries, |left| left.dead = left.dead.saturating_sub(deliveries));
    }

    /// So many are owed to a plugin that is not installed for their tenant.
    pub(crate) fn add_orphaned(&self, plugin: &PluginName, deliveries: u64) {
        self.change(plugin, deliveries, |left| left.orphaned += deliveries);
    }

    /// Whether any is owed to a plugin of this name that is not installed for its tenant.
    pub(crate) fn has_orphaned(&self, plugin: &PluginName) -> bool {
        self.0.lock().get(plugin).is_some_and(|left| left.orphaned > 0)
    }

    /// So many of those are forgotten, or are owed to it again.
    pub(crate) fn remove_orphaned(&self, plugin: &PluginName, deliveries: u64) {
        self.change(plugin, deliveries, |left| left.orphaned = left.orphaned.saturating_sub(deliveries));
    }

    /// All of them.
    pub(crate) fn by_plugin(&self) -> BTreeMap<PluginName, LeftOver> {
        self.0.lock().clone()
    }

    fn change(&self, plugin: &PluginName, deliveries: u64, change: impl FnOnce(&mut LeftOver)) {
        if deliveries == 0 {
            return;
        }
        let mut left = self.0.lock();
        let of_plugin = left.entry(plugin.clone()).or_default();
        change(of_plugin);
        if *of_plugin == LeftOver::default() {
            left.remove(plugin);
        }
    }
}
