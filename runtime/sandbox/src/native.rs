//! A plugin that is a host function, for the tests of programs that embed the runtime.
//!
//! `Plugin::native` is here, and not with the other functions of [`Plugin`]: it needs a [`Sandbox`], which needs `Plugin`.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use lastword_events::{HookCall, Outcome, PluginName};
use tokio::sync::Semaphore;
use wasmtime_wasi_config::WasiConfigVariables;

use crate::config::SandboxConfig;
use crate::error::SandboxError;
use crate::extra_memories::ExtraMemories;
use crate::grants::Grants;
use crate::hooks::Hooks;
use crate::host_memory_quota::HostMemoryQuota;
use crate::limits::{Limits, MAX_CONCURRENT_TRANSCRIPT_COPIES, MAX_HOST_MEMORY_OF_PLUGIN_BYTES, NATIVE_DEADLINE};
use crate::loaded::{Code, Loaded};
use crate::plugin::Plugin;
use crate::sandbox::Sandbox;
use crate::state::GuestState;

impl Plugin {
    /// A plugin that is a function, for tests. The runtime calls it in the place of a guest. The call needs a permit and a slot, it is
    /// measured, observers get its spans, a drain drops it, and its answer is handled like every outcome. A function that panics is
    /// `failed(host)`.
    ///
    /// The sandbox does **not** bound the function: it runs on a worker's thread until it returns. Nothing interrupts it, neither its
    /// deadline nor a drain's budget. A function that took longer than its deadline has failed afterwards. The deadline is
    /// [`NATIVE_DEADLINE`], so that a test does not fail because its machine is busy;
    /// [`native_with_deadline`](Self::native_with_deadline) sets another one. It has the memory, the files and the network of the
    /// process. Fuel and key-value storage do not concern it. If it answers `Deferred` for ever, the runtime calls it again for ever. A
    /// function that waits keeps a worker.
    ///
    /// It belongs to no sandbox that you have made, and can be installed beside plugins of one.
    ///
    /// # Errors
    /// When there is no room for a sandbox on this machine.
    pub fn native(
        name: PluginName,
        hooks: Hooks,
        hook: impl Fn(&HookCall) -> Outcome + Send + Sync + 'static,
    ) -> Result<Self, SandboxError> {
        Self::native_with_deadline(name, hooks, NATIVE_DEADLINE, hook)
    }

    /// A plugin that is a function, as [`native`](Self::native) makes it. A call that takes longer than `deadline` has failed.
    ///
    /// # Errors
    /// When there is no room for a sandbox on this machine.
    pub fn native_with_deadline(
        name: PluginName,
        hooks: Hooks,
        deadline: Duration,
        hook: impl Fn(&HookCall) -> Outcome + Send + Sync + 'static,
    ) -> Result<Self, SandboxError> {
        Ok(Self::of(load(name, hooks, deadline, hook)?))
    }
}

fn load(
    name: PluginName,
    hooks: Hooks,
    deadline: Duration,
    hook: impl Fn(&HookCall) -> Outcome + Send + Sync + 'static,
) -> Result<Loaded<GuestState>, SandboxError> {
    let (sandbox, limits) = (shared_sandbox()?, Limits { deadline, ..Limits::default() });
    Ok(Loaded {
        host: Arc::clone(sandbox.host()),
        name,
        limits,
        grants: Grants::default(),
        config: WasiConfigVariables::default(),
        memory: sandbox.memory().part(limits.total_memory),
        image: 0,
        least_memory: 0,
        host_memory: HostMemoryQuota::new(MAX_HOST_MEMORY_OF_PLUGIN_BYTES),
        extra_memories: ExtraMemories::new(0, sandbox.max_concurrent_calls()),
        transcript_copies: Arc::new(Semaphore::new(MAX_CONCURRENT_TRANSCRIPT_COPIES)),
        #[cfg(feature = "http")]
        allowed: Arc::default(),
        hooks,
        imports: Default::default(),
        sha256: Default::default(),
        compiled_in: None,
        code: Code::Native(Box::new(hook)),
    })
}

/// Slots of all native plugins. No function waits in a slot: each has its thread until it returns.
const SLOTS: u32 = 256;

/// The sandbox of all native plugins of the process, which has their slots.
fn shared_sandbox() -> Result<&'static Sandbox, SandboxError> {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    match SANDBOX.get() {
        Some(sandbox) => Ok(sandbox),
        None => {
            let sandbox =
                Sandbox::new(SandboxConfig { max_concurrent_calls: Some(SLOTS), ..SandboxConfig::default() })?;
            Ok(SANDBOX.get_or_init(|| sandbox))
        }
    }
}
