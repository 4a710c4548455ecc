//! The result of the last steps of a run, and what the run leaves to the next one.

use lastword_events::DrainWarning;
use lastword_journal::JournalError;

/// What a runtime leaves to the next one in its journal, see [`Runtime::detach`](crate::Runtime::detach). After a drain both are 0: the
/// report says what is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Detached {
    /// Active sessions.
    pub sessions: u64,
    /// Deliveries that are owed besides the ends of those sessions, whether or not their plugin is installed. Dead deliveries do not count.
    pub owed: u64,
}

/// The result of the last steps of a run.
#[derive(Clone, Debug)]
pub(super) struct RunResult {
    /// Whether everything is on record, and the journal is free.
    pub(super) journal: Result<(), JournalError>,
    /// Warnings for an operator.
    pub(super) warnings: Vec<DrainWarning>,
    pub(super) detached: Detached,
}

impl RunResult {
    /// The last steps were not finished, because tokio shut down or for a defect of this library.
    pub(super) fn given_up(why: &str) -> Self {
        let warnings = vec![DrainWarning::new("internal", format!("the last steps did not come to their end: {why}"))];
        Self { journal: Err(JournalError::Closed), warnings, detached: Detached::default() }
    }
}
