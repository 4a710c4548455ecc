//! The threads that run guests, from their start until they have left.

use std::io;
use std::num::NonZeroUsize;

use tokio::sync::watch;

use crate::sync::{Mutex, thread};

/// The workers of a runtime.
#[derive(Default)]
pub(crate) struct Workers {
    /// The threads by number. None for a thread that was joined.
    threads: Mutex<Vec<Option<thread::JoinHandle<()>>>>,
    /// The numbers of the threads that have left, by themselves or in a panic.
    left: watch::Sender<Vec<usize>>,
}

impl Workers {
    /// Starts so many threads, each with its own worker.
    ///
    /// # Errors
    /// When the operating system gives no thread. Threads that were started stay until the runtime stops.
    pub(crate) fn start<W: FnOnce() + Send + 'static>(
        &self,
        count: NonZeroUsize,
        worker: impl Fn() -> W,
    ) -> io::Result<()> {
        for number in 0..count.get() {
            let (run, leaves) = (worker(), Leaves { number, left: self.left.clone() });
            let thread = thread::Builder::new().name(format!("lastword-{number}")).spawn(move || {
                // Dropped after everything that the worker has.
                let _leaves = leaves;
                run();
            })?;
            self.threads.lock().push(Some(thread));
        }
        Ok(())
    }

    /// Resolves when all threads have left.
    pub(crate) async fn all_left(&self) {
        let count = self.threads.lock().len();
        // The sender lives as long as `self`.
        self.left.subscribe().wait_for(|left| left.len() >= count).await.ok();
    }

    /// Joins the threads that have left. Gives how many have not.
    pub(crate) fn join(&self) -> usize {
        let left = self.left.borrow().clone();
        let mut threads = self.threads.lock();
        let have_left: Vec<_> = left.into_iter().filter_map(|number| threads.get_mut(number)?.take()).collect();
        let stay = threads.iter().flatten().count();
        drop(threads);
        // A thread that has panicked has logged that.
        have_left.into_iter().for_each(|thread| drop(thread.join()));
        stay
    }
}

/// Reports that a worker has left, when this is dropped.
struct Leaves {
    number: usize,
    left: watch::Sender<Vec<usize>>,
}

impl Drop for Leaves {
    fn drop(&mut self) {
        self.left.send_modify(|left| left.push(self.number));
    }
}
