use std::io;
use std::path::{Path, PathBuf};

use lastword_journal::JournalError;
use rusqlite::ffi::{
    SQLITE_IOERR_LOCK, SQLITE_IOERR_RDLOCK, SQLITE_IOERR_SHMLOCK, SQLITE_IOERR_SHMMAP, SQLITE_IOERR_SHMOPEN,
    SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_UNLOCK, SQLITE_PROTOCOL,
};
use thiserror::Error;

/// A journal file that cannot be opened. The file is as it was.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another program has it.
    #[error(
        "the journal {} is in use by {}: stop that program, or use another file with --journal",
        path.display(), match pid { Some(pid) => format!("process {pid}"), None => "another process".to_owned() }
    )]
    Locked {
        /// The journal.
        path: PathBuf,
        /// Who has it, if that could be read.
        pid: Option<u32>,
    },
    /// It was written by a newer version of the program.
    #[error(
        "the journal {} has version {found}, and this program knows versions up to {known}: use the newer program, or \
         another file with --journal; the file was left as it is",
        path.display()
    )]
    Newer {
        /// The journal.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version that this program knows.
        known: u32,
    },
    /// It is something else, perhaps some other program's database.
    #[error(
        "{} is no journal: use another file with --journal; the file was left as it is",
        path.display()
    )]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// It is no file that could be a database.
    #[error("{} cannot be used: it is {what}, and a journal is a file: use another path with --journal", path.display())]
    NoFile {
        /// What is there.
        path: PathBuf,
        /// Which kind of thing it is.
        what: &'static str,
    },
    /// Somebody has changed its tables, or written a value that no version of the program writes.
    #[error(
        "the journal {} was changed by something else: {what}; put a copy of it back, or use another file with --journal; \
         the file was left as it is",
        path.display()
    )]
    Altered {
        /// The journal.
        path: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// There is no journal, or an empty one, and what belongs to one lies beside it.
    #[error(
        "there is no journal at {}, and {} is there: put the file back that it belongs to, or move it away; nothing was \
         changed",
        path.display(), beside.display()
    )]
    PartOnly {
        /// Where the journal would be.
        path: PathBuf,
        /// What is beside it.
        beside: PathBuf,
    },
    /// The file system has no locks, so two programs could have the journal at once.
    #[error(
        "{} cannot be locked ({source}): its file system has no locks that work; put the journal on a local disk",
        path.display()
    )]
    NoLocks {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file system cannot share memory, which SQLite's log needs.
    #[error(
        "the journal {} cannot be used here: its file system cannot map the file {}-shm into memory, which SQLite's log needs \
         ({why}); put the journal on a local disk",
        path.display(), path.display()
    )]
    NoSharedMemory {
        /// The journal.
        path: PathBuf,
        /// What SQLite says.
        why: String,
    },
    /// Somebody reads the journal: as long as they do, its log cannot be emptied.
    #[error(
        "the log of the journal {} could not be emptied, because something else reads the journal: what was erased may have \
         bytes in it; stop that, and say the same again",
        path.display()
    )]
    BeingRead {
        /// The journal.
        path: PathBuf,
    },
    /// There is none.
    #[error("there is no journal at {}", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// It is damaged; the program mends it when it starts.
    #[error("the journal {} is damaged: {why}; `lastword stdio` keeps it aside and salvages what it can", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        why: String,
    },
    /// The operating system does not let us.
    #[error("{} cannot be used: {source}", path.display())]
    Unusable {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// SQLite does not let us.
    #[error("the journal {} cannot be used: {why}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        why: String,
    },
}

impl OpenError {
    pub(super) fn unusable(path: &Path, source: io::Error) -> Self {
        Self::Unusable { path: path.to_owned(), source }
    }

    /// What SQLite says of the file at `path`.
    pub(super) fn sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        let (path, why) = (path.to_owned(), error.to_string());
        match error.sqlite_error().map(|error| error.extended_code) {
            _ if impossible(error).is_some() => Self::Altered { path, what: impossible(error).unwrap_or_default() },
            Some(SQLITE_IOERR_SHMMAP | SQLITE_IOERR_SHMOPEN | SQLITE_IOERR_SHMSIZE | SQLITE_IOERR_SHMLOCK) => {
                Self::NoSharedMemory { path, why }
            }
            Some(SQLITE_IOERR_LOCK | SQLITE_IOERR_RDLOCK | SQLITE_IOERR_UNLOCK | SQLITE_PROTOCOL) => {
                Self::NoLocks { path, source: io::Error::other(why) }
            }
            _ => Self::Sqlite { path, why },
        }
    }
}

/// A value that no version of the program writes. The file is no less whole for it: somebody else has written it.
#[derive(Debug, Error)]
#[error("{what} is {value}, and no program writes more than {most}")]
pub(super) struct Impossible {
    pub(super) what: String,
    pub(super) value: i64,
    pub(super) most: u32,
}

/// What is wrong, if it is that.
pub(super) fn impossible(error: &rusqlite::Error) -> Option<String> {
    match error {
        rusqlite::Error::IntegralValueOutOfRange(_, value) => Some(format!("a number in it is {value}")),
        rusqlite::Error::FromSqlConversionFailure(_, _, why) => {
            why.downcast_ref::<Impossible>().map(ToString::to_string)
        }
        _ => None,
    }
}

/// What whoever asked the journal for something is told.
pub(super) fn unavailable(error: &rusqlite::Error) -> JournalError {
    JournalError::Unavailable(error.to_string())
}

/// Whether the file itself is broken, and not just out of reach.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    if impossible(error).is_some() {
        return false;
    }
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
        // A value that is not what we write: the pages are there, with something else on them.
        || matches!(
            error,
            rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::InvalidColumnType(..)
        )
}

/// Whether it is a command's own: SQLite does not take this one, and the others it does. Whatever else goes wrong is the
/// file's or the disk's, and everybody waits for that.
pub(super) fn is_of_the_command(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{ConstraintViolation, ParameterOutOfRange, TooBig, TypeMismatch};
    match error {
        rusqlite::Error::SqliteFailure(error, _) => {
            matches!(error.code, ConstraintViolation | ParameterOutOfRange | TooBig | TypeMismatch)
        }
        // A number or a text that SQLite has no form for, and a row that is there in a form that is not ours: only who needs
        // that row fails.
        rusqlite::Error::ToSqlConversionFailure(_)
        | rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::Utf8Error(..)
        | rusqlite::Error::NulError(_)
        | rusqlite::Error::QueryReturnedNoRows => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    fn of_the_command(code: i32) -> bool {
        is_of_the_command(&rusqlite::Error::SqliteFailure(ffi::Error::new(code), None))
    }

    #[test]
    fn what_one_write_is_to_blame_for_holds_up_nobody_and_what_the_disk_is_to_blame_for_everybody() {
        let own = [
            ffi::SQLITE_CONSTRAINT,
            ffi::SQLITE_CONSTRAINT_UNIQUE,
            ffi::SQLITE_CONSTRAINT_PRIMARYKEY,
            ffi::SQLITE_CONSTRAINT_NOTNULL,
            ffi::SQLITE_CONSTRAINT_DATATYPE,
            ffi::SQLITE_TOOBIG,
            ffi::SQLITE_MISMATCH,
            ffi::SQLITE_RANGE,
        ];
        assert_eq!(own.map(of_the_command), [true; 8]);
        let everybodys = [
            ffi::SQLITE_FULL,
            ffi::SQLITE_IOERR,
            ffi::SQLITE_IOERR_WRITE,
            ffi::SQLITE_IOERR_FSYNC,
            ffi::SQLITE_BUSY,
            ffi::SQLITE_LOCKED,
            ffi::SQLITE_READONLY,
            ffi::SQLITE_CANTOPEN,
            ffi::SQLITE_NOMEM,
            ffi::SQLITE_CORRUPT,
            ffi::SQLITE_NOTADB,
            ffi::SQLITE_ERROR,
            ffi::SQLITE_SCHEMA,
            ffi::SQLITE_INTERRUPT,
        ];
        assert_eq!(everybodys.map(of_the_command), [false; 14]);
    }
}
