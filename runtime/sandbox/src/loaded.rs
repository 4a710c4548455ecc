//! A loaded plugin for its calls.

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

/// The parts of a plugin that a call needs: compiled, linked and typed once. Generic over the store's data to break an import cycle:
/// `GuestState` holds this plugin.
pub(crate) struct Loaded<T: 'static> {
    /// The host of the sandbox that loaded the plugin. A call needs the ticker of its own engine.
    pub(crate) host: Arc<Host>,
    pub(crate) name: PluginName,
    pub(crate) limits: Limits,
    pub(crate) grants: Grants,
    /// The granted configuration for guests.
    pub(crate) config: WasiConfigVariables,
    /// The memory of its calls together.
    pub(crate) memory: Arc<MemoryPart>,
    /// Bytes of its memories that the component itself fills.
    pub(crate) image: u64,
    /// Bytes that each call has from the start, as they count in `memory`.
    pub(crate) least_memory: u64,
    /// Host memory of its calls.
    pub(crate) host_memory: HostMemoryQuota,
    /// Memories of the pool that each call takes beside the one of its slot.
    pub(crate) extra_memories: ExtraMemories,
    /// Permits for copying transcripts for its calls.
    pub(crate) transcript_copies: Arc<Semaphore>,
    /// Destinations that its requests may reach.
    #[cfg(feature = "http")]
    pub(crate) allowed: Arc<AllowList>,
    pub(crate) hooks: Hooks,
    pub(crate) imports: Arc<[String]>,
    pub(crate) sha256: Arc<str>,
    pub(crate) compiled_in: Option<Duration>,
    pub(crate) code: Code<T>,
}

/// The code that a call runs.
pub(crate) enum Code<T: 'static> {
    Component(ComponentCode<T>),
    #[cfg(feature = "test-util")]
    Native(NativeHook),
}

/// A host function that is called in the place of a guest.
#[cfg(feature = "test-util")]
pub(crate) type NativeHook = Box<dyn Fn(&HookCall) -> Outcome + Send + Sync>;

/// A component, with its hooks.
pub(crate) struct ComponentCode<T: 'static> {
    /// Held so that other plugins of the same component find it.
    pub(crate) _component: Arc<CompiledComponent>,
    pub(crate) instance: InstancePre<T>,
    pub(crate) session_end: SessionHooksIndices,
    pub(crate) session_start: Option<SessionStartHookIndices>,
    pub(crate) session_compaction: Option<SessionCompactionHookIndices>,
}

impl<T> Loaded<T> {
    /// Bytes that its guests may pass to the host at once.
    pub(crate) fn host_call_bytes(&self) -> usize {
        if self.grants.key_value.is_some() { KEY_VALUE_CALL_BYTES } else { HOST_CALL_BYTES }
    }

    /// The most host memory of one call, in bytes.
    pub(crate) fn max_host_memory(&self) -> u64 {
        self.host_memory.limit().min(self.host.host_memory.limit()).saturating_add(self.host.free_memory.host)
    }

    /// Whether a call that needs `bytes` of host memory finds them now.
    pub(crate) fn has_host_memory(&self, bytes: u64) -> bool {
        let bytes = self.host.free_memory.beyond_host(bytes);
        self.host_memory.has(bytes) && self.host.host_memory.has(bytes)
    }
}
