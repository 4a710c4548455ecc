//! Counts for an operator's eyes: what there is of sessions and deliveries now.

use std::sync::Arc;

use lastword_events::{PluginKey, PluginName};

use crate::core::Core;
use crate::dispatch::InstalledCounts;
use crate::installed::PluginSetNumber;
use crate::out_of_queues::LeftOver;
use crate::sandbox::SlotsBound;

/// Counts of the present sessions and deliveries. Getting them costs a few nanoseconds for each plugin, however many tenants and sessions
/// there are. No lock that starts and ends need is held for longer than a delivery holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Active sessions.
    pub sessions: u64,
    /// Bytes that plugins have stored with the grant `keyvalue` and that the journal has not written yet.
    pub unwritten_bytes: u64,
    /// Calls that can be under way at once now: of the whole sandbox, or of the part that [`Builder::slots`](crate::Builder::slots) and
    /// [`Runtime::set_slots`](crate::Runtime::set_slots) give this runtime.
    pub slots: u32,
    /// Slots that calls hold, which are under way or about to begin. Calls of plugins that are being uninstalled count too. There are more
    /// than [`slots`](Self::slots) only where these were lowered, and calls from before that have not ended.
    pub slots_taken: u32,
    /// Why the sandbox has not more of them.
    pub slots_bound: SlotsBound,
    /// The installed plugins in their order. Then, by name, other plugins of which deliveries are left. Deliveries of scoped plugins that
    /// were given up or are orphaned are counted with all plugins of the name.
    pub plugins: Vec<PluginStats>,
}

/// What one plugin is owed. Ends of active sessions are not counted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PluginStats {
    /// The plugin.
    pub plugin: PluginName,
    /// The tenant of a scoped plugin.
    pub tenant: Option<Arc<str>>,
    /// Whether the plugin is installed.
    pub is_installed: bool,
    /// The installed version. A version that replaces another, or that is installed after another was uninstalled, has a higher number.
    /// The numbers are the run's. 0 if the plugin is not installed.
    pub version: u32,
    /// Deliveries that may begin.
    pub ready: u64,
    /// Deliveries whose calls are under way.
    pub running: u64,
    /// Deliveries that wait for their retry, for an older event of their session, or for the record of a failure.
    pub waiting: u64,
    /// Deliveries that were given up, in this run or before.
    pub dead: u64,
    /// Deliveries for tenants that it is not installed for.
    pub orphaned: u64,
}

/// Makes the counts.
pub(crate) fn stats(core: &Core) -> Stats {
    let counts = core.dispatcher().counts();
    let mut left = core.operators().out_of_queues().by_plugin();
    let mut plugins = Vec::with_capacity(counts.plugins.len());
    for (installed, counts) in counts.plugins {
        let key = installed.plugin.key();
        let left = if key.tenant.is_none() { left.remove(&key.name) } else { None };
        plugins.push(of_plugin(key, Some((installed.version().since, counts)), left));
    }
    plugins.extend(left.into_iter().map(|(plugin, left)| of_plugin(plugin.into(), None, Some(left))));
    let allocation = core.sandbox().allocation();
    Stats {
        sessions: core.operators().sessions(),
        unwritten_bytes: counts.unwritten,
        slots: counts.slots,
        slots_taken: counts.slots_taken,
        slots_bound: allocation.bound,
        plugins,
    }
}

fn of_plugin(
    key: PluginKey,
    installed: Option<(PluginSetNumber, InstalledCounts)>,
    left: Option<LeftOver>,
) -> PluginStats {
    let (plugin, tenant, is_installed) = (key.name, key.tenant, installed.is_some());
    let (version, InstalledCounts { ready, running, waiting }) = installed.unwrap_or_default();
    let LeftOver { dead, orphaned } = left.unwrap_or_default();
    PluginStats { plugin, tenant, is_installed, version, ready, running, waiting, dead, orphaned }
}
