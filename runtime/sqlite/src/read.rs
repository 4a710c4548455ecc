//! What is read while the program runs, through a connection that writes nothing.

use std::sync::Arc;

use lastword_events::{Hook, Identity};
use lastword_journal::Space;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::recover::{count, has};

pub(super) fn value(file: &Connection, space: &Space, key: &str) -> rusqlite::Result<Option<Arc<[u8]>>> {
    let sql = "SELECT value FROM key_value WHERE key = ?3 AND space =
               (SELECT id FROM space WHERE tenant = ?1 AND plugin = ?2)";
    let mut statement = file.prepare_cached(sql)?;
    let value = |row: &Row<'_>| Ok(Arc::from(row.get_ref(0)?.as_blob()?));
    statement.query_row(params![space.tenant, space.plugin.as_str(), key], value).optional()
}

/// In bytes. The value itself is not read.
pub(super) fn value_len(file: &Connection, space: &Space, key: &str) -> rusqlite::Result<Option<u64>> {
    let sql = "SELECT length(value) FROM key_value WHERE key = ?3 AND space =
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

/// The generation that a line of this kind and session spoke of, if one with this `op_id` is known.
pub(super) fn generation_of_op(
    file: &Connection,
    identity: &Identity,
    kind: Hook,
    op_id: &str,
) -> rusqlite::Result<Option<u32>> {
    let sql = "SELECT generation, kind = '' FROM op WHERE tenant = ?1 AND op_id = ?2
               AND (session = ?3 AND kind = ?4 AND (scope = ?5 OR ?5 = '') OR kind = '')
               ORDER BY kind DESC, number DESC LIMIT 1";
    let Identity { tenant, id, scope } = identity;
    let found: Option<(u32, bool)> = file
        .prepare_cached(sql)?
        .query_row(params![tenant, op_id, id, kind.as_str(), scope], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((generation, of_version_2)) = found else { return Ok(None) };
    // That line may have been another kind's or session's. An end is only taken for the same if this very generation has
    // ended: one that is told twice is better than one that is swallowed.
    let is_the_same = !of_version_2 || kind != Hook::SessionEnd || {
        let latest = latest_generation(file, identity)?;
        latest.is_some_and(|(latest, ended_run)| latest == generation && ended_run.is_some())
    };
    Ok(is_the_same.then_some(generation))
}

/// The newest generation of an id, in whatever scope, and the run in which it ended, if it has.
pub(super) fn latest_generation(
    file: &Connection,
    identity: &Identity,
) -> rusqlite::Result<Option<(u32, Option<u32>)>> {
    let sql = "SELECT generation, ended_run FROM session WHERE tenant = ?1 AND id = ?2
               ORDER BY generation DESC LIMIT 1";
    let mut statement = file.prepare_cached(sql)?;
    let row = statement.query_row(params![identity.tenant, identity.id], |row| {
        let ended_run = if has(row, 1)? { Some(count(row, 1, "a session's last run")?) } else { None };
        Ok((count(row, 0, "a session's generation")?, ended_run))
    });
    row.optional()
}
