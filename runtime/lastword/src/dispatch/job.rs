//! What a worker takes from a queue.

use lastword_events::Hook;

use super::backlog::BacklogEnd;
use super::demand::NextCall;
use super::slots::Permit;
use super::withdrawal::EventOfSession;
use crate::queued_delivery::QueuedDelivery;
use crate::sandbox::Reservation;

/// A delivery that may begin.
#[derive(Debug)]
pub(crate) enum Job {
    Queued(QueuedDelivery),
    /// The end of a session that a drain found active.
    End(BacklogEnd),
}

impl Job {
    pub(crate) fn is_end(&self) -> bool {
        match self {
            Self::Queued(delivery) => delivery.is_end(),
            Self::End(_) => true,
        }
    }

    /// What the plugin is called for.
    pub(crate) fn hook(&self) -> Hook {
        match self {
            Self::Queued(delivery) => delivery.key.hook(),
            Self::End(_) => Hook::SessionEnd,
        }
    }

    pub(super) fn next_call(&self) -> NextCall {
        match self {
            Self::Queued(delivery) => {
                NextCall { memory: delivery.wanted_memory, host_memory: delivery.wanted_host_memory }
            }
            Self::End(_) => NextCall::default(),
        }
    }

    /// Marks the job as deferred, see [`QueuedDelivery::defer`]. Ends of a backlog do not wait for a quota.
    pub(super) fn defer(&mut self) -> Option<QueuedDelivery> {
        match self {
            Self::Queued(delivery) if delivery.withdrawn => None,
            Self::Queued(delivery) => delivery.defer(),
            Self::End(_) => None,
        }
    }

    /// Marks the job as withdrawn, if its event is wanted: it is passed over then. Gives the delivery as it was.
    pub(super) fn withdraw(&mut self, is_wanted: impl FnOnce(EventOfSession) -> bool) -> Option<QueuedDelivery> {
        let Self::Queued(delivery) = self else { return None };
        if delivery.withdrawn || !is_wanted((delivery.sequence, delivery.key)) {
            return None;
        }
        let was = delivery.clone();
        delivery.withdrawn = true;
        Some(was)
    }

    pub(super) fn is_withdrawn(&self) -> bool {
        matches!(self, Self::Queued(delivery) if delivery.withdrawn)
    }

    pub(crate) fn delivery(self) -> QueuedDelivery {
        match self {
            Self::Queued(delivery) => delivery,
            Self::End(end) => end.delivery(),
        }
    }
}

/// A delivery with the permit for its call.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) job: Job,
    pub(crate) permit: Permit,
    /// The memory that the call reserves, until the call has it. None when it needs none.
    pub(crate) memory: Option<Reservation>,
}

/// How many deliveries there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) all: usize,
    /// How many of them are `session-end`.
    pub(super) ends: usize,
}

impl Count {
    pub(super) fn add(&mut self, is_end: bool) {
        self.all += 1;
        self.ends += usize::from(is_end);
    }

    pub(super) fn add_ends(&mut self, ends: usize) {
        self.all += ends;
        self.ends += ends;
    }

    pub(super) fn remove(&mut self, is_end: bool) {
        self.all -= 1;
        self.ends -= usize::from(is_end);
    }
}
