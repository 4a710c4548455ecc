//! Slots: room for so many calls at once, and who holds how many of them.
//!
//! A call holds a [`Permit`], which goes with it from the queue to the worker and back. All counts are kept here, and change with a
//! permit only.

use super::ids::{QueueId, TenantNumber};
use crate::installed::PluginNumber;
use crate::limits::{DRAIN_SLOTS_DIVISOR, FIRST_SLOTS_DIVISOR, MAX_BATCH, MAX_FIRST_SLOTS_DIVISOR, MIN_BATCH};

/// Room for one call, and the memory that the call has reserved. It is given back under the dispatcher's lock, with
/// [`Slots::give_back`], and not when it is dropped: a permit knows no lock.
#[derive(Debug)]
#[must_use]
pub(crate) struct Permit {
    holder: Holder,
    memory: u64,
}

/// A queue, with its tenant and its plugin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holder {
    pub(super) queue: QueueId,
    pub(super) tenant: TenantNumber,
    pub(super) plugin: PluginNumber,
}

/// The counts.
#[derive(Debug, Default)]
pub(super) struct Slots {
    /// How many there are now. More are taken where the number was lowered.
    total: u32,
    /// Those of them that are for queues without any.
    first: u32,
    workers: u32,
    taken: u32,
    of_queues: Vec<u32>,
    of_tenants: Vec<u32>,
    /// Bytes that each tenant's calls have reserved.
    memory_of_tenants: Vec<u64>,
    of_plugins: Vec<u32>,
}

impl Slots {
    pub(super) fn new(total: u32, workers: u32) -> Self {
        let mut slots = Self { workers, ..Self::default() };
        slots.set_total(total);
        slots
    }

    /// Changes how many there are. Calls keep theirs, also where more are taken than there are now: then no slot is free until enough have
    /// come back.
    pub(super) fn set_total(&mut self, total: u32) {
        self.total = total;
        self.first = (total / FIRST_SLOTS_DIVISOR).max(self.workers).min(total / MAX_FIRST_SLOTS_DIVISOR);
    }

    pub(super) fn total(&self) -> u32 {
        self.total
    }

    /// A call of this queue takes a slot.
    pub(super) fn take(&mut self, holder: Holder, memory: u64) -> Permit {
        self.taken += 1;
        change(&mut self.of_queues, holder.queue, |count| *count += 1);
        change(&mut self.of_tenants, holder.tenant, |count| *count += 1);
        change(&mut self.memory_of_tenants, holder.tenant, |bytes| *bytes += memory);
        change(&mut self.of_plugins, holder.plugin, |count| *count += 1);
        Permit { holder, memory }
    }

    #[expect(clippy::needless_pass_by_value, reason = "it can be given back once")]
    pub(super) fn give_back(&mut self, permit: Permit) {
        let Permit { holder, memory } = permit;
        self.taken -= 1;
        change(&mut self.of_queues, holder.queue, |count| *count -= 1);
        change(&mut self.of_tenants, holder.tenant, |count| *count -= 1);
        change(&mut self.memory_of_tenants, holder.tenant, |bytes| *bytes -= memory);
        change(&mut self.of_plugins, holder.plugin, |count| *count -= 1);
    }

    /// Slots that calls hold.
    pub(super) fn taken(&self) -> u32 {
        self.taken
    }

    pub(super) fn of_queue(&self, queue: QueueId) -> u32 {
        self.of_queues.get(queue).copied().unwrap_or(0)
    }

    pub(super) fn of_tenant(&self, tenant: TenantNumber) -> u32 {
        self.of_tenants.get(tenant).copied().unwrap_or(0)
    }

    pub(super) fn memory_of_tenant(&self, tenant: TenantNumber) -> u64 {
        self.memory_of_tenants.get(tenant).copied().unwrap_or(0)
    }

    pub(super) fn of_plugin(&self, plugin: PluginNumber) -> u32 {
        self.of_plugins.get(plugin).copied().unwrap_or(0)
    }

    /// Slots that new calls may take now. A drain may take those that ordinary calls leave to it.
    pub(super) fn free(&self, draining: bool) -> u32 {
        let kept = if draining { 0 } else { self.total / DRAIN_SLOTS_DIVISOR };
        self.total.saturating_sub(kept).saturating_sub(self.taken)
    }

    /// Those of `free` slots that a queue may take: the last ones are for queues that hold none, one for each. So whoever comes
    /// new has a slot although calls that hang hold all others.
    pub(super) fn free_for(&self, queue: QueueId, free: u32) -> u32 {
        let holds_none = self.of_queue(queue) == 0;
        free.saturating_sub(self.first).max(u32::from(holds_none).min(free))
    }

    /// How many a worker takes at once. It never takes so many that nothing is left for others of what one queue may hold.
    pub(super) fn batch(&self) -> u32 {
        (self.total / 2 / self.workers.max(1)).clamp(MIN_BATCH, MAX_BATCH)
    }

    /// One queue may hold at most half of the slots, and its equal part when many want some: a plugin that keeps its
    /// guests waiting cannot keep the others from beginning.
    pub(super) fn share_of_queue(&self, ready_queues: usize) -> u32 {
        part_of(self.total, ready_queues.max(2))
    }
}

#[cfg(shuttle)]
impl Slots {
    /// Each count, by name.
    pub(super) fn held(&self) -> [(&'static str, u64); 5] {
        let sum = |counts: &[u32]| counts.iter().map(|count| u64::from(*count)).sum();
        [
            ("slots", u64::from(self.taken)),
            ("slots, by queue", sum(&self.of_queues)),
            ("slots, by tenant", sum(&self.of_tenants)),
            ("slots, by plugin", sum(&self.of_plugins)),
            ("memory that tenants' calls have reserved", self.memory_of_tenants.iter().sum()),
        ]
    }
}

/// An equal part, and one at least.
pub(super) fn part_of(whole: u32, parts: usize) -> u32 {
    (whole / u32::try_from(parts).unwrap_or(u32::MAX).max(1)).max(1)
}

/// Changes the count of this number, which begins at nothing.
fn change<T: Default>(counts: &mut Vec<T>, number: usize, change: impl FnOnce(&mut T)) {
    if counts.len() <= number {
        counts.resize_with(number + 1, T::default);
    }
    if let Some(count) = counts.get_mut(number) {
        change(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(queue: QueueId) -> Holder {
        Holder { queue, tenant: queue / 2, plugin: queue % 2 }
    }

    #[test]
    fn what_is_taken_counts_for_its_queue_its_tenant_and_its_plugin_until_it_is_given_back() {
        let mut slots = Slots::new(16, 2);
        let permits: Vec<Permit> = [0, 1, 2, 2].map(|queue| slots.take(holder(queue), 10)).into();
        assert_eq!((slots.taken(), slots.of_queue(2), slots.of_tenant(0), slots.of_plugin(0)), (4, 2, 2, 3));
        assert_eq!((slots.memory_of_tenant(0), slots.memory_of_tenant(1)), (20, 20));
        permits.into_iter().for_each(|permit| slots.give_back(permit));
        assert_eq!((slots.taken(), slots.of_queue(2), slots.of_tenant(0), slots.of_plugin(0)), (0, 0, 0, 0));
        assert_eq!((slots.memory_of_tenant(0), slots.of_queue(100)), (0, 0));
    }

    #[test]
    fn ordinary_calls_leave_a_quarter_to_a_drain_and_the_last_ones_to_who_holds_none() {
        let mut slots = Slots::new(16, 2);
        assert_eq!((slots.free(false), slots.free(true)), (12, 16));
        let _permits: Vec<Permit> = (0..10).map(|_| slots.take(holder(0), 0)).collect();
        let free = slots.free(false);
        assert_eq!((free, slots.free_for(0, free), slots.free_for(1, free)), (2, 0, 1));
        assert_eq!((slots.share_of_queue(0), slots.share_of_queue(4), slots.share_of_queue(100)), (8, 4, 1));
    }

    #[test]
    fn a_worker_takes_no_more_at_once_than_leaves_the_others_their_part_of_half_of_the_slots() {
        let batch = |total, workers| Slots::new(total, workers).batch();
        assert_eq!([batch(128, 2), batch(256, 4), batch(4_096, 2), batch(4, 2)], [32, 32, MAX_BATCH, MIN_BATCH]);
        assert_eq!(batch(100, 0), 50, "as if there were one");
    }

    #[test]
    fn whatever_depends_on_the_number_of_slots_follows_when_that_changes() {
        let all = |slots: &Slots| {
            let free = slots.free(false);
            (slots.total(), free, slots.free(true), slots.free_for(0, free), slots.share_of_queue(0), slots.batch())
        };
        let mut slots = Slots::new(16, 2);
        let mut permits: Vec<Permit> = (0..10).map(|_| slots.take(holder(0), 0)).collect();
        assert_eq!(all(&slots), (16, 2, 6, 0, 8, 16));
        slots.set_total(256);
        // A sixteenth is for queues that hold none.
        assert_eq!(all(&slots), (256, 182, 246, 166, 128, 64));
        slots.set_total(4);
        assert_eq!(all(&slots), (4, 0, 0, 0, 2, 16));
        assert_eq!(slots.taken(), 10, "nobody loses a slot");
        permits.drain(..7).for_each(|permit| slots.give_back(permit));
        assert_eq!((slots.free(false), slots.free(true)), (0, 1));
        permits.drain(..2).for_each(|permit| slots.give_back(permit));
        assert_eq!((slots.free(false), slots.free_for(0, 2), slots.free_for(1, 2)), (2, 1, 1));
        let fresh = Slots::new(4, 2);
        permits.into_iter().for_each(|permit| slots.give_back(permit));
        assert_eq!(all(&slots), all(&fresh), "as if there had never been more");
    }
}
