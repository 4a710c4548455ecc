//! What a queue had not begun when a drain ended.

use std::collections::hash_map::IntoValues;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::backlog::Backlog;
use super::job::{Count, Job};
use crate::lane::Lane;
use crate::queued_delivery::QueuedDelivery;

/// A queue's unstarted deliveries, taken as a whole. At the end of a drain there is no time to visit a million of them.
#[derive(Debug)]
pub(crate) struct Unstarted {
    ready: VecDeque<Job>,
    lanes: IntoValues<Arc<str>, Lane>,
    /// The waiting deliveries of the lane that was looked at last.
    lane: VecDeque<QueuedDelivery>,
    backlog: Option<Backlog>,
    count: Count,
}

/// Up to so many deliveries are counted again where debug assertions are on.
const COUNTED_AGAIN: usize = 1_000;

impl Unstarted {
    /// `count` says how many deliveries these are.
    pub(super) fn new(
        ready: VecDeque<Job>,
        lanes: HashMap<Arc<str>, Lane>,
        backlog: Option<Backlog>,
        count: Count,
    ) -> Self {
        debug_assert!(count.all > COUNTED_AGAIN || count == counted(&ready, &lanes, backlog.as_ref()), "{count:?}");
        Self { ready, lanes: lanes.into_values(), lane: VecDeque::new(), backlog, count }
    }

    /// How many deliveries are left.
    pub(super) fn len(&self) -> usize {
        self.count.all
    }

    /// How many of the left deliveries are `session-end`.
    pub(crate) fn ends(&self) -> u64 {
        u64::try_from(self.count.ends).unwrap_or(u64::MAX)
    }

    fn take(&mut self) -> Option<QueuedDelivery> {
        if let Some(job) = self.ready.pop_front() {
            return Some(job.delivery());
        }
        loop {
            if let Some(owed) = self.lane.pop_front() {
                return Some(owed);
            }
            let Some(mut lane) = self.lanes.next() else { break };
            self.lane.extend(lane.take_all());
        }
        self.backlog.as_mut()?.next().map(|end| end.delivery())
    }
}

/// First what may begin, and last the ends of a backlog.
impl Iterator for Unstarted {
    type Item = QueuedDelivery;

    fn next(&mut self) -> Option<QueuedDelivery> {
        let owed = self.take()?;
        self.count.remove(owed.is_end());
        Some(owed)
    }
}

/// Counts by a look at each delivery.
fn counted(ready: &VecDeque<Job>, lanes: &HashMap<Arc<str>, Lane>, backlog: Option<&Backlog>) -> Count {
    let mut count = Count::default();
    ready.iter().for_each(|job| count.add(job.is_end()));
    lanes.values().flat_map(Lane::waiting).for_each(|owed| count.add(owed.is_end()));
    backlog.into_iter().flat_map(|backlog| 0..backlog.len()).for_each(|_| count.add(true));
    count
}
