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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::{Duration, Instant};

    use lastword_events::{EventKey, Session};

    use super::super::tests::{calls, dispatcher, drain, owe, owe_ends};
    use super::*;
    use crate::active_session::Unended;

    #[test]
    fn what_may_begin_comes_first_then_what_waits_in_lanes_and_last_the_ends_of_sessions_that_a_drain_found() {
        let dispatcher = dispatcher(16, 2);
        owe(&dispatcher, "t", &calls(None), 0);
        let queue = owe_ends(&dispatcher, 2);
        // Another event of the second session's id, which waits behind its end.
        let behind = {
            let state = dispatcher.state();
            let Some(Job::Queued(end)) = state.queues()[queue].ready.back() else { panic!() };
            QueuedDelivery { sequence: 7, key: EventKey::Start, ..end.clone() }
        };
        dispatcher.state().push(queue, behind);
        let found = |n| Unended { sequence: n, session: Arc::new(Session::new("t", &format!("s{n}"))), attempt: 4 };
        let cut_at = Instant::now() + Duration::from_secs(60);
        dispatcher.begin_drain(drain(cut_at), HashMap::from([("t".into(), vec![found(9), found(8)])]));
        dispatcher.cut();
        let mut deferred = dispatcher.close_account().deferred;
        deferred.retain(|one| one.plugin == 0);
        let [mut passed] = deferred.try_into().unwrap();
        assert_eq!((passed.unstarted.len(), passed.unstarted.ends()), (5, 4));
        let all: Vec<_> = passed.unstarted.by_ref().map(|one| (one.sequence, one.is_end(), one.attempt)).collect();
        assert_eq!(all, [(0, true, 0), (1, true, 0), (7, false, 0), (8, true, 4), (9, true, 4)]);
        assert_eq!((passed.unstarted.len(), passed.unstarted.ends()), (0, 0));
    }
}
