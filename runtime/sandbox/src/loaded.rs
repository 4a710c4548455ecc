//! A loaded plugin as its calls use it.

use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "http")]
use lastword_egress::AllowList;
use lastword_events::PluginName;
#[cfg(feature = "test-util")]
use lastword_events::{HookCall, Outcome};
use lastword_memory::MemoryPart;
use tokio::sync::Semaphore;
use wasmtime::component::InstancePre;
use wasmtime_wasi_config::WasiConfigVariables;

use crate::compiled::CompiledComponent;
use crate::contract::{SessionCompactionHookIndices, SessionHooksIndices, SessionStartHookIndices};
use crate::extra_memories::ExtraMemories;
use crate::grants::Grants;
use crate::hooks::Hooks;
use crate::host::Host;
use crate::host_memory_quota::HostMemoryQuota;
use crate::limits::{HOST_CALL_BYTES, KEY_VALUE_CALL_BYTES, Limits};

/// What a call needs of a plugin: compiled, linked and typed once. `T` is what a store holds: the plugin is part of it, so it is not
/// known here.
pub(crate) struct Loaded<T: 'static> {
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
    pub(crate) host_memory: HostMemoryQuota,
    /// What each call takes of the pool's memories beside the one of its slot.
    pub(crate) extra_memories: ExtraMemories,
    /// Held while a transcript is copied for it.
    pub(crate) transcript_copies: Arc<Semaphore>,
    /// Where its outgoing requests may go.
    #[cfg(feature = "http")]
    pub(crate) allowed: Arc<AllowList>,
    pub(crate) hooks: Hooks,
    pub(crate) imports: Arc<[String]>,
    pub(crate) sha256: Arc<str>,
    pub(crate) compiled_in: Option<Duration>,
    pub(crate) code: Code<T>,
}

/// What runs when the plugin is called.
pub(crate) enum Code<T: 'static> {
    Component(ComponentCode<T>),
    #[cfg(feature = "test-util")]
    Native(NativeHook),
}

/// A function of the host's, which is called in the place of a guest.
#[cfg(feature = "test-util")]
pub(crate) type NativeHook = Box<dyn Fn(&HookCall) -> Outcome + Send + Sync>;

/// A component, with its hooks.
pub(crate) struct ComponentCode<T: 'static> {
    /// Held for others of the same component to find.
    pub(crate) _component: Arc<CompiledComponent>,
    pub(crate) instance: InstancePre<T>,
    pub(crate) session_end: SessionHooksIndices,
    pub(crate) session_start: Option<SessionStartHookIndices>,
    pub(crate) session_compaction: Option<SessionCompactionHookIndices>,
}

impl<T> Loaded<T> {
    /// Bytes that its guests may hand to the host at once.
    pub(crate) fn host_call_bytes(&self) -> usize {
        if self.grants.key_value.is_some() { KEY_VALUE_CALL_BYTES } else { HOST_CALL_BYTES }
    }

    /// The most that the host keeps for one call of it, in bytes.
    pub(crate) fn max_host_memory(&self) -> u64 {
        self.host_memory.limit().min(self.host.host_memory.limit()).saturating_add(self.host.free_memory.host)
    }

    /// Whether a call that makes the host keep so much finds that now.
    pub(crate) fn has_host_memory(&self, bytes: u64) -> bool {
        let bytes = self.host.free_memory.beyond_host(bytes);
        self.host_memory.has(bytes) && self.host.host_memory.has(bytes)
    }
}
