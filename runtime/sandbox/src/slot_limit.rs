//! Decides how many calls can be under way at once: the scarcest resource of the machine bounds them.
//!
//! [`choose`] depends on its arguments alone, and reads nothing from the machine.

use std::fmt;

use crate::extra_memories::extra_memories;
use crate::limits::{
    CALL_STACK_BYTES, CALLS_OF_FILES, HUGE_PAGE_BYTES, MAPPINGS_PER_SLOT, MAPPINGS_PERCENT, MAX_DEFAULT_CALLS,
    MAX_TABLE_ELEMENTS, MAX_TABLES, MIN_DEFAULT_CALLS, MIN_WIDE_SLOTS, NARROW_GUARD_BYTES, POOL_ROUNDING,
    WAITING_GUEST_BYTES, WAITING_MEMORY_PART, WIDE_MEMORY_BYTES,
};
use crate::machine::Machine;
use crate::memory_layout::MemoryLayout;

/// The bound that decided how many calls can be under way at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlotsBound {
    /// [`SandboxConfig::max_concurrent_calls`](crate::SandboxConfig::max_concurrent_calls).
    Configured,
    /// The highest default: [`MAX_DEFAULT_CALLS`].
    #[default]
    Default,
    /// The machine's memory, or the control group's limit of it.
    Memory,
    /// Mappings that the system allows a process: `vm.max_map_count`.
    Mappings,
    /// Files that the process may have open: `ulimit -n`.
    Descriptors,
    /// Address space that the process may have: `ulimit -v`, or `ulimit -d` and `vm.overcommit_memory`, which count it.
    AddressSpace,
    /// The lowest default, [`MIN_DEFAULT_CALLS`] and one for each processor. Memory or files would allow fewer.
    Least,
}

impl SlotsBound {
    /// The word for the bound: `configured`, `default`, `memory`, `mappings`, `descriptors`, `address-space`, `least`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Configured => "configured",
            Self::Default => "default",
            Self::Memory => "memory",
            Self::Mappings => "mappings",
            Self::Descriptors => "descriptors",
            Self::AddressSpace => "address-space",
            Self::Least => "least",
        }
    }
}

impl fmt::Display for SlotsBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The needs of a pool beside its calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beside {
    /// Spare slots, for those that are being cleaned.
    pub(crate) spare: u32,
    /// Bytes of address space that stay free for the rest of the process.
    pub(crate) head_room: u64,
    /// Bytes of a memory where address space is short.
    pub(crate) narrow_memory: u64,
}

/// The number of calls at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// The configured number, or the default one for memory and files.
    pub(crate) wanted: u32,
    /// The number for which there is room.
    pub(crate) slots: u32,
    pub(crate) bound: SlotsBound,
}

/// The configured number, or the default one for memory and files, and never more than there is room for.
pub(crate) fn choose(asked: Option<u32>, machine: &Machine, beside: &Beside) -> Choice {
    let wanted = match asked {
        Some(asked) => (asked, SlotsBound::Configured),
        None => by_default(machine),
    };
    let memory = machine.memory.filter(|_| asked.is_some()).map(|bytes| bytes / waiting_guest_bytes(machine));
    let (slots, bound) = least(
        wanted,
        [
            (memory, SlotsBound::Memory),
            (machine.mappings.map(|mappings| of_mappings(mappings, beside.spare)), SlotsBound::Mappings),
            (machine.address_space.map(|bytes| of_address_space(bytes, beside).into()), SlotsBound::AddressSpace),
        ],
    );
    Choice { wanted: wanted.0, slots: slots.max(1), bound }
}

/// The number when none is configured: as many as memory and files allow, and at least [`MIN_DEFAULT_CALLS`] and one for each processor.
fn by_default(machine: &Machine) -> (u32, SlotsBound) {
    let memory = machine.memory.map(|bytes| bytes / WAITING_MEMORY_PART / waiting_guest_bytes(machine));
    let files = machine.descriptors.map(of_descriptors);
    let others = [(memory, SlotsBound::Memory), (files, SlotsBound::Descriptors)];
    let (slots, bound) = least((MAX_DEFAULT_CALLS, SlotsBound::Default), others);
    let fewest = MIN_DEFAULT_CALLS.max(machine.processors);
    if slots < fewest { (fewest, SlotsBound::Least) } else { (slots, bound) }
}

/// The least memory of a waiting guest on this machine.
pub(crate) fn waiting_guest_bytes(machine: &Machine) -> u64 {
    WAITING_GUEST_BYTES + if machine.huge_pages { HUGE_PAGE_BYTES } else { 0 }
}

/// Calls of one plugin that can have a connection each.
pub(crate) fn of_descriptors(files: u64) -> u64 {
    let (part, parts) = CALLS_OF_FILES;
    (u128::from(files) * u128::from(part) / u128::from(parts)).try_into().unwrap_or(u64::MAX)
}

/// Calls for which there are mappings.
fn of_mappings(mappings: u64, spare: u32) -> u64 {
    (mappings.saturating_mul(MAPPINGS_PERCENT) / 100 / MAPPINGS_PER_SLOT).saturating_sub(spare.into())
}

/// Calls for which there is address space: in wide slots if that makes more than a handful, otherwise in narrow ones.
fn of_address_space(bytes: u64, beside: &Beside) -> u32 {
    let bytes = bytes.saturating_sub(beside.head_room);
    // Leaves a part for the pool's rounding.
    let bytes = bytes - bytes / 32;
    let wide = most_within(bytes, MemoryLayout::Wide);
    if wide < MIN_WIDE_SLOTS {
        return most_within(bytes, MemoryLayout::Narrow(beside.narrow_memory));
    }
    // Spare slots count where they are few beside the others.
    let spare = beside.spare.saturating_add(POOL_ROUNDING);
    if wide / 4 >= spare { wide - spare } else { wide }
}

/// The largest pool of this layout within `bytes`.
fn most_within(bytes: u64, layout: MemoryLayout) -> u32 {
    let (mut fits, mut too_many) = (0, u32::MAX);
    while too_many - fits > 1 {
        let slots = fits + (too_many - fits) / 2;
        if bytes_of(slots, layout) <= bytes {
            fits = slots;
        } else {
            too_many = slots;
        }
    }
    fits
}

/// Address space of a pool, in bytes, without rounding.
pub(crate) fn bytes_of(slots: u32, layout: MemoryLayout) -> u64 {
    let memory = match layout {
        MemoryLayout::Wide => WIDE_MEMORY_BYTES,
        MemoryLayout::Narrow(bytes) => bytes.saturating_add(NARROW_GUARD_BYTES),
    };
    let tables = u64::from(MAX_TABLES * MAX_TABLE_ELEMENTS).saturating_mul(size_of::<usize>() as u64);
    let memories = u64::from(slots).saturating_add(extra_memories(slots).into());
    let slot = tables + CALL_STACK_BYTES as u64;
    memory.saturating_mul(memories).saturating_add(slot.saturating_mul(slots.into()))
}

/// The first of the smallest.
fn least<const N: usize>(first: (u32, SlotsBound), others: [(Option<u64>, SlotsBound); N]) -> (u32, SlotsBound) {
    others.into_iter().fold(first, |least, (slots, bound)| match slots.map(u32::try_from) {
        Some(Ok(slots)) if slots < least.0 => (slots, bound),
        _ => least,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;
    const TIB: u64 = 1 << 40;
    const BESIDE: Beside = Beside { spare: 96, head_room: 264 * MIB, narrow_memory: 64 * MIB };
    /// Limits that Linux usually has, and two processors.
    const MACHINE: Machine = Machine {
        memory: Some(24 * GIB),
        mappings: Some(65_530),
        descriptors: Some(1 << 20),
        address_space: None,
        huge_pages: false,
        processors: 2,
    };

    #[test]
    fn what_gives_out_first_bounds_the_calls_at_once_and_is_named() {
        use SlotsBound::{AddressSpace, Configured, Default, Descriptors, Least, Mappings, Memory};
        let memory = |bytes| Machine { memory: Some(bytes), ..MACHINE };
        let files = |files| Machine { descriptors: Some(files), ..MACHINE };
        let mappings = |mappings| Machine { mappings: Some(mappings), ..MACHINE };
        let space = |bytes| Machine { address_space: Some(bytes), ..MACHINE };
        let unknown = Machine { memory: None, mappings: None, descriptors: None, processors: 1, ..MACHINE };
        let huge_pages = |bytes| Machine { huge_pages: true, ..memory(bytes) };
        let table = [
            // (asked, machine, wanted, slots, bound)
            (None, MACHINE, 4096, 4096, Default),
            (None, unknown, 4096, 4096, Default),
            (None, memory(4 * GIB), 4096, 4096, Default),
            (None, memory(4 * GIB - 1), 4095, 4095, Memory),
            (None, memory(2 * GIB), 2048, 2048, Memory),
            (None, memory(512 * MIB), 512, 512, Memory),
            (None, memory(16 * MIB), 64, 64, Least),
            (None, memory(0), 64, 64, Least),
            (None, Machine { processors: 128, ..memory(16 * MIB) }, 128, 128, Least),
            (None, files(4096), 2304, 2304, Descriptors),
            (None, files(1024), 576, 576, Descriptors),
            (None, files(64), 64, 64, Least),
            (None, Machine { descriptors: Some(1024), ..memory(512 * MIB) }, 512, 512, Memory),
            (None, mappings(65_530 / 4), 4096, 2047 - 96, Mappings),
            (None, mappings(100), 4096, 1, Mappings),
            (None, space(20 * TIB), 4096, 3773, AddressSpace),
            (None, space(TIB), 4096, 196, AddressSpace),
            (None, space(256 * MIB), 4096, 1, AddressSpace),
            // A table of each guest is a huge page.
            (None, huge_pages(24 * GIB), 744, 744, Memory),
            (None, huge_pages(GIB), 64, 64, Least),
            (Some(4096), huge_pages(4 * GIB), 4096, 1985, Memory),
            // A configured number may exceed the default bounds, but not the machine's resources.
            (Some(16), MACHINE, 16, 16, Configured),
            (Some(4096), MACHINE, 4096, 4096, Configured),
            (Some(5000), Machine { descriptors: Some(1024), ..memory(GIB) }, 5000, 5000, Configured),
            (Some(4096), memory(64 * MIB), 4096, 1024, Memory),
            (Some(10_000), MACHINE, 10_000, 8191 - 96, Mappings),
            (Some(256), space(TIB), 256, 196, AddressSpace),
            (Some(256), space(5 * GIB), 256, 55, AddressSpace),
        ];
        for (asked, machine, wanted, slots, bound) in table {
            let chosen = choose(asked, &machine, &BESIDE);
            assert_eq!(chosen, Choice { wanted, slots, bound }, "{asked:?} of {machine:?}");
        }
    }

    #[test]
    fn what_address_space_is_for_takes_no_more_than_that() {
        for (bytes, layout) in
            [(TIB, MemoryLayout::Wide), (5 * GIB, MemoryLayout::Narrow(64 * MIB)), (0, MemoryLayout::Wide)]
        {
            let most = most_within(bytes, layout);
            assert!(bytes_of(most, layout) <= bytes && bytes_of(most + 1, layout) > bytes, "{most} in {bytes}");
        }
    }
}
