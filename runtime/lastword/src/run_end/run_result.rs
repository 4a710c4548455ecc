//! What the last steps of a run came to, and what the run has left to the next one.

use lastword_events::DrainWarning;
use lastword_journal::JournalError;

/// What a runtime has left to the next one on its journal, see [`Runtime::detach`](crate::Runtime::detach). After a drain both are 0: what
/// it has left is in its report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Detached {
    /// Active sessions.
    pub sessions: u64,
    /// Deliveries that are owed besides the ends of those sessions, whether or not their plugin is installed. Dead ones are not among
    /// them.
    pub owed: u64,
}

/// What the last steps of a run came to.
#[derive(Clone, Debug)]
pub(super) struct RunResult {
    /// Whether everything is on record, and the journal free.
    pub(super) journal: Result<(), JournalError>,
    /// What an operator should read.
    pub(super) warnings: Vec<DrainWarning>,
    pub(super) detached: Detached,
}

impl RunResult {
    /// The last steps were given up, because tokio shuts down or for a defect of ours.
    pub(super) fn given_up(why: &str) -> Self {
        let warnings = vec![DrainWarning::new("internal", format!("the last steps did not come to their end: {why}"))];
        Self { journal: Err(JournalError::Closed), warnings, detached: Detached::default() }
    }
}
