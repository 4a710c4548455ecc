//! Reads the sessions and deliveries that dead runs left, as the program starts.

mod sessions;

use std::collections::BTreeMap;
use std::sync::Arc;

use lastword_events::{Event, EventKey, PluginName, Session, Timestamp};
use lastword_journal::state::CleanRuns;
use lastword_journal::{DeliveryKey, PendingDelivery, Recovered};
use rusqlite::{Connection, params};

use crate::row::{count, from_json, parsed};
use crate::tables::drained::DEAD;
use crate::tables::recent_ends;

/// The number that the next run gets.
pub(crate) fn next_run(file: &Connection) -> rusqlite::Result<u32> {
    file.query_row("SELECT coalesce(max(id), 0) FROM run", [], |row| Ok(count(row, 0, "the number of a run")? + 1))
}

/// Begins a run. The row is durable before any delivery of a dead run is made again, because it counts the attempts of the dead runs.
pub(crate) fn begin_run(file: &Connection, run: u32) -> rusqlite::Result<()> {
    let sql = "INSERT INTO run (id, began_at, program) VALUES (?1, ?2, ?3)";
    file.execute(sql, params![run, Timestamp::now().as_millisecond(), env!("CARGO_PKG_VERSION")])?;
    Ok(())
}

/// Runs that have ended cleanly.
pub(crate) fn clean_runs(file: &Connection) -> rusqlite::Result<CleanRuns> {
    let mut statement = file.prepare("SELECT id FROM run WHERE ended_at IS NOT NULL")?;
    let runs = statement.query_map([], |row| count(row, 0, "the number of a run"))?;
    Ok(CleanRuns::new(runs.collect::<rusqlite::Result<_>>()?))
}

/// The sessions and deliveries that dead runs left, for run `run`. The runs in `clean` made no attempt that is not on record.
pub(crate) fn recovered(file: &Connection, run: u32, clean: &CleanRuns) -> rusqlite::Result<Recovered> {
    Ok(Recovered {
        sessions: sessions::read(file, run, clean)?,
        deliveries: deliveries(file, run, clean)?,
        ended: recent_ends::read(file)?,
        dead: dead(file)?,
    })
}

/// The number of deliveries that were given up, by plugin.
fn dead(file: &Connection) -> rusqlite::Result<BTreeMap<PluginName, u64>> {
    let sql = "SELECT p.name, count(*) FROM plugin p JOIN
               (SELECT plugin FROM delivery WHERE dead UNION ALL SELECT plugin FROM drained WHERE state = ?1) d
               ON d.plugin = p.id GROUP BY p.id";
    let mut statement = file.prepare(sql)?;
    let rows = statement.query_map(params![DEAD], |row| Ok((parsed(row, 0)?, row.get(1)?)))?;
    rows.collect()
}

fn deliveries(file: &Connection, run: u32, clean: &CleanRuns) -> rusqlite::Result<Vec<PendingDelivery>> {
    let sql = "SELECT d.sequence, d.event, p.name, d.run, d.attempt, d.failures, d.late, d.body, s.facts
               FROM delivery d JOIN plugin p ON p.id = d.plugin JOIN session s ON s.sequence = d.sequence
               WHERE NOT d.dead ORDER BY d.sequence";
    let mut statement = file.prepare(sql)?;
    // Deliveries of one session follow each other, and share the session.
    let mut latest: Option<(u64, Arc<Session>)> = None;
    let rows = statement.query_map([], |row| {
        let sequence = row.get(0)?;
        let session = match &latest {
            Some((known, session)) if *known == sequence => session.clone(),
            _ => Arc::new(from_json(row, 8)?),
        };
        latest = Some((sequence, session.clone()));
        let (in_run, attempt) = (count(row, 3, "a delivery's run")?, count(row, 4, "a delivery's attempt")?);
        Ok(PendingDelivery {
            delivery: DeliveryKey { sequence, event: parsed::<EventKey>(row, 1)?, plugin: parsed(row, 2)? },
            session,
            event: Arc::new(from_json::<Event>(row, 7)?),
            attempt: clean.attempt_in_run(attempt, in_run, run),
            failures: count(row, 5, "a delivery's count of failures")?,
            late: row.get(6)?,
            suspect: false,
        })
    })?;
    let mut deliveries = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    deliveries.sort_by_key(|d| (d.delivery.sequence, d.delivery.event));
    Ok(deliveries)
}
