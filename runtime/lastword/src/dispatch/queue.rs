use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use lastword_events::{Deferral, EventKey, Outcome, Session};

use super::PluginNumber;
use super::facts::DrainFacts;
use super::fair::TenantNumber;
use super::unbegun::Unbegun;
use crate::active::Unended;
use crate::breaker::Breaker;
use crate::lane::Lane;
use crate::owed::Owed;
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
    pub(super) unbegun: Count,
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
    Owed(Owed),
    /// Of a session that a drain found active.
    End(BacklogEnd),
}

impl Job {
    pub(crate) fn is_end(&self) -> bool {
        match self {
            Self::Owed(owed) => owed.is_end(),
            Self::End(_) => true,
        }
    }

    /// Bytes that its next call reserves, whatever others take.
    pub(super) fn wanted_memory(&self) -> u64 {
        match self {
            Self::Owed(owed) => owed.wanted_memory,
            Self::End(_) => 0,
        }
    }

    /// As [`Owed::defer`]. Ends of a backlog do not wait for a quota.
    pub(super) fn defer(&mut self) -> Option<Owed> {
        match self {
            Self::Owed(owed) => owed.defer(),
            Self::End(_) => None,
        }
    }

    pub(crate) fn owed(self) -> Owed {
        match self {
            Self::Owed(owed) => owed,
            Self::End(end) => end.owed(),
        }
    }
}

/// The end of a session that a drain found active. The event is made when its turn comes: a drain must not spend its
/// first moments on describing half a million ends.
#[derive(Debug)]
pub(crate) struct BacklogEnd {
    facts: Arc<DrainFacts>,
    sequence: u64,
    pub(crate) session: Arc<Session>,
    attempt: u32,
}

impl BacklogEnd {
    pub(crate) fn owed(&self) -> Owed {
        let end = Owed::new(self.sequence, EventKey::End, &self.session, &self.facts.end_of(&self.session));
        Owed { attempt: self.attempt, ..end }
    }
}

/// The sessions of one tenant that a drain found active, shared by the queues of the tenant's plugins.
#[derive(Clone, Debug)]
pub(crate) struct Backlog {
    facts: Arc<DrainFacts>,
    sessions: Arc<Vec<Unended>>,
    next: usize,
}

impl Backlog {
    pub(crate) fn new(facts: Arc<DrainFacts>, sessions: Arc<Vec<Unended>>) -> Self {
        Self { facts, sessions, next: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.sessions.len().saturating_sub(self.next)
    }
}

impl Iterator for Backlog {
    type Item = BacklogEnd;

    fn next(&mut self) -> Option<BacklogEnd> {
        let &Unended { sequence, ref session, attempt } = self.sessions.get(self.next)?;
        self.next += 1;
        Some(BacklogEnd { facts: self.facts.clone(), sequence, session: session.clone(), attempt })
    }
}

/// A drain's counts of `session-end` deliveries, for one queue.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) delivered: u64,
    pub(crate) failed: u64,
    pub(crate) deferred: u64,
    pub(crate) broken: bool,
    /// Whether the budget deferred any of them.
    pub(crate) timed_out: bool,
    /// How often each other outcome than `delivered` happened.
    pub(crate) causes: BTreeMap<String, u64>,
}

impl Tally {
    pub(crate) fn add(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Delivered => self.delivered += 1,
            Outcome::Failed { .. } => {
                self.failed += 1;
                *self.causes.entry(outcome.to_string()).or_default() += 1;
            }
            Outcome::Deferred(why) => self.defer(*why, 1),
        }
    }

    pub(crate) fn defer(&mut self, why: Deferral, count: u64) {
        if count > 0 {
            self.deferred += count;
            self.timed_out |= matches!(why, Deferral::Budget | Deferral::Journal);
            *self.causes.entry(Outcome::Deferred(why).to_string()).or_default() += count;
        }
    }

    pub(crate) fn owed(&self) -> u64 {
        self.delivered + self.failed + self.deferred
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
            unbegun: Count::default(),
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
            // A lane may have launched something of its own in place of the end, or keep it.
            if let Some(job) = self.begin_end(end) {
                return Some(job);
            }
        }
    }

    /// The end of a session of the backlog: it may begin, unless something older of its id has to go first.
    pub(super) fn begin_end(&mut self, end: BacklogEnd) -> Option<Job> {
        match self.lanes.get_mut(&end.session.identity.id) {
            None => Some(Job::End(end)),
            Some(lane) => lane.push_end(end.owed(), now()).map(Job::Owed),
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
        self.unbegun.all > self.ready_len()
    }

    /// Takes everything that has not begun, for good: what workers have finds no lane when it comes back. It looks at none of it:
    /// there may be a million.
    pub(super) fn take_all(&mut self) -> Unbegun {
        let (ready, lanes) = (std::mem::take(&mut self.ready), std::mem::take(&mut self.lanes));
        Unbegun::new(ready, lanes, self.backlog.take(), std::mem::take(&mut self.unbegun))
    }
}
