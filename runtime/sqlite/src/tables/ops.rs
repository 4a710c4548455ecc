//! The table `op`: the `op_id`s of owners' lines.

use lastword_events::{Hook, Identity};
use lastword_journal::RETAINED_OP_IDS;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::generations;

/// New `op_id`s between two removals of the oldest.
const OP_IDS_AT_ONCE: i64 = 1_000;

/// The generation that a line of this kind and session spoke of, if one with this `op_id` is known.
pub(crate) fn generation(
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
        .query_row(params![tenant, op_id, id, kind.as_str(), &**scope], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((generation, of_version_2)) = found else { return Ok(None) };
    // A line of version 2 may have been of another kind or session. An end only counts as the same if this very generation has ended: an
    // end that is delivered twice is better than a lost one.
    let is_the_same = !of_version_2 || kind != Hook::SessionEnd || {
        let latest = generations::latest(file, identity)?;
        latest.is_some_and(|(latest, ended_run)| latest == generation && ended_run.is_some())
    };
    Ok(is_the_same.then_some(generation))
}

/// Remembers an `op_id`, and forgets the oldest where there are too many.
pub(crate) fn insert(
    file: &Connection,
    identity: &Identity,
    kind: Hook,
    op_id: &str,
    generation: u32,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO op (tenant, op_id, session, kind, scope, generation) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let Identity { tenant, id, scope } = identity;
    file.prepare_cached(sql)?.execute(params![tenant, op_id, id, kind.as_str(), &**scope, generation])?;
    let number = file.last_insert_rowid();
    if number % OP_IDS_AT_ONCE == 0 {
        let retained = i64::try_from(RETAINED_OP_IDS).unwrap_or(i64::MAX);
        let sql = "DELETE FROM op WHERE number <= ?1";
        file.prepare_cached(sql)?.execute(params![number.saturating_sub(retained)])?;
    }
    Ok(())
}
