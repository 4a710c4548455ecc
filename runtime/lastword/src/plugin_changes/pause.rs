//! Pauses a plugin.

use std::sync::{Arc, Weak};

use lastword_events::PluginKey;
use tokio::sync::watch;

use crate::core::Core;
use crate::installed::{InstalledId, PluginNumber};

/// Pauses a plugin until this value and all of its clones are dropped. See [`Runtime::pause`](crate::Runtime::pause).
///
/// It does not keep the runtime alive.
#[derive(Clone)]
#[must_use = "the plugin's calls begin again when it is dropped"]
pub struct Paused {
    pause: Arc<Pause>,
}

struct Pause {
    runtime: Weak<Core>,
    plugin: PluginNumber,
    id: InstalledId,
    /// Is told when calls may have ended. Closed when the runtime is gone.
    calls: watch::Receiver<()>,
}

impl Drop for Pause {
    fn drop(&mut self) {
        if let Some(core) = self.runtime.upgrade() {
            core.dispatcher().resume(self.plugin, self.id);
        }
    }
}

impl Paused {
    /// Resolves when no call of the plugin is under way, or the runtime is gone. As long as the plugin is paused no call of it begins,
    /// unless a drain begins.
    pub async fn idle(&self) {
        let mut calls = self.pause.calls.clone();
        loop {
            // Subscribed before the look, so that a call that ends later is told.
            calls.mark_unchanged();
            if self.pause.has_no_calls() || calls.changed().await.is_err() {
                return;
            }
        }
    }
}

impl Pause {
    fn has_no_calls(&self) -> bool {
        self.runtime.upgrade().is_none_or(|core| core.dispatcher().has_no_calls(self.plugin, self.id))
    }
}

impl std::fmt::Debug for Paused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Paused").field("plugin", &self.pause.plugin).finish_non_exhaustive()
    }
}

pub(crate) fn pause(core: &Arc<Core>, key: &PluginKey) -> Option<Paused> {
    let calls = core.dispatcher().watch_calls();
    let (plugin, id) = core.dispatcher().pause(key)?;
    Some(Paused { pause: Arc::new(Pause { runtime: Arc::downgrade(core), plugin, id, calls }) })
}
