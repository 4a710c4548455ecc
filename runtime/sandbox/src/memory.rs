//! A guest's memory: the sum over all linear memories and tables of its instance, where wasmtime's own limiter looks at
//! each one alone.

use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::ResourceLimiter;

use crate::limits::{FREE_MEMORY_BYTES, MAX_CORE_INSTANCES, MAX_MEMORIES, MAX_TABLES};
use crate::state::GuestState;

/// A table's slot is a pointer.
const BYTES_PER_ELEMENT: u64 = size_of::<usize>() as u64;

/// How much of its limits a call uses.
#[derive(Debug)]
pub(crate) struct MemoryUse {
    limit: u64,
    used: u64,
    /// What was granted last, to be given back when the engine fails to grow after all.
    granted: u64,
    refused: bool,
    /// This call's part of what all calls of the plugin have together.
    charged: u64,
}

/// What all calls of one plugin use together, each beyond its first [`FREE_MEMORY_BYTES`].
#[derive(Debug)]
pub(crate) struct Together {
    limit: u64,
    used: AtomicU64,
}

impl Together {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, used: AtomicU64::new(0) }
    }

    fn take(&self, bytes: u64) -> bool {
        let fits = |used: u64| used.checked_add(bytes).filter(|used| *used <= self.limit);
        self.used.try_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl MemoryUse {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, used: 0, granted: 0, refused: false, charged: 0 }
    }

    /// Whether the guest ever asked for more than it may have. What fails after that fails for want of memory.
    pub(crate) fn refused(&self) -> bool {
        self.refused
    }

    fn grow(&mut self, bytes: u64, together: &Together) -> bool {
        let wanted = self.used.saturating_add(bytes);
        if wanted > self.limit || !self.charge(wanted, together) {
            self.refused = true;
            // A failure that the engine reports now is this one's, and gives nothing back.
            self.granted = 0;
            return false;
        }
        self.used = wanted;
        self.granted = bytes;
        true
    }

    /// Takes from what all calls have together what this one has beyond its free part.
    fn charge(&mut self, wanted: u64, together: &Together) -> bool {
        let beyond = wanted.saturating_sub(FREE_MEMORY_BYTES);
        let more = beyond.saturating_sub(self.charged);
        if more > 0 && !together.take(more) {
            return false;
        }
        self.charged += more;
        true
    }

    fn grow_failed(&mut self) {
        self.used = self.used.saturating_sub(std::mem::take(&mut self.granted));
        self.refused = true;
    }
}

impl Drop for GuestState {
    fn drop(&mut self) {
        if self.memory.charged > 0 {
            self.flight.plugin.memory.give_back(self.memory.charged);
        }
    }
}

impl GuestState {
    fn grow(&mut self, bytes: u64) -> bool {
        let granted = self.memory.grow(bytes, &self.flight.plugin.memory);
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
        let (mut memory, together) = (MemoryUse::new(4), Together::new(0));
        assert!([2, 1, 1].into_iter().all(|bytes| memory.grow(bytes, &together)));
        assert!(!memory.refused());
        assert!(!memory.grow(1, &together) && memory.refused());
        assert!(!memory.grow(u64::MAX, &together));
        assert_eq!(memory.used, 4);
    }

    #[test]
    fn what_the_engine_could_not_give_is_not_counted() {
        let (mut memory, together) = (MemoryUse::new(4), Together::new(0));
        assert!(memory.grow(1, &together) && memory.grow(3, &together));
        memory.grow_failed();
        assert!(memory.grow(3, &together));
    }

    #[test]
    fn calls_of_one_plugin_have_so_much_together() {
        let together = Together::new(3 * FREE_MEMORY_BYTES);
        let (mut first, mut second) = (MemoryUse::new(u64::MAX), MemoryUse::new(u64::MAX));
        assert!(first.grow(FREE_MEMORY_BYTES, &together), "which does not count");
        assert!(first.grow(2 * FREE_MEMORY_BYTES, &together) && second.grow(2 * FREE_MEMORY_BYTES, &together));
        assert!(!second.grow(1, &together) && second.refused());
        together.give_back(first.charged);
        assert!(second.grow(2 * FREE_MEMORY_BYTES, &together));
    }
}
