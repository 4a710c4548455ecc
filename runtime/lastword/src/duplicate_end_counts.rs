//! Counts duplicate ends.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::recent_ends::DuplicateEnd;
use crate::request::{Acceptance, Accepted};

/// How many duplicate ends there were in this run: ends that their owners had told of within the last 10 s
/// ([`DUPLICATE_WITHIN`](lastword_journal::DUPLICATE_WITHIN)), and that were not delivered again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DuplicateEnds {
    /// How many duplicate ends there were.
    pub count: u64,
    /// How many of the duplicate ends had a field that the first end had not. Plugins were called with the fields of the first end.
    pub with_more: u64,
}

/// Counts duplicate ends.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    count: AtomicU64,
    with_more: AtomicU64,
}

impl Counter {
    /// Counts a duplicate end, logs what was lost with it, and answers its owner.
    pub(crate) fn count(&self, duplicate: DuplicateEnd) -> Accepted {
        let DuplicateEnd { identity, generation, more } = duplicate;
        self.count.fetch_add(1, Ordering::Relaxed);
        if !more.is_empty() {
            self.with_more.fetch_add(1, Ordering::Relaxed);
            let (tenant, session, more) = (&*identity.tenant, &*identity.id, more.join(", "));
            tracing::warn!(
                tenant,
                session,
                more,
                "a duplicate end says more than the first one, which is what the plugins are told"
            );
        }
        Accepted::new(identity, generation, Acceptance::DuplicateEnd)
    }

    pub(crate) fn counts(&self) -> DuplicateEnds {
        let [count, with_more] = [&self.count, &self.with_more].map(|count| count.load(Ordering::Relaxed));
        DuplicateEnds { count, with_more }
    }
}
