//! An active session, as an operator sees it.

use lastword_events::Session;
use serde::Serialize;

/// A session that is active, or whose end is not written down yet.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SessionRow {
    /// The session's number.
    pub sequence: u64,
    /// The session's facts.
    #[serde(flatten)]
    pub session: Session,
    /// The number of its compaction events.
    pub compactions: u32,
}
