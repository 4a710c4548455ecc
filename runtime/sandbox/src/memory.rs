//! A call's memory: the sum over all linear memories and tables of its instance, where wasmtime's own limiter looks at
//! each one alone, and what the host keeps for it ([`host_memory`](crate::host_memory)). What of it counts in the memory that calls
//! share is in [`MemoryAccount`](crate::MemoryAccount).

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use wasmtime::ResourceLimiterAsync;

use crate::excess::Excess;
use crate::limits::{FREE_MEMORY_BYTES, IMAGE_PART, MAX_CORE_INSTANCES, MAX_MEMORIES, MAX_TABLES};
use crate::memory_account::{GivesWay, MemoryPart, Reservation};
use crate::plugin::Loaded;
use crate::state::GuestState;

/// A table's slot is a pointer.
const BYTES_PER_ELEMENT: u64 = size_of::<usize>() as u64;

/// What counts in the memory that calls share of `bytes`, `image` of which the component itself fills.
pub(crate) fn counted(bytes: u64, image: u64) -> u64 {
    beyond_free(bytes.saturating_sub(image).saturating_add(image / IMAGE_PART))
}

fn beyond_free(bytes: u64) -> u64 {
    bytes.saturating_sub(FREE_MEMORY_BYTES)
}

/// How much of its limits a call uses.
#[derive(Debug)]
pub(crate) struct MemoryUse {
    limit: u64,
    /// The most that can count in what calls share.
    most_counted: u64,
    /// By its memories and tables.
    used: Bytes,
    /// By the host for it.
    host: u64,
    /// What was granted last, to be given back when the engine fails to grow after all.
    granted: Bytes,
    refused: bool,
    /// Bytes that the component fills, of memories that are not made yet.
    image_left: u64,
    reservation: Option<Reservation>,
    /// This call's part of what the host keeps for all calls.
    host_charged: u64,
}

/// Why the host may not keep so much for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TooMuch {
    OfItsOwn(Excess),
    /// It would fit if others had less.
    OfWhatIsShared,
}

/// What the host keeps for calls together, for each beyond its first [`FREE_MEMORY_BYTES`].
#[derive(Debug)]
pub(crate) struct Together {
    limit: u64,
    used: AtomicU64,
}

/// Bytes, and what they come to where image counts in part.
#[derive(Clone, Copy, Debug, Default)]
struct Bytes {
    all: u64,
    weighed: u64,
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

impl Bytes {
    fn plus(self, more: Self) -> Self {
        Self { all: self.all.saturating_add(more.all), weighed: self.weighed.saturating_add(more.weighed) }
    }

    fn minus(self, less: Self) -> Self {
        Self { all: self.all.saturating_sub(less.all), weighed: self.weighed.saturating_sub(less.weighed) }
    }
}

impl MemoryUse {
    pub(crate) fn new(plugin: &Loaded, reservation: Option<Reservation>) -> Self {
        Self::with_limits(plugin.limits.memory, plugin.memory.most(), plugin.image, reservation)
    }

    fn with_limits(limit: u64, most_counted: u64, image_left: u64, reservation: Option<Reservation>) -> Self {
        let (used, granted) = (Bytes::default(), Bytes::default());
        Self { limit, most_counted, used, host: 0, granted, refused: false, image_left, reservation, host_charged: 0 }
    }

    /// Whether the guest ever asked for more than it may have. What fails after that fails for want of memory.
    pub(crate) fn refused(&self) -> bool {
        self.refused
    }

    /// A memory of so many bytes is made: those that the component fills count in part.
    fn weigh_new(&mut self, bytes: u64) -> Bytes {
        let image = bytes.min(self.image_left);
        self.image_left -= image;
        Bytes { all: bytes, weighed: bytes - image + image / IMAGE_PART }
    }

    /// What counts in what calls share when `more` is granted; none when the guest may never have so much.
    fn wants(&mut self, more: Bytes) -> Option<u64> {
        let wanted = self.used.plus(more);
        let counted = beyond_free(wanted.weighed.saturating_add(self.host));
        if wanted.all.saturating_add(self.host) > self.limit || counted > self.most_counted {
            self.refused = true;
            // A failure that the engine reports now is this one's, and gives nothing back.
            self.granted = Bytes::default();
            return None;
        }
        Some(counted)
    }

    fn is_reserved(&self, counted: u64) -> bool {
        counted <= self.reservation.as_ref().map_or(0, Reservation::held)
    }

    fn grant(&mut self, more: Bytes) {
        self.used = self.used.plus(more);
        self.granted = more;
    }

    /// The host keeps so much now, whatever comes of that. A host call cannot wait: what is not free is somebody else's.
    fn see_host(&mut self, host: u64, own: &Arc<MemoryPart>, shared: [&Together; 2]) -> Result<(), TooMuch> {
        let grows = host > self.host;
        self.host = host;
        if !grows {
            return Ok(());
        }
        let counted = self.counted();
        if self.used.all.saturating_add(host) > self.limit || counted > self.most_counted {
            return Err(TooMuch::OfItsOwn(Excess::Memory { limit: self.limit, guest: self.used.all, host }));
        }
        let all_fit = (self.is_reserved(counted) || self.reserve_now(counted, own)) && self.charge_host(shared);
        if all_fit { Ok(()) } else { Err(TooMuch::OfWhatIsShared) }
    }

    /// What it uses, as it counts in what calls share.
    fn counted(&self) -> u64 {
        beyond_free(self.used.weighed.saturating_add(self.host))
    }

    fn reserve_now(&mut self, counted: u64, own: &Arc<MemoryPart>) -> bool {
        self.reservation.get_or_insert_with(|| own.reserve_nothing()).grow_now(counted)
    }

    /// Takes from what the host keeps for all calls what it keeps for this one beyond its free part.
    fn charge_host(&mut self, [plugin, all]: [&Together; 2]) -> bool {
        let more = self.host.saturating_sub(FREE_MEMORY_BYTES).saturating_sub(self.host_charged);
        if more > 0 {
            if !plugin.take(more) {
                return false;
            }
            if !all.take(more) {
                plugin.give_back(more);
                return false;
            }
        }
        self.host_charged += more;
        true
    }

    fn grow_failed(&mut self) {
        self.used = self.used.minus(std::mem::take(&mut self.granted));
        self.refused = true;
    }
}

impl Drop for GuestState {
    fn drop(&mut self) {
        if self.memory.host_charged > 0 {
            self.flight.plugin.kept.give_back(self.memory.host_charged);
            self.flight.plugin.host.kept.give_back(self.memory.host_charged);
        }
    }
}

impl GuestState {
    /// False when the guest may not have so much, whatever others have. While others have it, this waits.
    async fn grow(&mut self, more: Bytes) -> Result<bool, GivesWay> {
        let Some(counted) = self.memory.wants(more) else { return Ok(false) };
        if !self.memory.is_reserved(counted) {
            self.reserve(counted).await?;
        }
        if counted > 0 {
            self.flight.meter.see_counted_memory(counted);
        }
        self.memory.grant(more);
        self.flight.meter.see_memory(self.memory.used.all, self.memory.host);
        Ok(true)
    }

    async fn reserve(&mut self, bytes: u64) -> Result<(), GivesWay> {
        let sent = self.has_sent();
        let Self { flight, memory, .. } = self;
        // Also of a call that has to give way: it is begun again with so much.
        flight.meter.see_counted_memory(bytes);
        let reservation = memory.reservation.get_or_insert_with(|| flight.plugin.memory.reserve_nothing());
        let _turn = flight.meter.begin_turn();
        poll_fn(|cx| reservation.poll_grow(bytes, sent, cx)).await
    }

    /// Counts what the host keeps after a host call. A call that wants more than its plugin may have ends there; one that
    /// wants what others hold is put back.
    pub(crate) fn see_host_memory(&mut self, bytes: u64) -> wasmtime::Result<()> {
        if bytes == self.memory.host {
            return Ok(());
        }
        let Self { flight, memory, .. } = self;
        let plugin = &flight.plugin;
        let seen = memory.see_host(bytes, &plugin.memory, [&plugin.kept, &plugin.host.kept]);
        flight.meter.see_memory(memory.used.all, memory.host);
        let counted = memory.counted();
        if counted > 0 {
            // Also of a call that gives way: it is begun again with so much.
            flight.meter.see_counted_memory(counted);
        }
        match seen {
            Ok(()) => Ok(()),
            Err(TooMuch::OfItsOwn(excess)) => Err(excess.into()),
            Err(TooMuch::OfWhatIsShared) => Err(GivesWay.into()),
        }
    }
}

fn difference(current: usize, desired: usize) -> u64 {
    u64::try_from(desired.saturating_sub(current)).unwrap_or(u64::MAX)
}

fn in_full(bytes: u64) -> Bytes {
    Bytes { all: bytes, weighed: bytes }
}

#[async_trait]
impl ResourceLimiterAsync for GuestState {
    async fn memory_growing(&mut self, now: usize, desired: usize, _most: Option<usize>) -> wasmtime::Result<bool> {
        let bytes = difference(now, desired);
        let more = if now == 0 { self.memory.weigh_new(bytes) } else { in_full(bytes) };
        Ok(self.grow(more).await?)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory.grow_failed();
        Ok(())
    }

    async fn table_growing(&mut self, now: usize, desired: usize, _most: Option<usize>) -> wasmtime::Result<bool> {
        let bytes = difference(now, desired).saturating_mul(BYTES_PER_ELEMENT);
        Ok(self.grow(in_full(bytes)).await?)
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
    use crate::memory_account::MemoryAccount;

    fn grow(memory: &mut MemoryUse, bytes: u64) -> bool {
        let granted = memory.wants(in_full(bytes)).is_some();
        if granted {
            memory.grant(in_full(bytes));
        }
        granted
    }

    #[test]
    fn everything_is_summed_and_nothing_goes_over_the_limit() {
        let mut memory = MemoryUse::with_limits(4, 0, 0, None);
        assert!([2, 1, 1].into_iter().all(|bytes| grow(&mut memory, bytes)));
        assert!(!memory.refused());
        assert!(!grow(&mut memory, 1) && memory.refused());
        assert!(!grow(&mut memory, u64::MAX));
        assert_eq!(memory.used.all, 4);
    }

    #[test]
    fn what_the_host_keeps_is_of_the_same_limit() {
        let (mut memory, all) = (MemoryUse::with_limits(4, u64::MAX, 0, None), Together::new(0));
        let (own, shared) = (MemoryAccount::new(0, 0).part(0), [&all, &all]);
        assert!(grow(&mut memory, 2));
        assert_eq!(memory.see_host(2, &own, shared), Ok(()));
        assert!(!grow(&mut memory, 1), "the host has the rest");
        assert_eq!(memory.see_host(1, &own, shared), Ok(()));
        assert!(grow(&mut memory, 1), "some was given back");
        let excess = Excess::Memory { limit: 4, guest: 3, host: 2 };
        assert_eq!(memory.see_host(2, &own, shared), Err(TooMuch::OfItsOwn(excess)));
    }

    #[test]
    fn what_the_host_keeps_for_all_calls_is_bounded_and_nobody_fails_for_what_others_hold() {
        const FREE: u64 = FREE_MEMORY_BYTES;
        let (own, all) = (MemoryAccount::new(u64::MAX, 0).part(u64::MAX), Together::new(3 * FREE));
        let [first_plugin, second_plugin] = [2 * FREE, 2 * FREE].map(Together::new);
        let mut calls = [(); 3].map(|()| MemoryUse::with_limits(u64::MAX, u64::MAX, 0, None));
        let [first, second, third] = &mut calls;
        assert_eq!(first.see_host(3 * FREE, &own, [&first_plugin, &all]), Ok(()));
        assert_eq!(second.see_host(FREE, &own, [&first_plugin, &all]), Ok(()), "the first part is free");
        let of_plugin = second.see_host(FREE + 1, &own, [&first_plugin, &all]);
        assert_eq!(of_plugin, Err(TooMuch::OfWhatIsShared), "its plugin's");
        assert_eq!(third.see_host(2 * FREE, &own, [&second_plugin, &all]), Ok(()), "another's");
        let of_all = third.see_host(2 * FREE + 1, &own, [&second_plugin, &all]);
        assert_eq!(of_all, Err(TooMuch::OfWhatIsShared), "all calls'");
        let used = |together: &Together| together.used.load(Ordering::Relaxed);
        assert_eq!((used(&first_plugin), used(&second_plugin), used(&all)), (2 * FREE, FREE, 3 * FREE));
        assert_eq!(calls.map(|call| call.host_charged), [2 * FREE, 0, FREE]);
    }

    #[test]
    fn what_the_host_keeps_counts_in_what_calls_share_and_a_call_that_finds_none_gives_way() {
        let account = MemoryAccount::new(10, 0);
        let own = account.part(10);
        let all = Together::new(u64::MAX);
        let [mut first, mut second] = [(); 2].map(|()| MemoryUse::with_limits(u64::MAX, 10, 0, None));
        assert_eq!(first.see_host(FREE_MEMORY_BYTES + 6, &own, [&all, &all]), Ok(()));
        assert_eq!(account.used(), 6);
        assert_eq!(second.see_host(FREE_MEMORY_BYTES + 5, &own, [&all, &all]), Err(TooMuch::OfWhatIsShared));
        drop(first);
        assert_eq!(second.see_host(FREE_MEMORY_BYTES + 7, &own, [&all, &all]), Ok(()));
        drop(second);
        assert_eq!(account.used(), 0);
    }

    #[test]
    fn what_the_engine_could_not_give_is_not_counted() {
        let mut memory = MemoryUse::with_limits(4, 0, 0, None);
        assert!(grow(&mut memory, 1) && grow(&mut memory, 3));
        memory.grow_failed();
        assert!(grow(&mut memory, 3));
    }

    #[test]
    fn more_than_all_calls_may_have_is_refused_beyond_what_does_not_count() {
        let mut memory = MemoryUse::with_limits(u64::MAX, 5, 0, None);
        assert!(grow(&mut memory, FREE_MEMORY_BYTES), "which does not count");
        assert!(memory.is_reserved(0) && !memory.is_reserved(1));
        assert_eq!(memory.wants(in_full(5)), Some(5));
        assert!(!grow(&mut memory, 6) && memory.refused());
    }

    #[test]
    fn an_image_counts_in_part_once_and_what_is_no_image_in_full() {
        let mut memory = MemoryUse::with_limits(u64::MAX, u64::MAX, 80, None);
        assert_eq!(memory.weigh_new(50).weighed, 6);
        assert_eq!(memory.weigh_new(50).weighed, 20 + 30 / IMAGE_PART);
        assert_eq!(memory.weigh_new(50).weighed, 50, "a memory that is made empty and grows is no image");
        assert_eq!(counted(100 + FREE_MEMORY_BYTES, 80), 20 + 80 / IMAGE_PART);
    }
}
