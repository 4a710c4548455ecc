//! The sandbox: one engine, its ticker, and what every call shares.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lastword_events::{HookCall, PluginName};
use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::cache::CodeCache;
use crate::call::Call;
use crate::compiler::Compiler;
use crate::engine::{Allocation, build};
use crate::error::{LoadError, SandboxError};
use crate::guest::GuestState;
use crate::inspect::{Inspection, inspect};
use crate::limits::{DEFAULT_MAX_CONCURRENT_CALLS, DEFAULT_MAX_MEMORY_BYTES, Limits};
use crate::load::load;
use crate::plugin::Plugin;
use crate::source::Source;
use crate::ticker::Ticker;

/// How a [`Sandbox`] is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxConfig {
    /// Calls that may be under way at once; more wait for a slot. Default: 256.
    pub max_concurrent_calls: u32,
    /// Where compiled code is kept between runs; `None`: nowhere. Made with mode 0700 when it is missing; one that other
    /// users have access to is not used. Default: `None`.
    pub cache_dir: Option<PathBuf>,
    /// The most that [`Limits::memory`] of any plugin can be, in bytes; at most 4 GiB. Default: 1 GiB.
    pub max_memory: u64,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            max_concurrent_calls: DEFAULT_MAX_CONCURRENT_CALLS,
            cache_dir: None,
            max_memory: DEFAULT_MAX_MEMORY_BYTES,
        }
    }
}

/// Loads plugins and calls their hooks. Cheap to clone; a process needs one.
#[derive(Clone)]
pub struct Sandbox {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) config: SandboxConfig,
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<GuestState>,
    pub(crate) compiler: Compiler,
    pub(crate) ticker: Ticker,
    /// A pool that is full fails the instantiation, so calls wait for their turn here.
    pub(crate) slots: Arc<Semaphore>,
    allocation: Allocation,
}

impl Sandbox {
    /// Makes the engine and starts its ticker. When address space for a pool cannot be reserved that is a warning and
    /// shows in [`allocation`](Self::allocation).
    ///
    /// # Errors
    /// A configuration that cannot be, or a machine on which no engine runs.
    pub fn new(config: SandboxConfig) -> Result<Self, SandboxError> {
        check(&config)?;
        let (engine, allocation) = build(&config)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)
            .map_err(|e| SandboxError::Engine(format!("cannot link WASI: {e:#}")))?;
        let cache = config.cache_dir.as_deref().and_then(CodeCache::open);
        let shared = Shared {
            linker,
            compiler: Compiler::new(&engine, cache),
            ticker: Ticker::start(engine.weak()).map_err(SandboxError::Ticker)?,
            slots: Arc::new(Semaphore::new(config.max_concurrent_calls as usize)),
            engine,
            allocation,
            config,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Reads, compiles, links and types a component. Takes milliseconds for small components, and up to a minute for
    /// large ones that are not in the code cache: do it on a thread that may block.
    ///
    /// # Errors
    /// Says what is wrong with the component and what to do about it.
    pub fn load(&self, name: PluginName, source: &Source, limits: Limits) -> Result<Plugin, LoadError> {
        Ok(Plugin { loaded: Arc::new(load(&self.shared, name, source, limits)?) })
    }

    /// Calls the hook that `call.event` is for, in a fresh instance. It is cut when it has been running or waiting for the
    /// host for the smaller of `deadline` and the plugin's own.
    ///
    /// The plugin must have the hook. (It is called in the sandbox that loaded it, should there be several.)
    pub fn call(&self, plugin: &Plugin, call: HookCall, deadline: Duration) -> Call {
        Call::new(Arc::clone(&plugin.loaded), call, deadline)
    }

    /// Looks at a file as [`load`](Self::load) would and tells everything that it finds, good and bad.
    ///
    /// # Errors
    /// Only when there is nothing to look at: the file cannot be read, or is too large.
    pub fn inspect(&self, source: &Source) -> Result<Inspection, LoadError> {
        inspect(&self.shared, source)
    }

    /// Calls that may be under way at once.
    #[must_use]
    pub fn max_concurrent_calls(&self) -> u32 {
        self.shared.config.max_concurrent_calls
    }

    /// Where instances get their memory.
    #[must_use]
    pub fn allocation(&self) -> &Allocation {
        &self.shared.allocation
    }

    /// Slots of the pool that hold a guest: the highest of the pool's counts of stacks, instances, memories and tables.
    /// `None` without a pool.
    #[must_use]
    pub fn slots_in_use(&self) -> Option<u64> {
        let pool = self.shared.engine.pooling_allocator_metrics()?;
        let counts = [pool.stacks(), pool.memories(), pool.tables()].map(|n| u64::try_from(n).unwrap_or(u64::MAX));
        let most = counts.into_iter().max().unwrap_or(0);
        Some(most.max(pool.component_instances()).max(pool.core_instances()))
    }

    /// How often guests were interrupted so far: it stands still when none runs.
    #[must_use]
    pub fn ticks(&self) -> u64 {
        self.shared.ticker.ticks()
    }

    /// To be called once by each thread that polls calls: what the engine needs of a thread is set up now rather than in
    /// the first call.
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

fn check(config: &SandboxConfig) -> Result<(), SandboxError> {
    let SandboxConfig { max_concurrent_calls, max_memory, .. } = config;
    if !(1..=1_000_000).contains(max_concurrent_calls) {
        let value = u64::from(*max_concurrent_calls);
        return Err(SandboxError::Config { field: "max_concurrent_calls", value, range: "1 to 1000000" });
    }
    if !(64 * 1024..=1 << 32).contains(max_memory) {
        return Err(SandboxError::Config { field: "max_memory", value: *max_memory, range: "64 KiB to 4 GiB" });
    }
    Ok(())
}
