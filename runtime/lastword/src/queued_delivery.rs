//! A delivery on its way through lanes, queues and workers.

use std::sync::Arc;

use lastword_events::{Event, EventKey, PluginName, Session};
use lastword_journal::{DeliveryKey, PendingDelivery};

use crate::limits::MAX_PUT_BACKS;

/// A delivery that is owed in this run: the journal's [`PendingDelivery`] with what only the run knows. The plugin is that of its queue.
#[derive(Clone, Debug)]
pub(crate) struct QueuedDelivery {
    pub(crate) sequence: u64,
    pub(crate) key: EventKey,
    pub(crate) session: Arc<Session>,
    pub(crate) event: Arc<Event>,
    /// The number of the last attempt. 0 before the first.
    pub(crate) attempt: u32,
    /// Recorded failures.
    pub(crate) failures: u32,
    /// Newer events of the session id have gone ahead.
    pub(crate) late: bool,
    /// The delivery may take the process down, so it is made last and alone. Once it was made in this run, it is no suspect any more.
    pub(crate) suspect: bool,
    /// The rank in the lane, by the moment at which the delivery was put there: sessions of one id that are active at once have no other
    /// order. A delivery that is in no lane is newer than all that are.
    pub(crate) rank: u32,
    /// Bytes that the last call asked for, if it was put back. The next call reserves so many.
    pub(crate) wanted_memory: u64,
    /// Bytes that the host had to keep for the last call and could not, if it was put back for that.
    pub(crate) wanted_host_memory: u64,
    /// How often in a row calls of the delivery were put back that had run.
    pub(crate) put_backs: u32,
    /// The observer was notified that the delivery waits, since its last attempt.
    pub(crate) deferred: bool,
    /// An operator has forgotten the delivery while it was ready: it is skipped.
    pub(crate) withdrawn: bool,
}

impl QueuedDelivery {
    pub(crate) fn new(sequence: u64, key: EventKey, session: &Arc<Session>, event: &Arc<Event>) -> Self {
        let (session, event) = (session.clone(), event.clone());
        Self {
            sequence,
            key,
            session,
            event,
            attempt: 0,
            failures: 0,
            late: false,
            suspect: false,
            rank: u32::MAX,
            wanted_memory: 0,
            wanted_host_memory: 0,
            put_backs: 0,
            deferred: false,
            withdrawn: false,
        }
    }

    /// A delivery that a dead run owed.
    pub(crate) fn recovered(pending: &PendingDelivery) -> Self {
        Self {
            attempt: pending.attempt,
            failures: pending.failures,
            late: pending.late,
            suspect: pending.suspect,
            ..Self::new(pending.delivery.sequence, pending.delivery.event, &pending.session, &pending.event)
        }
    }

    /// A call begins.
    pub(crate) fn begin(&mut self) {
        self.attempt = self.attempt.saturating_add(1);
    }

    /// The call has run and is to be put back. Gives false if that has happened too often: then the call has failed.
    pub(crate) fn may_be_put_back(&mut self) -> bool {
        self.put_backs += 1;
        self.put_backs <= MAX_PUT_BACKS
    }

    /// The call was put back, which is no attempt. `wanted_memory`: bytes that the call had, or asked for.
    pub(crate) fn put_back(&mut self, wanted_memory: u64) {
        self.attempt = self.attempt.saturating_sub(1);
        self.wanted_memory = self.wanted_memory.max(wanted_memory);
    }

    /// The call has an outcome. If the delivery waits later, the observer is notified anew.
    pub(crate) fn end_attempt(&mut self) {
        self.deferred = false;
        (self.wanted_memory, self.wanted_host_memory, self.put_backs) = (0, 0, 0);
    }

    /// The delivery has to wait. Gives a copy for the observer, the first time.
    pub(crate) fn defer(&mut self) -> Option<Self> {
        let first = !std::mem::replace(&mut self.deferred, true);
        first.then(|| self.clone())
    }

    pub(crate) fn is_end(&self) -> bool {
        self.key == EventKey::End
    }

    pub(crate) fn delivery_key(&self, plugin: &PluginName) -> DeliveryKey {
        DeliveryKey { sequence: self.sequence, event: self.key, plugin: plugin.clone() }
    }
}

#[cfg(test)]
mod tests {
    use lastword_events::{EndReason, SessionEnd, Timestamp};

    use super::*;

    #[test]
    fn what_is_put_back_again_and_again_fails_and_then_counts_anew() {
        let end = Event::End(SessionEnd::new(EndReason::Reset, Timestamp::now()));
        let mut delivery = QueuedDelivery::new(1, EventKey::End, &Arc::new(Session::new("t", "s")), &Arc::new(end));
        for _ in 0..2 {
            let put_back = std::iter::repeat_with(|| delivery.may_be_put_back()).take_while(|may| *may).count();
            assert_eq!(u32::try_from(put_back), Ok(MAX_PUT_BACKS));
            delivery.end_attempt();
        }
    }
}
