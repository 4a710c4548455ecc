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

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::thread;

    #[test]
    fn no_more_workers_are_woken_than_sleep_and_one_that_is_awake_by_itself_in_no_others_place() {
        let mut idle = IdleWorkers::default();
        idle.add(thread::current());
        idle.remove(&thread::current());
        assert!(idle.0.is_empty());
        (0..3).for_each(|_| idle.add(thread::current()));
        idle.wake(0);
        idle.wake(1);
        assert_eq!(idle.0.len(), 2);
        idle.wake_all();
        idle.wake(1);
        assert!(idle.0.is_empty());
    }
}
