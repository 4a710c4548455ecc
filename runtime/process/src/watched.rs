//! A process whose end is reported.

use crate::system;
use crate::{Process, WatchError};

/// A watched process. The watch does not poll: the kernel wakes the waiting task, and waiting uses no CPU time.
///
/// It holds one file descriptor. Dropping it ends the watch, and does nothing to the process.
#[derive(Debug)]
pub struct Watched {
    process: Process,
    watch: system::Watch,
}

impl Watched {
    /// Watches a process that is known from earlier, such as one that is on record. Call it within a tokio runtime with
    /// I/O enabled; tokio panics without it.
    ///
    /// # Errors
    /// [`WatchError::Gone`] if the process is dead; otherwise why it cannot be watched.
    pub fn begin(process: &Process) -> Result<Self, WatchError> {
        Self::over(process.clone(), process.open()?)
    }

    pub(crate) fn over(process: Process, handle: system::Handle) -> Result<Self, WatchError> {
        Ok(Self { process, watch: system::Watch::new(handle)? })
    }

    /// Returns the process.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Resolves when the process has ended with its last thread, at once if it already has. Its memory, its files and
    /// its sockets are gone then, but its parent may not have read its exit code yet. Executing another program is no
    /// end.
    ///
    /// Several tasks may wait, and a dropped future loses nothing. The future never resolves if the runtime shuts down
    /// first.
    pub async fn exited(&self) {
        self.watch.exited().await;
    }
}
