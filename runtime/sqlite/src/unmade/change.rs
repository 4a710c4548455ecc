//! Changes the rows of a delivery as an operator or the runtime asks.

use lastword_journal::state::CleanRuns;
use lastword_journal::{DeliveryKey, PendingDelivery};
use rusqlite::{Connection, params};

use crate::row::{count, from_json};
use crate::tables::suspects;

/// Makes a delivery owed again that was given up. Gives it for run `run`; of the earlier runs those in `clean` ended cleanly. None for an
/// end that a drain has given up, of a session whose end is not written down. `plugin` is the row of its name.
pub(crate) fn revive(
    file: &Connection,
    delivery: &DeliveryKey,
    plugin: i64,
    (run, clean): (u32, &CleanRuns),
) -> rusqlite::Result<Option<PendingDelivery>> {
    let event = delivery.event.to_string();
    let key = params![delivery.sequence, event, plugin];
    let recorded = "UPDATE delivery SET dead = 0, failures = 0, retry_at = NULL, late = 1
                    WHERE sequence = ?1 AND event = ?2 AND plugin = ?3 AND dead";
    if file.prepare_cached(recorded)?.execute(key)? == 0 {
        let drained = "UPDATE drained SET state = 1, failures = 0
                       WHERE sequence = ?1 AND ?2 = 'session-end' AND plugin = ?3 AND state = 2";
        file.prepare_cached(drained)?.execute(key)?;
        return Ok(None);
    }
    let sql = "SELECT d.run, d.attempt, d.body, s.facts FROM delivery d JOIN session s ON s.sequence = d.sequence
               WHERE d.sequence = ?1 AND d.event = ?2 AND d.plugin = ?3";
    let owed = file.prepare_cached(sql)?.query_row(key, |row| {
        let (in_run, attempt) = (count(row, 0, "a delivery's run")?, count(row, 1, "a delivery's attempt")?);
        Ok(PendingDelivery {
            delivery: delivery.clone(),
            event: from_json(row, 2)?,
            session: from_json(row, 3)?,
            attempt: clean.attempt_in_run(attempt, in_run, run),
            failures: 0,
            late: true,
            suspect: false,
        })
    })?;
    Ok(Some(owed))
}

/// Removes the mark of an orphaned delivery. Gives it for run `run`; of the earlier runs those in `clean` ended cleanly. None for an end
/// of a session whose end is not written down. `plugin` is the row of its name.
pub(crate) fn adopt(
    file: &Connection,
    delivery: &DeliveryKey,
    plugin: i64,
    (run, clean): (u32, &CleanRuns),
) -> rusqlite::Result<Option<PendingDelivery>> {
    let event = delivery.event.to_string();
    let key = params![delivery.sequence, event, plugin];
    let sql = "UPDATE delivery SET orphaned = 0
               WHERE sequence = ?1 AND event = ?2 AND plugin = ?3 AND orphaned AND NOT dead";
    if file.prepare_cached(sql)?.execute(key)? == 0 {
        return Ok(None);
    }
    let suspect = suspects::is_made_alone(file, delivery)?;
    let sql = "SELECT d.run, d.attempt, d.failures, d.late, d.body, s.facts
               FROM delivery d JOIN session s ON s.sequence = d.sequence
               WHERE d.sequence = ?1 AND d.event = ?2 AND d.plugin = ?3";
    let owed = file.prepare_cached(sql)?.query_row(key, |row| {
        let (in_run, attempt) = (count(row, 0, "a delivery's run")?, count(row, 1, "a delivery's attempt")?);
        Ok(PendingDelivery {
            delivery: delivery.clone(),
            failures: count(row, 2, "a delivery's count of failures")?,
            late: row.get(3)?,
            event: from_json(row, 4)?,
            session: from_json(row, 5)?,
            attempt: clean.attempt_in_run(attempt, in_run, run),
            suspect,
        })
    })?;
    Ok(Some(owed))
}

/// Forgets a delivery. True when only the next start would have written it down.
pub(crate) fn forget(file: &Connection, delivery: &DeliveryKey, plugin: i64) -> rusqlite::Result<bool> {
    let event = delivery.event.to_string();
    let key = params![delivery.sequence, event, plugin];
    let recorded = "DELETE FROM delivery WHERE sequence = ?1 AND event = ?2 AND plugin = ?3";
    if file.prepare_cached(recorded)?.execute(key)? > 0 {
        return Ok(false);
    }
    let drained = "INSERT INTO drained (sequence, plugin, run, attempt, state)
                   SELECT sequence, ?3, run, 0, 0 FROM session
                   WHERE sequence = ?1 AND ?2 = 'session-end' AND ended_run IS NULL
                   ON CONFLICT (sequence, plugin) DO UPDATE SET state = 0";
    Ok(file.prepare_cached(drained)?.execute(key)? > 0)
}
