//! What a journal says of each commit, for whoever observes it.

use std::sync::Arc;
use std::time::Duration;

use crate::JournalError;

/// One commit, or the attempt of one.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Commit<'a> {
    /// Operations of [`Journal::append`](crate::Journal::append) and [`append_decided`](crate::Journal::append_decided) in it.
    pub operations: usize,
    /// Completions in it: how attempts ended.
    pub completions: usize,
    /// What they count for, in bytes: what is stored, and for each row what it takes to write it. See
    /// [`Completion::unwritten_bytes`](crate::Completion::unwritten_bytes).
    pub bytes: u64,
    /// From its first statement to the answer of the disk.
    pub duration: Duration,
    /// Why nothing of it is durable, if so. What owners asked is refused then, and the rest is tried again.
    pub error: Option<&'a JournalError>,
}

/// Is told of each commit, see [`Journal::observe_commits`](crate::Journal::observe_commits).
pub type CommitObserver = Arc<dyn Fn(&Commit<'_>) + Send + Sync>;

impl<'a> Commit<'a> {
    /// One that succeeded: so many operations, completions and bytes, in so much time.
    #[must_use]
    pub fn new(operations: usize, completions: usize, bytes: u64, duration: Duration) -> Self {
        Self { operations, completions, bytes, duration, error: None }
    }

    /// The same, which did not succeed.
    #[must_use]
    pub fn failed(self, error: &'a JournalError) -> Self {
        Self { error: Some(error), ..self }
    }
}
