//! Ends that a drain could not make, of sessions whose end the next start will write down.

use std::collections::{HashMap, HashSet};

use lastword_events::{DeliveryId, EventKey, JournalName, PluginName};
use lastword_journal::state::{LookedAt, serving};
use lastword_journal::{DeliveryFilter, DeliveryKey, DeliveryRow, DeliveryState, LOOKED_AT_FOR_A_PAGE};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::place::{Place, behind, place};
use crate::row::{from_json, has, parsed};
use crate::tables::drained::{DEAD, DELIVERED};

/// Active sessions from one number on, with a limit, each with the drain of its run if the run drained.
const SESSIONS: &str = "SELECT s.sequence, s.tenant, s.id, s.generation, s.started, r.drain_reason, r.plugins
     FROM (SELECT sequence, tenant, id, generation, started, run FROM session
           WHERE ended_run IS NULL AND sequence >= ?1 ORDER BY sequence LIMIT ?2) s
     LEFT JOIN run r ON r.id = s.run AND r.drain_reason IS NOT NULL ORDER BY s.sequence";

/// A drain's result for an end: its state, the attempt, failures, and the last failure.
type Tried = (u8, u32, u32, Option<String>, Option<String>);

/// Looks for at most `limit` ends that the filter lets through.
pub(super) fn look(
    file: &Connection,
    journal: JournalName,
    filter: &DeliveryFilter,
    after: Option<&DeliveryId>,
    limit: usize,
) -> rusqlite::Result<LookedAt<Place>> {
    let from = after.map_or(0, |after| after.sequence);
    let after = after.map(place);
    let mut looked_at = LookedAt { rows: Vec::new(), until: None };
    let mut statement = file.prepare_cached(SESSIONS)?;
    let mut rows = statement.query(params![from, LOOKED_AT_FOR_A_PAGE])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        count += 1;
        let ends = ends_of(file, journal, row)?.into_iter().map(|row| (place(&row.delivery), row));
        let follows = |place: &Place| after.as_ref().is_none_or(|after| place > after);
        looked_at.rows.extend(ends.filter(|(place, row)| follows(place) && filter.matches(row)));
        if count == LOOKED_AT_FOR_A_PAGE || looked_at.rows.len() > limit {
            looked_at.until = behind(row.get(0)?, journal);
            break;
        }
    }
    Ok(looked_at)
}

/// The ends of one session.
pub(super) fn of_session(file: &Connection, journal: JournalName, sequence: u64) -> rusqlite::Result<Vec<DeliveryRow>> {
    let mut statement = file.prepare_cached(SESSIONS)?;
    let mut rows = statement.query(params![sequence, 1])?;
    match rows.next()? {
        Some(row) if row.get::<_, u64>(0)? == sequence => ends_of(file, journal, row),
        _ => Ok(Vec::new()),
    }
}

/// The run of the last attempt of this end; 0 when there was none.
pub(super) fn run_of(file: &Connection, end: &DeliveryKey) -> rusqlite::Result<u32> {
    let sql = "SELECT d.run FROM drained d JOIN plugin p ON p.id = d.plugin WHERE d.sequence = ?1 AND p.name = ?2";
    let run = file.prepare_cached(sql)?.query_row(params![end.sequence, end.plugin.as_str()], |row| row.get(0));
    Ok(run.optional()?.unwrap_or(0))
}

/// The unmade ends of the session in this row, by plugin.
fn ends_of(file: &Connection, journal: JournalName, row: &Row<'_>) -> rusqlite::Result<Vec<DeliveryRow>> {
    if !has(row, 5)? {
        return Ok(Vec::new());
    }
    let (sequence, tenant): (u64, String) = (row.get(0)?, row.get(1)?);
    let installed = installed_for(row, &tenant)?;
    let mut owed = installed.clone();
    if has(row, 4)? {
        owed.extend(from_json::<Vec<PluginName>>(row, 4)?);
    }
    let tried = tried(file, sequence)?;
    // These plugins are owed the end even if the reason is not on record any more.
    owed.extend(tried.keys().cloned());
    let mut seen = HashSet::new();
    owed.retain(|plugin| seen.insert(plugin.clone()));
    owed.sort_unstable();
    let mut ends = Vec::new();
    for plugin in owed {
        let tried = tried.get(&plugin).cloned();
        let (state, attempt, failures, cause, message) = tried.unwrap_or((u8::MAX, 0, 0, None, None));
        if state != DELIVERED {
            ends.push(DeliveryRow {
                state: match state {
                    DEAD => DeliveryState::Dead,
                    _ if installed.contains(&plugin) => DeliveryState::Owed,
                    _ => DeliveryState::Orphaned,
                },
                delivery: DeliveryId { journal, sequence, event: EventKey::End, plugin },
                tenant: tenant.clone(),
                session: row.get(2)?,
                generation: row.get(3)?,
                reason: row.get(5)?,
                attempt,
                failures,
                late: false,
                retry_at: None,
                cause,
                message,
            });
        }
    }
    Ok(ends)
}

fn tried(file: &Connection, sequence: u64) -> rusqlite::Result<HashMap<PluginName, Tried>> {
    let sql = "SELECT p.name, d.state, d.attempt, d.failures, d.cause, d.message
               FROM drained d JOIN plugin p ON p.id = d.plugin WHERE d.sequence = ?1";
    let mut statement = file.prepare_cached(sql)?;
    let rows = statement.query_map(params![sequence], |row| {
        Ok((parsed(row, 0)?, (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?)))
    })?;
    rows.collect()
}

/// Plugins that served `tenant` in the run of this row.
fn installed_for(row: &Row<'_>, tenant: &str) -> rusqlite::Result<Vec<PluginName>> {
    if !has(row, 6)? {
        return Ok(Vec::new());
    }
    let installed: Vec<(PluginName, Option<Vec<String>>)> = from_json(row, 6)?;
    Ok(serving(&installed, tenant))
}
