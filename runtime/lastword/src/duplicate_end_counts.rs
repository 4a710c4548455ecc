//! Counts duplicate ends.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::recent_ends::DuplicateEnd;
use crate::request::{Acceptance, Accepted};

/// Duplicate ends in this run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RepeatedEnds {
    /// How many.
    pub told_again: u64,
    /// Those among them that said more than the first. The plugins were told what the first said.
    pub knew_more: u64,
}

/// Counts duplicate ends.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    told_again: AtomicU64,
    knew_more: AtomicU64,
}

impl Counter {
    /// Counts one, logs what was lost with it, and answers.
    pub(crate) fn count(&self, duplicate: DuplicateEnd) -> Accepted {
        let DuplicateEnd { identity, generation, more } = duplicate;
        self.told_again.fetch_add(1, Ordering::Relaxed);
        if !more.is_empty() {
            self.knew_more.fetch_add(1, Ordering::Relaxed);
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

    pub(crate) fn counts(&self) -> RepeatedEnds {
        let [told_again, knew_more] = [&self.told_again, &self.knew_more].map(|count| count.load(Ordering::Relaxed));
        RepeatedEnds { told_again, knew_more }
    }
}
