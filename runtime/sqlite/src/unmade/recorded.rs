//! The rows of `delivery`.

use lastword_events::{DeliveryId, JournalName, Timestamp};
use lastword_journal::state::{LookedAt, Unmade};
use lastword_journal::{DeliveryFilter, DeliveryKey, DeliveryRow, DeliveryState, LOOKED_AT_FOR_A_PAGE};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::place::{Place, place};
use crate::row::{count, parsed};

/// The tables in this order, which is that of the pages. So SQLite looks at no more rows than the query asks for.
const COLUMNS: &str = "SELECT d.sequence, d.event, p.name, d.dead, d.orphaned, s.tenant, s.id, s.generation, s.reason,
                      d.attempt, d.failures, d.late, d.retry_at, d.cause, d.message
               FROM delivery d CROSS JOIN plugin p ON p.id = d.plugin CROSS JOIN session s ON s.sequence = d.sequence";

/// The rows that follow one, with a limit.
const FOLLOWING: &str =
    "WHERE (d.sequence, d.event) >= (?1, ?2) AND NOT (d.sequence = ?1 AND d.event = ?2 AND p.name <= ?3)
               ORDER BY d.sequence, d.event, p.name LIMIT ?4";

/// Looks for at most `limit` rows that the filter lets through.
pub(super) fn look(
    file: &Connection,
    journal: JournalName,
    filter: &DeliveryFilter,
    after: Option<&DeliveryId>,
    limit: usize,
) -> rusqlite::Result<LookedAt<Place>> {
    let (sequence, event, plugin) = match after {
        Some(after) => (after.sequence, after.event.to_string(), after.plugin.as_str()),
        None => (0, String::new(), ""),
    };
    let mut looked_at = LookedAt { rows: Vec::new(), until: None };
    let mut statement = file.prepare_cached(&format!("{COLUMNS} {FOLLOWING}"))?;
    let mut rows = statement.query(params![sequence, event, plugin, LOOKED_AT_FOR_A_PAGE])?;
    let mut looked = 0;
    while let Some(row) = rows.next()? {
        let row = delivery(journal, row)?;
        looked += 1;
        let (place, id) = (place(&row.delivery), row.delivery.clone());
        if filter.matches(&row) {
            looked_at.rows.push((place.clone(), row));
        }
        if looked == LOOKED_AT_FOR_A_PAGE || looked_at.rows.len() > limit {
            looked_at.until = Some((place, id));
            break;
        }
    }
    Ok(looked_at)
}

pub(super) fn find(
    file: &Connection,
    journal: JournalName,
    key: &DeliveryKey,
) -> rusqlite::Result<Option<DeliveryRow>> {
    let sql = format!("{COLUMNS} WHERE d.sequence = ?1 AND d.event = ?2 AND p.name = ?3");
    let DeliveryKey { sequence, event, plugin } = key;
    file.prepare_cached(&sql)?
        .query_row(params![sequence, event.to_string(), plugin.as_str()], |row| delivery(journal, row))
        .optional()
}

pub(super) fn unmade(file: &Connection, key: &DeliveryKey) -> rusqlite::Result<Option<Unmade>> {
    let sql = "SELECT d.dead, d.orphaned, d.run FROM delivery d JOIN plugin p ON p.id = d.plugin
               WHERE d.sequence = ?1 AND d.event = ?2 AND p.name = ?3";
    let DeliveryKey { sequence, event, plugin } = key;
    file.prepare_cached(sql)?
        .query_row(params![sequence, event.to_string(), plugin.as_str()], |row| {
            Ok(Unmade { state: state(row.get(0)?, row.get(1)?), run: count(row, 2, "a delivery's run")? })
        })
        .optional()
}

fn state(dead: bool, orphaned: bool) -> DeliveryState {
    match (dead, orphaned) {
        (true, _) => DeliveryState::Dead,
        (false, true) => DeliveryState::Orphaned,
        (false, false) => DeliveryState::Owed,
    }
}

fn delivery(journal: JournalName, row: &Row<'_>) -> rusqlite::Result<DeliveryRow> {
    Ok(DeliveryRow {
        delivery: DeliveryId { journal, sequence: row.get(0)?, event: parsed(row, 1)?, plugin: parsed(row, 2)? },
        state: state(row.get(3)?, row.get(4)?),
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{empty_tables, query_plan};

    /// The program's guests read through the same connections.
    #[test]
    fn a_page_is_read_in_the_order_of_the_table_and_no_further() {
        let sql = format!("{COLUMNS} {FOLLOWING}");
        let steps = query_plan(&empty_tables(), &sql, params![7, "session-end", "p", 10]);
        assert!(steps.first().is_some_and(|step| step.starts_with("SEARCH d USING PRIMARY KEY")), "{steps:?}");
        let sorted: Vec<&String> = steps.iter().filter(|step| step.contains("TEMP B-TREE")).collect();
        // Rows of one event of one session: as many as plugins.
        assert_eq!(sorted, ["USE TEMP B-TREE FOR LAST TERM OF ORDER BY"], "{steps:?}");
    }
}
