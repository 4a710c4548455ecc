//! The size of a group: small enough that an owner's line waits only for a moment, and large enough to be worth a sync.

use std::time::Duration;

use crate::limits::{FIRST_GROUP_BYTES, GROUP_TIME, MAX_GROUP_BYTES, MAX_SYNC, MIN_GROUP_BYTES};

/// A smaller group does not tell the speed of the disk.
const TELLING_BYTES: u64 = MIN_GROUP_BYTES / 4;

/// The size of the next group, from the times of the last ones.
#[derive(Debug)]
pub(super) struct GroupSize {
    bytes: u64,
    sync: Duration,
}

impl GroupSize {
    pub(super) fn new() -> Self {
        Self { bytes: FIRST_GROUP_BYTES, sync: Duration::ZERO }
    }

    /// In the bytes that [`ROW_BYTES`](lastword_journal::state::ROW_BYTES) says.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Notes that a group of `bytes` took `work`, and its commit `sync`.
    pub(super) fn measured(&mut self, bytes: u64, work: Duration, sync: Duration) {
        if bytes == 0 {
            return;
        }
        self.sync = (self.sync * 7 + sync.min(MAX_SYNC)) / 8;
        if bytes < TELLING_BYTES {
            return;
        }
        let time = GROUP_TIME.max(self.sync);
        let would_take = u128::from(bytes) * time.as_nanos() / work.as_nanos().max(1);
        let fits = u64::try_from(would_take).unwrap_or(u64::MAX).min(MAX_GROUP_BYTES);
        // One group may have had a processor to itself, and the next one none.
        self.bytes = ((self.bytes * 3 + fits) / 4).clamp(MIN_GROUP_BYTES, MAX_GROUP_BYTES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn after(work_for_a_mebibyte: Duration, sync: Duration) -> u64 {
        let mut size = GroupSize::new();
        for _ in 0..100 {
            let work = work_for_a_mebibyte * u32::try_from(size.bytes() >> 10).unwrap() / 1024;
            size.measured(size.bytes(), work, sync);
        }
        size.bytes()
    }

    #[test]
    fn a_group_takes_as_long_as_a_line_may_wait_on_a_fast_machine_and_on_a_slow_one() {
        let near = |bytes: u64, wanted: u64| bytes.abs_diff(wanted) < wanted / 8;
        assert!(near(after(16 * MS, MS), 1 << 20));
        assert!(near(after(8 * MS, MS), 2 << 20));
        assert!(near(after(32 * MS, MS), 512 << 10));
        assert!(near(after(MS / 10, MS), MAX_GROUP_BYTES));
        assert_eq!(after(1_000 * MS, MS), MIN_GROUP_BYTES);
    }

    #[test]
    fn where_a_sync_takes_longer_than_that_groups_are_worth_it() {
        assert!(after(16 * MS, 64 * MS) > 3 << 20);
        assert!(after(32 * MS, 10_000 * MS) < 4 << 20, "a disk that hangs is no reason to wait for so long again");
    }

    #[test]
    fn a_small_group_says_nothing() {
        let mut size = GroupSize::new();
        (0..100).for_each(|_| size.measured(600, 50 * MS, MS));
        assert_eq!(size.bytes(), FIRST_GROUP_BYTES);
    }
}
