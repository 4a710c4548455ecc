//! What one (tenant, plugin) pair is owed.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::PluginNumber;
use super::fair::TenantNumber;
use super::unstarted::Unstarted;
use crate::breaker::Breaker;
use crate::drain::account::Tally;
use crate::drain::backlog::{Backlog, BacklogEnd};
use crate::lane::Lane;
use crate::queued_delivery::QueuedDelivery;
use crate::sync::now;

/// What one (tenant, plugin) pair is owed.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) tenant: Arc<str>,
    pub(super) owner: TenantNumber,
    pub(crate) plugin: PluginNumber,
    /// May begin now, in this order.
    pub(crate) ready: VecDeque<Job>,
    /// Ends of a drain that have not been looked at yet; after everything in `ready`.
    pub(crate) backlog: Option<Backlog>,
    /// By session id; one only while something of it is owed.
    pub(crate) lanes: HashMap<Arc<str>, Lane>,
    /// What has not begun: in `ready`, in `lanes`, in `backlog`, and what may take the process down and waits for its turn.
    pub(super) unstarted: Count,
    /// Some of it may begin.
    pub(super) wanting: bool,
    /// Its plugin holds all the slots that it may: out of the order until it holds fewer.
    pub(super) parked: bool,
    /// Deliveries that a worker has taken and not brought back. Each holds a slot.
    pub(crate) taken: u32,
    /// Those among them that are `session-end`.
    pub(crate) ends_taken: u32,
    /// Ends that failed, and whose failure is being written down.
    pub(super) ends_unwritten: u32,
    pub(crate) breaker: Breaker,
    pub(crate) tally: Tally,
}

/// How many deliveries there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) all: usize,
    /// Those among them that are `session-end`.
    pub(crate) ends: usize,
}

impl Count {
    pub(super) fn add(&mut self, is_end: bool) {
        self.all += 1;
        self.ends += usize::from(is_end);
    }

    pub(super) fn remove(&mut self, is_end: bool) {
        self.all -= 1;
        self.ends -= usize::from(is_end);
    }
}

/// A delivery that may begin.
#[derive(Debug)]
pub(crate) enum Job {
    Queued(QueuedDelivery),
    /// Of a session that a drain found active.
    End(BacklogEnd),
}

impl Job {
    pub(crate) fn is_end(&self) -> bool {
        match self {
            Self::Queued(delivery) => delivery.is_end(),
            Self::End(_) => true,
        }
    }

    /// Bytes that its next call reserves, whatever others take.
    pub(super) fn wanted_memory(&self) -> u64 {
        match self {
            Self::Queued(delivery) => delivery.wanted_memory,
            Self::End(_) => 0,
        }
    }

    /// Marks it as deferred, see [`QueuedDelivery::defer`]. Ends of a backlog do not wait for a quota.
    pub(super) fn defer(&mut self) -> Option<QueuedDelivery> {
        match self {
            Self::Queued(delivery) => delivery.defer(),
            Self::End(_) => None,
        }
    }

    pub(crate) fn delivery(self) -> QueuedDelivery {
        match self {
            Self::Queued(delivery) => delivery,
            Self::End(end) => end.delivery(),
        }
    }
}

impl Queue {
    pub(crate) fn new(tenant: Arc<str>, owner: TenantNumber, plugin: PluginNumber, breaker: Breaker) -> Self {
        Self {
            tenant,
            owner,
            plugin,
            ready: VecDeque::new(),
            backlog: None,
            lanes: HashMap::new(),
            unstarted: Count::default(),
            wanting: false,
            parked: false,
            taken: 0,
            ends_taken: 0,
            ends_unwritten: 0,
            breaker,
            tally: Tally::default(),
        }
    }

    /// Deliveries that may begin.
    pub(crate) fn ready_len(&self) -> usize {
        self.ready.len() + self.backlog.as_ref().map_or(0, Backlog::len)
    }

    /// Takes what is to begin next.
    pub(super) fn next_job(&mut self) -> Option<Job> {
        loop {
            if let Some(job) = self.ready.pop_front() {
                return Some(job);
            }
            let end = self.backlog.as_mut()?.next()?;
            // A lane may have made something ready of its own in place of the end, or keep it.
            if let Some(job) = self.begin_end(end) {
                return Some(job);
            }
        }
    }

    /// The end of a session of the backlog: it may begin, unless something older of its id has to go first.
    pub(super) fn begin_end(&mut self, end: BacklogEnd) -> Option<Job> {
        match self.lanes.get_mut(&end.session.identity.id) {
            None => Some(Job::End(end)),
            Some(lane) => lane.push_end(end.delivery(), now()).map(Job::Queued),
        }
    }

    /// Ends that a worker has, or whose failure is being written down.
    pub(super) fn held_ends(&self) -> u64 {
        u64::from(self.ends_taken + self.ends_unwritten)
    }

    /// It is owed nothing.
    pub(crate) fn is_idle(&self) -> bool {
        self.taken == 0 && self.lanes.is_empty() && self.ready_len() == 0
    }

    /// Whether anything waits in a lane. Also when nothing does but a delivery that may take the process down.
    pub(super) fn may_have_waiting(&self) -> bool {
        self.unstarted.all > self.ready_len()
    }

    /// Takes everything that has not begun, for good: what workers have finds no lane when it comes back. It looks at none of it:
    /// there may be a million.
    pub(super) fn take_all(&mut self) -> Unstarted {
        let (ready, lanes) = (std::mem::take(&mut self.ready), std::mem::take(&mut self.lanes));
        Unstarted::new(ready, lanes, self.backlog.take(), std::mem::take(&mut self.unstarted))
    }
}
