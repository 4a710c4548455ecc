//! Copies the readable rows of a damaged file.

use std::path::Path;

use lastword_events::{Event, EventKey, KEY_OVERHEAD_BYTES, PluginName, Session, Timestamp};
use lastword_journal::state::random_name;
use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, Statement, params_from_iter};

use crate::connection::{connect, read_only};
use crate::header::Header;
use crate::row::{self, MAX_SEQUENCE, drain_reason, from_json, has, parsed};
use crate::schema;
use crate::tables::generations;

/// Added to the next sequence number: a damaged file may have forgotten its newest sessions, and no number is used twice.
const SKIPPED_SEQUENCES: u64 = 1_000_000;

/// The tables in the order in which they refer to each other, with the key that they are sorted by.
const TABLES: [(&str, &str, Check); 10] = [
    ("plugin", "id", |row| parsed::<PluginName>(row, 1).map(drop)),
    ("run", "id", |row| {
        if has(row, 4)? {
            from_json::<Vec<(PluginName, Option<Vec<String>>)>>(row, 3)?;
            drain_reason(row, 4)?;
            row.get::<_, i64>(5)?;
        }
        Ok(())
    }),
    ("session", "sequence", |row| {
        numbers(row, &[0])?;
        counts(row, &[3, 4, 7])?;
        from_json::<Session>(row, 5)?;
        if has(row, 6)? {
            from_json::<Vec<PluginName>>(row, 6)?;
        }
        // A file of version 1 has no such column.
        if row.as_ref().column_count() > 11 { counts(row, &[11]) } else { Ok(()) }
    }),
    ("forgotten", "rowid", |row| counts(row, &[1])),
    ("delivery", "sequence, event, plugin", |row| {
        numbers(row, &[0, 2, 6, 7, 8])?;
        counts(row, &[3, 4, 5])?;
        parsed::<EventKey>(row, 1)?;
        from_json::<Event>(row, 12).map(drop)
    }),
    ("drained", "sequence, plugin", |row| {
        numbers(row, &[0, 1, 4])?;
        counts(row, &[2, 3, 5])
    }),
    ("op", "number", |row| {
        // A file of an earlier version has fewer columns in between.
        let generation = row.as_ref().column_count().saturating_sub(2);
        numbers(row, &[0])?;
        counts(row, &[generation])
    }),
    ("space", "id", |row| parsed::<PluginName>(row, 2).map(drop)),
    ("key_value", "rowid", |_| Ok(())),
    ("set_aside", "number", |row| {
        numbers(row, &[0, 2])?;
        counts(row, &[1])
    }),
];

/// Checks columns that hold counts.
fn counts(row: &Row<'_>, columns: &[usize]) -> rusqlite::Result<()> {
    columns.iter().try_for_each(|&column| row::count(row, column, "a number").map(drop))
}

/// Checks columns that hold numbers or flags.
fn numbers(row: &Row<'_>, columns: &[usize]) -> rusqlite::Result<()> {
    columns.iter().try_for_each(|&column| match row.get::<_, u64>(column)? {
        0..=MAX_SEQUENCE => Ok(()),
        _ => Err(rusqlite::Error::InvalidQuery),
    })
}

/// Checks that a row has a form that this program writes.
type Check = fn(&Row<'_>) -> rusqlite::Result<()>;

/// Copies all readable rows. Fails only if the new file fails.
pub(super) fn copy(from: &Path, to: &Path) -> rusqlite::Result<Vec<(&'static str, u64)>> {
    let mut new = Connection::open(to)?;
    let old = reading(from).or_else(|_| connect(from)).ok();
    let header = old.as_ref().and_then(|old| Header::read(old).ok());
    let (name, next) = match &header {
        Some(header) => (header.name, header.next_sequence),
        // The delivery ids get a new name, because the used numbers are unknown.
        None => (random_name(), 1),
    };
    schema::create(&mut new, name, next)?;
    let mut rows = Vec::new();
    if let Some(old) = &old {
        let transaction = new.transaction()?;
        for (table, key, check) in TABLES {
            rows.push((table, copy_table(old, &transaction, table, key, check)?));
        }
        let newest = "SELECT coalesce(max(sequence), 0) FROM session";
        let newest: u64 = transaction.query_row(newest, [], |row| row.get(0))?;
        let next = next.max(newest + 1) + SKIPPED_SEQUENCES;
        transaction.execute("UPDATE journal SET next_sequence = ?1", [next])?;
        if let Ok(others) = generations::of_others(old) {
            generations::raise_others(&transaction, others)?;
        }
        // Without its session, an end cannot be delivered.
        for table in ["delivery", "drained"] {
            let sql = format!("DELETE FROM {table} WHERE sequence NOT IN (SELECT sequence FROM session)");
            let gone = u64::try_from(transaction.execute(&sql, [])?).unwrap_or(0);
            rows.iter_mut().filter(|(name, _)| *name == table).for_each(|(_, rows)| *rows -= gone);
        }
        // The outcomes of a run that ended cleanly may be among the lost rows. So each run may have made one more attempt than is on
        // record.
        transaction.execute("UPDATE run SET ended_at = NULL", [])?;
        // Before version 5 no program wrote this time down. It becomes the present time, as in a migration.
        transaction.execute(
            "UPDATE session SET recorded_at = ?1 WHERE ended_run IS NOT NULL AND recorded_at IS NULL",
            [Timestamp::now().as_millisecond()],
        )?;
        // The counts of quotas must agree with the rows.
        transaction.execute(
            "UPDATE space SET bytes = (SELECT coalesce(sum(length(CAST(key AS BLOB)) + length(value) + ?1), 0)
             FROM key_value WHERE space = id)",
            [KEY_OVERHEAD_BYTES],
        )?;
        transaction.commit()?;
    }
    Ok(rows)
}

/// A connection that changes nothing, and that reads a file shorter than its header says. By default SQLite refuses all of such a file.
fn reading(path: &Path) -> rusqlite::Result<Connection> {
    let file = read_only(path)?;
    file.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false)?;
    file.pragma_update(None, "writable_schema", true)?;
    schema::version(&file)?;
    Ok(file)
}

/// One table on its way from a damaged file into a new one. Its first key column is a number.
struct Table<'a> {
    old: &'a Connection,
    insert: Statement<'a>,
    name: &'a str,
    key: &'a str,
    check: Check,
    copied: u64,
}

/// The result of a reading.
enum Read {
    ToTheEnd,
    /// A page cannot be read. Has the first key column of the last row before that page, if there was one.
    Broken(Option<i64>),
}

/// Copies a table. A page that cannot be read hides the pages behind it from a reading row by row. So the copy looks for rows at keys
/// further and further away, and reads from there in both directions.
fn copy_table(old: &Connection, new: &Connection, name: &str, key: &str, check: Check) -> rusqlite::Result<u64> {
    let Ok(columns) = columns(old, name) else { return Ok(0) };
    // By name: a table of an older version has fewer columns, and the others get their defaults.
    let (names, places) = (columns.join(", "), vec!["?"; columns.len()].join(", "));
    let insert = new.prepare(&format!("INSERT OR IGNORE INTO {name} ({names}) VALUES ({places})"))?;
    let mut table = Table { old, insert, name, key, check, copied: 0 };
    let mut from = i64::MIN;
    while let Read::Broken(last) = table.read("ASC", ">=", from)? {
        let last = last.unwrap_or(from).max(0);
        let Some(next) = table.next_after(last) else { break };
        table.read("DESC", "<", next)?;
        from = next;
    }
    table.read("DESC", "<=", i64::MAX)?;
    Ok(table.copied)
}

fn columns(file: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let statement = file.prepare(&format!("SELECT * FROM {table}"))?;
    // By number: the type of `column_names` differs between the versions of rusqlite that the crate accepts.
    (0..statement.column_count()).map(|column| statement.column_name(column).map(str::to_owned)).collect()
}

impl Table<'_> {
    /// The first key column.
    fn first(&self) -> &str {
        self.key.split(',').next().unwrap_or(self.key)
    }

    /// Reads in one direction from a key on, until the end or a page that cannot be read. Keeps the rows. Fails only if the new file
    /// fails.
    fn read(&mut self, order: &str, relation: &str, from: i64) -> rusqlite::Result<Read> {
        let first = self.first().to_owned();
        let sorted: Vec<String> = self.key.split(", ").map(|column| format!("{column} {order}")).collect();
        // Not through another index, which may be broken as well.
        let sql =
            format!("SELECT *, {first} FROM {} WHERE {first} {relation} ?1 ORDER BY {}", self.name, sorted.join(", "));
        let Ok(mut statement) = self.old.prepare(&sql) else { return Ok(Read::Broken(None)) };
        let columns = statement.column_count().saturating_sub(1);
        let Ok(mut rows) = statement.query([from]) else { return Ok(Read::Broken(None)) };
        let mut last = None;
        loop {
            let row = match rows.next() {
                Ok(Some(row)) => row,
                Ok(None) => return Ok(Read::ToTheEnd),
                Err(_) => return Ok(Read::Broken(last)),
            };
            last = row.get(columns).ok().or(last);
            let values = (0..columns).map(|at| row.get::<_, Value>(at)).collect::<rusqlite::Result<Vec<_>>>();
            if let Ok(values) = values
                && (self.check)(row).is_ok()
            {
                let inserted = self.insert.execute(params_from_iter(values))?;
                self.copied = self.copied.saturating_add(u64::try_from(inserted).unwrap_or(0));
            }
        }
    }

    /// The first readable key behind a place that cannot be read.
    fn next_after(&self, last: i64) -> Option<i64> {
        let first = self.first();
        let sql = format!("SELECT {first} FROM {} WHERE {first} >= ?1 ORDER BY {} LIMIT 1", self.name, self.key);
        let mut statement = self.old.prepare(&sql).ok()?;
        let mut step: i64 = 1;
        loop {
            match statement.query_row([last.checked_add(step)?], |row| row.get(0)).optional() {
                Ok(found) => return found,
                Err(_) => step = step.checked_mul(2)?,
            }
        }
    }
}
