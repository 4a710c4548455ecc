//! The tables as rows, one after the other: what a snapshot of them is made of.

use std::sync::Arc;

use lastword_events::{Event, Hook, Identity, Scope, Session, Timestamp};
use serde::{Deserialize, Serialize};

use super::runs::Run;
use super::{ActiveSession, MemoryTables};
use crate::state::Failure;
use crate::{DeliveryKey, JournalError, RecentEnd};

/// A row of [`MemoryTables`]. Its JSON is in snapshots, so names stay, and what is new has a default.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TableRow(Row);

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Row {
    Sequence(u64),
    Run { run: Run, has_ended: bool },
    Generation { id: Identity, sequence: u64, generation: u32, has_ended: bool },
    EndedId { id: Identity, sequence: u64 },
    Forgotten { tenant: Option<Arc<str>>, generation: u32 },
    RecentEnd { sequence: u64, end: Option<RecentEnd> },
    OpId { id: Identity, kind: Hook, op_id: Arc<str>, scope: Scope, generation: u32 },
    Session { sequence: u64, active: ActiveSession },
    Delivery { key: DeliveryKey, fields: Box<DeliveryFields> },
    GivenUp { key: DeliveryKey, number: u64 },
    GivenUpCounts { number: u64, forgotten: u64 },
}

/// A delivery without its key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct DeliveryFields {
    /// None: as the delivery before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) of: Option<(Arc<Session>, Arc<Event>)>,
    pub(super) run: u32,
    pub(super) attempt: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) failures: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) failure: Option<Failure>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) late: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) orphaned: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) retry_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) dead: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl MemoryTables {
    /// The rows of the tables. [`restore`](Self::restore) makes the same tables of them, one by one and in this order.
    pub fn into_rows(self) -> impl Iterator<Item = TableRow> + Send {
        let Self { sequence, runs, generations, recent_ends, ops, active, owed } = self;
        let active = active.into_iter().map(|(sequence, active)| Row::Session { sequence, active });
        let rows = [Row::Sequence(sequence)].into_iter().chain(runs.into_rows()).chain(generations.into_rows());
        let rows = rows.chain(recent_ends.into_rows()).chain(ops.into_rows()).chain(active).chain(owed.into_rows());
        rows.map(TableRow)
    }

    /// Adds a row.
    ///
    /// # Errors
    /// When the row needs one before it that is missing, or has a number that cannot be.
    pub fn restore(&mut self, TableRow(row): TableRow) -> Result<(), JournalError> {
        let counted = match &row {
            Row::Sequence(count) | Row::GivenUpCounts { number: count, .. } => *count,
            _ => 0,
        };
        if counted > u64::MAX / 2 {
            // No program of Lastword has counted so far, and there must be room for more.
            return Err(JournalError::Damaged(format!("{counted} is more than there can have been")));
        }
        match row {
            Row::Sequence(sequence) => self.sequence = sequence,
            Row::Run { run, has_ended } => self.runs.restore(run, has_ended),
            Row::Generation { id, sequence, generation, has_ended } => {
                self.generations.restore_latest(id, sequence, generation, has_ended);
            }
            Row::EndedId { id, sequence } => self.generations.restore_ended(id, sequence),
            Row::Forgotten { tenant, generation } => self.generations.restore_forgotten(tenant, generation),
            Row::RecentEnd { sequence, end } => self.recent_ends.restore(sequence, end),
            Row::OpId { id, kind, op_id, scope, generation } => {
                self.ops.restore((id, kind, op_id), scope, generation);
            }
            Row::Session { sequence, active } => drop(self.active.insert(sequence, active)),
            Row::Delivery { key, fields } => {
                let why = format!("the delivery {key} has no session");
                if !self.owed.restore(key, *fields) {
                    return Err(JournalError::Damaged(why));
                }
            }
            Row::GivenUp { key, number } => self.owed.restore_given_up(key, number),
            Row::GivenUpCounts { number, forgotten } => self.owed.restore_counts(number, forgotten),
        }
        Ok(())
    }
}
