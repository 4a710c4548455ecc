//! The table `recent_end`: ends that owners have reported in the last seconds, and may report again.

use std::collections::VecDeque;

use lastword_events::{Identity, Timestamp};
use lastword_journal::{DUPLICATE_WITHIN, RETAINED_RECENT_ENDS, Receipt, RecentEnd};
use rusqlite::{Connection, params};

use crate::row::count;

/// New ends between two removals of those that are too old. A removal looks at the rows one by one, for some milliseconds.
const AT_ONCE: usize = 4_096;
/// Removals after which [`RETAINED_RECENT_ENDS`] newer ends have come.
const REMOVALS: usize = RETAINED_RECENT_ENDS / AT_ONCE;

/// Removes the end of the last session of an identity. One id may have tens of thousands of sessions in as many scopes, so the statement
/// looks only at the last eight generations of the scope. The session that ended last is not always the highest generation, because an
/// active session can move into a scope in which newer ones have ended.
const REMOVE_LAST: &str = "DELETE FROM recent_end WHERE sequence IN
    (SELECT sequence FROM session WHERE tenant = ?1 AND id = ?2 AND scope = ?3 AND ended_run IS NOT NULL
     ORDER BY generation DESC LIMIT 8)";

/// Removes the ends that were received outside of the window.
const REMOVE_OUTSIDE: &str = "DELETE FROM recent_end WHERE received_at NOT BETWEEN ?1 AND ?2";

/// When the ends of this run were received. So the ends that are too many are found by their time, without sorting the rows.
#[derive(Debug, Default)]
pub(crate) struct Receipts {
    /// Ends since the last removal.
    since_removal: usize,
    /// The time of the last end before each of the last removals, in milliseconds since 1970. The oldest removal is first.
    at_removals: VecDeque<i64>,
}

impl Receipts {
    /// Counts an end. Gives true if it is time to remove old ends.
    fn add(&mut self, at: Timestamp) -> bool {
        self.since_removal += 1;
        if self.since_removal < AT_ONCE {
            return false;
        }
        self.since_removal = 0;
        self.at_removals.push_back(at.as_millisecond());
        if self.at_removals.len() > REMOVALS + 1 {
            self.at_removals.pop_front();
        }
        true
    }

    /// The time of an end after which [`RETAINED_RECENT_ENDS`] others have come. None if fewer have come.
    fn oldest_kept(&self) -> Option<i64> {
        if self.at_removals.len() > REMOVALS { self.at_removals.front().copied() } else { None }
    }
}

/// Remembers an end. Ends that were received in one millisecond are forgotten together.
pub(crate) fn insert(
    file: &Connection,
    receipts: &mut Receipts,
    sequence: u64,
    received: Receipt,
) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO recent_end (sequence, received_at, said) VALUES (?1, ?2, ?3)";
    let Receipt { at, said } = received;
    // SQLite's numbers have a sign.
    file.prepare_cached(sql)?.execute(params![sequence, at.as_millisecond(), said.cast_signed()])?;
    if receipts.add(at) {
        let (from, to) = window();
        // Without a limit, when the clock was set back and the older end is in the future.
        let from = receipts.oldest_kept().filter(|oldest| *oldest <= to).map_or(from, |oldest| oldest.max(from));
        file.prepare_cached(REMOVE_OUTSIDE)?.execute(params![from, to])?;
    }
    Ok(())
}

/// Removes the last end of an identity, because a session has this identity from now on. An owner does not report the old end again.
pub(crate) fn remove_last(file: &Connection, identity: &Identity) -> rusqlite::Result<()> {
    let Identity { tenant, id, scope } = identity;
    file.prepare_cached(REMOVE_LAST)?.execute(params![tenant, id, &**scope])?;
    Ok(())
}

/// Removes the ends that no owner will report again, as a run begins. It sorts the rows, which takes tens of milliseconds.
pub(crate) fn forget(file: &Connection) -> rusqlite::Result<()> {
    let (from, to) = window();
    file.execute(REMOVE_OUTSIDE, params![from, to])?;
    let sql = "DELETE FROM recent_end WHERE sequence IN
               (SELECT sequence FROM recent_end ORDER BY received_at DESC LIMIT -1 OFFSET ?1)";
    file.execute(sql, params![RETAINED_RECENT_ENDS])?;
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
    use crate::testing::{empty_tables, query_plan};

    #[test]
    fn the_newest_ends_are_kept_and_the_others_are_removed_in_one_look_at_the_rows() {
        let (file, mut receipts) = (empty_tables(), Receipts::default());
        // Sixteen in each millisecond, which are forgotten together, and the last of them now.
        let ends = RETAINED_RECENT_ENDS + 4 * AT_ONCE;
        let first = Timestamp::now().as_millisecond() - i64::try_from(ends / 16).unwrap();
        for n in 0..ends {
            let at = Timestamp::from_millisecond(first + i64::try_from(n / 16).unwrap());
            // Sessions that began first end last here: the order of their numbers says nothing.
            insert(&file, &mut receipts, u64::try_from(ends - n).unwrap(), Receipt { at, said: 0 }).unwrap();
        }
        let mut kept = file.prepare("SELECT sequence FROM recent_end ORDER BY sequence").unwrap();
        let kept: Vec<usize> = kept.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert!(kept.iter().copied().eq(1..=RETAINED_RECENT_ENDS + 16), "{} are kept", kept.len());
        let steps = query_plan(&file, REMOVE_OUTSIDE, params![0, 0]);
        assert_eq!(steps, ["SCAN recent_end"]);
    }

    #[test]
    fn after_the_clock_was_set_back_the_ends_that_came_since_are_kept() {
        let (file, mut receipts) = (empty_tables(), Receipts::default());
        let now = Timestamp::now().as_millisecond();
        let before = (REMOVALS + 1) * AT_ONCE;
        for n in 0..before + AT_ONCE {
            let at = Timestamp::from_millisecond(if n < before { now + 3_600_000 } else { now });
            insert(&file, &mut receipts, u64::try_from(n).unwrap(), Receipt { at, said: 0 }).unwrap();
        }
        let sql = "SELECT count(*), min(sequence) FROM recent_end";
        let kept: (usize, usize) = file.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_eq!(kept, (AT_ONCE, before));
    }

    /// The writer's thread runs the statement for every start. It looks at the last session of the scope, and at no other session of the
    /// id.
    #[test]
    fn the_last_session_of_a_scope_is_found_without_a_look_at_the_others_of_its_id() {
        let steps = query_plan(&empty_tables(), REMOVE_LAST, params!["t", "s", "x"]);
        let of_session: Vec<&String> = steps.iter().filter(|step| step.contains(" session ")).collect();
        let wanted = "SEARCH session USING INDEX session_ended (tenant=? AND id=? AND scope=?)";
        assert_eq!(of_session, [wanted], "{steps:?}");
        assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE")), "it sorts none: {steps:?}");
    }
}
