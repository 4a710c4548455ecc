//! What one call has used: fuel, and memory of the guest and of the host. The store writes it, and the call's report reads it.

use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug)]
pub(crate) struct Usage {
    /// Left of the guest's fuel when the engine last wrote it down.
    fuel_left: AtomicU64,
    /// The most that the guest's memories and what the host kept had together.
    peak_memory: AtomicU64,
    /// The part of that which the host kept.
    host_memory_at_peak: AtomicU64,
    peak_guest_memory: AtomicU64,
    /// The most that counted in what calls share, with what the guest asked for and did not get.
    counted_memory: AtomicU64,
    /// What it wanted the host to keep when others had used that up.
    wanted_host_memory: AtomicU64,
}

impl Usage {
    pub(crate) fn new(fuel: u64) -> Self {
        Self {
            fuel_left: AtomicU64::new(fuel),
            peak_memory: AtomicU64::new(0),
            host_memory_at_peak: AtomicU64::new(0),
            peak_guest_memory: AtomicU64::new(0),
            counted_memory: AtomicU64::new(0),
            wanted_host_memory: AtomicU64::new(0),
        }
    }

    pub(crate) fn record_counted_memory(&self, bytes: u64) {
        self.counted_memory.fetch_max(bytes, Ordering::Relaxed);
    }

    pub(crate) fn counted_memory(&self) -> u64 {
        self.counted_memory.load(Ordering::Relaxed)
    }

    pub(crate) fn record_wanted_host_memory(&self, bytes: u64) {
        self.wanted_host_memory.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn wanted_host_memory(&self) -> u64 {
        self.wanted_host_memory.load(Ordering::Relaxed)
    }

    pub(crate) fn record_fuel(&self, left: u64) {
        self.fuel_left.store(left, Ordering::Relaxed);
    }

    pub(crate) fn fuel_left(&self) -> u64 {
        self.fuel_left.load(Ordering::Relaxed)
    }

    /// What the guest's memories and tables have now, and what the host keeps for it.
    pub(crate) fn record_memory(&self, guest: u64, host: u64) {
        let together = guest.saturating_add(host);
        if together > self.peak_memory.load(Ordering::Relaxed) {
            self.peak_memory.store(together, Ordering::Relaxed);
            self.host_memory_at_peak.store(host, Ordering::Relaxed);
        }
        self.peak_guest_memory.fetch_max(guest, Ordering::Relaxed);
    }

    /// The most that both had together.
    pub(crate) fn peak_memory(&self) -> u64 {
        self.peak_memory.load(Ordering::Relaxed)
    }

    /// What of [`peak_memory`](Self::peak_memory) the host kept.
    pub(crate) fn host_memory_at_peak(&self) -> u64 {
        self.host_memory_at_peak.load(Ordering::Relaxed)
    }

    /// The most that the guest's memories and tables had.
    pub(crate) fn peak_guest_memory(&self) -> u64 {
        self.peak_guest_memory.load(Ordering::Relaxed)
    }
}
