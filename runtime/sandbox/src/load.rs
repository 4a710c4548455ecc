//! From a component's bytes to a plugin: whatever can be wrong with it is found here, not in a call.

use std::sync::Arc;

use lastword_events::{Hook, PluginName};
use wasmtime::component::{Component, InstancePre};

use crate::compiler::Compiled;
use crate::contract::{SessionCompactionHookIndices, SessionHooksIndices, SessionStartHookIndices};
use crate::error::LoadError;
use crate::guest::GuestState;
use crate::imports::{Import, exports, imports};
use crate::limits::{Limits, MAX_MEMORIES, MAX_TABLE_ELEMENTS, MAX_TABLES};
use crate::plugin::Loaded;
use crate::sandbox::Shared;
use crate::source::{Source, check_is_component};

const PAGE_BYTES: u64 = 64 * 1024;

pub(crate) fn load(
    shared: &Arc<Shared>,
    name: PluginName,
    source: &Source,
    limits: Limits,
) -> Result<Loaded, LoadError> {
    let max = shared.config.max_memory;
    if limits.memory > max {
        return Err(LoadError::MemoryLimitTooHigh { limit: limits.memory, max });
    }
    let bytes = source.read()?;
    check_is_component(&bytes)?;
    link(shared, name, shared.compiler.compile(&bytes)?, limits)
}

/// What comes after compiling.
pub(crate) fn link(
    shared: &Arc<Shared>,
    name: PluginName,
    compiled: Compiled,
    limits: Limits,
) -> Result<Loaded, LoadError> {
    let Compiled { component, sha256 } = compiled;
    check_size(&component, limits.memory, shared.config.max_memory)?;
    let found = imports(&shared.engine, &component.component_type());
    found.iter().try_for_each(Import::check)?;
    check_session_end(shared, &component)?;
    let instance =
        shared.linker.instantiate_pre(&component).map_err(|e| LoadError::WrongImport { detail: text(&e) })?;
    component.initialize_copy_on_write_image().map_err(|e| LoadError::Invalid { detail: text(&e) })?;
    Ok(Loaded {
        sandbox: Arc::clone(shared),
        name,
        limits,
        hooks: present(&component).collect(),
        imports: found.into_iter().map(|import| import.name).collect(),
        sha256,
        session_end: typed(Hook::SessionEnd, SessionHooksIndices::new(&instance))?,
        session_start: optional(&instance, Hook::SessionStart, SessionStartHookIndices::new)?,
        session_compaction: optional(&instance, Hook::SessionCompaction, SessionCompactionHookIndices::new)?,
        instance,
    })
}

/// The hooks that the component exports, of whatever shape.
pub(crate) fn present(component: &Component) -> impl Iterator<Item = Hook> {
    Hook::ALL.into_iter().filter(|hook| component.get_export_index(None, hook.as_str()).is_some())
}

/// What is wrong with a hook that is there, if anything.
pub(crate) fn check_hook(instance: &InstancePre<GuestState>, hook: Hook) -> Result<(), LoadError> {
    match hook {
        Hook::SessionStart => typed(hook, SessionStartHookIndices::new(instance)).map(drop),
        Hook::SessionEnd => typed(hook, SessionHooksIndices::new(instance)).map(drop),
        Hook::SessionCompaction => typed(hook, SessionCompactionHookIndices::new(instance)).map(drop),
    }
}

fn check_session_end(shared: &Shared, component: &Component) -> Result<(), LoadError> {
    if present(component).any(|hook| hook == Hook::SessionEnd) {
        return Ok(());
    }
    Err(LoadError::NoSessionEnd { exports: exports(&shared.engine, component) })
}

/// Refuses what no slot of the pool can hold, and what its own limit would never let start.
fn check_size(component: &Component, limit: u64, max_memory: u64) -> Result<(), LoadError> {
    // `None`: it instantiates something that it imports, which the linker will refuse.
    let Some(needs) = component.resources_required() else { return Ok(()) };
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
    Ok(())
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
    indices.map_err(|e| LoadError::WrongSignature { hook, detail: text(&e) })
}

/// An error of the engine with its causes, on one line.
pub(crate) fn text(error: &wasmtime::Error) -> String {
    format!("{error:#}")
}
