//! Writes one group as one transaction.

use std::sync::Arc;
use std::time::Instant;

use lastword_events::Timestamp;
use rusqlite::{Connection, TransactionBehavior, params};

use super::group_size::GroupSize;
use super::write_queue::Group;
use crate::apply::{Applied, FileTables, GroupApply, Retention, RunState, record};
use crate::ownership::{JournalFiles, TakenAway};
use crate::sqlite_error::is_of_the_command;

/// Why a group could not be written.
pub(super) enum WriteFailure {
    TakenAway(TakenAway),
    File(rusqlite::Error),
}

impl From<rusqlite::Error> for WriteFailure {
    fn from(error: rusqlite::Error) -> Self {
        Self::File(error)
    }
}

/// The connection that writes, with what is known of the run.
pub(super) struct Committer {
    file: Connection,
    files: Arc<JournalFiles>,
    state: RunState,
    retention: Retention,
    size: GroupSize,
}

impl Committer {
    pub(super) fn new(file: Connection, files: Arc<JournalFiles>, state: RunState) -> Self {
        Self { file, files, state, retention: Retention::new(), size: GroupSize::new() }
    }

    /// The size of a group.
    pub(super) fn group_bytes(&self) -> u64 {
        self.size.bytes()
    }

    pub(super) fn is_draining(&self) -> bool {
        self.state.is_draining()
    }

    /// Moves the log into the database, up to the pages that a reader still needs. `mode` is one of SQLite's.
    pub(super) fn checkpoint(&self, mode: &str) {
        self.file.execute_batch(&format!("PRAGMA wal_checkpoint({mode})")).ok();
    }

    /// Writes all of the group, or none. If the file refuses one write whatever the disk does, tries each by itself.
    pub(super) fn commit(&mut self, group: &mut Group) -> Result<Applied, WriteFailure> {
        self.files.check().map_err(WriteFailure::TakenAway)?;
        let applied = match self.attempt(group, false) {
            Err(WriteFailure::File(error)) if is_of_the_command(&error) => {
                self.state.rolled_back();
                self.attempt(group, true)
            }
            applied => applied,
        };
        applied.inspect_err(|_| self.state.rolled_back())
    }

    fn attempt(&mut self, group: &mut Group, isolated: bool) -> Result<Applied, WriteFailure> {
        let began = Instant::now();
        let (run, sequence_was) = (self.state.run(), self.state.next_sequence());
        let transaction = self.file.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut apply = GroupApply::new(FileTables::new(&transaction, &mut self.state), isolated);
        apply.appends(group.appends.iter_mut().map(|(_, append)| append))?;
        apply.outcomes(group.outcomes.iter().map(|(_, outcomes)| outcomes))?;
        let applied = apply.applied();
        let next_sequence = self.state.next_sequence();
        if next_sequence != sequence_was {
            transaction.prepare_cached("UPDATE journal SET next_sequence = ?1")?.execute(params![next_sequence])?;
        }
        match self.retention.tidy(&transaction, next_sequence, self.state.forgotten_mut()) {
            // Rows that are not ours are in its way. The writer removes no row then, and goes on with the rest.
            Err(error) if isolated && is_of_the_command(&error) => {
                tracing::error!(%error, "ended sessions cannot be forgotten");
            }
            tidied => tidied?,
        }
        record(&transaction, run, Timestamp::now().as_millisecond(), &applied.asides)?;
        // Checked before the commit, because writes that are refused must not turn up later when the files are put back.
        self.files.check().map_err(WriteFailure::TakenAway)?;
        let worked = began.elapsed();
        transaction.commit()?;
        self.size.measured(group.cost(), worked, began.elapsed().saturating_sub(worked));
        Ok(applied)
    }
}
