//! A plugin that is ready to be called, as embedders see it.

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

    /// The same plugin, as one that belongs to `tenant`: it serves no other, and another tenant may have one of its name.
    #[must_use]
    pub fn scoped(self, tenant: &str) -> Self {
        Self { tenant: Some(tenant.into()), ..self }
    }

    /// What it is known by where it is installed.
    #[must_use]
    pub fn key(&self) -> PluginKey {
        let key = PluginKey::from(self.name());
        match &self.tenant {
            Some(tenant) => key.scoped(tenant),
            None => key,
        }
    }

    /// As the operator calls it.
    #[must_use]
    pub fn name(&self) -> &PluginName {
        &self.loaded.name
    }

    /// The hooks that it has.
    #[must_use]
    pub fn hooks(&self) -> Hooks {
        self.loaded.hooks
    }

    /// What one call of it may use.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.loaded.limits
    }

    /// What the operator has granted it.
    #[must_use]
    pub fn grants(&self) -> &Grants {
        &self.loaded.grants
    }

    /// What its calls have together of the memory that all calls share.
    #[must_use]
    pub fn memory(&self) -> &Arc<MemoryPart> {
        &self.loaded.memory
    }

    /// Bytes that each of its calls has from the start, as they count in [`memory`](Self::memory): what a call reserves before
    /// it is known what such calls take.
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

    /// Bytes that it may store for one tenant; none without the grant `keyvalue`.
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

    /// How long it took to compile it; none when the code cache had it, or another plugin.
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
