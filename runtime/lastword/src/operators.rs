//! What operators see and change beside a running runtime: deliveries that were not made, what became of one, and counts.
//!
//! A change goes through the journal's writer in its place among what owners ask, and through the dispatcher's queues. It is done a
//! few hundred deliveries at a time, and nobody waits for more than those.

mod changes;
mod listing;
mod settled;
mod stats;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) use self::changes::{change_all, change_each};
pub(crate) use self::listing::{deliveries, named};
pub(crate) use self::settled::settled_of;
pub(crate) use self::stats::stats;
pub use self::stats::{PluginStats, Stats};

use crate::out_of_queues::OutOfQueues;
use crate::waiters::Waiters;

/// What operators need beside what everybody does.
pub(crate) struct Operators {
    /// Held while the journal is read: one operator's page after the other, so that guests find a reader of theirs free.
    reads: tokio::sync::Mutex<()>,
    waiters: Arc<Waiters>,
    out_of_queues: OutOfQueues,
    /// How many sessions are active.
    sessions: Arc<AtomicU64>,
}

impl Operators {
    pub(crate) fn new(sessions: Arc<AtomicU64>) -> Self {
        Self {
            reads: tokio::sync::Mutex::default(),
            waiters: Arc::default(),
            out_of_queues: OutOfQueues::default(),
            sessions,
        }
    }

    /// Who waits for a delivery to be settled.
    pub(crate) fn waiters(&self) -> &Arc<Waiters> {
        &self.waiters
    }

    /// How many sessions are active.
    pub(crate) fn sessions(&self) -> u64 {
        self.sessions.load(Ordering::Relaxed)
    }

    /// What is in no queue: dead and orphaned deliveries.
    pub(crate) fn out_of_queues(&self) -> &OutOfQueues {
        &self.out_of_queues
    }
}
