//! The sandbox: one engine, its ticker, and what every call shares.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lastword_egress::Egress;
use lastword_events::{HookCall, PluginName};
use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::cache::CodeCache;
use crate::call::Call;
use crate::compiler::{Compiler, CompilerProcess};
use crate::engine::MemoryLayout;
use crate::error::{LoadError, SandboxError};
use crate::grants::Grants;
use crate::host::Host;
use crate::host_calls::link_wasi;
use crate::inspect::{Inspection, inspect};
use crate::limits::{
    DECOMMIT_BATCH, DEFAULT_MAX_CONCURRENT_CALLS, DEFAULT_MAX_MEMORY_BYTES, DEFAULT_NARROW_MEMORY_BYTES,
    DEFAULT_TOTAL_MEMORY_BYTES, Limits, MAX_CLEANING_QUEUES, MAX_UNCLEANED_BYTES, MAX_UNFLUSHED_PART,
    MIN_TOTAL_MEMORY_BYTES, OTHER_THREADS, TOTAL_MEMORY_PART,
};
use crate::load::{Compilation, Loader, Terms, compile, load};
use crate::machine;
use crate::plugin::Plugin;
use crate::pool::{Allocation, build, processors};
use crate::source::Source;
use crate::ticker::Ticker;
use lastword_memory::MemoryAccount;

/// How a [`Sandbox`] is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxConfig {
    /// Calls that may be under way at once; more wait for a slot. Where there is no room for so many it is halved until they
    /// fit, see [`Sandbox::allocation`]. Default: 256.
    pub max_concurrent_calls: u32,
    /// Where compiled code is kept between runs; `None`: nowhere. Made with mode 0700 when it is missing; one that other
    /// users have access to is not used. Default: `None`.
    pub cache_dir: Option<PathBuf>,
    /// Where transcripts are copied to while a guest reads them; `None`: the system's directory for temporary files.
    /// Default: `None`.
    pub scratch_dir: Option<PathBuf>,
    /// Where components are compiled that are not in the cache; `None`: in this process, where neither time nor memory is
    /// bounded. Default: `None`.
    pub compiler: Option<CompilerProcess>,
    /// The most that [`Limits::memory`] of any plugin can be, in bytes; at most 4 GiB. Default: 1 GiB.
    pub max_memory: u64,
    /// The same where address space is short (`ulimit -v`), in bytes: the plugins' highest [`Limits::memory`], because each
    /// slot then takes so much. What is beyond `max_memory` counts for nothing. Default: 64 MiB.
    pub narrow_memory: u64,
    /// Bytes that all calls under way have together, of which the first [`FREE_MEMORY_BYTES`](crate::limits::FREE_MEMORY_BYTES) of
    /// each do not count. Whoever needs more waits. Default: [half](crate::limits::TOTAL_MEMORY_PART) of what this machine has, or
    /// of its control group's limit.
    pub total_memory: u64,
    /// Threads that poll or drop calls: the pool has slots to spare for those that they are cleaning. With more threads than
    /// that a call may find no slot, and is put back. Default: one for each processor, and
    /// [`OTHER_THREADS`].
    pub threads: u32,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            max_concurrent_calls: DEFAULT_MAX_CONCURRENT_CALLS,
            cache_dir: None,
            compiler: None,
            scratch_dir: None,
            max_memory: DEFAULT_MAX_MEMORY_BYTES,
            narrow_memory: DEFAULT_NARROW_MEMORY_BYTES,
            total_memory: default_total_memory(),
            threads: processors().saturating_add(OTHER_THREADS),
        }
    }
}

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
    /// Makes the engine and starts its ticker. When there is no room for a pool of the size that was asked for, a smaller one
    /// is taken: that is a warning, and shows in [`allocation`](Self::allocation).
    ///
    /// # Errors
    /// A configuration that cannot be, or a machine on which no engine runs, or that has no room for one call.
    pub fn new(config: SandboxConfig) -> Result<Self, SandboxError> {
        Self::with_egress(config, Egress::new())
    }

    /// The same with a way out of the embedder's own, for its own resolver or certificate authority.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_egress(config: SandboxConfig, egress: Egress) -> Result<Self, SandboxError> {
        check(&config)?;
        let (engine, allocation) = build(&config)?;
        let mut linker = Linker::new(&engine);
        link_wasi(&mut linker).map_err(|e| SandboxError::Engine(format!("cannot link WASI: {e:#}")))?;
        let cache = config.cache_dir.as_deref().and_then(CodeCache::open);
        let ticker = Ticker::start(engine.weak()).map_err(SandboxError::Ticker)?;
        let scratch = config.scratch_dir.clone().unwrap_or_else(temp_dir);
        let host = Arc::new(Host::new(ticker, allocation.slots, egress, scratch));
        let loader = Loader {
            linker,
            compiler: Compiler::new(&engine, allocation.layout, cache, config.compiler.clone()),
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

    /// Reads, compiles, links and types a component. Takes milliseconds for small components, and a minute or two for
    /// large ones that are not in the code cache: do it on a thread that may block.
    ///
    /// # Errors
    /// Says what is wrong with the component and what to do about it.
    pub fn load(&self, name: PluginName, source: &Source, limits: Limits) -> Result<Plugin, LoadError> {
        self.load_with(name, source, limits, Grants::default())
    }

    /// The same for a plugin that is granted something.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_with(
        &self,
        name: PluginName,
        source: &Source,
        limits: Limits,
        grants: Grants,
    ) -> Result<Plugin, LoadError> {
        let terms = Terms { name, limits, grants };
        Ok(Plugin { loaded: Arc::new(load(&self.shared.loader, source, terms)?) })
    }

    /// Calls the hook that `call.event` is for, in a fresh instance. It is cut when it has been running or waiting for the
    /// host for the smaller of `deadline` and the plugin's own.
    ///
    /// The plugin must have the hook. (It is called in the sandbox that loaded it, should there be several.)
    pub fn call(&self, plugin: &Plugin, call: HookCall, deadline: Duration) -> Call {
        Call::new(Arc::clone(&plugin.loaded), call, deadline)
    }

    /// Looks at a file as [`load_with`](Self::load_with) would and tells everything that it finds, good and bad.
    ///
    /// # Errors
    /// Only when there is nothing to look at: the file cannot be read, or is too large; or when this machine is at fault, see
    /// [`LoadError::is_of_the_machine`].
    pub fn inspect(&self, source: &Source, grants: &Grants) -> Result<Inspection, LoadError> {
        inspect(&self.shared.loader, source, grants)
    }

    /// Compiles a component into the code cache, whatever it needs to be granted. `name` is for what is said of it
    /// meanwhile.
    ///
    /// # Errors
    /// As [`load`](Self::load), but for grants.
    pub fn compile(&self, name: &PluginName, source: &Source) -> Result<Compilation, LoadError> {
        compile(&self.shared.loader, name, source)
    }

    /// Removes copies of transcripts that a killed process left, without waiting for the first call that borrows one. Blocks
    /// as long as the disk does.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn remove_leftovers(&self) -> std::io::Result<()> {
        self.shared.host.remove_leftovers()
    }

    /// Calls that can be under way at once: what was asked for, or what this machine has room for.
    #[must_use]
    pub fn max_concurrent_calls(&self) -> u32 {
        self.shared.allocation.slots
    }

    /// What the pool of instances got.
    #[must_use]
    pub fn allocation(&self) -> Allocation {
        self.shared.allocation
    }

    /// Who has how much of the memory that all calls share.
    #[must_use]
    pub fn memory(&self) -> &MemoryAccount {
        &self.shared.loader.memory
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

    /// How often guests were interrupted so far: it stands still when none runs.
    #[must_use]
    pub fn ticks(&self) -> u64 {
        self.shared.host.ticker.ticks()
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

/// [`SandboxConfig::total_memory`] when nobody says.
fn default_total_memory() -> u64 {
    let part = machine::memory().map(|bytes| bytes / TOTAL_MEMORY_PART);
    part.unwrap_or(DEFAULT_TOTAL_MEMORY_BYTES).max(MIN_TOTAL_MEMORY_BYTES)
}

/// Slots that have been used wait to be reset with others: the engine has a queue for each processor, and empties it when
/// [`DECOMMIT_BATCH`] are in it, or a thread that ends calls has [`MAX_UNCLEANED_BYTES`] to be cleaned.
fn memory_account(limit: u64) -> MemoryAccount {
    let queues = processors().min(MAX_CLEANING_QUEUES);
    let slots = usize::try_from(queues).unwrap_or(usize::MAX).saturating_mul(DECOMMIT_BATCH - 1);
    let bytes = MAX_UNCLEANED_BYTES.saturating_mul(queues.into()).min(limit / MAX_UNFLUSHED_PART);
    MemoryAccount::new(limit, slots).with_max_unflushed_bytes(bytes)
}

/// The system's directory for temporary files. A `TMPDIR` that is empty is as good as none.
fn temp_dir() -> PathBuf {
    let named = std::env::temp_dir();
    if named.as_os_str().is_empty() { PathBuf::from("/tmp") } else { named }
}

fn check(config: &SandboxConfig) -> Result<(), SandboxError> {
    let SandboxConfig { max_concurrent_calls, max_memory, total_memory, .. } = config;
    if !(1..=1_000_000).contains(max_concurrent_calls) {
        let value = u64::from(*max_concurrent_calls);
        return Err(SandboxError::Config { field: "max_concurrent_calls", value, range: "1 to 1000000" });
    }
    if !(64 * 1024..=1 << 32).contains(max_memory) {
        return Err(SandboxError::Config { field: "max_memory", value: *max_memory, range: "64 KiB to 4 GiB" });
    }
    if *total_memory < MIN_TOTAL_MEMORY_BYTES {
        return Err(SandboxError::Config { field: "total_memory", value: *total_memory, range: "64 MiB or more" });
    }
    Ok(())
}
