//! Changes deliveries, as an operator asks.

use std::collections::HashSet;

use lastword_events::DeliveryId;
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::tables::suspects;

/// What [`JournalFile::redeliver`](crate::JournalFile::redeliver) or [`JournalFile::forget`](crate::JournalFile::forget) did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// What was asked.
    Done,
    /// Nothing: it is owed already.
    AlreadyOwed,
    /// Nothing: the journal has no such delivery; it was made, or never was.
    Unknown,
}

/// What is done to a delivery: a statement for those in `delivery`, and one for ends that a drain has tried.
pub(super) struct Change {
    recorded: &'static str,
    drained: &'static str,
}

/// Makes a delivery that was given up owed again.
pub(super) const REDELIVER: Change = Change {
    recorded: "UPDATE delivery SET dead = 0, failures = 0, retry_at = NULL, late = 1
               WHERE sequence = ?1 AND event = ?2 AND plugin = ?3 AND dead",
    drained: "UPDATE drained SET state = 1, failures = 0 WHERE sequence = ?1 AND ?2 = 'session-end' AND plugin = ?3
              AND state = 2",
};

/// Forgets a delivery.
pub(super) const FORGET: Change = Change {
    recorded: "DELETE FROM delivery WHERE sequence = ?1 AND event = ?2 AND plugin = ?3",
    drained: "INSERT INTO drained (sequence, plugin, run, attempt, state)
              SELECT sequence, ?3, run, 0, 0 FROM session WHERE sequence = ?1 AND ?2 = 'session-end' AND ended_run IS NULL
              ON CONFLICT (sequence, plugin) DO UPDATE SET state = 0",
};

/// Changes all of them or none, in one transaction. `known` are the deliveries that were not made.
pub(super) fn change(
    file: &mut Connection,
    known: &HashSet<DeliveryId>,
    ids: &[DeliveryId],
    Change { recorded, drained }: &Change,
) -> rusqlite::Result<Vec<Changed>> {
    let transaction = file.transaction()?;
    let mut changed = Vec::new();
    for id in ids {
        if !known.contains(id) {
            changed.push(Changed::Unknown);
            continue;
        }
        let plugin: Option<i64> = transaction
            .query_row("SELECT id FROM plugin WHERE name = ?1", [id.plugin.as_str()], |row| row.get(0))
            .optional()?;
        let plugin = match plugin {
            Some(plugin) => plugin,
            None => {
                transaction.execute("INSERT INTO plugin (name) VALUES (?1)", [id.plugin.as_str()])?;
                transaction.last_insert_rowid()
            }
        };
        let key = params![id.sequence, id.event.to_string(), plugin];
        let mut rows = transaction.execute(recorded, key)?;
        // It begins with a clean record.
        suspects::clear(&transaction, &id.into())?;
        if rows == 0 {
            rows = transaction.execute(drained, params![id.sequence, id.event.to_string(), plugin])?;
        }
        changed.push(if rows > 0 { Changed::Done } else { Changed::AlreadyOwed });
    }
    transaction.commit()?;
    Ok(changed)
}
