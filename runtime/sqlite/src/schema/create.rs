//! Makes a journal from a file without tables.

use lastword_events::JournalName;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use crate::format::{APPLICATION_ID, SCHEMA, SCHEMA_VERSION};

/// Makes the tables of a new journal.
pub(crate) fn create(file: &mut Connection, name: JournalName, next_sequence: u64) -> rusqlite::Result<()> {
    let transaction = file.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(SCHEMA)?;
    transaction.execute(
        "INSERT INTO journal (only, name, next_sequence) VALUES (1, ?1, ?2)",
        params![name.as_str(), next_sequence],
    )?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()
}

/// The version of a file's schema; 0 for an empty file.
pub(crate) fn version(file: &Connection) -> rusqlite::Result<u32> {
    file.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Whether the file has no table at all.
pub(crate) fn is_empty(file: &Connection) -> rusqlite::Result<bool> {
    let any: Option<i64> = file.query_row("SELECT 1 FROM sqlite_schema LIMIT 1", [], |row| row.get(0)).optional()?;
    Ok(any.is_none())
}
