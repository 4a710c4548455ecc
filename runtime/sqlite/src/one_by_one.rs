//! Carries out a group, one write after the other; each by itself if one of them spoils the others' transaction.

use lastword_journal::{Appended, JournalError, state};

use crate::command::{Line, Outcomes};
use crate::error::{is_damage, is_of_the_command};
use crate::set_aside::Aside;
use crate::tables::{Failed, FileTables};

/// A group that is being carried out.
pub(super) struct OneByOne<'a> {
    tables: FileTables<'a>,
    /// Each is behind a savepoint.
    by_itself: bool,
    applied: Applied,
}

/// What became of a group.
#[derive(Default)]
pub(super) struct Applied {
    /// Of each owner's line, in their order.
    pub(super) lines: Vec<Result<Appended, JournalError>>,
    /// What could not be written by itself.
    pub(super) asides: Vec<Aside>,
    /// Of each tenant's outcomes those that could not be written by themselves, by their place, and why.
    pub(super) unwritable: Vec<Vec<(usize, String)>>,
    /// A row was in the way that no program of ours has written.
    pub(super) damage: bool,
}

/// What became of one write.
enum Came<T> {
    Done(T),
    /// It does not fit what is there. Nothing was changed.
    Refused(JournalError),
    /// SQLite does not take it, whatever else there is. Nothing was changed.
    Unwritable(rusqlite::Error),
}

impl<'a> OneByOne<'a> {
    pub(super) fn new(tables: FileTables<'a>, by_itself: bool) -> Self {
        Self { tables, by_itself, applied: Applied::default() }
    }

    pub(super) fn applied(self) -> Applied {
        self.applied
    }

    /// # Errors
    /// When the file cannot be written; and, unless each is by itself, when one of them cannot.
    pub(super) fn lines<'b>(&mut self, lines: impl Iterator<Item = &'b mut Line>) -> rusqlite::Result<()> {
        for line in lines {
            match line {
                Line::Append(op, _) => {
                    let answer = match self.one(|tables| state::apply(tables, op))? {
                        Came::Done(written) => Ok(written),
                        Came::Refused(error) => Err(error),
                        Came::Unwritable(error) => {
                            let why = self.unwritable(&error);
                            self.applied.asides.push(Aside::refused(op, &why));
                            Err(JournalError::Unwritable(why))
                        }
                    };
                    self.applied.lines.push(answer);
                }
                Line::AppendDecided(ops, _) => {
                    for op in ops {
                        match self.one(|tables| state::apply(tables, op))? {
                            Came::Done(_) => (),
                            Came::Refused(error) => defect(&error),
                            Came::Unwritable(error) => {
                                let why = self.unwritable(&error);
                                self.applied.asides.push(Aside::decided(op, &why));
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// # Errors
    /// As [`lines`](Self::lines).
    pub(super) fn outcomes<'b>(&mut self, outcomes: impl Iterator<Item = &'b Outcomes>) -> rusqlite::Result<()> {
        for Outcomes { tenant, completions, .. } in outcomes {
            let mut unwritable = Vec::new();
            for (place, resolved) in completions.iter().enumerate() {
                match self.one(|tables| tables.complete(resolved))? {
                    Came::Done(()) => (),
                    Came::Refused(error) => {
                        defect(&error);
                        unwritable.push((place, error.to_string()));
                    }
                    Came::Unwritable(error) => {
                        let why = self.unwritable(&error);
                        self.applied.asides.push(Aside::outcome(tenant, resolved, &why));
                        unwritable.push((place, why));
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

    fn one<T>(&mut self, work: impl FnOnce(&mut FileTables<'a>) -> Result<T, Failed>) -> rusqlite::Result<Came<T>> {
        if !self.by_itself {
            let changes = self.tables.file.total_changes();
            return match work(&mut self.tables) {
                Ok(done) => Ok(Came::Done(done)),
                // Part of it would be committed. By itself all of it is undone.
                Err(Failed::Refused(error)) if self.tables.file.total_changes() != changes => {
                    Err(refused_too_late(error))
                }
                Err(Failed::Refused(error)) => Ok(Came::Refused(error)),
                Err(Failed::File(error)) => Err(error),
            };
        }
        self.tables.file.execute_batch("SAVEPOINT one")?;
        let came = match work(&mut self.tables) {
            Ok(done) => Came::Done(done),
            Err(Failed::Refused(error)) => Came::Refused(error),
            Err(Failed::File(error)) if is_of_the_command(&error) => Came::Unwritable(error),
            Err(Failed::File(error)) => return Err(error),
        };
        if !matches!(came, Came::Done(_)) {
            // A name's row that was made for it goes with it.
            self.tables.known.plugins.clear();
            self.tables.file.execute_batch("ROLLBACK TO one")?;
        }
        self.tables.file.execute_batch("RELEASE one")?;
        Ok(came)
    }
}

/// It is of the command, so the group is carried out again with each by itself.
fn refused_too_late(error: JournalError) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(error))
}

/// What does not fit what is there was decided on something else: ours.
fn defect(error: &JournalError) {
    tracing::error!(%error, "a defect of the runtime: something could not be recorded");
}
