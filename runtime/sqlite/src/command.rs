//! What the writer is asked to do.
//!
//! A [`Command`] waits in its queue until it is written; what ends the writing does not.

use std::collections::HashSet;
use std::sync::Arc;

use lastword_journal::state::{ROW_BYTES, Resolved, Staged};
use lastword_journal::{Appended, ChangedDelivery, DeliveryChange, DeliveryKey, JournalError, JournalOp, Reply};

use crate::release::ReleaseGuard;

/// What other threads send to the writer.
pub(crate) enum Message {
    /// Something is to be written.
    Write(Command),
    /// Everything that came before is to be written, and the file closed. Then the guard is dropped.
    Release(ReleaseGuard),
}

/// What is to be written.
pub(crate) enum Command {
    /// Something is to be appended.
    Append(Append),
    /// Attempts have ended.
    Outcomes(Outcomes),
    /// Whoever asks wants to know when everything before it is written.
    Flush(Reply<()>),
}

/// What is written in the order in which it was said, before any outcome.
pub(crate) enum Append {
    /// What an owner's line asks for: refused when it cannot be written.
    Requested(Box<JournalOp>, Reply<Appended>),
    /// What the runtime decided: tried again until it is written.
    Decided(Vec<JournalOp>, Reply<()>),
    /// What an operator wants changed: tried again until it is written, because the runtime has acted upon it.
    Changes(DeliveryChange, Vec<DeliveryKey>, Reply<Vec<ChangedDelivery>>),
    /// Something that changes nothing: refused when it cannot be written.
    Probe(Reply<()>),
}

/// How attempts of one tenant ended: all of it is written at once, and tried again until it is.
pub(crate) struct Outcomes {
    pub(crate) tenant: Arc<str>,
    pub(crate) completions: Vec<Resolved>,
    cost: u64,
    reply: Reply<()>,
}

impl Append {
    /// How many operations it has.
    pub(crate) fn operations(&self) -> usize {
        match self {
            Self::Requested(..) | Self::Probe(_) => 1,
            Self::Decided(ops, _) => ops.len(),
            Self::Changes(_, deliveries, _) => deliveries.len(),
        }
    }

    /// What the operations count for in a group.
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

    /// What the outcomes count for in a group.
    pub(crate) fn cost(&self) -> u64 {
        self.cost
    }

    /// What those would have stored whose positions are in `set_aside`.
    pub(crate) fn set_aside(&self, set_aside: &[(usize, String)]) -> impl Iterator<Item = &Staged> {
        set_aside.iter().filter_map(|(position, _)| self.completions.get(*position)?.staged.as_deref())
    }

    /// Answers that they are on record, but for those whose positions are in `set_aside`. Gives those that are.
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

/// A row for the session, one for each plugin that is owed the event, and one for the owner's name of the line. Of the end of a run
/// one for each call that was cut.
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
