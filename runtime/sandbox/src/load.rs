//! Makes a plugin from a component's bytes. It finds all faults of a component before any call.

use std::sync::Arc;

use lastword_events::{Hook, PluginName};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::{Component, InstancePre, Linker};

use crate::compiled::{Compiled, CompiledComponent};
use crate::compiler::{CompiledCode, Compiler, hexadecimal};
use crate::contract::{SessionCompactionHookIndices, SessionHooksIndices, SessionStartHookIndices};
use crate::error::LoadError;
use crate::extra_memories::ExtraMemories;
use crate::foreign::engine_error;
use crate::grants::Grants;
use crate::grants::config::variables;
use crate::grants::transcript::can_read_files;
use crate::host::Host;
use crate::host_memory_quota::HostMemoryQuota;
use crate::imports::{check_are_granted, check_are_served, imports};
use crate::limits::{
    Limits, MAX_COMPONENT_INSTANCES, MAX_CONCURRENT_TRANSCRIPT_COPIES, MAX_HOST_MEMORY_OF_PLUGIN_BYTES, MAX_MEMORIES,
    MAX_TABLE_ELEMENTS, MAX_TABLES,
};
use crate::linker::link_granted;
use crate::loaded::{Code, ComponentCode, Loaded};
use crate::memory::counted;
use crate::prescan::definition::Memories;
use crate::prescan::memories::{TooManyInstances, memories};
use crate::prescan::prescan;
use crate::shared_code::{SharedCode, Sum};
use crate::source::{Source, check_is_component};
use crate::state::GuestState;
use lastword_memory::{MemoryAccount, MemoryPart};

const PAGE_BYTES: u64 = 64 * 1024;

/// The parts of a sandbox that loading needs.
pub(crate) struct Loader {
    pub(crate) engine: Engine,
    /// The imports of every plugin.
    pub(crate) linker: Linker<GuestState>,
    pub(crate) compiler: Compiler,
    /// The code of all loaded plugins.
    pub(crate) shared_code: SharedCode,
    pub(crate) host: Arc<Host>,
    /// The highest memory limit of any plugin, in bytes.
    pub(crate) max_memory: u64,
    /// Linear memories that one call can have.
    pub(crate) max_memories: u32,
    /// Calls at once.
    pub(crate) max_slots: u32,
    /// The memory of all calls together.
    pub(crate) memory: MemoryAccount,
}

/// The options of one plugin.
pub(crate) struct LoadOptions {
    pub(crate) name: PluginName,
    pub(crate) limits: Limits,
    pub(crate) grants: Grants,
}

pub(crate) fn load(loader: &Loader, source: &Source, options: LoadOptions) -> Result<Loaded<GuestState>, LoadError> {
    check_limit(loader, &options.limits)?;
    let bytes = source.read()?;
    let sum = Sha256::digest(&bytes).into();
    if let Some(component) = loader.shared_code.get(&sum) {
        return link(loader, &Compiled { component, compiled_in: None }, options);
    }
    check_is_component(&bytes)?;
    let scan = prescan(&bytes)?;
    scan.check()?;
    scan.check_grants(&options.grants)?;
    let memories = check_memories(loader, &bytes, options.limits.memory)?;
    let compiled = compiled(loader, Some(&options.name), &bytes, (sum, memories))?;
    link(loader, &compiled, options)
}

pub(crate) fn compile(loader: &Loader, name: Option<&PluginName>, source: &Source) -> Result<Compiled, LoadError> {
    let bytes = source.read()?;
    let sum = Sha256::digest(&bytes).into();
    if let Some(component) = loader.shared_code.get(&sum) {
        return Ok(Compiled { component, compiled_in: None });
    }
    check_is_component(&bytes)?;
    prescan(&bytes)?.check()?;
    let memories = check_memories(loader, &bytes, loader.max_memory)?;
    compiled(loader, name, &bytes, (sum, memories))
}

pub(crate) fn instantiate(
    loader: &Loader,
    compiled: &Compiled,
    options: LoadOptions,
) -> Result<Loaded<GuestState>, LoadError> {
    if !Engine::same(&loader.engine, compiled.component.code.engine()) {
        return Err(LoadError::OfAnotherSandbox);
    }
    check_limit(loader, &options.limits)?;
    link(loader, compiled, options)
}

/// Compiles a checked component with the hash `sum` and these memories, or reads its code from the cache.
pub(crate) fn compiled(
    loader: &Loader,
    name: Option<&PluginName>,
    bytes: &[u8],
    (sum, memories): (Sum, Memories),
) -> Result<Compiled, LoadError> {
    let mut compiled_in = None;
    let component = loader.shared_code.get_or_make(sum, || {
        let made = loader.compiler.compile(name, bytes, &sum)?;
        compiled_in = made.compiled_in;
        shared(loader, made, sum, memories)
    })?;
    Ok(Compiled { component, compiled_in })
}

/// The data that plugins of one compiled component share.
fn shared(loader: &Loader, made: CompiledCode, sum: Sum, memories: Memories) -> Result<CompiledComponent, LoadError> {
    let CompiledCode { component, cached, .. } = made;
    let linear_memories = check_size(&component, loader.max_memory, loader.max_memory)?;
    let imports = imports(&loader.engine, &component.component_type());
    check_are_served(&imports)?;
    component.initialize_copy_on_write_image().map_err(|e| LoadError::Invalid { detail: engine_error(&e) })?;
    Ok(CompiledComponent {
        sha256: hexadecimal(&sum).into(),
        hooks: present(&component).collect(),
        import_names: imports.iter().map(|import| import.name.clone()).collect(),
        imports,
        memories,
        linear_memories,
        cached,
        code: component,
    })
}

/// Refuses limits that no plugin of this sandbox can have.
fn check_limit(loader: &Loader, limits: &Limits) -> Result<(), LoadError> {
    let max = loader.max_memory;
    if limits.memory > max {
        return Err(LoadError::MemoryLimitTooHigh { limit: limits.memory, max });
    }
    Ok(())
}

/// Links a compiled component.
pub(crate) fn link(
    loader: &Loader,
    compiled: &Compiled,
    options: LoadOptions,
) -> Result<Loaded<GuestState>, LoadError> {
    let Compiled { component, compiled_in } = compiled;
    let LoadOptions { name, limits, grants } = options;
    let initial = component.memories;
    if initial.bytes > limits.memory {
        return Err(LoadError::MemoryLimitTooLow { needs: initial.bytes, limit: limits.memory });
    }
    check_size(&component.code, limits.memory, loader.max_memory)?;
    check_are_granted(&component.imports, &grants)?;
    if grants.transcript.is_some() && can_read_files(component.import_names.iter().map(String::as_str)) {
        let dir = &loader.host.scratch_base;
        loader.host.scratch().map_err(|source| LoadError::NoScratch { dir: dir.clone(), source })?;
    }
    let least_memory = counted(initial.bytes, initial.image, loader.host.free_memory);
    let memory = memory_part(loader, &name, &limits, least_memory)?;
    let instance = linker(loader, &grants)
        .and_then(|linker| linker.instantiate_pre(&component.code))
        .map_err(|e| LoadError::WrongImport { detail: engine_error(&e) })?;
    Ok(Loaded {
        host: Arc::clone(&loader.host),
        name,
        limits,
        config: variables(grants.config.as_ref()),
        memory,
        image: initial.image,
        least_memory,
        host_memory: HostMemoryQuota::new(MAX_HOST_MEMORY_OF_PLUGIN_BYTES),
        extra_memories: ExtraMemories::new(component.linear_memories, loader.max_slots),
        transcript_copies: Arc::new(Semaphore::new(MAX_CONCURRENT_TRANSCRIPT_COPIES)),
        #[cfg(feature = "http")]
        allowed: Arc::new(grants.http.clone().unwrap_or_default()),
        grants,
        hooks: component.hooks,
        imports: Arc::clone(&component.import_names),
        sha256: Arc::clone(&component.sha256),
        compiled_in: *compiled_in,
        code: Code::Component(ComponentCode {
            session_end: typed(Hook::SessionEnd, SessionHooksIndices::new(&instance))?,
            session_start: optional(&instance, Hook::SessionStart, SessionStartHookIndices::new)?,
            session_compaction: optional(&instance, Hook::SessionCompaction, SessionCompactionHookIndices::new)?,
            instance,
            _component: Arc::clone(component),
        }),
    })
}

/// The memory of the plugin's calls together. Refuses a plugin none of whose calls could ever begin.
fn memory_part(loader: &Loader, name: &PluginName, limits: &Limits, least: u64) -> Result<Arc<MemoryPart>, LoadError> {
    let free = loader.host.free_memory;
    let of_one = free.beyond_guest(limits.memory);
    let part = loader.memory.part_of_calls(limits.total_memory, of_one);
    let most = part.most();
    if least > most {
        return Err(LoadError::NoMemoryForCall { needs: least, most });
    }
    if of_one > most {
        tracing::warn!(
            plugin = %name,
            "limits.memory is {} bytes, of which a call can have {}: raise {}",
            limits.memory,
            most.saturating_add(free.guest),
            if limits.total_memory < of_one { "limits.total-memory" } else { "`[calls] memory`" },
        );
    }
    Ok(part)
}

/// The imports of a plugin with these grants.
fn linker(loader: &Loader, grants: &Grants) -> wasmtime::Result<Linker<GuestState>> {
    let mut linker = loader.linker.clone();
    link_granted(&mut linker, grants)?;
    Ok(linker)
}

/// The hooks that the component exports, in any shape.
fn present(component: &Component) -> impl Iterator<Item = Hook> {
    Hook::ALL.into_iter().filter(|hook| component.get_export_index(None, hook.as_str()).is_some())
}

/// Refuses memories that no call can have, and those with which no call could start within the plugin's own limit.
pub(crate) fn check_memories(loader: &Loader, bytes: &[u8], limit: u64) -> Result<Memories, LoadError> {
    let memories = memories(bytes).map_err(|TooManyInstances| {
        let max = u64::from(MAX_COMPONENT_INSTANCES);
        LoadError::DoesNotFit { what: "component instances", needs: max.saturating_add(1), max }
    })?;
    let (most, max) = (u64::from(MAX_MEMORIES), u64::from(loader.max_memories));
    if memories.count > most {
        return Err(LoadError::DoesNotFit { what: "linear memories", needs: memories.count, max: most });
    }
    if memories.count > max {
        return Err(LoadError::NoRoomForMemories { needs: memories.count, max });
    }
    if memories.bytes > loader.max_memory {
        let what = "bytes of memory from the start";
        return Err(LoadError::DoesNotFit { what, needs: memories.bytes, max: loader.max_memory });
    }
    if memories.bytes > limit {
        return Err(LoadError::MemoryLimitTooLow { needs: memories.bytes, limit });
    }
    Ok(memories)
}

/// Refuses a component that no slot of the pool can hold, and one that its own limit would never let start. Returns its number of linear
/// memories.
fn check_size(component: &Component, limit: u64, max_memory: u64) -> Result<u32, LoadError> {
    // `None`: the component instantiates one of its imports, which the linker will refuse.
    let Some(needs) = component.resources_required() else { return Ok(0) };
    let fits = |what, needs: u64, max: u64| {
        if needs > max { Err(LoadError::DoesNotFit { what, needs, max }) } else { Ok(()) }
    };
    let memory = needs.max_initial_memory_size.unwrap_or(0).saturating_mul(PAGE_BYTES);
    fits("linear memories", needs.num_memories.into(), MAX_MEMORIES.into())?;
    fits("bytes of memory from the start", memory, max_memory)?;
    fits("tables", needs.num_tables.into(), MAX_TABLES.into())?;
    fits("slots in a table", needs.max_initial_table_size.unwrap_or(0), MAX_TABLE_ELEMENTS.into())?;
    if memory > limit {
        return Err(LoadError::MemoryLimitTooLow { needs: memory, limit });
    }
    Ok(needs.num_memories)
}

fn optional<I>(
    instance: &InstancePre<GuestState>,
    hook: Hook,
    new: impl FnOnce(&InstancePre<GuestState>) -> wasmtime::Result<I>,
) -> Result<Option<I>, LoadError> {
    if instance.component().get_export_index(None, hook.as_str()).is_none() {
        return Ok(None);
    }
    typed(hook, new(instance)).map(Some)
}

fn typed<I>(hook: Hook, indices: wasmtime::Result<I>) -> Result<I, LoadError> {
    indices.map_err(|e| LoadError::WrongSignature { hook, contract: None, detail: engine_error(&e) })
}
