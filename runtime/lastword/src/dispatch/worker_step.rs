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
    /// Notify the observer that these deliveries wait, and then call [`Dispatcher::notified`](super::Dispatcher::notified).
    Notify(Vec<Deferred>),
    /// Serve this queue: finish the calls of it that the worker has begun, and then begin these.
    Serve(Slice),
    /// Let other threads go on, and ask again: there may be work by then. The worker counts as one that is coming.
    Yield,
    /// Sleep until there is work, or until this moment.
    Idle(Option<Instant>),
    /// The budget has ended: drop every call.
    Cut,
    /// The runtime detaches: leave as soon as no call is under way. Calls under way may end by themselves, unless `cut` says to drop them.
    Leave { cut: bool },
    /// The runtime is gone.
    Stop,
}

/// A worker's slice of one queue.
pub(crate) struct Slice {
    pub(crate) queue: QueueId,
    pub(crate) plugin: PluginNumber,
    /// The deliveries that the worker may begin.
    pub(crate) jobs: Vec<Taken>,
    /// The drain that has begun.
    pub(crate) drain: Option<Arc<DrainContext>>,
    /// The number of the last change of installed plugins. If there is a newer one, the worker begins nothing of this slice.
    pub(crate) plugin_changes: u64,
}

/// A slice that the worker has finished. The dispatcher takes it back.
pub(crate) struct ConcludedSlice {
    pub(crate) queue: QueueId,
    pub(crate) time: Duration,
    /// Deliveries that are accounted for.
    pub(crate) finished: Vec<FinishedCall>,
    /// Deliveries that were not begun.
    pub(crate) unstarted: Vec<Taken>,
    /// Deliveries for whose events the plugin has no hook any more. They are orphaned.
    pub(crate) without_hook: Vec<Taken>,
}
