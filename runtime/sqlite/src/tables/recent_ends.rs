//! The table `recent_end`: ends that owners have reported in the last seconds, and may report again.

use lastword_events::{Identity, Timestamp};
use lastword_journal::{DUPLICATE_WITHIN, RETAINED_RECENT_ENDS, Receipt, RecentEnd};
use rusqlite::{Connection, params};

use crate::row::count;

/// New ends between two removals of those that are too old. A removal looks at the rows one by one.
const AT_ONCE: u32 = 4_096;

/// Removes the end of the last session of an identity. One id may have tens of thousands of sessions in as many scopes, so the statement
/// looks only at the last eight generations of the scope. The session that ended last is not always the highest generation, because an
/// active session can move into a scope in which newer ones have ended.
const REMOVE_LAST: &str = "DELETE FROM recent_end WHERE sequence IN
    (SELECT sequence FROM session WHERE tenant = ?1 AND id = ?2 AND scope = ?3 AND ended_run IS NOT NULL
     ORDER BY generation DESC LIMIT 8)";

/// Remembers an end. `since_forgotten` counts the rows since the last removal.
pub(crate) fn insert(
    file: &Connection,
    since_forgotten: &mut u32,
    sequence: u64,
    received: Receipt,
) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO recent_end (sequence, received_at, said) VALUES (?1, ?2, ?3)";
    let Receipt { at, said } = received;
    // SQLite's numbers have a sign.
    file.prepare_cached(sql)?.execute(params![sequence, at.as_millisecond(), said.cast_signed()])?;
    *since_forgotten += 1;
    if *since_forgotten >= AT_ONCE {
        *since_forgotten = 0;
        forget(file)?;
    }
    Ok(())
}

/// Removes the last end of an identity, because a session has this identity from now on. An owner does not report the old end again.
pub(crate) fn remove_last(file: &Connection, identity: &Identity) -> rusqlite::Result<()> {
    let Identity { tenant, id, scope } = identity;
    file.prepare_cached(REMOVE_LAST)?.execute(params![tenant, id, &**scope])?;
    Ok(())
}

/// Removes the ends that no owner will report again.
pub(crate) fn forget(file: &Connection) -> rusqlite::Result<()> {
    let (from, to) = window();
    let sql = "DELETE FROM recent_end WHERE received_at NOT BETWEEN ?1 AND ?2";
    file.prepare_cached(sql)?.execute(params![from, to])?;
    let sql = "DELETE FROM recent_end WHERE sequence IN
               (SELECT sequence FROM recent_end ORDER BY received_at DESC LIMIT -1 OFFSET ?1)";
    file.prepare_cached(sql)?.execute(params![RETAINED_RECENT_ENDS])?;
    Ok(())
}

/// Reads the ends that owners may report again, in the order of their arrival.
pub(crate) fn read(file: &Connection) -> rusqlite::Result<Vec<RecentEnd>> {
    let sql = "SELECT e.sequence, s.tenant, s.id, s.scope, s.generation, s.ended_at, e.received_at, e.said,
                      CASE WHEN json_valid(s.facts) THEN json_extract(s.facts, '$.agent_id') END
               FROM recent_end e JOIN session s ON s.sequence = e.sequence
               WHERE e.received_at BETWEEN ?1 AND ?2 AND s.ended_at IS NOT NULL
               ORDER BY e.received_at, e.sequence";
    let (from, to) = window();
    let mut statement = file.prepare(sql)?;
    let rows = statement.query_map(params![from, to], |row| {
        let (tenant, id, scope): (String, String, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
        let said: i64 = row.get(7)?;
        Ok(RecentEnd {
            sequence: row.get(0)?,
            identity: Identity::new(&tenant, &id).in_scope(&scope),
            generation: count(row, 4, "a session's generation")?,
            agent_id: row.get_ref(8)?.as_str().ok().map(str::to_owned),
            ended_at: Timestamp::from_millisecond(row.get(5)?),
            received: Receipt { at: Timestamp::from_millisecond(row.get(6)?), said: said.cast_unsigned() },
        })
    })?;
    rows.collect()
}

/// Over a restart the wall clock decides. A time in the future counts as long ago, because the clock was set back.
fn window() -> (i64, i64) {
    let now = Timestamp::now().as_millisecond();
    (now - i64::try_from(DUPLICATE_WITHIN.as_millis()).unwrap_or(i64::MAX), now)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The writer's thread runs the statement for every start. It looks at the last session of the scope, and at no other session of the
    /// id.
    #[test]
    fn the_last_session_of_a_scope_is_found_without_a_look_at_the_others_of_its_id() {
        let file = Connection::open_in_memory().unwrap();
        file.execute_batch(crate::format::SCHEMA).unwrap();
        let mut plan = file.prepare(&format!("EXPLAIN QUERY PLAN {REMOVE_LAST}")).unwrap();
        let steps = plan.query_map(params!["t", "s", "x"], |row| row.get::<_, String>(3)).unwrap();
        let steps: Vec<String> = steps.collect::<rusqlite::Result<_>>().unwrap();
        let of_session: Vec<&String> = steps.iter().filter(|step| step.contains(" session ")).collect();
        let wanted = "SEARCH session USING INDEX session_ended (tenant=? AND id=? AND scope=?)";
        assert_eq!(of_session, [wanted], "{steps:?}");
        assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE")), "it sorts none: {steps:?}");
    }
}
