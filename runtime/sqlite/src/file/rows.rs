//! What a journal has, as an operator sees it.

use lastword_events::{DeliveryId, Session, Timestamp};
use serde::Serialize;

/// A session that is active, or whose end is not written down yet.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SessionRow {
    /// Its number.
    pub sequence: u64,
    /// All that is known of it.
    #[serde(flatten)]
    pub session: Session,
    /// How many compaction events it has had.
    pub compactions: u32,
}

/// What a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// It goes out at the next start, or is being tried again.
    Owed,
    /// Given up: it waits for [`JournalFile::redeliver`](crate::JournalFile::redeliver) or
    /// [`JournalFile::forget`](crate::JournalFile::forget).
    Dead,
    /// Its plugin was not installed for its tenant when the program last started.
    Orphaned,
}

/// A delivery that was not made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeliveryRow {
    /// The delivery's id.
    pub delivery: DeliveryId,
    /// Whether it is still to be made.
    pub state: DeliveryState,
    /// The session's tenant.
    pub tenant: String,
    /// The session's id.
    pub session: String,
    /// The session's generation.
    pub generation: u32,
    /// Why the session ended, if it has.
    pub reason: Option<String>,
    /// The number of the last attempt that is written down.
    pub attempt: u32,
    /// Recorded failures.
    pub failures: u32,
    /// Newer events of the session id have overtaken it.
    pub late: bool,
    /// When it is tried again, if a program runs that long.
    pub retry_at: Option<Timestamp>,
    /// The last failure's cause.
    pub cause: Option<String>,
    /// The last failure's message.
    pub message: Option<String>,
}

/// Something that could not be recorded by itself. What it was about is owed, or active, as it was before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SetAsideRow {
    /// When it was set aside.
    pub at: Timestamp,
    /// The tenant that it was of; empty when it was nobody's.
    pub tenant: String,
    /// The session that it was of; empty when it was of none.
    pub session: String,
    /// All that is known of it, as JSON.
    pub what: String,
    /// What SQLite said.
    pub why: String,
}
