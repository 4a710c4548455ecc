//! The quotas of host memory for all calls of a plugin, and for all calls of the process, beyond a free part of each call.
//! [`host_memory`](crate::host_memory) counts that of one call.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// A quota of many calls, in bytes.
#[derive(Debug)]
pub(crate) struct HostMemoryQuota {
    limit: u64,
    bytes: AtomicU64,
}

impl HostMemoryQuota {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, bytes: AtomicU64::new(0) }
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// Whether the quota has so many bytes now.
    pub(crate) fn has(&self, bytes: u64) -> bool {
        self.bytes.load(Ordering::Relaxed).checked_add(bytes).is_some_and(|kept| kept <= self.limit)
    }

    fn take(&self, bytes: u64) -> bool {
        let fits = |kept: u64| kept.checked_add(bytes).filter(|kept| *kept <= self.limit);
        self.bytes.try_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    pub(crate) fn give_back(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The error with which a call is put back when other calls hold the host memory that it needs.
#[derive(Debug)]
pub(crate) struct HostMemoryUsedUp;

impl fmt::Display for HostMemoryUsedUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what the host may keep for all calls is used up by others")
    }
}

impl std::error::Error for HostMemoryUsedUp {}

/// Takes `bytes` of both quotas, or none.
pub(crate) fn take_of_both(plugin: &HostMemoryQuota, all: &HostMemoryQuota, bytes: u64) -> bool {
    if !plugin.take(bytes) {
        return false;
    }
    let took = all.take(bytes);
    if !took {
        plugin.give_back(bytes);
    }
    took
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_one_of_both_is_taken_of_none() {
        let all = HostMemoryQuota::new(5);
        let [first, second] = [3, 3].map(HostMemoryQuota::new);
        assert!(take_of_both(&first, &all, 3) && !take_of_both(&first, &all, 1), "its plugin's");
        assert!(!take_of_both(&second, &all, 3), "all calls'");
        assert!(take_of_both(&second, &all, 2));
        assert!(all.has(0) && !all.has(1) && first.has(0) && !first.has(1) && second.has(1));
        let kept = |kept: &HostMemoryQuota| kept.bytes.load(Ordering::Relaxed);
        assert_eq!((kept(&first), kept(&second), kept(&all)), (3, 2, 5));
    }
}
