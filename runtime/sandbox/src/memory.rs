//! A guest's memory: the sum over all linear memories and tables of its instance, where wasmtime's own limiter looks at
//! each one alone.

use std::sync::Arc;

use wasmtime::ResourceLimiter;

use crate::limits::{MAX_CORE_INSTANCES, MAX_MEMORIES, MAX_TABLES};
use crate::meter::Meter;

/// A table's slot is a pointer.
const BYTES_PER_ELEMENT: u64 = size_of::<usize>() as u64;

pub(crate) struct MemoryLimiter {
    limit: u64,
    used: u64,
    /// What was granted last, to be given back when the engine fails to grow after all.
    granted: u64,
    refused: bool,
    meter: Arc<Meter>,
}

impl MemoryLimiter {
    pub(crate) fn new(limit: u64, meter: Arc<Meter>) -> Self {
        Self { limit, used: 0, granted: 0, refused: false, meter }
    }

    /// Whether the guest ever asked for more than it may have. What fails after that fails for want of memory.
    pub(crate) fn refused(&self) -> bool {
        self.refused
    }

    fn grow(&mut self, bytes: u64) -> bool {
        let wanted = self.used.saturating_add(bytes);
        if wanted > self.limit {
            self.refused = true;
            return false;
        }
        self.used = wanted;
        self.granted = bytes;
        self.meter.see_memory(wanted);
        true
    }

    fn grow_failed(&mut self) {
        self.used -= std::mem::take(&mut self.granted);
        self.refused = true;
    }
}

fn difference(current: usize, desired: usize) -> u64 {
    u64::try_from(desired.saturating_sub(current)).unwrap_or(u64::MAX)
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(difference(current, desired)))
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.grow_failed();
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(difference(current, desired).saturating_mul(BYTES_PER_ELEMENT)))
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.grow_failed();
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
    use std::time::Duration;

    const PAGE: usize = 65536;

    #[test]
    fn memories_and_tables_are_summed() {
        let meter = Meter::new(Duration::ZERO, 0);
        let mut limiter = MemoryLimiter::new(4 * PAGE as u64, Arc::clone(&meter));
        assert!(limiter.memory_growing(0, 2 * PAGE, None).unwrap());
        assert!(limiter.memory_growing(0, PAGE, None).unwrap(), "a second memory");
        assert!(limiter.table_growing(0, PAGE / 8, None).unwrap(), "a table of a page's size");
        assert!(!limiter.refused());
        assert!(!limiter.memory_growing(2 * PAGE, 3 * PAGE, None).unwrap());
        assert!(limiter.refused());
        assert_eq!(meter.peak_memory(), 4 * PAGE as u64);
    }

    #[test]
    fn what_the_engine_could_not_give_is_not_counted() {
        let meter = Meter::new(Duration::ZERO, 0);
        let mut limiter = MemoryLimiter::new(4 * PAGE as u64, meter);
        assert!(limiter.memory_growing(0, 3 * PAGE, None).unwrap());
        limiter.memory_grow_failed(wasmtime::Error::msg("no")).unwrap();
        assert!(limiter.memory_growing(0, 4 * PAGE, None).unwrap());
    }
}
