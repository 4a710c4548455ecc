//! What a worker is to do, and what it brings back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::backlog::DrainContext;
use super::finished_call::FinishedCall;
use super::ids::QueueId;
use super::job::Taken;
use super::notifications::Deferred;
use crate::installed::PluginNumber;

/// What a worker is to do now.
pub(crate) enum WorkerStep {
    /// Notify the observer that these wait, and then call
    /// [`Dispatcher::notified`](super::Dispatcher::notified).
    Notify(Vec<Deferred>),
    /// Serve this queue: finish what the worker has begun of it, then these.
    Serve(Slice),
    /// Sleep until there is something, or until this moment.
    Idle(Option<Instant>),
    /// The budget has ended: drop every call.
    Cut,
    /// The runtime detaches: leave, once no call is under way. Those that are may come to their end, unless `cut` says to drop them.
    Leave { cut: bool },
    /// The runtime is gone.
    Stop,
}

/// A worker's slice of one queue.
pub(crate) struct Slice {
    pub(crate) queue: QueueId,
    pub(crate) plugin: PluginNumber,
    /// What it may begin.
    pub(crate) jobs: Vec<Taken>,
    /// The drain that goes on.
    pub(crate) drain: Option<Arc<DrainContext>>,
    /// How often something has changed of installed plugins: when it has changed again, nothing of this is to begin.
    pub(crate) plugin_changes: u64,
}

/// A slice whose calls are concluded: what the dispatcher takes back.
pub(crate) struct ConcludedSlice {
    pub(crate) queue: QueueId,
    pub(crate) time: Duration,
    /// Deliveries that are accounted for.
    pub(crate) finished: Vec<FinishedCall>,
    /// Deliveries that were not begun after all.
    pub(crate) unstarted: Vec<Taken>,
    /// Deliveries that are orphaned, because the plugin has no hook for their events any more.
    pub(crate) without_hook: Vec<Taken>,
}
