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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lastword_events::{Event, EventKey, Session, SessionStart};

    use super::*;

    fn deferred(count: usize) -> impl Iterator<Item = Deferred> {
        let session = Arc::new(Session::new("t", "s"));
        let event = Arc::new(Event::Start(SessionStart::default()));
        let delivery = QueuedDelivery::new(1, EventKey::Start, &session, &event);
        std::iter::repeat_with(move || Deferred { queue: 0, plugin: 0, delivery: delivery.clone() }).take(count)
    }

    #[test]
    fn what_waits_is_taken_in_batches_and_is_over_when_the_last_batch_is() {
        let mut notifications = Notifications::default();
        assert!(notifications.is_idle() && !notifications.has_pending());
        assert!(notifications.take_batch().is_empty() && notifications.is_idle(), "nobody notifies of nothing");
        notifications.add(deferred(MAX_NOTIFICATIONS + 1));
        assert!(notifications.has_pending() && !notifications.is_idle());
        assert_eq!(notifications.take_batch().len(), MAX_NOTIFICATIONS);
        assert!(notifications.has_pending());
        assert_eq!(notifications.take_batch().len(), 1);
        assert!(!notifications.has_pending() && !notifications.is_idle(), "two batches are in progress");
        notifications.batch_done();
        assert!(!notifications.is_idle());
        notifications.batch_done();
        assert!(notifications.is_idle());
        notifications.add(deferred(3));
        assert_eq!(notifications.cancel().len(), 3);
        assert!(notifications.is_idle() && !notifications.has_pending());
    }
}
