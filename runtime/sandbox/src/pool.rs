//! The pool of instances. It has as many slots as the machine has room for, reserved before the first call, so a call with a slot cannot
//! fail for lack of address space. [`slot_limit`](crate::slot_limit) computes the first number to try.
//!
//! A memory of the wide layout takes 4 GiB of address space, which costs nothing on most systems. Some systems count it: `ulimit -v`,
//! batch systems, small containers. There the pool halves the number of slots until it fits. Instead of a handful of wide slots, which
//! one waiting plugin would fill, it takes narrow ones.
//!
//! There are more slots than calls. The engine cleans used slots, several at once, and no call can have a slot while a thread cleans it,
//! though the call's permit is back by then. So the pool has as many extra slots as can be in that state at once ([`spare_slots`]), and a
//! call with a permit finds a slot. Where address space is short there are no extra slots, and a call that finds none is put back.
//!
//! Nearly every component has one linear memory, and a few compositions have up to [`MAX_MEMORIES`](crate::limits::MAX_MEMORIES). So each
//! slot has one memory, and those beyond the first are a pool of their own, a quarter as large ([`extra_memories`]), in which calls wait
//! for their turn: see [`slots`](crate::slots).

use std::iter;

use memmap2::MmapOptions;
use rustix::process::{Resource, getrlimit};
use wasmtime::{Enabled, Engine, PoolingAllocationConfig};

use crate::config::SandboxConfig;
use crate::engine::pooling_engine;
use crate::error::SandboxError;
use crate::extra_memories::{extra_memories, max_memories};
use crate::foreign::engine_error;
use crate::limits::{
    ALL_MEMORIES_KEEP_RESIDENT_BYTES, DECOMMIT_BATCH, HEAD_ROOM_BYTES, KEEP_RESIDENT_PART, MAPPINGS_PER_SLOT,
    MAX_CLEANING_QUEUES, MAX_CORE_INSTANCES, MAX_INSTANCE_BYTES, MAX_TABLE_ELEMENTS, MAX_TABLES,
    MEMORY_KEEP_RESIDENT_BYTES, MIN_MEMORY_KEEP_RESIDENT_BYTES, MIN_NARROW_MEMORY_BYTES, MIN_WIDE_SLOTS, POOL_ROUNDING,
    STACK_KEEP_RESIDENT_BYTES, TABLE_KEEP_RESIDENT_BYTES, THREAD_BYTES,
};
use crate::machine::{Machine, memory, processors};
use crate::memory_layout::MemoryLayout;
use crate::slot_limit::{Beside, Choice, SlotsBound, bytes_of, choose, of_descriptors, waiting_guest_bytes};

/// The resources that a sandbox got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Allocation {
    /// Calls that can be under way at once.
    pub slots: u32,
    /// The bound that decided their number.
    pub bound: SlotsBound,
    /// The address space of each of their memories.
    pub layout: MemoryLayout,
    /// Linear memories that one call can have.
    pub max_memories: u32,
}

/// Slots of a pool: those of calls, and spare ones for slots that are being cleaned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size {
    calls: u32,
    spare: u32,
}

impl Size {
    /// The size with which a call with a permit finds a slot. Rounding up adds no calls.
    fn whole(calls: u32, spare: u32) -> Self {
        let all = calls.saturating_add(spare).checked_next_multiple_of(POOL_ROUNDING).unwrap_or(u32::MAX);
        Self { calls, spare: all.saturating_sub(calls) }
    }

    fn slots(self) -> u32 {
        self.calls.saturating_add(self.spare)
    }
}

/// Builds the engine with the largest pool that fits.
pub(crate) fn build(config: &SandboxConfig) -> Result<(Engine, Allocation), SandboxError> {
    let machine = Machine::found();
    let spare = spare_slots(config.threads);
    let beside = Beside { spare, head_room: beside_the_pool(), narrow_memory: narrow_bytes(config) };
    let chosen = choose(config.max_concurrent_calls, &machine, &beside);
    let Choice { slots: possible, bound, .. } = chosen;
    let mut why = reason(&machine, bound);
    let narrow = MemoryLayout::Narrow(beside.narrow_memory);
    let none_spare = |calls| Size { calls, spare: 0 };
    let whole = iter::once((Size::whole(possible, spare), MemoryLayout::Wide));
    let wide = halves(possible).take_while(|calls| *calls >= possible.min(MIN_WIDE_SLOTS));
    let wide = wide.map(|calls| (none_spare(calls), MemoryLayout::Wide));
    let attempts = whole.chain(wide).chain(halves(possible).map(|calls| (none_spare(calls), narrow)));
    for (size, layout) in attempts {
        match reserve(config, size, layout) {
            Ok(engine) => {
                tell(chosen.wanted, size, layout, &why);
                let Size { calls: slots, .. } = size;
                // A failed reservation means too little address space, whatever the error says.
                let bound = if slots < possible { SlotsBound::AddressSpace } else { bound };
                tell_of_connections(&machine, slots, bound);
                return Ok((engine, Allocation { slots, bound, layout, max_memories: max_memories(slots) }));
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

/// The reason for fewer calls at once, for the log. Empty where more were not wanted.
fn reason(machine: &Machine, bound: SlotsBound) -> String {
    match (bound, machine) {
        (SlotsBound::Mappings, Machine { mappings: Some(mappings), .. }) => {
            format!("vm.max_map_count is {mappings}, and a call takes {MAPPINGS_PER_SLOT} of them")
        }
        (SlotsBound::AddressSpace, Machine { address_space: Some(bytes), .. }) => {
            format!("{bytes} bytes of address space are left")
        }
        (SlotsBound::Memory, Machine { memory: Some(bytes), .. }) => {
            format!("there are {bytes} bytes of memory, and a call takes {} of them", waiting_guest_bytes(machine))
        }
        _ => String::new(),
    }
}

/// Warns about connections. A configured number is not lowered for lack of files, because not every plugin makes connections.
fn tell_of_connections(machine: &Machine, slots: u32, bound: SlotsBound) {
    if let (SlotsBound::Configured, Some(files)) = (bound, machine.descriptors)
        && of_descriptors(files) < u64::from(slots)
    {
        tracing::warn!(
            "of {slots} calls at once {} of one plugin can have a connection at a time: this process may have {files} files \
             open (`ulimit -n`)",
            of_descriptors(files)
        );
    }
}

/// Slots that are neither free nor a call's at one moment: a batch in each of wasmtime's queues of slots that wait to be cleaned, and one
/// for each of `threads` that is cleaning. So a call always finds a free slot. With one less it may look while a thread cleans the last
/// ones, and fail.
fn spare_slots(threads: u32) -> u32 {
    let batch = u32::try_from(DECOMMIT_BATCH).unwrap_or(u32::MAX);
    batch.saturating_mul(processors().min(MAX_CLEANING_QUEUES).saturating_add(threads))
}

/// `n`, its half, and so on down to 1.
fn halves(n: u32) -> impl Iterator<Item = u32> {
    iter::successors(Some(n), |n| (*n > 1).then_some(n / 2))
}

/// The most memory of a plugin in a narrow slot. A power of two, so that few kinds of code are compiled.
fn narrow_bytes(config: &SandboxConfig) -> u64 {
    config.narrow_memory.min(config.max_memory).max(MIN_NARROW_MEMORY_BYTES).next_power_of_two()
}

/// Reserves a pool, if there is room for more than the pool.
fn reserve(config: &SandboxConfig, size: Size, layout: MemoryLayout) -> Result<Engine, String> {
    // Held until the pool exists, and then free for threads, code and the journal.
    let _head_room = head_room(config, size.calls)?;
    let max_memory = match layout {
        MemoryLayout::Wide => config.max_memory,
        MemoryLayout::Narrow(bytes) => bytes.min(config.max_memory),
    };
    pooling_engine(layout, pool(size.slots(), max_memory)?).map_err(|error| engine_error(&error))
}

/// Address space that the process needs beside the pool, in bytes.
fn beside_the_pool() -> u64 {
    HEAD_ROOM_BYTES.saturating_add(u64::from(processors()).saturating_mul(THREAD_BYTES))
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

/// Whether the system counts memory that might be written, and refuses it later. Then guests must get their memory at the start.
fn memory_is_counted() -> bool {
    let strict = || std::fs::read_to_string("/proc/sys/vm/overcommit_memory").is_ok_and(|mode| mode.trim() == "2");
    getrlimit(Resource::Data).current.is_some() || strict()
}

fn tell(wanted: u32, size: Size, layout: MemoryLayout, why: &str) {
    let Size { calls: slots, spare } = size;
    if slots == wanted && spare > 0 && layout == MemoryLayout::Wide {
        return;
    }
    let none_spare =
        if spare == 0 { ", none of whose slots is to spare (a call that finds none is put back)" } else { "" };
    let code = match layout {
        MemoryLayout::Wide => String::new(),
        MemoryLayout::Narrow(bytes) => format!(
            ", each memory of a guest with {} MiB of address space, and code that is compiled for that and checks each access",
            bytes >> 20
        ),
    };
    tracing::warn!(
        "{slots} calls at once of {wanted}{none_spare}{code}: this machine has no room for more (`ulimit -v`, `ulimit -d`, \
         vm.overcommit_memory, vm.max_map_count: {why})"
    );
}

/// Bytes that stay resident in each free linear memory.
fn memory_keep_resident(slots: u32, memory: Option<u64>) -> usize {
    let part = memory.map_or(u64::MAX, |bytes| bytes / KEEP_RESIDENT_PART);
    let each = ALL_MEMORIES_KEEP_RESIDENT_BYTES.min(part) / u64::from(slots.max(1));
    MEMORY_KEEP_RESIDENT_BYTES.min(usize::try_from(each).unwrap_or(usize::MAX)).max(MIN_MEMORY_KEEP_RESIDENT_BYTES)
}

/// The configuration of a pool of so many slots, each with the most that a plugin may have.
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
        .linear_memory_keep_resident(memory_keep_resident(slots, memory()))
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
    fn there_are_slots_for_those_that_are_being_cleaned() {
        let queues = processors().min(MAX_CLEANING_QUEUES);
        assert_eq!(spare_slots(4), 8 * (queues + 4));
        assert_eq!(Size::whole(256, 48), Size { calls: 256, spare: 64 });
        assert_eq!(Size::whole(256, 64).slots(), 320);
        assert_eq!(Size::whole(u32::MAX, 1).slots(), u32::MAX);
    }

    #[test]
    fn what_bounds_the_calls_at_once_is_named_with_its_number() {
        let machine = Machine {
            memory: Some(1 << 26),
            mappings: Some(65_530),
            descriptors: Some(1024),
            address_space: Some(1 << 30),
            huge_pages: false,
            processors: 1,
        };
        for (bound, says) in [
            (SlotsBound::Mappings, "vm.max_map_count is 65530"),
            (SlotsBound::AddressSpace, "1073741824 bytes of address space"),
            (SlotsBound::Memory, "67108864 bytes of memory"),
        ] {
            let why = reason(&machine, bound);
            assert!(why.contains(says), "{why}");
        }
        assert_eq!(reason(&machine, SlotsBound::Configured), "");
    }

    #[test]
    fn what_a_burst_leaves_behind_is_bounded() {
        let kept = |memory: Option<u64>| {
            [1, 256, 2_304, 4_288, 4_608, 1_000_000].map(|slots| memory_keep_resident(slots, memory) / 1024)
        };
        assert_eq!(kept(None), [256, 256, 256, 137, 128, 16]);
        assert_eq!(kept(Some(16 << 30)), kept(None));
        assert_eq!(kept(Some(4 << 30)), [256, 256, 113, 61, 56, 16]);
        assert_eq!(kept(Some(64 << 20)), [256, 16, 16, 16, 16, 16]);
    }
}
