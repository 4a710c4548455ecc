//! What a queue wants, as far as the scheduler has to know it.
//!
//! This is apart from [`scheduler`](super::scheduler), which imports [`memory_admission`](super::memory_admission), because both need it.

use super::slots::Holder;

/// The deliveries of a queue that may begin, and what the next of them needs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Demand {
    pub(super) deliveries: usize,
    pub(super) next: NextCall,
}

/// What the next call of a queue asks for, whatever others of its plugin take.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct NextCall {
    /// Bytes that the call reserves.
    pub(super) memory: u64,
    /// Bytes that the host could not keep when the delivery's last call was put back.
    pub(super) host_memory: u64,
}

/// A queue in the scheduler.
#[derive(Debug)]
pub(super) struct QueueEntry {
    pub(super) holder: Holder,
    pub(super) demand: Demand,
    /// The queue is out of the order until its plugin holds fewer slots, or there is memory for its next call.
    pub(super) parked: bool,
    /// The gate of its plugin is closed.
    pub(super) closed: bool,
}

impl QueueEntry {
    pub(super) fn new(holder: Holder, closed: bool) -> Self {
        Self { holder, demand: Demand::default(), parked: false, closed }
    }

    /// How many deliveries the queue wants slots for.
    pub(super) fn deliveries(&self) -> usize {
        if self.closed { 0 } else { self.demand.deliveries }
    }
}
