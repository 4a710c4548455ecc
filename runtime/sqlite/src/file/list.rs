//! What is active and what is owed, as an operator sees it.

use std::collections::{HashMap, HashSet};

use lastword_events::{DeliveryId, EventKey, JournalName, PluginName, Timestamp};
use lastword_journal::state::serving;
use rusqlite::{Connection, Row};

use super::rows::{DeliveryRow, DeliveryState, SessionRow};
use crate::row::{from_json, has, parsed};
use crate::tables::drained::{DEAD, DELIVERED};

/// Sessions that are active, in the order of their starts. If the program is not running, these are
/// the sessions that its next start ends as `crashed`. Sessions that a drain has ended are not among them.
pub(super) fn sessions(file: &Connection) -> rusqlite::Result<Vec<SessionRow>> {
    let sql = "SELECT sequence, facts, compactions FROM session s WHERE ended_run IS NULL
               AND NOT EXISTS (SELECT 1 FROM run WHERE id = s.run AND drain_reason IS NOT NULL)
               ORDER BY sequence";
    rows(file, sql, |row| {
        Ok(SessionRow { sequence: row.get(0)?, session: from_json(row, 1)?, compactions: row.get(2)? })
    })
}

/// Deliveries that were not made, by session and event.
pub(super) fn deliveries(file: &Connection, journal: JournalName) -> rusqlite::Result<Vec<DeliveryRow>> {
    let sql = "SELECT d.sequence, d.event, p.name, d.dead, d.orphaned, s.tenant, s.id, s.generation, s.reason,
                      d.attempt, d.failures, d.late, d.retry_at, d.cause, d.message
               FROM delivery d JOIN plugin p ON p.id = d.plugin JOIN session s ON s.sequence = d.sequence";
    let mut found = rows(file, sql, |row| {
        let (dead, orphaned): (bool, bool) = (row.get(3)?, row.get(4)?);
        Ok(DeliveryRow {
            delivery: id(journal, row.get(0)?, parsed(row, 1)?, parsed(row, 2)?),
            state: match (dead, orphaned) {
                (true, _) => DeliveryState::Dead,
                (false, true) => DeliveryState::Orphaned,
                (false, false) => DeliveryState::Owed,
            },
            tenant: row.get(5)?,
            session: row.get(6)?,
            generation: row.get(7)?,
            reason: row.get(8)?,
            attempt: row.get(9)?,
            failures: row.get(10)?,
            late: row.get(11)?,
            retry_at: row.get::<_, Option<i64>>(12)?.map(Timestamp::from_millisecond),
            cause: row.get(13)?,
            message: row.get(14)?,
        })
    })?;
    found.extend(drained(file, journal)?);
    found.sort_by(|a, b| a.delivery.cmp(&b.delivery));
    Ok(found)
}

/// Ends that a drain could not make, of sessions whose end the next start will write down.
pub(super) fn drained(file: &Connection, journal: JournalName) -> rusqlite::Result<Vec<DeliveryRow>> {
    type Tried = (u8, u32, u32, Option<String>, Option<String>);
    let sql = "SELECT d.sequence, p.name, d.state, d.attempt, d.failures, d.cause, d.message
               FROM drained d JOIN plugin p ON p.id = d.plugin";
    let tried: HashMap<(u64, PluginName), Tried> = rows(file, sql, |row| {
        let key = (row.get(0)?, parsed(row, 1)?);
        Ok((key, (row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?)))
    })?
    .into_iter()
    .collect();
    let sql = "SELECT s.sequence, s.tenant, s.id, s.generation, s.started, r.drain_reason, r.plugins
               FROM session s JOIN run r ON r.id = s.run AND r.drain_reason IS NOT NULL
               WHERE s.ended_run IS NULL";
    let sessions = rows(file, sql, |row| {
        let (sequence, tenant): (u64, String) = (row.get(0)?, row.get(1)?);
        let installed = installed_for(row, &tenant)?;
        let mut owed = installed.clone();
        if row.get::<_, Option<String>>(4)?.is_some() {
            owed.extend(from_json::<Vec<PluginName>>(row, 4)?);
        }
        let mut seen = HashSet::new();
        owed.retain(|plugin| seen.insert(plugin.clone()));
        let mut ends = Vec::new();
        for plugin in owed {
            let tried = tried.get(&(sequence, plugin.clone())).cloned();
            let (state, attempt, failures, cause, message) = tried.unwrap_or((u8::MAX, 0, 0, None, None));
            if state != DELIVERED {
                ends.push(DeliveryRow {
                    state: match state {
                        DEAD => DeliveryState::Dead,
                        _ if installed.contains(&plugin) => DeliveryState::Owed,
                        _ => DeliveryState::Orphaned,
                    },
                    delivery: id(journal, sequence, EventKey::End, plugin),
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
    })?;
    Ok(sessions.into_iter().flatten().collect())
}

/// Plugins that served `tenant` in the run whose row this is.
fn installed_for(row: &Row<'_>, tenant: &str) -> rusqlite::Result<Vec<PluginName>> {
    if !has(row, 6)? {
        return Ok(Vec::new());
    }
    let installed: Vec<(PluginName, Option<Vec<String>>)> = from_json(row, 6)?;
    Ok(serving(&installed, tenant))
}

fn id(journal: JournalName, sequence: u64, event: EventKey, plugin: PluginName) -> DeliveryId {
    DeliveryId { journal, sequence, event, plugin }
}

/// All rows that a statement gives.
pub(super) fn rows<T>(
    file: &Connection,
    sql: &str,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    file.prepare(sql)?.query_map([], read)?.collect()
}
