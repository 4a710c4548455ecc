//! Counts deliveries that are in no queue, because they were given up or their plugin is not installed.

use std::collections::BTreeMap;

use lastword_events::PluginName;

use crate::sync::Mutex;

/// Deliveries that are in no queue, by plugin.
#[derive(Debug, Default)]
pub(crate) struct OutOfQueues(Mutex<BTreeMap<PluginName, LeftOver>>);

/// The deliveries of one plugin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOver {
    pub(crate) dead: u64,
    pub(crate) orphaned: u64,
}

impl OutOfQueues {
    /// Adds deliveries that were given up.
    pub(crate) fn add_dead(&self, plugin: &PluginName, deliveries: u64) {
        self.change(plugin, deliveries, |left| left.dead += deliveries);
    }

    /// Removes deliveries that were given up: they are owed again, or forgotten.
    pub(crate) fn remove_dead(&self, plugin: &PluginName, deliveries: u64) {
        self.change(plugin, deliveries, |left| left.dead = left.dead.saturating_sub(deliveries));
    }

    /// Adds deliveries that are owed to a plugin which is not installed for their tenant.
    pub(crate) fn add_orphaned(&self, plugin: &PluginName, deliveries: u64) {
        self.change(plugin, deliveries, |left| left.orphaned += deliveries);
    }

    /// Whether a plugin of this name is owed a delivery and is not installed for its tenant.
    pub(crate) fn has_orphaned(&self, plugin: &PluginName) -> bool {
        self.0.lock().get(plugin).is_some_and(|left| left.orphaned > 0)
    }

    /// Removes orphaned deliveries: they are forgotten, or the plugin is installed again.
    pub(crate) fn remove_orphaned(&self, plugin: &PluginName, deliveries: u64) {
        self.change(plugin, deliveries, |left| left.orphaned = left.orphaned.saturating_sub(deliveries));
    }

    /// All counts.
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
