//! Rows of a journal, as an operator sees them.

use lastword_events::Timestamp;
use lastword_journal::SessionRow;
use rusqlite::{Connection, Row};
use serde::Serialize;

use crate::row::from_json;

/// A write that the file refused even alone. Its session stays active, or its delivery owed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SetAsideRow {
    /// The time at which it was set aside.
    pub at: Timestamp,
    /// Its tenant; empty if it has none.
    pub tenant: String,
    /// Its session; empty if it has none.
    pub session: String,
    /// Its facts, as JSON.
    pub what: String,
    /// SQLite's message.
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
