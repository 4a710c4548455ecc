//! The tables `space` and `key_value`: the values that plugins have stored.

use std::sync::Arc;

use lastword_events::key_value_bytes;
use lastword_journal::Space;
use lastword_journal::state::Staged;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::row::parsed;

/// The value of a key.
pub(crate) fn value(file: &Connection, space: &Space, key: &str) -> rusqlite::Result<Option<Arc<[u8]>>> {
    let sql = "SELECT value FROM key_value WHERE key = ?3 AND space =
               (SELECT id FROM space WHERE tenant = ?1 AND plugin = ?2)";
    let mut statement = file.prepare_cached(sql)?;
    let value = |row: &Row<'_>| Ok(Arc::from(row.get_ref(0)?.as_blob()?));
    statement.query_row(params![space.tenant, space.plugin.as_str(), key], value).optional()
}

/// The length of a key's value, in bytes. The value itself is not read.
pub(crate) fn value_len(file: &Connection, space: &Space, key: &str) -> rusqlite::Result<Option<u64>> {
    let sql = "SELECT length(value) FROM key_value WHERE key = ?3 AND space =
               (SELECT id FROM space WHERE tenant = ?1 AND plugin = ?2)";
    file.prepare_cached(sql)?.query_row(params![space.tenant, space.plugin.as_str(), key], |row| row.get(0)).optional()
}

/// The first `limit` keys that sort after `after`.
pub(crate) fn keys(
    file: &Connection,
    space: &Space,
    after: Option<&str>,
    limit: usize,
) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT key FROM key_value WHERE key > ?3 AND space =
               (SELECT id FROM space WHERE tenant = ?1 AND plugin = ?2) ORDER BY key LIMIT ?4";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = file.prepare_cached(sql)?;
    // No key is empty, so all keys sort after the empty text.
    let rows = statement
        .query_map(params![space.tenant, space.plugin.as_str(), after.unwrap_or(""), limit], |row| row.get(0))?;
    rows.collect()
}

/// The sizes of all spaces with something in them, in bytes.
pub(crate) fn sizes(file: &Connection) -> rusqlite::Result<Vec<(Space, u64)>> {
    let mut statement = file.prepare("SELECT tenant, plugin, bytes FROM space WHERE bytes > 0")?;
    let rows = statement.query_map([], |row| {
        let tenant: String = row.get(0)?;
        Ok((Space { tenant: tenant.into(), plugin: parsed(row, 1)? }, row.get(2)?))
    })?;
    rows.collect()
}

/// Writes the changes of a delivered call.
pub(crate) fn store(file: &Connection, Staged { space, writes, .. }: &Staged) -> rusqlite::Result<()> {
    let sql = "INSERT INTO space (tenant, plugin, bytes) VALUES (?1, ?2, 0)
               ON CONFLICT (tenant, plugin) DO UPDATE SET bytes = bytes RETURNING id";
    let id: i64 =
        file.prepare_cached(sql)?.query_row(params![space.tenant, space.plugin.as_str()], |row| row.get(0))?;
    let mut growth = 0i64;
    let size = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    for write in writes {
        let old: Option<u64> = file
            .prepare_cached("SELECT length(value) FROM key_value WHERE space = ?1 AND key = ?2")?
            .query_row(params![id, write.key], |row| row.get(0))
            .optional()?;
        growth -= old.map_or(0, |bytes| size(key_value_bytes(&write.key, &[]) + bytes));
        match write.value.as_deref() {
            Some(value) => {
                growth += size(key_value_bytes(&write.key, value));
                let sql = "INSERT INTO key_value (space, key, value) VALUES (?1, ?2, ?3)
                           ON CONFLICT (space, key) DO UPDATE SET value = excluded.value";
                file.prepare_cached(sql)?.execute(params![id, write.key, value])?;
            }
            None => {
                let sql = "DELETE FROM key_value WHERE space = ?1 AND key = ?2";
                file.prepare_cached(sql)?.execute(params![id, write.key])?;
            }
        }
    }
    file.prepare_cached("UPDATE space SET bytes = bytes + ?2 WHERE id = ?1")?.execute(params![id, growth])?;
    Ok(())
}
