//! The use of one call: fuel, and memory of the guest and of the host. The store writes it, and the call's report reads it.

use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug)]
pub(crate) struct Usage {
    /// The rest of the guest's fuel when the engine last stored it.
    fuel_left: AtomicU64,
    /// The most bytes of the guest's memories and tables and of host memory, at one moment.
    peak_memory: AtomicU64,
    /// The host's part of that.
    host_memory_at_peak: AtomicU64,
    peak_guest_memory: AtomicU64,
    /// The most that counted in shared memory, with the bytes that the guest asked for and did not get.
    counted_memory: AtomicU64,
    /// Host memory that the call wanted when other calls had used it up.
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

    /// Records the present bytes of the guest's memories and tables, and of host memory.
    pub(crate) fn record_memory(&self, guest: u64, host: u64) {
        let together = guest.saturating_add(host);
        if together > self.peak_memory.load(Ordering::Relaxed) {
            self.peak_memory.store(together, Ordering::Relaxed);
            self.host_memory_at_peak.store(host, Ordering::Relaxed);
        }
        self.peak_guest_memory.fetch_max(guest, Ordering::Relaxed);
    }

    /// The most bytes of both together.
    pub(crate) fn peak_memory(&self) -> u64 {
        self.peak_memory.load(Ordering::Relaxed)
    }

    /// The host's part of [`peak_memory`](Self::peak_memory).
    pub(crate) fn host_memory_at_peak(&self) -> u64 {
        self.host_memory_at_peak.load(Ordering::Relaxed)
    }

    /// The most bytes of the guest's memories and tables.
    pub(crate) fn peak_guest_memory(&self) -> u64 {
        self.peak_guest_memory.load(Ordering::Relaxed)
    }
}
