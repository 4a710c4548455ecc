//! The sandbox: one engine, its ticker, and the data that every call shares.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "http")]
use lastword_egress::Egress;
use lastword_events::{HookCall, PluginName};
use lastword_memory::MemoryAccount;
use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::cache::CodeCache;
use crate::call::Call;
use crate::compiled::Compiled;
use crate::compiler::Compiler;
use crate::config::SandboxConfig;
use crate::error::{LoadError, SandboxError};
use crate::grants::Grants;
use crate::host::Host;
use crate::inspect::{Inspection, inspect};
use crate::limits::{DECOMMIT_BATCH, Limits, MAX_CLEANING_QUEUES, MAX_UNCLEANED_BYTES, MAX_UNFLUSHED_PART};
use crate::linker::link_wasi;
use crate::load::{LoadOptions, Loader, compile, instantiate, load};
use crate::machine::processors;
use crate::memory_layout::MemoryLayout;
use crate::plugin::Plugin;
use crate::pool::{Allocation, build};
use crate::shared_code::SharedCode;
use crate::source::Source;
use crate::ticker::Ticker;

/// Loads plugins and calls their hooks. Cheap to clone; a process needs one.
#[derive(Clone)]
pub struct Sandbox {
    shared: Arc<Shared>,
}

struct Shared {
    config: SandboxConfig,
    loader: Loader,
    host: Arc<Host>,
    allocation: Allocation,
}

impl Sandbox {
    /// Makes the engine and starts its ticker. When there is no room for a pool of the wanted size, it takes a smaller one and warns, and
    /// [`allocation`](Self::allocation) shows that. Blocks for some milliseconds: it reserves the pool, checks the code cache's
    /// directory, and starts a thread.
    ///
    /// # Errors
    /// A value that is out of range, a machine on which no engine runs, or one without room for one call.
    pub fn new(config: SandboxConfig) -> Result<Self, SandboxError> {
        Self::make(
            config,
            #[cfg(feature = "http")]
            Egress::new(),
        )
    }

    /// Makes a sandbox as [`new`](Self::new) does, with the embedder's own [`Egress`], for its own resolver or certificate authority.
    ///
    /// # Errors
    /// A value that is out of range, a machine on which no engine runs, or one without room for one call.
    #[cfg(feature = "http")]
    pub fn with_egress(config: SandboxConfig, egress: Egress) -> Result<Self, SandboxError> {
        Self::make(config, egress)
    }

    fn make(config: SandboxConfig, #[cfg(feature = "http")] egress: Egress) -> Result<Self, SandboxError> {
        config.check()?;
        let (engine, allocation) = build(&config)?;
        let mut linker = Linker::new(&engine);
        link_wasi(&mut linker).map_err(|e| SandboxError::Engine(format!("cannot link WASI: {e:#}")))?;
        let cache = config.cache_dir.as_deref().and_then(CodeCache::open);
        let ticker = Ticker::start(engine.weak()).map_err(SandboxError::Ticker)?;
        let scratch = config.scratch_dir.clone().unwrap_or_else(temp_dir);
        let host = Arc::new(Host::new(
            ticker,
            allocation.slots,
            #[cfg(feature = "http")]
            egress,
            scratch,
        ));
        let (process, max_in_process_code) = (config.compiler.clone(), config.max_in_process_code);
        let loader = Loader {
            linker,
            compiler: Compiler::new(&engine, allocation.layout, cache, process, max_in_process_code),
            shared_code: SharedCode::default(),
            engine,
            host: Arc::clone(&host),
            max_memory: match allocation.layout {
                MemoryLayout::Wide => config.max_memory,
                MemoryLayout::Narrow(bytes) => bytes.min(config.max_memory),
            },
            max_memories: allocation.max_memories,
            max_slots: allocation.slots,
            memory: memory_account(config.total_memory),
        };
        let shared = Shared { config, loader, host, allocation };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Reads, compiles, links and types a component. Blocks: milliseconds for small components, and a minute or two for large ones that
    /// are not in the code cache. [`load_async`](Self::load_async) does it on a thread that may block.
    ///
    /// Plugins of the same bytes share their code: existing code is not compiled again, and not kept twice.
    ///
    /// # Errors
    /// When the plugin cannot be loaded. The error names the fault and the remedy.
    pub fn load(&self, name: PluginName, source: &Source, limits: Limits) -> Result<Plugin, LoadError> {
        self.load_with(name, source, limits, Grants::default())
    }

    /// Loads a plugin as [`load`](Self::load) does, with grants.
    ///
    /// # Errors
    /// When the plugin cannot be loaded. The error names the fault and the remedy.
    pub fn load_with(
        &self,
        name: PluginName,
        source: &Source,
        limits: Limits,
        grants: Grants,
    ) -> Result<Plugin, LoadError> {
        let options = LoadOptions { name, limits, grants };
        Ok(Plugin::of(load(&self.shared.loader, source, options)?))
    }

    /// Calls the hook of `call.event` in a fresh instance. The call is cut when the guest has run or waited for the host for the smaller
    /// of `deadline` and the plugin's own deadline.
    ///
    /// The plugin must have the hook. (Of several sandboxes, the one that loaded the plugin runs the call.)
    pub fn call(&self, plugin: &Plugin, call: HookCall, deadline: Duration) -> Call {
        Call::new(Arc::clone(&plugin.loaded), call, deadline)
    }

    /// Inspects a file as [`load_with`](Self::load_with) would load it, and gives all findings, good and bad. Blocks as that does.
    ///
    /// # Errors
    /// Only when the file cannot be read or is too large, or when this machine is at fault, see [`LoadError::is_of_the_machine`].
    pub fn inspect(&self, source: &Source, grants: &Grants) -> Result<Inspection, LoadError> {
        inspect(&self.shared.loader, source, grants)
    }

    /// Compiles a component, also into the code cache, whatever grants it needs. [`instantiate`](Self::instantiate) makes plugins of it.
    /// Blocks as [`load`](Self::load) does.
    ///
    /// # Errors
    /// When the component cannot be compiled. Limits and grants are not checked.
    pub fn compile(&self, source: &Source) -> Result<Compiled, LoadError> {
        compile(&self.shared.loader, None, source)
    }

    /// Compiles as [`compile`](Self::compile) does. Log messages about the compilation have `name`.
    ///
    /// # Errors
    /// When the component cannot be compiled. Limits and grants are not checked.
    pub fn compile_as(&self, name: &PluginName, source: &Source) -> Result<Compiled, LoadError> {
        compile(&self.shared.loader, Some(name), source)
    }

    /// Makes a plugin of a compiled component, as often as you like, each with a name, limits and grants of its own. It takes less than a
    /// millisecond and some KiB, so each of thousands of tenants can have one. Does not block, except for the first plugin with the grant
    /// `transcript`, which makes a directory.
    ///
    /// # Errors
    /// A grant or a limit that the component needs and does not have, or a component of another sandbox.
    pub fn instantiate(
        &self,
        compiled: &Compiled,
        name: PluginName,
        limits: Limits,
        grants: Grants,
    ) -> Result<Plugin, LoadError> {
        let options = LoadOptions { name, limits, grants };
        Ok(Plugin::of(instantiate(&self.shared.loader, compiled, options)?))
    }

    /// Loads as [`load_with`](Self::load_with) does, on a thread of tokio's that may block. Call it inside a tokio runtime. If the future
    /// is dropped, the component is compiled all the same, into the code cache.
    ///
    /// # Errors
    /// When the plugin cannot be loaded. The error names the fault and the remedy.
    pub async fn load_async(
        &self,
        name: PluginName,
        source: Source,
        limits: Limits,
        grants: Grants,
    ) -> Result<Plugin, LoadError> {
        let sandbox = self.clone();
        let loading = tokio::task::spawn_blocking(move || sandbox.load_with(name, &source, limits, grants));
        loading.await.unwrap_or_else(|error| Err(LoadError::BrokenOff { detail: error.to_string() }))
    }

    /// Removes copies of transcripts that a killed process left, without waiting for the first call that reads one. Blocks
    /// as long as the disk does.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn remove_leftovers(&self) -> std::io::Result<()> {
        self.shared.host.remove_leftovers()
    }

    /// Calls that can be under way at once: the configured number, or as many as this machine has room for.
    #[must_use]
    pub fn max_concurrent_calls(&self) -> u32 {
        self.shared.allocation.slots
    }

    /// The resources of the pool of instances.
    #[must_use]
    pub fn allocation(&self) -> Allocation {
        self.shared.allocation
    }

    /// The account of the memory that all calls share.
    #[must_use]
    pub fn memory(&self) -> &MemoryAccount {
        &self.shared.loader.memory
    }

    #[cfg(feature = "test-util")]
    pub(crate) fn host(&self) -> &Arc<Host> {
        &self.shared.host
    }

    /// Slots of the pool that hold a guest: the highest of the pool's counts of stacks, instances, memories and tables.
    /// `None` where the engine does not count them.
    #[must_use]
    pub fn slots_in_use(&self) -> Option<u64> {
        let pool = self.shared.loader.engine.pooling_allocator_metrics()?;
        let counts = [pool.stacks(), pool.memories(), pool.tables()].map(|n| u64::try_from(n).unwrap_or(u64::MAX));
        let most = counts.into_iter().max().unwrap_or(0);
        Some(most.max(pool.component_instances()).max(pool.core_instances()))
    }

    /// The number of interruptions of guests so far. It stands still when none runs.
    #[must_use]
    pub fn ticks(&self) -> u64 {
        self.shared.host.ticker.ticks()
    }

    /// Closes the connections that are kept for plugins' next requests. Those of running requests stay. Call it when no more calls will
    /// come. Otherwise they close after some idle seconds, or with the sandbox.
    pub fn close_idle_connections(&self) {
        #[cfg(feature = "http")]
        self.shared.host.egress.close_idle_connections();
    }

    /// Prepares a thread that polls calls. Call it once on each such thread, so that the first call need not set up the engine's state.
    pub fn prepare_thread(&self) {
        Engine::tls_eager_initialize();
    }
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox")
            .field("config", &self.shared.config)
            .field("allocation", &self.shared.allocation)
            .finish_non_exhaustive()
    }
}

/// Used slots wait to be reset with others. The engine has a queue for each processor, and empties it when it has [`DECOMMIT_BATCH`]
/// slots, or when a thread that ends calls has [`MAX_UNCLEANED_BYTES`] to be cleaned.
fn memory_account(limit: u64) -> MemoryAccount {
    let queues = processors().min(MAX_CLEANING_QUEUES);
    let slots = usize::try_from(queues).unwrap_or(usize::MAX).saturating_mul(DECOMMIT_BATCH - 1);
    let bytes = MAX_UNCLEANED_BYTES.saturating_mul(queues.into()).min(limit / MAX_UNFLUSHED_PART);
    MemoryAccount::new(limit, slots).with_max_unflushed_bytes(bytes)
}

/// The system's directory for temporary files. An empty `TMPDIR` counts as none.
fn temp_dir() -> PathBuf {
    let named = std::env::temp_dir();
    if named.as_os_str().is_empty() { PathBuf::from("/tmp") } else { named }
}
