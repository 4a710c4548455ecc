//! The table `drained`: ends that a drain tried, of sessions whose end is not written down.

use lastword_journal::Settlement;
use lastword_journal::state::{DrainedRow, DrainedState, Failure};
use rusqlite::{Connection, Row, params};

use crate::row::parsed;

/// States as the file has them.
pub(crate) const DELIVERED: u8 = 0;
pub(crate) const OWED: u8 = 1;
pub(crate) const DEAD: u8 = 2;

/// Records the outcome of an attempt of an end. False when no such session is active.
pub(crate) fn settle(
    file: &Connection,
    run: u32,
    (sequence, plugin): (u64, i64),
    attempt: u32,
    settlement: &Settlement,
) -> rusqlite::Result<bool> {
    // The index is small, and in memory even when the sessions are not.
    let sql = "INSERT OR REPLACE INTO drained (sequence, plugin, run, attempt, state, failures, cause, message)
               SELECT sequence, ?2, ?3, ?4, ?5, ?6, ?7, ?8 FROM session INDEXED BY session_active
               WHERE sequence = ?1 AND ended_run IS NULL";
    let (state, failures, why) = match settlement {
        Settlement::Delivered => (DELIVERED, 0, None),
        Settlement::Owed { failures, cause, message, .. } => (OWED, *failures, Some((cause, message))),
        Settlement::Dead { failures, cause, message } => (DEAD, *failures, Some((cause, message))),
    };
    let (cause, message) = why.map(|(cause, message)| (cause.to_string(), message)).unzip();
    let row = params![sequence, plugin, run, attempt, state, failures, cause, message];
    Ok(file.prepare_cached(sql)?.execute(row)? > 0)
}

/// Records that a call of an end was cut, which uses up the number of its attempt. False when no such session is active.
pub(crate) fn set_attempt(
    file: &Connection,
    run: u32,
    (sequence, plugin): (u64, i64),
    attempt: u32,
) -> rusqlite::Result<bool> {
    let sql = "INSERT INTO drained (sequence, plugin, run, attempt, state)
               SELECT sequence, ?2, ?3, ?4, ?5 FROM session WHERE sequence = ?1 AND ended_run IS NULL
               ON CONFLICT (sequence, plugin) DO UPDATE SET run = excluded.run, attempt = excluded.attempt";
    Ok(file.prepare_cached(sql)?.execute(params![sequence, plugin, run, attempt, OWED])? > 0)
}

/// Removes the rows of a session's end, and returns them.
pub(crate) fn take(file: &Connection, sequence: u64) -> rusqlite::Result<Vec<DrainedRow>> {
    let sql = "SELECT p.name, d.run, d.attempt, d.state, d.failures, d.cause, d.message
               FROM drained d JOIN plugin p ON p.id = d.plugin WHERE d.sequence = ?1";
    let mut statement = file.prepare_cached(sql)?;
    let rows = statement.query_map(params![sequence], drained_row)?.collect::<rusqlite::Result<Vec<_>>>()?;
    if !rows.is_empty() {
        file.prepare_cached("DELETE FROM drained WHERE sequence = ?1")?.execute(params![sequence])?;
    }
    Ok(rows)
}

fn drained_row(row: &Row<'_>) -> rusqlite::Result<DrainedRow> {
    let (cause, message): (Option<String>, Option<String>) = (row.get(5)?, row.get(6)?);
    Ok(DrainedRow {
        plugin: parsed(row, 0)?,
        run: row.get(1)?,
        attempt: row.get(2)?,
        state: match row.get(3)? {
            DELIVERED => DrainedState::Delivered,
            DEAD => DrainedState::Dead,
            _ => DrainedState::Owed,
        },
        failures: row.get(4)?,
        failure: cause.map(|cause| Failure { cause, message: message.unwrap_or_default() }),
    })
}
