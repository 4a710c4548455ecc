//! Workers that found nothing to do, and sleep.

use crate::sync::thread::Thread;

#[derive(Default)]
pub(super) struct IdleWorkers(Vec<Thread>);

impl IdleWorkers {
    /// Notes a worker that is going to sleep.
    pub(super) fn add(&mut self, worker: Thread) {
        self.0.push(worker);
    }

    /// Forgets a worker that has woken by itself.
    pub(super) fn remove(&mut self, worker: &Thread) {
        self.0.retain(|idle| idle.id() != worker.id());
    }

    /// Wakes so many workers, or all if there are fewer.
    pub(super) fn wake(&mut self, wanted: usize) {
        let wanted = wanted.min(self.0.len());
        self.0.drain(..wanted).for_each(|worker| worker.unpark());
    }

    pub(super) fn wake_all(&mut self) {
        self.wake(usize::MAX);
    }
}
