use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use lastword_events::{Deferral, DrainReason, Timestamp};

use super::PluginNumber;
use super::facts::DrainFacts;
use super::fair::QueueId;
use super::queue::Tally;
use super::unbegun::Unbegun;

/// The drain that is going on, or is over: a run has one.
pub(crate) struct Drain {
    pub(super) facts: Arc<DrainFacts>,
    pub(super) is_cut: bool,
    pub(super) is_closed: bool,
    pub(super) passed_over: Vec<PassedOver>,
    /// Sessions that the snapshot found.
    pub(super) sessions: u64,
    /// Sessions that were written down after the snapshot.
    pub(super) late_sessions: u64,
    /// What it had come to when its account was closed.
    pub(super) came_to: Option<SoFar>,
    /// Ends without an attempt that somebody was told of since.
    pub(super) told: Arc<AtomicU64>,
}

/// Deliveries that had no attempt in this drain.
#[derive(Debug)]
pub(crate) struct PassedOver {
    pub(crate) queue: QueueId,
    pub(crate) why: Deferral,
    pub(crate) unbegun: Unbegun,
}

/// What a drain has come to by some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SoFar {
    pub(crate) sessions: u64,
    pub(crate) delivered: u64,
    pub(crate) failed: u64,
    pub(crate) deferred: u64,
    /// Those of `deferred` that nobody was told of one by one.
    pub(crate) untold: u64,
}

/// What a drain came to.
pub(crate) struct Closed {
    /// Every queue that was owed an end, in no order.
    pub(crate) queues: Vec<ClosedQueue>,
    pub(crate) passed_over: Vec<PassedOver>,
    /// Ends that a worker had not brought back. Nobody is told of them one by one.
    pub(crate) held: u64,
    /// Sessions that were written down after the snapshot.
    pub(crate) late_sessions: u64,
    /// Where to count the ends of `passed_over` that somebody is told of.
    pub(crate) told: Arc<AtomicU64>,
}

pub(crate) struct ClosedQueue {
    pub(crate) tenant: Arc<str>,
    pub(crate) plugin: PluginNumber,
    pub(crate) tally: Tally,
}

impl Drain {
    pub(crate) fn new(reason: DrainReason, ended_at: Timestamp, cut_at: Instant) -> Self {
        let facts = Arc::new(DrainFacts { reason, ended_at, cut_at });
        Self {
            facts,
            is_cut: false,
            is_closed: false,
            passed_over: Vec::new(),
            sessions: 0,
            late_sessions: 0,
            came_to: None,
            told: Arc::default(),
        }
    }

    pub(crate) fn facts(&self) -> &Arc<DrainFacts> {
        &self.facts
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }
}
