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
