//! What the writer is asked to do.

use std::collections::HashSet;
use std::sync::Arc;

use lastword_journal::state::{ROW_BYTES, Resolved, Staged};
use lastword_journal::{Appended, Completion, JournalError, JournalOp, Reply, Settlement};

/// What other threads send to the writer.
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
}

/// How attempts of one tenant ended: all of it is written at once, and tried again until it is.
pub(crate) struct Outcomes {
    pub(crate) tenant: Arc<str>,
    pub(crate) completions: Vec<Resolved>,
    cost: u64,
    reply: Reply<()>,
}

impl Append {
    /// What the operations count for in a group.
    pub(crate) fn cost(&self) -> u64 {
        match self {
            Self::Requested(op, _) => cost(op),
            Self::Decided(ops, _) => ops.iter().map(cost).sum(),
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
        // A failure that is not on record must not be tried again: its number could be used twice.
        let failures = set_aside.iter().filter_map(|(position, why)| {
            let Completion { delivery, settlement, .. } = &self.completions.get(*position)?.completion;
            matches!(settlement, Settlement::Owed { .. }).then(|| (delivery.clone(), why))
        });
        let (deliveries, reasons): (Vec<_>, Vec<_>) = failures.unzip();
        let answer = match reasons.first() {
            None => Ok(()),
            Some(&why) => Err(JournalError::UnwritableFailures { deliveries, why: why.clone() }),
        };
        self.reply.send(answer);
        if !set_aside.is_empty() {
            let positions: HashSet<usize> = set_aside.iter().map(|(position, _)| *position).collect();
            let mut position = 0..;
            self.completions.retain(|_| position.next().is_some_and(|position| !positions.contains(&position)));
        }
        self.completions
    }
}

/// A row for the session, one for each plugin that is owed the event, and one for the owner's name of the line.
fn cost(op: &JournalOp) -> u64 {
    let owed = match op {
        JournalOp::Start { owed, .. }
        | JournalOp::Compaction { owed, .. }
        | JournalOp::CompactionWithoutStart { owed, .. }
        | JournalOp::End { owed, .. }
        | JournalOp::EndWithoutStart { owed, .. } => owed.len(),
        JournalOp::Update { .. }
        | JournalOp::Alive { .. }
        | JournalOp::Installed { .. }
        | JournalOp::Orphaned { .. }
        | JournalOp::Draining { .. } => 0,
    };
    ROW_BYTES.saturating_mul(u64::try_from(owed).unwrap_or(u64::MAX).saturating_add(2))
}
