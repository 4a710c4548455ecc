//! What dead runs left, read as the program starts.

mod sessions;

use std::sync::Arc;

use lastword_events::{DrainReason, Event, EventKey, JournalName, Session, Timestamp};
use lastword_journal::state::{MAX_COUNT, attempt_in_run};
use lastword_journal::{DeliveryKey, PendingDelivery, Recovered, Space};
use rusqlite::types::{Type, Value, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::Impossible;
use crate::recent_ends;
use crate::text::drain_reason;

/// The file's own facts.
pub(super) struct Header {
    pub(super) name: JournalName,
    pub(super) next_sequence: u64,
}

pub(super) fn header(file: &Connection) -> rusqlite::Result<Header> {
    file.query_row("SELECT name, next_sequence FROM journal", [], |row| {
        Ok(Header { name: parsed(row, 0)?, next_sequence: row.get(1)? })
    })
}

/// The number that the next run gets.
pub(super) fn next_run(file: &Connection) -> rusqlite::Result<u32> {
    file.query_row("SELECT coalesce(max(id), 0) FROM run", [], |row| Ok(count(row, 0, "the number of a run")? + 1))
}

/// A number that was counted.
pub(super) fn count(row: &Row<'_>, column: usize, what: &str) -> rusqlite::Result<u32> {
    let value: i64 = row.get(column)?;
    u32::try_from(value).ok().filter(|count| *count <= MAX_COUNT).ok_or_else(|| {
        let impossible = Impossible { what: what.to_owned(), value, most: MAX_COUNT };
        rusqlite::Error::FromSqlConversionFailure(column, Type::Integer, Box::new(impossible))
    })
}

/// The number of the next session has to be beyond all that are used: else none could begin.
pub(super) fn next_sequence(file: &Connection, header: &Header) -> rusqlite::Result<Option<String>> {
    let newest: u64 = file.query_row("SELECT coalesce(max(sequence), 0) FROM session", [], |row| row.get(0))?;
    let next = header.next_sequence;
    let fits = next > newest && next <= MAX_SEQUENCE;
    Ok((!fits).then(|| format!("the next session's number is {next}, and the newest session's {newest}")))
}

/// The same for a file of an earlier version, which is looked through before anything of it is changed.
pub(super) fn impossible_count(file: &Connection) -> rusqlite::Result<Option<String>> {
    const COUNTS: [(&str, &str); 13] = [
        ("run", "id"),
        ("session", "generation"),
        ("session", "run"),
        ("session", "compactions"),
        ("session", "first_run"),
        ("delivery", "run"),
        ("delivery", "attempt"),
        ("delivery", "failures"),
        ("drained", "run"),
        ("drained", "attempt"),
        ("drained", "failures"),
        ("journal", "forgotten_generation"),
        ("forgotten", "generation"),
    ];
    for (table, column) in COUNTS {
        let sql = format!(
            "SELECT {column} FROM {table} WHERE typeof({column}) <> 'integer' OR {column} NOT BETWEEN 0 AND {MAX_COUNT} LIMIT 1"
        );
        let found: Option<Value> = file.query_row(&sql, [], |row| row.get(0)).optional()?;
        if let Some(value) = found {
            return Ok(Some(format!(
                "`{column}` of `{table}` is {value:?}, and no program writes more than {MAX_COUNT}"
            )));
        }
    }
    next_sequence(file, &header(file)?)
}

/// SQLite's numbers have 63 bits. Half of that leaves room for what a salvage skips.
pub(super) const MAX_SEQUENCE: u64 = u64::MAX >> 2;

/// Begins a run. It is durable before anything of the dead ones is delivered again: their attempts are counted by it.
pub(super) fn begin_run(file: &Connection, run: u32) -> rusqlite::Result<()> {
    let sql = "INSERT INTO run (id, began_at, program) VALUES (?1, ?2, ?3)";
    file.execute(sql, params![run, Timestamp::now().as_millisecond(), env!("CARGO_PKG_VERSION")])?;
    Ok(())
}

/// What is owed, in run `run`.
pub(super) fn recovered(file: &Connection, run: u32) -> rusqlite::Result<Recovered> {
    Ok(Recovered {
        sessions: sessions::left(file, run)?,
        deliveries: deliveries(file, run)?,
        ended: recent_ends::read(file)?,
    })
}

pub(super) fn reason(row: &Row<'_>, column: usize) -> rusqlite::Result<DrainReason> {
    let reason: String = row.get(column)?;
    drain_reason(&reason).ok_or_else(|| not_ours(column, format!("{reason:?} is no drain reason")))
}

/// Whether there is a value.
pub(super) fn has(row: &Row<'_>, column: usize) -> rusqlite::Result<bool> {
    Ok(row.get_ref(column)? != ValueRef::Null)
}

fn deliveries(file: &Connection, run: u32) -> rusqlite::Result<Vec<PendingDelivery>> {
    let sql = "SELECT d.sequence, d.event, p.name, d.run, d.attempt, d.failures, d.late, d.body, s.facts
               FROM delivery d JOIN plugin p ON p.id = d.plugin JOIN session s ON s.sequence = d.sequence
               WHERE NOT d.dead ORDER BY d.sequence";
    let mut statement = file.prepare(sql)?;
    // Deliveries of one session follow each other and share it.
    let mut latest: Option<(u64, Arc<Session>)> = None;
    let rows = statement.query_map([], |row| {
        let sequence = row.get(0)?;
        let session = match &latest {
            Some((known, session)) if *known == sequence => session.clone(),
            _ => Arc::new(from_json(row, 8)?),
        };
        latest = Some((sequence, session.clone()));
        let (in_run, attempt) = (count(row, 3, "a delivery's run")?, count(row, 4, "a delivery's attempt")?);
        Ok(PendingDelivery {
            delivery: DeliveryKey { sequence, event: parsed::<EventKey>(row, 1)?, plugin: parsed(row, 2)? },
            session,
            event: Arc::new(from_json::<Event>(row, 7)?),
            attempt: attempt_in_run(attempt, in_run, run),
            failures: count(row, 5, "a delivery's count of failures")?,
            late: row.get(6)?,
            suspect: false,
        })
    })?;
    let mut deliveries = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    deliveries.sort_by_key(|d| (d.delivery.sequence, d.delivery.event));
    Ok(deliveries)
}

pub(super) fn sizes(file: &Connection) -> rusqlite::Result<Vec<(Space, u64)>> {
    let mut statement = file.prepare("SELECT tenant, plugin, bytes FROM space WHERE bytes > 0")?;
    let rows = statement.query_map([], |row| {
        let tenant: String = row.get(0)?;
        Ok((Space { tenant: tenant.into(), plugin: parsed(row, 1)? }, row.get(2)?))
    })?;
    rows.collect()
}

/// The version of the schema; 0 for an empty file.
pub(super) fn version(file: &Connection) -> rusqlite::Result<u32> {
    file.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Whether the file has any table at all.
pub(super) fn is_empty(file: &Connection) -> rusqlite::Result<bool> {
    let any: Option<i64> = file.query_row("SELECT 1 FROM sqlite_schema LIMIT 1", [], |row| row.get(0)).optional()?;
    Ok(any.is_none())
}

pub(super) fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    text.parse().map_err(|error: T::Err| not_ours(column, error.to_string()))
}

pub(super) fn from_json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|error| not_ours(column, error.to_string()))
}

/// A value that we did not write.
fn not_ours(column: usize, why: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, why.into())
}
