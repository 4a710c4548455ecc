//! Forgets ended sessions, so that the file does not grow without bound.

use std::time::Duration;

use lastword_events::Timestamp;
use lastword_journal::RETAINED_ENDED_SESSIONS;
use lastword_journal::state::ForgottenGenerations;
use rusqlite::{Connection, params};

use crate::tables::generations;

/// How long the journal keeps ended sessions that owe nothing, at most, from the commit of their ends. An operator looks back some days.
pub const RETAINED_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Rows that one transaction looks at: some milliseconds.
const AT_ONCE: u64 = 1_000;
/// New sessions between two looks. It is half of `AT_ONCE`, so that the looks keep up.
const EVERY: u64 = AT_ONCE / 2;

/// Removes the runs that no row refers to. It looks at active sessions only for earlier runs that drained or held sessions, and the sessions
/// of such a run are nearly always the oldest: so the look seldom goes far.
const REMOVE_RUNS: &str = "DELETE FROM run AS r WHERE id < (SELECT max(id) FROM run)
    AND (drain_reason IS NULL AND NOT attaching
         OR NOT EXISTS (SELECT 1 FROM session s WHERE s.ended_run IS NULL AND s.run <= r.id))";

/// Goes through the sessions, oldest first, and removes those that nobody needs. An active session keeps its row however old it is, and
/// so does a session with a delivery that is owed or dead.
#[derive(Debug)]
pub(crate) struct Retention {
    /// The number of ended sessions that the journal keeps.
    keep: u64,
    /// The last session that this round has looked at.
    looked_at: u64,
    /// The newest sequence number at the last look.
    last: u64,
}

impl Retention {
    pub(crate) fn new() -> Self {
        Self { keep: u64::try_from(RETAINED_ENDED_SESSIONS).unwrap_or(u64::MAX), looked_at: 0, last: 0 }
    }

    /// Looks at more sessions, if enough sessions began since the last look. `next` is the next session's number.
    pub(crate) fn tidy(
        &mut self,
        file: &Connection,
        next: u64,
        forgotten: &mut ForgottenGenerations,
    ) -> rusqlite::Result<()> {
        if next.saturating_sub(self.last) < EVERY {
            return Ok(());
        }
        self.last = next;
        // Counts rows, not numbers: removed rows leave gaps, and a salvage leaves a large one.
        let sql = "SELECT max(sequence), count(*) FROM
                   (SELECT sequence FROM session WHERE sequence > ?1 ORDER BY sequence LIMIT ?2)";
        let (to, rows): (Option<u64>, u64) = file
            .prepare_cached(sql)?
            .query_row(params![self.looked_at, AT_ONCE], |row| Ok((row.get(0)?, row.get(1)?)))?;
        // Sequence numbers stand for counts. A session goes if it is older than that many sessions, or if its end was written down too
        // long ago. Times of owners do not say how long the journal has had it.
        let newest = next.saturating_sub(self.keep);
        let before = Timestamp::now().as_millisecond() - i64::try_from(RETAINED_FOR.as_millis()).unwrap_or(i64::MAX);
        let sql = "DELETE FROM session WHERE sequence > ?1 AND sequence <= ?2 AND ended_run IS NOT NULL
                   AND (sequence < ?3 OR recorded_at < ?4)
                   AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.sequence = session.sequence)
                   RETURNING tenant, id, generation";
        let deleted = file
            .prepare_cached(sql)?
            .query_map(params![self.looked_at, to, newest, before], generations::DeletedSession::read)?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        generations::keep(file, forgotten, deleted)?;
        // The next round looks again at the rows that stay. It also looks at the runs, and removes those that no row refers to.
        self.looked_at = if rows < AT_ONCE { 0 } else { to.unwrap_or(0) };
        if self.looked_at == 0 {
            file.prepare_cached(REMOVE_RUNS)?.execute([])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;
    use crate::testing::empty_tables;

    #[test]
    fn a_run_is_kept_while_an_active_session_may_need_what_it_says() {
        let file = empty_tables();
        file.execute_batch(
            "INSERT INTO run (id, began_at, program, drain_reason, attaching) VALUES
               (1, 0, '', 'sigterm', 0), (2, 0, '', 'sigterm', 0), (3, 0, '', 'sigterm', 0),
               (4, 0, '', NULL, 0), (5, 0, '', NULL, 1), (6, 0, '', 'sigterm', 0);
             INSERT INTO session (sequence, tenant, id, generation, run, facts, ended_run) VALUES
               (1, 't', 'ended', 1, 1, '{}', 1), (2, 't', 'active', 1, 3, '{}', NULL), (3, 't', 'new', 1, 6, '{}', NULL);",
        )
        .unwrap();
        let runs = || {
            let mut runs = file.prepare("SELECT id FROM run ORDER BY id").unwrap();
            runs.query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<Vec<u32>>>().unwrap()
        };
        file.execute(REMOVE_RUNS, []).unwrap();
        assert_eq!(runs(), [3, 5, 6], "the session began before 3 drained and 5 held sessions");
        file.execute("UPDATE session SET ended_run = 6 WHERE id = 'active'", []).unwrap();
        file.execute(REMOVE_RUNS, []).unwrap();
        assert_eq!(runs(), [6]);
    }

    #[test]
    fn whether_runs_are_needed_is_known_without_a_look_at_each_active_session() {
        let file = empty_tables();
        file.execute_batch(
            "INSERT INTO run (id, began_at, program, drain_reason) VALUES (1, 0, '', 'sigterm'), (2, 0, '', NULL);
             WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 10000)
             INSERT INTO session (sequence, tenant, id, generation, run, facts) SELECT n, 't', n, 1, 1 + (n > 1), '{}' FROM n;",
        )
        .unwrap();
        let mut remove = file.prepare(REMOVE_RUNS).unwrap();
        assert_eq!(remove.execute([]).unwrap(), 0);
        let steps = remove.get_status(StatementStatus::VmStep);
        assert!(steps < 200, "{steps} steps");
    }
}
