use std::collections::hash_map::IntoValues;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::queue::{Backlog, Job};
use crate::lane::Lane;
use crate::owed::Owed;

/// What a queue had not begun, as it was in the queue: taking it costs a look at each delivery and moves none, because a drain
/// that ends, with a million of them, has no time for more.
#[derive(Debug)]
pub(crate) struct Unbegun {
    ready: VecDeque<Job>,
    lanes: IntoValues<Arc<str>, Lane>,
    /// What waited in the lane that was looked at last.
    lane: VecDeque<Owed>,
    backlog: Option<Backlog>,
    len: usize,
    ends: usize,
}

impl Unbegun {
    pub(super) fn new(ready: VecDeque<Job>, lanes: HashMap<Arc<str>, Lane>, backlog: Option<Backlog>) -> Self {
        let in_lanes = || lanes.values().flat_map(Lane::waiting);
        let in_backlog = backlog.as_ref().map_or(0, Backlog::len);
        let len = ready.len() + in_lanes().count() + in_backlog;
        let ends_ready = ready.iter().filter(|job| job.is_end()).count();
        let ends = ends_ready + in_lanes().filter(|owed| owed.is_end()).count() + in_backlog;
        Self { ready, lanes: lanes.into_values(), lane: VecDeque::new(), backlog, len, ends }
    }

    /// Deliveries that are left of it.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Those among them that are `session-end`.
    pub(crate) fn ends(&self) -> u64 {
        u64::try_from(self.ends).unwrap_or(u64::MAX)
    }

    fn take(&mut self) -> Option<Owed> {
        if let Some(job) = self.ready.pop_front() {
            return Some(job.owed());
        }
        loop {
            if let Some(owed) = self.lane.pop_front() {
                return Some(owed);
            }
            let Some(mut lane) = self.lanes.next() else { break };
            self.lane.extend(lane.take_all());
        }
        self.backlog.as_mut()?.next().map(|end| end.owed())
    }
}

/// What may begin first, and ends of a backlog last.
impl Iterator for Unbegun {
    type Item = Owed;

    fn next(&mut self) -> Option<Owed> {
        let owed = self.take()?;
        self.len -= 1;
        self.ends -= usize::from(owed.is_end());
        Some(owed)
    }
}
