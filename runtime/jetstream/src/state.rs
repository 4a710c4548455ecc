//! The state that the records make.

use lastword_events::Timestamp;
use lastword_journal::state::MemoryTables;
use lastword_journal::{Appended, ChangedDelivery, JournalError, Recovered};

use crate::record::Record;
use crate::snapshot::Snapshot;
use crate::values::Values;

/// The state that the records of a journal make: the tables, and what guests have stored.
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

impl State {
    /// Carries a record out. Assigns in place what the state assigns: generations.
    pub fn apply(&mut self, record: &mut Record) -> Answer {
        let _ = record;
        todo!()
    }

    /// Begins a run, as a fence does.
    pub fn begin_run(&mut self) {
        todo!()
    }

    /// What dead runs have left, for the run that has begun.
    #[must_use]
    pub fn recovered(&self, now: Timestamp) -> Recovered {
        let _ = now;
        todo!()
    }

    /// The tables.
    #[must_use]
    pub fn tables(&self) -> &MemoryTables {
        &self.tables
    }

    /// What guests have stored. A clone is the same values: `Store::new(state.values().clone(), state.values().sizes())`.
    #[must_use]
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// The state as it is now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        todo!()
    }
}
