//! A guest's memory: the sum over all linear memories and tables of its instance, where wasmtime's own limiter looks at
//! each one alone.

use wasmtime::ResourceLimiter;

use crate::guest::GuestState;
use crate::limits::{MAX_CORE_INSTANCES, MAX_MEMORIES, MAX_TABLES};

/// A table's slot is a pointer.
const BYTES_PER_ELEMENT: u64 = size_of::<usize>() as u64;

/// How much of a limit is used.
#[derive(Debug)]
pub(crate) struct MemoryUse {
    limit: u64,
    used: u64,
    /// What was granted last, to be given back when the engine fails to grow after all.
    granted: u64,
    refused: bool,
}

impl MemoryUse {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, used: 0, granted: 0, refused: false }
    }

    /// Whether the guest ever asked for more than it may have. What fails after that fails for want of memory.
    pub(crate) fn refused(&self) -> bool {
        self.refused
    }

    fn grow(&mut self, bytes: u64) -> bool {
        let wanted = self.used.saturating_add(bytes);
        if wanted > self.limit {
            self.refused = true;
            // A failure that the engine reports now is this one's, and gives nothing back.
            self.granted = 0;
            return false;
        }
        self.used = wanted;
        self.granted = bytes;
        true
    }

    fn grow_failed(&mut self) {
        self.used = self.used.saturating_sub(std::mem::take(&mut self.granted));
        self.refused = true;
    }
}

impl GuestState {
    fn grow(&mut self, bytes: u64) -> bool {
        let granted = self.memory.grow(bytes);
        self.flight.meter.see_memory(self.memory.used);
        granted
    }
}

fn difference(current: usize, desired: usize) -> u64 {
    u64::try_from(desired.saturating_sub(current)).unwrap_or(u64::MAX)
}

impl ResourceLimiter for GuestState {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(difference(current, desired)))
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory.grow_failed();
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(difference(current, desired).saturating_mul(BYTES_PER_ELEMENT)))
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory.grow_failed();
        Ok(())
    }

    fn instances(&self) -> usize {
        MAX_CORE_INSTANCES as usize
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES as usize
    }

    fn tables(&self) -> usize {
        MAX_TABLES as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_summed_and_nothing_goes_over_the_limit() {
        let mut memory = MemoryUse::new(4);
        assert!(memory.grow(2) && memory.grow(1) && memory.grow(1));
        assert!(!memory.refused());
        assert!(!memory.grow(1) && memory.refused());
        assert!(!memory.grow(u64::MAX));
        assert_eq!(memory.used, 4);
    }

    #[test]
    fn what_the_engine_could_not_give_is_not_counted() {
        let mut memory = MemoryUse::new(4);
        assert!(memory.grow(1) && memory.grow(3));
        memory.grow_failed();
        assert!(memory.grow(3));
    }
}
