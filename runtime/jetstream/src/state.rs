//! The state that the records make.

use lastword_events::Timestamp;
use lastword_journal::state::{self, MemoryTables, TableRow};
use lastword_journal::{Appended, ChangedDelivery, Completion, JournalError, Recovered};

use crate::record::{Record, RecordedOutcome, StoredValues};
use crate::snapshot::Snapshot;
use crate::values::Values;

/// The state that the records of a journal make: the tables, and what guests have stored. It is a function of the records and of their
/// order, without a clock and without chance: every node that reads them has the same state.
#[derive(Debug, Default)]
pub struct State {
    tables: MemoryTables,
    values: Values,
}

/// The answer to a record.
#[derive(Debug)]
pub enum Answer {
    /// To [`Record::Op`].
    Appended(Result<Appended, JournalError>),
    /// To [`Record::Changes`].
    Changed(Result<Vec<ChangedDelivery>, JournalError>),
    /// To any other.
    Done,
}

impl Answer {
    /// Whether the record has changed nothing, so that nothing need be written for it: it was refused, or was known by its `op_id`. What it
    /// found may not be durable yet, so the answer waits for the records before it.
    #[must_use]
    pub fn changed_nothing(&self) -> bool {
        matches!(self, Self::Appended(Err(_) | Ok(Appended::DuplicateOp { .. })) | Self::Changed(Err(_)))
    }
}

impl State {
    /// Carries a record out. Assigns in place what the state assigns: generations.
    pub fn apply(&mut self, record: &mut Record) -> Answer {
        match record {
            Record::Op(op) => return Answer::Appended(state::apply(&mut self.tables, op)),
            Record::Decided(ops) => {
                // An operation that is not possible is a defect of the caller, and no reason to skip the others.
                for op in ops {
                    state::apply(&mut self.tables, op).ok();
                }
            }
            Record::Outcomes(outcomes) => outcomes.iter().for_each(|outcome| self.complete(outcome)),
            Record::Changes(change, deliveries) => {
                let changed =
                    deliveries.iter().map(|delivery| state::change_delivery(&mut self.tables, *change, delivery));
                return Answer::Changed(changed.collect());
            }
            Record::Probe => (),
        }
        Answer::Done
    }

    fn complete(&mut self, outcome: &RecordedOutcome) {
        let RecordedOutcome { delivery, attempt, settlement, stored } = outcome;
        let (delivery, settlement) = (delivery.clone(), settlement.clone());
        let completion = Completion { delivery, attempt: *attempt, settlement, changes: None };
        // In memory nothing can fail.
        state::complete(&mut self.tables, &completion).ok();
        if let Some(stored) = stored {
            self.values.store(stored);
        }
    }

    /// Begins a run, as a fence that takes over does.
    pub fn begin_run(&mut self) {
        self.tables.begin_run();
    }

    /// What dead runs have left, for the run that has begun. `now` is for ends that may be reported again.
    #[must_use]
    pub fn recovered(&self, now: Timestamp) -> Recovered {
        self.tables.recovered(now)
    }

    /// The tables.
    #[must_use]
    pub fn tables(&self) -> &MemoryTables {
        &self.tables
    }

    /// What guests have stored. A clone is the same values, for the journal's [`Store`](lastword_journal::state::Store).
    #[must_use]
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// The state as it is now. This copies the maps, and shares sessions, events and values.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.tables.clone(), self.values.copy())
    }

    pub(crate) fn restore_row(&mut self, row: TableRow) -> Result<(), JournalError> {
        self.tables.restore(row)
    }

    pub(crate) fn restore_values(&mut self, stored: &StoredValues) {
        self.values.store(stored);
    }
}
