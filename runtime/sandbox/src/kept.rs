//! What the host keeps for calls, and how much that may be: for one call its plugin's `memory`, of which the guest's own
//! memories are the other part; for all calls of a plugin and for all calls of the process a bound of its own, beyond a free part
//! of each call. [`host_memory`](crate::host_memory) counts what it is.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::call_context::CallContext;
use crate::limit_exceeded::LimitExceeded;
use crate::limits::FREE_MEMORY_BYTES;
use crate::plugin::Loaded;
use crate::state::GuestState;

/// What is kept for many calls, in bytes.
#[derive(Debug)]
pub(crate) struct KeptForAll {
    limit: u64,
    bytes: AtomicU64,
}

impl KeptForAll {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, bytes: AtomicU64::new(0) }
    }

    /// Whether there is so much now.
    fn has(&self, bytes: u64) -> bool {
        self.bytes.load(Ordering::Relaxed).checked_add(bytes).is_some_and(|kept| kept <= self.limit)
    }

    fn take(&self, bytes: u64) -> bool {
        let fits = |kept: u64| kept.checked_add(bytes).filter(|kept| *kept <= self.limit);
        self.bytes.try_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    fn give_back(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// What is kept for one call.
#[derive(Default)]
pub(crate) struct Kept {
    bytes: u64,
    charged: Option<Charged>,
}

/// Its part of what is kept for many. Given back with the call: what it frees before, it may need again.
struct Charged {
    context: Arc<CallContext>,
    bytes: u64,
}

impl Charged {
    /// Takes what is beyond the free part of a call, if others leave so much.
    fn grow(&mut self, kept: u64) -> bool {
        let plugin = &self.context.plugin;
        let more = beyond_free(kept).saturating_sub(self.bytes);
        let took = take_of_both(&plugin.kept, &plugin.host.kept, more);
        if took {
            self.bytes += more;
        }
        took
    }
}

fn beyond_free(kept: u64) -> u64 {
    kept.saturating_sub(FREE_MEMORY_BYTES)
}

impl Loaded {
    /// The most that the host keeps for one call of it, in bytes.
    fn most_kept(&self) -> u64 {
        self.kept.limit.min(self.host.kept.limit).saturating_add(FREE_MEMORY_BYTES)
    }

    /// Whether a call that makes the host keep so much finds that now.
    pub(crate) fn keeps_as_much(&self, bytes: u64) -> bool {
        let bytes = beyond_free(bytes);
        self.kept.has(bytes) && self.host.kept.has(bytes)
    }
}

fn take_of_both(plugin: &KeptForAll, all: &KeptForAll, bytes: u64) -> bool {
    if !plugin.take(bytes) {
        return false;
    }
    let took = all.take(bytes);
    if !took {
        plugin.give_back(bytes);
    }
    took
}

impl Drop for Charged {
    fn drop(&mut self) {
        self.context.plugin.kept.give_back(self.bytes);
        self.context.plugin.host.kept.give_back(self.bytes);
    }
}

impl GuestState {
    /// Looks at what is kept after a host call. A call that wants more than its plugin's memory, or than the host keeps for any one
    /// call, ends there; one that wants what is kept for others is put back.
    pub(crate) fn see_kept(&mut self, bytes: u64) -> wasmtime::Result<()> {
        let grows = bytes > self.kept.bytes;
        if bytes == self.kept.bytes {
            return Ok(());
        }
        self.kept.bytes = bytes;
        let fits = self.memory.see_host(bytes);
        let guest = self.memory.of_the_guest();
        self.context.meter.see_memory(guest, bytes);
        if !fits {
            return Err(LimitExceeded::Memory { limit: self.context.plugin.limits.memory, guest, host: bytes }.into());
        }
        let most = self.context.plugin.most_kept();
        if bytes > most {
            return Err(LimitExceeded::HostMemory { limit: most, host: bytes }.into());
        }
        if grows && bytes > FREE_MEMORY_BYTES {
            let context = &self.context;
            let charged = self.kept.charged.get_or_insert_with(|| Charged { context: Arc::clone(context), bytes: 0 });
            if !charged.grow(bytes) {
                context.meter.see_wanted_kept(bytes);
                return Err(KeptForOthers.into());
            }
        }
        Ok(())
    }
}

/// The error with which a call is put back that wants the host to keep what it keeps for others.
#[derive(Debug)]
pub(crate) struct KeptForOthers;

impl fmt::Display for KeptForOthers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what the host may keep for all calls is used up by others")
    }
}

impl std::error::Error for KeptForOthers {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_one_of_both_is_taken_of_none() {
        let all = KeptForAll::new(5);
        let [first, second] = [3, 3].map(KeptForAll::new);
        assert!(take_of_both(&first, &all, 3) && !take_of_both(&first, &all, 1), "its plugin's");
        assert!(!take_of_both(&second, &all, 3), "all calls'");
        assert!(take_of_both(&second, &all, 2));
        assert!(all.has(0) && !all.has(1) && first.has(0) && !first.has(1) && second.has(1));
        let kept = |kept: &KeptForAll| kept.bytes.load(Ordering::Relaxed);
        assert_eq!((kept(&first), kept(&second), kept(&all)), (3, 2, 5));
    }
}
