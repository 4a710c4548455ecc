//! A call's memory: the sum over all linear memories and tables of its instance, and its host memory
//! ([`host_memory`](crate::host_memory)). Wasmtime's own limiter looks at each memory alone. [`MemoryAccount`](crate::MemoryAccount) has
//! the part that counts in shared memory. Wasmtime asks through [`limiter`](crate::limiter).

use lastword_memory::Reservation;

use crate::free_memory::FreeMemory;
use crate::limits::IMAGE_PART;

/// The part of `bytes` that counts in the memory that calls share. The component itself fills `image` of them.
pub(crate) fn counted(bytes: u64, image: u64, free: FreeMemory) -> u64 {
    free.beyond_guest(bytes.saturating_sub(image).saturating_add(image / IMAGE_PART))
}

/// A call's use of its limits.
#[derive(Debug)]
pub(crate) struct MemoryUse {
    limit: u64,
    /// The most that can count in shared memory.
    most_counted: u64,
    free: FreeMemory,
    used: Bytes,
    /// Host memory of the call.
    host: u64,
    /// The memory that was granted last. It is given back when the engine fails to grow after all.
    granted: Bytes,
    refused: bool,
    /// Bytes that the component fills, in memories that are not made yet.
    image_left: u64,
    reservation: Option<Reservation>,
}

/// Bytes, and their count where an image counts in part.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bytes {
    all: u64,
    weighed: u64,
}

impl Bytes {
    fn plus(self, more: Self) -> Self {
        Self { all: self.all.saturating_add(more.all), weighed: self.weighed.saturating_add(more.weighed) }
    }

    fn minus(self, less: Self) -> Self {
        Self { all: self.all.saturating_sub(less.all), weighed: self.weighed.saturating_sub(less.weighed) }
    }
}

impl MemoryUse {
    /// The use of a call that may have `limit` bytes, of which `most_counted` in shared memory, beyond the free part.
    pub(crate) fn new(
        limit: u64,
        (most_counted, free): (u64, FreeMemory),
        image_left: u64,
        reservation: Option<Reservation>,
    ) -> Self {
        let (used, granted) = (Bytes::default(), Bytes::default());
        Self { limit, most_counted, free, used, host: 0, granted, refused: false, image_left, reservation }
    }

    /// Whether the guest ever asked for more than its limit. A later failure is then one for lack of memory.
    pub(crate) fn refused(&self) -> bool {
        self.refused
    }

    /// The bytes of a new memory. Those that the component fills count in part.
    pub(crate) fn weigh_new(&mut self, bytes: u64) -> Bytes {
        let image = bytes.min(self.image_left);
        self.image_left -= image;
        Bytes { all: bytes, weighed: bytes - image + image / IMAGE_PART }
    }

    /// The count in shared memory after `more` is granted. None when the guest may never have so much.
    pub(crate) fn wants(&mut self, more: Bytes) -> Option<u64> {
        let wanted = self.used.plus(more);
        let counted = self.free.beyond_guest(wanted.weighed);
        if wanted.all.saturating_add(self.host) > self.limit || counted > self.most_counted {
            self.refused = true;
            // A failure that the engine reports now is of this growth, and gives nothing back.
            self.granted = Bytes::default();
            return None;
        }
        Some(counted)
    }

    /// Sets the host memory of the call. Returns whether it fits.
    pub(crate) fn set_host(&mut self, bytes: u64) -> bool {
        self.host = bytes;
        self.used.all.saturating_add(bytes) <= self.limit
    }

    /// The call's reservation, made by `reserve` if it has none yet.
    pub(crate) fn reservation(&mut self, reserve: impl FnOnce() -> Reservation) -> &mut Reservation {
        self.reservation.get_or_insert_with(reserve)
    }

    /// Host memory of the call, in bytes.
    pub(crate) fn of_the_host(&self) -> u64 {
        self.host
    }

    /// Bytes of the guest's memories and tables.
    pub(crate) fn of_the_guest(&self) -> u64 {
        self.used.all
    }

    pub(crate) fn is_reserved(&self, counted: u64) -> bool {
        counted <= self.reservation.as_ref().map_or(0, Reservation::held)
    }

    pub(crate) fn grant(&mut self, more: Bytes) {
        self.used = self.used.plus(more);
        self.granted = more;
    }

    pub(crate) fn grow_failed(&mut self) {
        self.used = self.used.minus(std::mem::take(&mut self.granted));
        self.refused = true;
    }
}

pub(crate) fn in_full(bytes: u64) -> Bytes {
    Bytes { all: bytes, weighed: bytes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::FREE_MEMORY_BYTES;

    const FREE: FreeMemory = FreeMemory { guest: FREE_MEMORY_BYTES, host: FREE_MEMORY_BYTES };

    fn grow(memory: &mut MemoryUse, bytes: u64) -> bool {
        let granted = memory.wants(in_full(bytes)).is_some();
        if granted {
            memory.grant(in_full(bytes));
        }
        granted
    }

    #[test]
    fn everything_is_summed_and_nothing_goes_over_the_limit() {
        let mut memory = MemoryUse::new(4, (0, FREE), 0, None);
        assert!([2, 1, 1].into_iter().all(|bytes| grow(&mut memory, bytes)));
        assert!(!memory.refused());
        assert!(!grow(&mut memory, 1) && memory.refused());
        assert!(!grow(&mut memory, u64::MAX));
        assert_eq!(memory.used.all, 4);
    }

    #[test]
    fn what_the_host_keeps_is_of_the_same_limit() {
        let mut memory = MemoryUse::new(4, (u64::MAX, FREE), 0, None);
        assert!(grow(&mut memory, 2) && memory.set_host(2));
        assert!(!grow(&mut memory, 1), "the host has the rest");
        assert!(memory.set_host(1) && grow(&mut memory, 1), "some was given back");
        assert!(!memory.set_host(2));
    }

    #[test]
    fn what_the_engine_could_not_give_is_not_counted() {
        let mut memory = MemoryUse::new(4, (0, FREE), 0, None);
        assert!(grow(&mut memory, 1) && grow(&mut memory, 3));
        memory.grow_failed();
        assert!(grow(&mut memory, 3));
    }

    #[test]
    fn more_than_all_calls_may_have_is_refused_beyond_what_does_not_count() {
        let mut memory = MemoryUse::new(u64::MAX, (5, FREE), 0, None);
        assert!(grow(&mut memory, FREE_MEMORY_BYTES), "which does not count");
        assert!(memory.is_reserved(0) && !memory.is_reserved(1));
        assert_eq!(memory.wants(in_full(5)), Some(5));
        assert!(!grow(&mut memory, 6) && memory.refused());
    }

    #[test]
    fn an_image_counts_in_part_once_and_what_is_no_image_in_full() {
        let mut memory = MemoryUse::new(u64::MAX, (u64::MAX, FREE), 80, None);
        assert_eq!(memory.weigh_new(50).weighed, 6);
        assert_eq!(memory.weigh_new(50).weighed, 20 + 30 / IMAGE_PART);
        assert_eq!(memory.weigh_new(50).weighed, 50, "a memory that is made empty and grows is no image");
        assert_eq!(counted(100 + FREE_MEMORY_BYTES, 80, FREE), 20 + 80 / IMAGE_PART);
    }
}
