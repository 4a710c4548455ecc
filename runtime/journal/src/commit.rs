//! The report of a commit, for observers.

use std::sync::Arc;
use std::time::Duration;

use crate::JournalError;

/// One commit, whether it succeeded or failed.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Commit<'a> {
    /// How many operations of [`Journal::append`](crate::Journal::append) and [`append_decided`](crate::Journal::append_decided) were in
    /// it.
    pub operations: usize,
    /// How many completions were in it. A completion says how an attempt ended.
    pub completions: usize,
    /// The cost of the completions, in bytes: the stored values, and for each row the cost of writing it. See
    /// [`Completion::unwritten_bytes`](crate::Completion::unwritten_bytes).
    pub bytes: u64,
    /// The time from the commit's first statement to the disk's answer.
    pub duration: Duration,
    /// Why the commit failed. Nothing of a failed commit is durable: owners' requests in it are refused, and everything else is tried
    /// again. None if the commit succeeded.
    pub error: Option<&'a JournalError>,
}

/// The function that is told of each commit, see [`Journal::observe_commits`](crate::Journal::observe_commits).
pub type CommitObserver = Arc<dyn Fn(&Commit<'_>) + Send + Sync>;

impl<'a> Commit<'a> {
    /// A commit that succeeded, with so many operations, completions and bytes, in so much time.
    #[must_use]
    pub fn new(operations: usize, completions: usize, bytes: u64, duration: Duration) -> Self {
        Self { operations, completions, bytes, duration, error: None }
    }

    /// The same commit, failed.
    #[must_use]
    pub fn failed(self, error: &'a JournalError) -> Self {
        Self { error: Some(error), ..self }
    }
}
