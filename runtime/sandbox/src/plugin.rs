//! A plugin that is ready to be called.

use std::sync::Arc;
use std::time::Duration;

use lastword_egress::AllowList;
use lastword_events::{Hook, PluginName};
use tokio::sync::Semaphore;
use wasmtime::component::InstancePre;
use wasmtime_wasi_config::WasiConfigVariables;

use crate::call_context::ExtraMemories;
use crate::contract::{SessionCompactionHookIndices, SessionHooksIndices, SessionStartHookIndices};
use crate::grants::Grants;
use crate::host::Host;
use crate::kept::KeptForAll;
use crate::limits::{HOST_CALL_BYTES, KEY_VALUE_CALL_BYTES, Limits};
use crate::state::GuestState;
use lastword_memory::MemoryPart;

/// A loaded plugin. Cheap to clone.
#[derive(Clone)]
pub struct Plugin {
    pub(crate) loaded: Arc<Loaded>,
}

/// What a call needs of a plugin: compiled, linked and typed once.
pub(crate) struct Loaded {
    /// Of the sandbox that loaded it: a call needs the ticker of its own engine.
    pub(crate) host: Arc<Host>,
    pub(crate) name: PluginName,
    pub(crate) limits: Limits,
    pub(crate) grants: Grants,
    /// The granted configuration as guests read it.
    pub(crate) config: WasiConfigVariables,
    /// What its calls have together.
    pub(crate) memory: Arc<MemoryPart>,
    /// Bytes of its memories that the component itself fills.
    pub(crate) image: u64,
    /// What each call has from the start, as it counts in `memory`.
    pub(crate) least_memory: u64,
    /// What the host keeps for its calls.
    pub(crate) kept: KeptForAll,
    /// What each call takes of the pool's memories beside the one of its slot.
    pub(crate) extra_memories: ExtraMemories,
    /// Held while a transcript is copied for it.
    pub(crate) loans: Arc<Semaphore>,
    /// Where its outgoing requests may go.
    pub(crate) allowed: Arc<AllowList>,
    pub(crate) hooks: Hooks,
    pub(crate) imports: Vec<String>,
    pub(crate) sha256: String,
    pub(crate) compiled_in: Option<Duration>,
    pub(crate) instance: InstancePre<GuestState>,
    pub(crate) session_end: SessionHooksIndices,
    pub(crate) session_start: Option<SessionStartHookIndices>,
    pub(crate) session_compaction: Option<SessionCompactionHookIndices>,
}

impl Loaded {
    /// Bytes that its guests may hand to the host at once.
    pub(crate) fn host_call_bytes(&self) -> usize {
        if self.grants.key_value.is_some() { KEY_VALUE_CALL_BYTES } else { HOST_CALL_BYTES }
    }
}

impl Plugin {
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
    /// anybody knows what such calls take.
    #[must_use]
    pub fn least_memory(&self) -> u64 {
        self.loaded.least_memory.min(self.loaded.memory.most())
    }

    /// Whether the host can keep so many bytes for one more call of it now. A call that was put back for want of that is to begin
    /// when it can, see [`CallReport::wanted_host_memory`](crate::Report::wanted_host_memory).
    #[must_use]
    pub fn keeps_as_much(&self, bytes: u64) -> bool {
        self.loaded.keeps_as_much(bytes)
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

    /// How long it took to compile it; none when the code cache had it.
    #[must_use]
    pub fn compiled_in(&self) -> Option<Duration> {
        self.loaded.compiled_in
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.loaded.name)
            .field("hooks", &self.loaded.hooks)
            .field("limits", &self.loaded.limits)
            .field("sha256", &self.loaded.sha256)
            .finish_non_exhaustive()
    }
}

/// A set of hooks.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Hooks(u8);

impl Hooks {
    /// Whether `hook` is one of them.
    #[must_use]
    pub fn contains(self, hook: Hook) -> bool {
        self.0 & bit(hook) != 0
    }

    /// In the order of a session's life.
    pub fn iter(self) -> impl Iterator<Item = Hook> {
        Hook::ALL.into_iter().filter(move |hook| self.contains(*hook))
    }
}

fn bit(hook: Hook) -> u8 {
    match hook {
        Hook::SessionStart => 1,
        Hook::SessionCompaction => 2,
        Hook::SessionEnd => 4,
    }
}

impl FromIterator<Hook> for Hooks {
    fn from_iter<I: IntoIterator<Item = Hook>>(hooks: I) -> Self {
        Self(hooks.into_iter().fold(0, |set, hook| set | bit(hook)))
    }
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter().map(Hook::as_str)).finish()
    }
}
