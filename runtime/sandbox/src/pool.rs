//! The pool that instances come from: as many slots as the machine gives room for, reserved before the first call. A
//! call that has a slot cannot fail for want of address space.
//!
//! A memory of the wide layout takes 4 GiB of address space, which costs nothing where nobody counts it. Some do:
//! `ulimit -v`, batch systems, small containers. There the number of slots is halved; and rather than a handful of
//! wide slots, which one plugin that waits would fill, the pool takes narrow ones.
//!
//! Nearly every component has one linear memory, and a few that were composed of others have up to
//! [`MAX_MEMORIES`]. So each slot has one memory, and those beyond the first are a pool of their own, a quarter as
//! large ([`extra_memories`]), in which calls wait for their turn: see [`flight`](crate::flight).

use std::iter;
use std::thread::available_parallelism;

use memmap2::MmapOptions;
use rustix::process::{Resource, getrlimit};
use wasmtime::{Enabled, Engine, PoolingAllocationConfig};

use crate::engine::{MemoryLayout, pooling_engine};
use crate::error::{SandboxError, text};
use crate::limits::{
    CALL_STACK_BYTES, DECOMMIT_BATCH, EXTRA_MEMORIES_PART, HEAD_ROOM_BYTES, MAX_CORE_INSTANCES, MAX_INSTANCE_BYTES,
    MAX_MEMORIES, MAX_TABLE_ELEMENTS, MAX_TABLES, MEMORY_KEEP_RESIDENT_BYTES, MIN_NARROW_MEMORY_BYTES, MIN_WIDE_SLOTS,
    NARROW_GUARD_BYTES, STACK_KEEP_RESIDENT_BYTES, TABLE_KEEP_RESIDENT_BYTES, THREAD_BYTES,
};
use crate::sandbox::SandboxConfig;

/// What a sandbox got of what it wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Allocation {
    /// Calls that can be under way at once.
    pub slots: u32,
    /// The address space of each of their memories.
    pub layout: MemoryLayout,
    /// Linear memories that one call can have.
    pub max_memories: u32,
}

/// Builds the engine with the largest pool that there is room for.
pub(crate) fn build(config: &SandboxConfig) -> Result<(Engine, Allocation), SandboxError> {
    let wanted = config.max_concurrent_calls;
    let narrow = MemoryLayout::Narrow(narrow_bytes(config));
    let wide = halves(wanted).take_while(|slots| *slots >= wanted.min(MIN_WIDE_SLOTS));
    let attempts = wide.map(|slots| (slots, MemoryLayout::Wide)).chain(halves(wanted).map(|slots| (slots, narrow)));
    let mut why = String::new();
    for (slots, layout) in attempts {
        match reserve(config, slots, layout) {
            Ok(engine) => {
                tell(wanted, slots, layout, &why);
                return Ok((engine, Allocation { slots, layout, max_memories: max_memories(slots) }));
            }
            Err(error) => why = error,
        }
    }
    Err(SandboxError::NoRoom {
        needs: bytes_of(1, narrow).saturating_add(beside_the_pool()),
        memory: narrow_bytes(config),
        why,
    })
}

/// `n`, its half, and so on down to 1.
fn halves(n: u32) -> impl Iterator<Item = u32> {
    iter::successors(Some(n), |n| (*n > 1).then_some(n / 2))
}

/// Linear memories of a pool beyond the one of each slot: a quarter more, and in a small pool as many as one component
/// may need, or as there are slots if those are fewer. So no pool has more than two for each slot.
pub(crate) fn extra_memories(slots: u32) -> u32 {
    (slots / EXTRA_MEMORIES_PART).max(slots.min(MAX_MEMORIES - 1))
}

/// The most that one call of such a pool can have: [`MAX_MEMORIES`], but for the smallest pools.
fn max_memories(slots: u32) -> u32 {
    extra_memories(slots).saturating_add(1).min(MAX_MEMORIES)
}

/// The most that a plugin's memory can have in a narrow slot. A power of two, so that few kinds of code are compiled.
fn narrow_bytes(config: &SandboxConfig) -> u64 {
    config.narrow_memory.min(config.max_memory).max(MIN_NARROW_MEMORY_BYTES).next_power_of_two()
}

/// Reserves a pool, if there is room for more than that.
fn reserve(config: &SandboxConfig, slots: u32, layout: MemoryLayout) -> Result<Engine, String> {
    // Held until the pool is there, and then free for threads, code and the journal.
    let _head_room = head_room(config, slots)?;
    let max_memory = match layout {
        MemoryLayout::Wide => config.max_memory,
        MemoryLayout::Narrow(bytes) => bytes.min(config.max_memory),
    };
    pooling_engine(layout, pool(slots, max_memory)?).map_err(|error| text(&error))
}

/// What the process needs beside the pool, in bytes.
fn beside_the_pool() -> u64 {
    let processors = available_parallelism().map_or(1, |n| u64::try_from(n.get()).unwrap_or(1));
    HEAD_ROOM_BYTES.saturating_add(processors.saturating_mul(THREAD_BYTES))
}

fn head_room(config: &SandboxConfig, slots: u32) -> Result<memmap2::MmapMut, String> {
    let guests = if memory_is_counted() {
        u64::from(slots).saturating_mul(config.narrow_memory.min(config.max_memory))
    } else {
        0
    };
    let bytes = beside_the_pool().saturating_add(guests);
    let bytes = usize::try_from(bytes).map_err(|error| error.to_string())?;
    MmapOptions::new().len(bytes).map_anon().map_err(|error| format!("head room of {bytes} bytes: {error}"))
}

/// Whether the system counts memory that might be written, and refuses it later: then guests have to have theirs at
/// the start.
fn memory_is_counted() -> bool {
    let strict = || std::fs::read_to_string("/proc/sys/vm/overcommit_memory").is_ok_and(|mode| mode.trim() == "2");
    getrlimit(Resource::Data).current.is_some() || strict()
}

/// Address space of a pool, in bytes, without what it rounds up.
fn bytes_of(slots: u32, layout: MemoryLayout) -> u64 {
    let memory = match layout {
        MemoryLayout::Wide => 1 << 32,
        MemoryLayout::Narrow(bytes) => bytes.saturating_add(NARROW_GUARD_BYTES),
    };
    let tables = u64::from(MAX_TABLES * MAX_TABLE_ELEMENTS).saturating_mul(size_of::<usize>() as u64);
    let memories = u64::from(slots).saturating_add(extra_memories(slots).into());
    let slot = tables + CALL_STACK_BYTES as u64;
    memory.saturating_mul(memories).saturating_add(slot.saturating_mul(slots.into()))
}

fn tell(wanted: u32, slots: u32, layout: MemoryLayout, why: &str) {
    if slots == wanted && layout == MemoryLayout::Wide {
        return;
    }
    let code = match layout {
        MemoryLayout::Wide => String::new(),
        MemoryLayout::Narrow(bytes) => format!(
            ", each memory of a guest with {} MiB of address space, and code that is compiled for that and checks each access",
            bytes >> 20
        ),
    };
    tracing::warn!(
        "{slots} calls at once of {wanted}{code}: this machine has no room for more (`ulimit -v`, `ulimit -d`, \
         vm.overcommit_memory: {why})"
    );
}

/// Slots for every call that may be under way, each with all that a plugin may have.
fn pool(slots: u32, max_memory: u64) -> Result<PoolingAllocationConfig, String> {
    let times = |each: u32| slots.checked_mul(each).ok_or_else(|| format!("{slots} calls × {each} is too many"));
    let max_memory = usize::try_from(max_memory).map_err(|_| "max_memory is too large".to_owned())?;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_stacks(slots)
        .total_core_instances(times(MAX_CORE_INSTANCES)?)
        .total_memories(slots.saturating_add(extra_memories(slots)))
        .total_tables(times(MAX_TABLES)?)
        .max_core_instances_per_component(MAX_CORE_INSTANCES)
        .max_memories_per_component(max_memories(slots))
        // One module may have all of them.
        .max_memories_per_module(max_memories(slots))
        .max_tables_per_component(MAX_TABLES)
        .max_tables_per_module(MAX_TABLES)
        .max_component_instance_size(MAX_INSTANCE_BYTES)
        .max_core_instance_size(MAX_INSTANCE_BYTES)
        .table_elements(MAX_TABLE_ELEMENTS as usize)
        .max_memory_size(max_memory)
        .linear_memory_keep_resident(MEMORY_KEEP_RESIDENT_BYTES)
        .table_keep_resident(TABLE_KEEP_RESIDENT_BYTES)
        .async_stack_keep_resident(STACK_KEEP_RESIDENT_BYTES)
        .decommit_batch_size(DECOMMIT_BATCH)
        // Linux ≥ 6.7: only the pages that a guest wrote are reset.
        .pagemap_scan(Enabled::Auto);
    Ok(pool)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_more_memories_than_slots_and_enough_for_one_component_where_there_is_room() {
        for (slots, extra, of_one_call) in
            [(1, 1, 2), (2, 2, 3), (7, 7, 8), (8, 7, 8), (16, 7, 8), (32, 8, 8), (256, 64, 8)]
        {
            assert_eq!((extra_memories(slots), max_memories(slots)), (extra, of_one_call), "{slots} slots");
        }
    }
}
