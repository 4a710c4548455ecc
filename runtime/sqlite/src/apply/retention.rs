//! What is forgotten, so that the file does not grow without bound.

use std::time::Duration;

use lastword_events::Timestamp;
use lastword_journal::RETAINED_ENDED_SESSIONS;
use lastword_journal::state::ForgottenGenerations;
use rusqlite::{Connection, params};

use crate::tables::generations;

/// Ended sessions of which nothing is owed are kept for this long at most since their ends were written down: an operator
/// looks back some days.
pub const RETAINED_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Rows that are looked at in one transaction: some milliseconds.
const AT_ONCE: u64 = 1_000;
/// New sessions between two looks. Half of what is looked at, so that it keeps up.
const EVERY: u64 = AT_ONCE / 2;

/// Goes through the sessions, oldest first, and removes those that nobody needs: a delivery that is owed or dead, or an
/// active session, keeps its row however old it is.
#[derive(Debug)]
pub(crate) struct Retention {
    /// Ended sessions that are kept.
    keep: u64,
    /// Up to here everything has been looked at in this round.
    looked_at: u64,
    /// The newest sequence number at the last look.
    last: u64,
}

impl Retention {
    pub(crate) fn new() -> Self {
        Self { keep: u64::try_from(RETAINED_ENDED_SESSIONS).unwrap_or(u64::MAX), looked_at: 0, last: 0 }
    }

    /// Looks at some more, if enough has happened since the last time. `next` is the next session's number.
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
        // By rows, not by numbers: those that were removed leave gaps, and a salvage leaves a large one.
        let sql = "SELECT max(sequence), count(*) FROM
                   (SELECT sequence FROM session WHERE sequence > ?1 ORDER BY sequence LIMIT ?2)";
        let (to, rows): (Option<u64>, u64) = file
            .prepare_cached(sql)?
            .query_row(params![self.looked_at, AT_ONCE], |row| Ok((row.get(0)?, row.get(1)?)))?;
        // Sequence numbers stand for counts: older than that many sessions, or written down longer ago than that. Owners' times
        // say nothing of how long we have it.
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
        // Those that stay are looked at again in the next round, and so are the runs that nobody refers to.
        self.looked_at = if rows < AT_ONCE { 0 } else { to.unwrap_or(0) };
        if self.looked_at == 0 {
            let sql = "DELETE FROM run WHERE id < (SELECT max(id) FROM run) AND drain_reason IS NULL AND NOT attaching
                       OR id < (SELECT coalesce(min(run), (SELECT max(id) FROM run)) FROM session WHERE ended_run IS NULL)";
            file.prepare_cached(sql)?.execute([])?;
        }
        Ok(())
    }
}
