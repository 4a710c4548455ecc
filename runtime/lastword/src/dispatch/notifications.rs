//! Deferrals of which the observer has yet to be notified.

use std::collections::VecDeque;

use super::ids::QueueId;
use crate::installed::PluginNumber;
use crate::limits::MAX_NOTIFICATIONS;
use crate::queued_delivery::QueuedDelivery;

/// A delivery that waits for its tenant's quota. The observer is notified of it once.
#[derive(Debug)]
pub(crate) struct Deferred {
    pub(crate) queue: QueueId,
    pub(crate) plugin: PluginNumber,
    pub(crate) delivery: QueuedDelivery,
}

#[derive(Debug, Default)]
pub(super) struct Notifications {
    deferred: VecDeque<Deferred>,
    /// How many batches workers are notifying the observer of.
    in_progress: usize,
}

impl Notifications {
    pub(super) fn add(&mut self, deferred: impl Iterator<Item = Deferred>) {
        self.deferred.extend(deferred);
    }

    /// Whether no deferral waits, and no batch is in progress.
    pub(super) fn is_idle(&self) -> bool {
        self.deferred.is_empty() && self.in_progress == 0
    }

    pub(super) fn has_pending(&self) -> bool {
        !self.deferred.is_empty()
    }

    /// Takes a batch for a worker, which runs no guests meanwhile.
    pub(super) fn take_batch(&mut self) -> Vec<Deferred> {
        self.in_progress += usize::from(!self.deferred.is_empty());
        let some = self.deferred.len().min(MAX_NOTIFICATIONS);
        self.deferred.drain(..some).collect()
    }

    /// Notes that the observer was notified of a batch.
    pub(super) fn batch_done(&mut self) {
        self.in_progress -= 1;
    }

    /// Takes all deferrals that wait: the observer is not notified of them.
    pub(super) fn cancel(&mut self) -> VecDeque<Deferred> {
        std::mem::take(&mut self.deferred)
    }
}
