//! What operators see and change while a runtime runs: deliveries that were not made, what became of one, and counts.
//!
//! The journal's writer carries out a change in its place among the owners' requests. Then the change goes through the dispatcher's queues.
//! One write changes a few hundred deliveries, and nobody waits for more than those.

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

/// The state that only operators need.
pub(crate) struct Operators {
    /// Held by each read of the journal, until that is done: a read that hangs keeps it, also when nobody waits for it any more. Operators'
    /// pages are read one after the other, so that guests find a free reader.
    reads: Arc<tokio::sync::Mutex<()>>,
    waiters: Arc<Waiters>,
    out_of_queues: OutOfQueues,
    /// How many sessions are active.
    sessions: Arc<AtomicU64>,
}

impl Operators {
    pub(crate) fn new(sessions: Arc<AtomicU64>) -> Self {
        Self { reads: Arc::default(), waiters: Arc::default(), out_of_queues: OutOfQueues::default(), sessions }
    }

    /// The waiters for deliveries to be settled.
    pub(crate) fn waiters(&self) -> &Arc<Waiters> {
        &self.waiters
    }

    /// How many sessions are active.
    pub(crate) fn sessions(&self) -> u64 {
        self.sessions.load(Ordering::Relaxed)
    }

    /// The deliveries that are in no queue: dead and orphaned ones.
    pub(crate) fn out_of_queues(&self) -> &OutOfQueues {
        &self.out_of_queues
    }
}
