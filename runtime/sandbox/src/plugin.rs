//! A loaded plugin, for embedders.

use std::sync::Arc;
use std::time::Duration;

use lastword_events::{PluginKey, PluginName};
use lastword_memory::MemoryPart;

use crate::grants::Grants;
use crate::hooks::Hooks;
use crate::limits::Limits;
use crate::loaded::Loaded;
use crate::state::GuestState;

/// A loaded plugin. Cheap to clone.
#[derive(Clone)]
pub struct Plugin {
    pub(crate) loaded: Arc<Loaded<GuestState>>,
    /// The tenant that it belongs to, if it is scoped.
    tenant: Option<Arc<str>>,
}

impl Plugin {
    pub(crate) fn of(loaded: Loaded<GuestState>) -> Self {
        Self { loaded: Arc::new(loaded), tenant: None }
    }

    /// The same plugin, scoped to `tenant`: it serves no other tenant, and another tenant may have a plugin of the same name.
    #[must_use]
    pub fn scoped(self, tenant: &str) -> Self {
        Self { tenant: Some(tenant.into()), ..self }
    }

    /// The plugin's key among installed plugins.
    #[must_use]
    pub fn key(&self) -> PluginKey {
        let key = PluginKey::from(self.name());
        match &self.tenant {
            Some(tenant) => key.scoped(tenant),
            None => key,
        }
    }

    /// The operator's name for it.
    #[must_use]
    pub fn name(&self) -> &PluginName {
        &self.loaded.name
    }

    /// The plugin's hooks.
    #[must_use]
    pub fn hooks(&self) -> Hooks {
        self.loaded.hooks
    }

    /// The limits of one call.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.loaded.limits
    }

    /// The operator's grants.
    #[must_use]
    pub fn grants(&self) -> &Grants {
        &self.loaded.grants
    }

    /// The part of the memory of all calls that its calls have together.
    #[must_use]
    pub fn memory(&self) -> &Arc<MemoryPart> {
        &self.loaded.memory
    }

    /// Bytes that each of its calls has from the start, as they count in [`memory`](Self::memory). A call reserves them while the use of
    /// such calls is unknown.
    #[must_use]
    pub fn least_memory(&self) -> u64 {
        self.loaded.least_memory.min(self.loaded.memory.most())
    }

    /// Whether another call of this plugin could use `bytes` of host memory now. A call that was put back for lack of host memory can
    /// begin then, see [`CallReport::wanted_host_memory`](crate::CallReport::wanted_host_memory).
    #[must_use]
    pub fn has_host_memory_for(&self, bytes: u64) -> bool {
        self.loaded.has_host_memory(bytes)
    }

    /// Bytes that it may store for one tenant. None without the grant `keyvalue`.
    #[must_use]
    pub fn key_value_quota(&self) -> Option<u64> {
        self.loaded.grants.key_value.map(|grant| grant.quota)
    }

    /// The interfaces that it imports, e.g. `wasi:cli/stdout@0.2.0`.
    #[must_use]
    pub fn imports(&self) -> &[String] {
        &self.loaded.imports
    }

    /// SHA-256 of the component, 64 hexadecimal digits in lower case.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.loaded.sha256
    }

    /// The time of compiling it. None when the code cache had it, or another plugin.
    #[must_use]
    pub fn compiled_in(&self) -> Option<Duration> {
        self.loaded.compiled_in
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.loaded.name)
            .field("tenant", &self.tenant)
            .field("hooks", &self.loaded.hooks)
            .field("limits", &self.loaded.limits)
            .field("sha256", &self.loaded.sha256)
            .finish_non_exhaustive()
    }
}
