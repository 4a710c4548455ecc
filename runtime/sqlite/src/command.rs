//! The commands that the writer gets.
//!
//! A [`Command`] waits in the writer's queue. A [`Message::Release`] is not queued; it takes effect on arrival.

use std::collections::HashSet;
use std::sync::Arc;

use lastword_journal::state::{ROW_BYTES, Resolved, Staged};
use lastword_journal::{Appended, ChangedDelivery, DeliveryChange, DeliveryKey, JournalError, JournalOp, Reply};

use crate::release::ReleaseGuard;

/// Messages of other threads to the writer.
pub(crate) enum Message {
    /// Write this.
    Write(Command),
    /// Write everything that came before, and close the file. Then drop the guard.
    Release(ReleaseGuard),
}

/// A write that waits in the queue.
pub(crate) enum Command {
    /// Append this.
    Append(Append),
    /// Attempts have ended.
    Outcomes(Outcomes),
    /// Answer when everything before this is written.
    Flush(Reply<()>),
}

/// Writes that keep their order, and go before any outcome.
pub(crate) enum Append {
    /// The request of an owner's line. The writer refuses it when it cannot be written.
    Requested(Box<JournalOp>, Reply<Appended>),
    /// Decisions of the runtime. The writer tries again until they are written.
    Decided(Vec<JournalOp>, Reply<()>),
    /// An operator's change. The writer tries again until it is written, because the runtime has acted on it.
    Changes(DeliveryChange, Vec<DeliveryKey>, Reply<Vec<ChangedDelivery>>),
    /// A write that changes nothing. The writer refuses it when it cannot be written.
    Probe(Reply<()>),
}

/// Outcomes of one tenant. The writer writes all of them at once, and tries again until they are written.
pub(crate) struct Outcomes {
    pub(crate) tenant: Arc<str>,
    pub(crate) completions: Vec<Resolved>,
    cost: u64,
    reply: Reply<()>,
}

impl Append {
    /// The number of its operations.
    pub(crate) fn operations(&self) -> usize {
        match self {
            Self::Requested(..) | Self::Probe(_) => 1,
            Self::Decided(ops, _) => ops.len(),
            Self::Changes(_, deliveries, _) => deliveries.len(),
        }
    }

    /// The cost of the operations in a group.
    pub(crate) fn cost(&self) -> u64 {
        match self {
            Self::Requested(op, _) => cost(op),
            Self::Decided(ops, _) => ops.iter().map(cost).sum(),
            Self::Changes(_, deliveries, _) => {
                ROW_BYTES.saturating_mul(u64::try_from(deliveries.len()).unwrap_or(u64::MAX))
            }
            Self::Probe(_) => ROW_BYTES,
        }
    }
}

impl Outcomes {
    pub(crate) fn new(tenant: Arc<str>, completions: Vec<Resolved>, reply: Reply<()>) -> Self {
        let cost = completions.iter().map(Resolved::unwritten_bytes).sum();
        Self { tenant, completions, cost, reply }
    }

    /// The cost of the outcomes in a group.
    pub(crate) fn cost(&self) -> u64 {
        self.cost
    }

    /// The staged values of the completions at the positions in `set_aside`.
    pub(crate) fn set_aside(&self, set_aside: &[(usize, String)]) -> impl Iterator<Item = &Staged> {
        set_aside.iter().filter_map(|(position, _)| self.completions.get(*position)?.staged.as_deref())
    }

    /// Answers the completions that are on record: all but those at the positions in `set_aside`. Gives the completions on record.
    pub(crate) fn answer(mut self, set_aside: &[(usize, String)]) -> Vec<Resolved> {
        let Some((_, why)) = set_aside.first() else {
            self.reply.send(Ok(()));
            return self.completions;
        };
        let positions: HashSet<usize> = set_aside.iter().map(|(position, _)| *position).collect();
        let mut position = 0..;
        let is_set_aside = |_: &Resolved| position.next().is_some_and(|position| positions.contains(&position));
        let (unwritable, written) = self.completions.drain(..).partition::<Vec<_>, _>(is_set_aside);
        let deliveries = unwritable.into_iter().map(|one| one.completion.delivery).collect();
        self.reply.send(Err(JournalError::UnwritableOutcomes { deliveries, why: why.clone() }));
        written
    }
}

/// The cost of an operation: a row for the session, one for each plugin that is owed the event, and one for the line's `op_id`. The end
/// of a run costs one row for each call that was cut.
fn cost(op: &JournalOp) -> u64 {
    let rows = match op {
        JournalOp::Replace { end, start } => return cost(end).saturating_add(cost(start)),
        JournalOp::Start { owed, .. }
        | JournalOp::Compaction { owed, .. }
        | JournalOp::CompactionWithoutStart { owed, .. }
        | JournalOp::End { owed, .. }
        | JournalOp::EndWithoutStart { owed, .. } => owed.len(),
        JournalOp::Update { .. }
        | JournalOp::Seen { .. }
        | JournalOp::Installed { .. }
        | JournalOp::PluginsChanged { .. }
        | JournalOp::Orphaned { .. }
        | JournalOp::EndNotOwed { .. }
        | JournalOp::Draining { .. } => 0,
        JournalOp::Ended { cut } => cut.len(),
    };
    ROW_BYTES.saturating_mul(u64::try_from(rows).unwrap_or(u64::MAX).saturating_add(2))
}
