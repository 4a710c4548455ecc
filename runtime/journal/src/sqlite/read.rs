//! What is read while the program runs, through a connection that writes nothing.

use rusqlite::{Connection, OptionalExtension, params};

use crate::Space;

pub(super) fn value(file: &Connection, space: &Space, key: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    let sql = "SELECT value FROM key_value WHERE key = ?3 AND space =
               (SELECT id FROM space WHERE tenant = ?1 AND plugin = ?2)";
    file.prepare_cached(sql)?.query_row(params![space.tenant, space.plugin.as_str(), key], |row| row.get(0)).optional()
}

pub(super) fn keys(
    file: &Connection,
    space: &Space,
    after: Option<&str>,
    limit: usize,
) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT key FROM key_value WHERE key > ?3 AND space =
               (SELECT id FROM space WHERE tenant = ?1 AND plugin = ?2) ORDER BY key LIMIT ?4";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = file.prepare_cached(sql)?;
    // No key is empty, so all of them are greater than that.
    let rows = statement
        .query_map(params![space.tenant, space.plugin.as_str(), after.unwrap_or(""), limit], |row| row.get(0))?;
    rows.collect()
}

pub(super) fn generation_of_op(file: &Connection, tenant: &str, op_id: &str) -> rusqlite::Result<Option<u32>> {
    let sql = "SELECT generation FROM op WHERE tenant = ?1 AND op_id = ?2";
    file.prepare_cached(sql)?.query_row(params![tenant, op_id], |row| row.get(0)).optional()
}
