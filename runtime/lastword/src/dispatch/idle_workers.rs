//! Workers that found nothing to do, and sleep.

use crate::sync::thread::{Thread, ThreadId};

#[derive(Default)]
pub(super) struct IdleWorkers {
    idle: Vec<Thread>,
    /// Workers that are to wake up as soon as nobody has the lock any more.
    woken: WokenWorkers,
    /// Workers that were woken and have not looked for work since.
    coming: Vec<ThreadId>,
}

/// Workers that are to wake up. They do when this is dropped.
#[derive(Default)]
pub(super) struct WokenWorkers(Vec<Thread>);

impl Drop for WokenWorkers {
    fn drop(&mut self) {
        self.0.iter().for_each(Thread::unpark);
    }
}

impl IdleWorkers {
    /// Notes a worker that is going to sleep.
    pub(super) fn add(&mut self, worker: Thread) {
        self.idle.push(worker);
    }

    /// Notes a worker that lets other threads go on once before it sleeps: it counts as one that is coming. False if another one is coming
    /// already.
    pub(super) fn yields(&mut self, worker: &Thread) -> bool {
        let is_first = self.coming.is_empty();
        if is_first {
            self.coming.push(worker.id());
        }
        is_first
    }

    /// Forgets a worker that is awake: it looks for work, or leaves.
    pub(super) fn remove(&mut self, worker: &Thread) {
        self.idle.retain(|idle| idle.id() != worker.id());
        self.coming.retain(|coming| *coming != worker.id());
    }

    /// Wakes workers until so many are coming, or all if there are fewer.
    pub(super) fn wake(&mut self, wanted: usize) {
        let wanted = wanted.saturating_sub(self.coming.len()).min(self.idle.len());
        self.coming.extend(self.idle.iter().take(wanted).map(Thread::id));
        self.woken.0.extend(self.idle.drain(..wanted));
    }

    pub(super) fn wake_all(&mut self) {
        self.wake(usize::MAX);
    }

    /// Takes the workers that are to wake up.
    pub(super) fn take_woken(&mut self) -> WokenWorkers {
        std::mem::take(&mut self.woken)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.idle.len()
    }

    /// Every worker that is coming looks for work now, and is awake.
    #[cfg(test)]
    pub(super) fn all_look(&mut self) {
        self.coming.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::thread;

    /// So many workers, which are gone by now: to unpark them does nothing.
    fn workers(count: usize) -> Vec<Thread> {
        let worker = |_| {
            let handle = std::thread::spawn(|| ());
            let thread = handle.thread().clone();
            handle.join().unwrap();
            thread
        };
        (0..count).map(worker).collect()
    }

    #[test]
    fn no_more_workers_are_woken_than_sleep_and_one_that_is_awake_by_itself_in_no_others_place() {
        let mut idle = IdleWorkers::default();
        idle.add(thread::current());
        idle.remove(&thread::current());
        assert!(idle.idle.is_empty());
        workers(3).into_iter().for_each(|worker| idle.add(worker));
        idle.wake(0);
        idle.wake(1);
        assert_eq!(idle.len(), 2);
        idle.wake_all();
        idle.wake(1);
        assert_eq!((idle.len(), idle.take_woken().0.len(), idle.take_woken().0.len()), (0, 3, 0));
    }

    #[test]
    fn who_is_coming_counts_until_it_looks_for_work() {
        let (mut idle, workers) = (IdleWorkers::default(), workers(4));
        workers.iter().for_each(|worker| idle.add(worker.clone()));
        idle.wake(2);
        idle.wake(2);
        assert_eq!(idle.len(), 2, "two are coming");
        idle.remove(&workers[0]);
        idle.wake(2);
        assert_eq!(idle.len(), 1, "one of them has looked");
        idle.add(workers[0].clone());
        idle.wake(1);
        assert_eq!(idle.len(), 2);
    }

    #[test]
    fn a_worker_wakes_up_when_what_was_taken_is_dropped() {
        let mut idle = IdleWorkers::default();
        idle.add(thread::current());
        idle.wake(1);
        drop(idle.take_woken());
        // It would wait for ever.
        thread::park();
    }
}
