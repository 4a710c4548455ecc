//! The lanes that somebody has to look at again, by moment.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Instant;

use super::ids::QueueId;

#[derive(Debug, Default)]
pub(super) struct Retries(BinaryHeap<Reverse<Retry>>);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Retry {
    at: Instant,
    queue: QueueId,
    id: Arc<str>,
}

impl Retries {
    /// Adds the lane of this session id, which somebody has to look at.
    pub(super) fn add(&mut self, at: Instant, queue: QueueId, id: Arc<str>) {
        self.0.push(Reverse(Retry { at, queue, id }));
    }

    /// The first moment.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.peek().map(|Reverse(retry)| retry.at)
    }

    /// Takes a lane whose moment has come. To be called until there is none.
    pub(super) fn due(&mut self, now: Instant) -> Option<(QueueId, Arc<str>)> {
        self.next().filter(|at| *at <= now)?;
        self.0.pop().map(|Reverse(retry)| (retry.queue, retry.id))
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn lanes_are_due_in_the_order_of_their_moments_and_none_before_its_own() {
        let now = Instant::now();
        let after = |seconds| now + Duration::from_secs(seconds);
        let mut retries = Retries::default();
        for (seconds, queue) in [(3, 0), (1, 1), (2, 2)] {
            retries.add(after(seconds), queue, "s".into());
        }
        assert_eq!((retries.next(), retries.due(now)), (Some(after(1)), None));
        assert_eq!(retries.due(after(1)), Some((1, "s".into())));
        assert_eq!((retries.due(after(1)), retries.next()), (None, Some(after(2))));
        assert_eq!((retries.due(after(4)), retries.next()), (Some((2, "s".into())), Some(after(3))));
        retries.clear();
        assert_eq!((retries.due(after(4)), retries.next()), (None, None));
    }
}
