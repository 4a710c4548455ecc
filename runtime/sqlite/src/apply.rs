//! Carries out a group of writes, one after the other. If one of them spoils the transaction of the others, each gets a savepoint.

mod file_tables;
mod retention;
mod set_aside;

use lastword_events::DeliveryId;
use lastword_journal::{Appended, Changed, ChangedDelivery, DeliveryChange, DeliveryKey, JournalError, state};
use rusqlite::Connection;

pub use self::retention::RETAINED_FOR;

pub(crate) use self::file_tables::{FileTables, RunState};
pub(crate) use self::retention::Retention;
pub(crate) use self::set_aside::{Aside, record};

use self::file_tables::Failed;
use crate::command::{Append, Outcomes};
use crate::sqlite_error::{is_damage, is_of_the_command};

/// A group that is being carried out.
pub(crate) struct GroupApply<'a> {
    tables: FileTables<'a>,
    /// Whether each write is behind a savepoint.
    isolated: bool,
    applied: Applied,
}

/// The results of a group.
#[derive(Default)]
pub(crate) struct Applied {
    /// The result of each owner's line, in the order of the lines.
    pub(crate) answers: Vec<Result<Appended, JournalError>>,
    /// The results of operators' changes, in the order of the changes.
    pub(crate) changed: Vec<Vec<ChangedDelivery>>,
    /// Writes that the file refuses even alone.
    pub(crate) asides: Vec<Aside>,
    /// Per tenant, the outcomes that the file refuses even alone: the position of each, and the reason.
    pub(crate) unwritable: Vec<Vec<(usize, String)>>,
    /// A row was in the way that no version of the program writes.
    pub(crate) damage: bool,
}

/// The result of one write.
enum WriteResult<T> {
    Done(T),
    /// The write does not fit the rows. It changed nothing.
    Refused(JournalError),
    /// SQLite does not take this write, whatever else is in the group. It changed nothing.
    Unwritable(rusqlite::Error),
}

impl<'a> GroupApply<'a> {
    pub(crate) fn new(tables: FileTables<'a>, isolated: bool) -> Self {
        Self { tables, isolated, applied: Applied::default() }
    }

    pub(crate) fn applied(self) -> Applied {
        self.applied
    }

    /// Carries out operations of owners and of the runtime.
    ///
    /// # Errors
    /// When the file cannot be written, or, without savepoints, when any one write cannot be applied.
    pub(crate) fn appends<'b>(&mut self, appends: impl Iterator<Item = &'b mut Append>) -> rusqlite::Result<()> {
        for append in appends {
            match append {
                Append::Requested(op, _) => {
                    let answer = match self.carry_out(|tables| state::apply(tables, op))? {
                        WriteResult::Done(written) => Ok(written),
                        WriteResult::Refused(error) => Err(error),
                        WriteResult::Unwritable(error) => {
                            let why = self.unwritable(&error);
                            self.applied.asides.push(Aside::refused(op, &why));
                            Err(JournalError::Unwritable(why))
                        }
                    };
                    self.applied.answers.push(answer);
                }
                Append::Decided(ops, _) => {
                    for op in ops {
                        match self.carry_out(|tables| state::apply(tables, op))? {
                            WriteResult::Done(_) => (),
                            WriteResult::Refused(error) => defect(&error),
                            WriteResult::Unwritable(error) => {
                                let why = self.unwritable(&error);
                                self.applied.asides.push(Aside::decided(op, &why));
                            }
                        }
                    }
                }
                Append::Changes(change, deliveries, _) => {
                    let changed = self.changes(*change, deliveries)?;
                    self.applied.changed.push(changed);
                }
                Append::Probe(_) => probe(self.tables.file)?,
            }
        }
        Ok(())
    }

    /// Changes deliveries as an operator asks. A delivery that cannot be changed does not stop the others.
    fn changes(
        &mut self,
        change: DeliveryChange,
        deliveries: &[DeliveryKey],
    ) -> rusqlite::Result<Vec<ChangedDelivery>> {
        let mut answers = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            let why = match self.carry_out(|tables| state::change_delivery(tables, change, delivery))? {
                WriteResult::Done(changed) => {
                    answers.push(changed);
                    continue;
                }
                WriteResult::Refused(error) => error.to_string(),
                WriteResult::Unwritable(error) => self.unwritable(&error),
            };
            let DeliveryKey { sequence, event, plugin } = delivery;
            tracing::error!(sequence, %event, %plugin, "a delivery cannot be changed as an operator asks, and is left as it is: {why}");
            answers.push(ChangedDelivery::unwritable());
        }
        Ok(answers)
    }

    /// Carries out outcomes of tenants.
    ///
    /// # Errors
    /// See [`appends`](Self::appends).
    pub(crate) fn outcomes<'b>(&mut self, outcomes: impl Iterator<Item = &'b Outcomes>) -> rusqlite::Result<()> {
        for Outcomes { tenant, completions, .. } in outcomes {
            let mut unwritable = Vec::new();
            for (position, resolved) in completions.iter().enumerate() {
                match self.carry_out(|tables| tables.complete(resolved))? {
                    WriteResult::Done(()) => (),
                    WriteResult::Refused(error) => {
                        defect(&error);
                        self.tables.state.lacks_outcome();
                        unwritable.push((position, error.to_string()));
                    }
                    WriteResult::Unwritable(error) => {
                        let why = self.unwritable(&error);
                        self.tables.state.lacks_outcome();
                        self.applied.asides.push(Aside::outcome(tenant, resolved, &why));
                        unwritable.push((position, why));
                    }
                }
            }
            self.applied.unwritable.push(unwritable);
        }
        Ok(())
    }

    fn unwritable(&mut self, error: &rusqlite::Error) -> String {
        self.applied.damage |= is_damage(error);
        error.to_string()
    }

    /// Carries out one write.
    fn carry_out<T>(
        &mut self,
        work: impl FnOnce(&mut FileTables<'a>) -> Result<T, Failed>,
    ) -> rusqlite::Result<WriteResult<T>> {
        if !self.isolated {
            let changes = self.tables.file.total_changes();
            return match work(&mut self.tables) {
                Ok(done) => Ok(WriteResult::Done(done)),
                // The write changed rows before it failed, and a commit would keep those. Behind a savepoint all of it is undone.
                Err(Failed::Refused(error)) if self.tables.file.total_changes() != changes => {
                    Err(refused_too_late(error))
                }
                Err(Failed::Refused(error)) => Ok(WriteResult::Refused(error)),
                Err(Failed::File(error)) => Err(error),
            };
        }
        self.tables.file.execute_batch("SAVEPOINT one")?;
        let result = match work(&mut self.tables) {
            Ok(done) => WriteResult::Done(done),
            Err(Failed::Refused(error)) => WriteResult::Refused(error),
            Err(Failed::File(error)) if is_of_the_command(&error) => WriteResult::Unwritable(error),
            Err(Failed::File(error)) => return Err(error),
        };
        if !matches!(result, WriteResult::Done(_)) {
            self.tables.state.rolled_back();
            self.tables.file.execute_batch("ROLLBACK TO one")?;
        }
        self.tables.file.execute_batch("RELEASE one")?;
        Ok(result)
    }
}

/// Writes a page and changes nothing. An update of a row to its present values would not do: SQLite compares the values, and writes no
/// page.
fn probe(file: &Connection) -> rusqlite::Result<()> {
    // No session has this number.
    file.prepare_cached("INSERT OR REPLACE INTO recent_end (sequence, received_at, said) VALUES (0, 0, 0)")?
        .execute([])?;
    file.prepare_cached("DELETE FROM recent_end WHERE sequence = 0")?.execute([]).map(drop)
}

/// Changes deliveries of a journal that no program uses. `None` stands for a delivery that is not of this journal.
///
/// # Errors
/// When one of them cannot be changed.
pub(crate) fn change_outside_of_runs<'a>(
    file: &Connection,
    change: DeliveryChange,
    ids: impl Iterator<Item = Option<&'a DeliveryId>>,
) -> rusqlite::Result<Vec<Changed>> {
    let mut state = RunState::outside_of_runs();
    let mut tables = FileTables::new(file, &mut state);
    let changed = |id: Option<&DeliveryId>| match id {
        Some(id) => match state::change_delivery(&mut tables, change, &id.into()) {
            Ok(changed) => Ok(changed.changed),
            Err(Failed::Refused(error)) => Err(refused_too_late(error)),
            Err(Failed::File(error)) => Err(error),
        },
        None => Ok(Changed::Unknown),
    };
    ids.map(changed).collect()
}

/// The error of one command. The writer carries the group out again, with each write behind a savepoint.
fn refused_too_late(error: JournalError) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(error))
}

/// Logs an operation that does not fit the rows: the runtime decided it on something else.
fn defect(error: &JournalError) {
    tracing::error!(%error, "a defect of the runtime: something could not be recorded");
}
