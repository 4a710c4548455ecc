//! What a journal has, as an operator sees it.

use lastword_events::{Session, Timestamp};
use rusqlite::{Connection, Row};
use serde::Serialize;

use crate::row::from_json;

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

/// Sessions that are active, in the order of their starts. If the program is not running, these are
/// the sessions that its next start ends as `crashed`. Sessions that a drain has ended are not among them.
pub(super) fn sessions(file: &Connection) -> rusqlite::Result<Vec<SessionRow>> {
    let sql = "SELECT sequence, facts, compactions FROM session s WHERE ended_run IS NULL
               AND NOT EXISTS (SELECT 1 FROM run WHERE id = s.run AND drain_reason IS NOT NULL)
               ORDER BY sequence";
    rows(file, sql, |row| {
        Ok(SessionRow { sequence: row.get(0)?, session: from_json(row, 1)?, compactions: row.get(2)? })
    })
}

/// All rows that a statement gives.
pub(super) fn rows<T>(
    file: &Connection,
    sql: &str,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    file.prepare(sql)?.query_map([], read)?.collect()
}
