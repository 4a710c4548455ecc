//! A process whose end is told.

use crate::system;
use crate::{Process, WatchError};

/// A process that is being watched. Nothing is polled: the kernel wakes who waits, and waiting costs no time of the CPU.
///
/// It holds one file descriptor. Dropping it ends the watch, and does nothing to the process.
#[derive(Debug)]
pub struct Watched {
    process: Process,
    watch: system::Watch,
}

impl Watched {
    /// Watches a process that is known from earlier, such as one that is on record. It has to be called within a tokio runtime
    /// that has I/O enabled; tokio panics in one that has not.
    ///
    /// # Errors
    /// [`WatchError::Gone`] if the process is dead; otherwise why it cannot be watched.
    pub fn begin(process: &Process) -> Result<Self, WatchError> {
        Self::over(process.clone(), process.open()?)
    }

    pub(crate) fn over(process: Process, handle: system::Handle) -> Result<Self, WatchError> {
        Ok(Self { process, watch: system::Watch::new(handle)? })
    }

    /// Which process it is.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Resolves when the process has ended, at once if it has already. That is when its last thread has: its memory, its files
    /// and its sockets are gone then, and its exit code may still wait for its parent. Executing another program is no end.
    ///
    /// Several may wait, and a future that is dropped loses nothing. It never resolves if the runtime goes down first.
    pub async fn exited(&self) {
        self.watch.exited().await;
    }
}
