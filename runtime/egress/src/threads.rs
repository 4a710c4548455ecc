//! Threads for blocking work that cannot be interrupted.
//!
//! They are separate from tokio's: an embedder's runtime uses those for its own files and ours, and look-ups that hang
//! must not occupy them.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use crate::limits::{IDLE_LOOKUP_THREAD_STAYS, LOOKUP_STACK_BYTES, MAX_LOOKUP_THREADS};

pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// Threads that start when a job finds none free, and end after a while without jobs.
#[derive(Clone, Default)]
pub(crate) struct Threads(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

impl Threads {
    /// Runs a job on a thread.
    ///
    /// # Errors
    /// Returns the job if no thread is idle and the system starts no more: the existing ones may hang.
    pub(crate) fn run(&self, job: Job) -> Result<(), Job> {
        let mut state = self.0.lock();
        state.jobs.push_back(job);
        if state.jobs.len() <= state.idle {
            self.0.work.notify_one();
            return Ok(());
        }
        if state.threads >= MAX_LOOKUP_THREADS {
            return Ok(());
        }
        let shared = Arc::clone(&self.0);
        let named = thread::Builder::new().name("lastword-lookup".to_owned()).stack_size(LOOKUP_STACK_BYTES);
        match named.spawn(move || shared.serve()) {
            Ok(_) => state.threads += 1,
            Err(error) => {
                tracing::debug!(%error, "no thread can be started for a look-up");
                return state.jobs.pop_back().map_or(Ok(()), Err);
            }
        }
        Ok(())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self) {
        while let Some(job) = self.next() {
            job();
        }
    }

    /// Returns the next job. `None` after a long enough idle time: the thread ends.
    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            state.idle += 1;
            let waited =
                self.work.wait_timeout(state, IDLE_LOOKUP_THREAD_STAYS).unwrap_or_else(PoisonError::into_inner);
            state = waited.0;
            state.idle -= 1;
            if waited.1.timed_out() && state.jobs.is_empty() {
                state.threads -= 1;
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn jobs_that_hang_hold_up_no_other_and_a_free_thread_is_used_again() {
        let threads = Threads::default();
        let (go, hangs) = mpsc::channel::<()>();
        let hangs = Arc::new(Mutex::new(hangs));
        let (tell, told) = mpsc::channel();
        for _ in 0..10 {
            let hangs = Arc::clone(&hangs);
            threads.run(Box::new(move || assert!(hangs.lock().unwrap().recv().is_err()))).ok().unwrap();
        }
        for _ in 0..3 {
            let tell = tell.clone();
            threads.run(Box::new(move || tell.send(()).unwrap())).ok().unwrap();
            told.recv().unwrap();
            // Its thread is about to take the next job.
            while threads.0.lock().idle == 0 {
                thread::yield_now();
            }
        }
        assert_eq!(threads.0.lock().threads, 11);
        drop(go);
    }
}
