//! The memory that each call may have without a counter that calls share. With many calls each has less, so that all of them together
//! have no more.

use crate::limits::{
    DEFAULT_TOTAL_MEMORY_BYTES, FREE_MEMORY_BYTES, FREE_MEMORY_PART, MAX_HOST_MEMORY_BYTES, MAX_RESIDENT_AT_EXIT_BYTES,
    MIN_FREE_HOST_MEMORY_BYTES, MIN_FREE_MEMORY_BYTES, TOTAL_MEMORY_PART,
};

/// The free part of each call, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FreeMemory {
    /// Free bytes of the guest's memories and tables.
    pub(crate) guest: u64,
    /// Free bytes of host memory.
    pub(crate) host: u64,
}

impl FreeMemory {
    /// The free memory for `slots` calls at once on a machine with `memory` bytes.
    pub(crate) fn of(slots: u32, memory: Option<u64>) -> Self {
        let memory = memory.unwrap_or(DEFAULT_TOTAL_MEMORY_BYTES * TOTAL_MEMORY_PART);
        let each = |all: u64, least| (all / u64::from(slots.max(1))).min(FREE_MEMORY_BYTES).max(least);
        Self {
            guest: each(memory / FREE_MEMORY_PART, MIN_FREE_MEMORY_BYTES),
            host: each(MAX_RESIDENT_AT_EXIT_BYTES - MAX_HOST_MEMORY_BYTES, MIN_FREE_HOST_MEMORY_BYTES),
        }
    }

    /// The part of a guest's bytes that counts.
    pub(crate) fn beyond_guest(self, bytes: u64) -> u64 {
        bytes.saturating_sub(self.guest)
    }

    /// The part of the host's bytes that counts.
    pub(crate) fn beyond_host(self, bytes: u64) -> u64 {
        bytes.saturating_sub(self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_calls_together_have_no_more_of_it_however_many_there_are() {
        const KIB: u64 = 1 << 10;
        const GIB: u64 = 1 << 30;
        for (slots, memory, guest, host) in [
            (16, Some(24 * GIB), 1024 * KIB, 1024 * KIB),
            (256, Some(2 * GIB), 1024 * KIB, 1024 * KIB),
            (4096, Some(24 * GIB), 768 * KIB, 64 * KIB),
            (4096, Some(4 * GIB), 128 * KIB, 64 * KIB),
            (1024, Some(GIB), 128 * KIB, 256 * KIB),
            (4096, None, 128 * KIB, 64 * KIB),
            (1_000_000, Some(24 * GIB), 64 * KIB, 16 * KIB),
            (0, Some(0), 64 * KIB, 1024 * KIB),
        ] {
            let free = FreeMemory::of(slots, memory);
            assert_eq!(free, FreeMemory { guest, host }, "{slots} calls, {memory:?}");
        }
        let free = FreeMemory { guest: 3, host: 2 };
        assert_eq!((free.beyond_guest(5), free.beyond_guest(3), free.beyond_host(5)), (2, 0, 3));
    }
}
