//! Classifies an error of SQLite: whose fault it is, and whether the file is damaged.

use lastword_journal::JournalError;
use thiserror::Error;

/// A value that no version of the program writes. The file is whole, and another program has written the value.
#[derive(Debug, Error)]
#[error("{what} is {value}, and no program writes more than {most}")]
pub(crate) struct Impossible {
    pub(crate) what: String,
    pub(crate) value: i64,
    pub(crate) most: u32,
}

/// The fault, if the error is such a value.
pub(crate) fn impossible(error: &rusqlite::Error) -> Option<String> {
    match error {
        rusqlite::Error::IntegralValueOutOfRange(_, value) => Some(format!("a number in it is {value}")),
        rusqlite::Error::FromSqlConversionFailure(_, _, why) => {
            why.downcast_ref::<Impossible>().map(ToString::to_string)
        }
        _ => None,
    }
}

/// The error for a caller of the journal.
pub(crate) fn unavailable(error: &rusqlite::Error) -> JournalError {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked, DiskFull};
    let why = error.to_string();
    match error.sqlite_error_code() {
        Some(DiskFull) => JournalError::Full(why),
        Some(DatabaseBusy | DatabaseLocked) => JournalError::Busy(why),
        _ if is_damage(error) || impossible(error).is_some() => JournalError::Damaged(why),
        _ => JournalError::Unavailable(why),
    }
}

/// Whether the file itself is broken, and not only unreachable.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    if impossible(error).is_some() {
        return false;
    }
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
        // The value has an impossible type: the pages can be read, with other content.
        || matches!(
            error,
            rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::InvalidColumnType(..)
        )
}

/// Whether the error concerns one command alone: SQLite does not take this one, and takes others. Any other error is the file's or the
/// disk's, and all writes wait for it.
pub(crate) fn is_of_the_command(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{ConstraintViolation, ParameterOutOfRange, TooBig, TypeMismatch};
    match error {
        rusqlite::Error::SqliteFailure(error, _) => {
            matches!(error.code, ConstraintViolation | ParameterOutOfRange | TooBig | TypeMismatch)
        }
        // A number or a text that SQLite has no form for, or an existing row in a form that is not ours. Only commands that need that row
        // fail.
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
    fn what_a_caller_can_do_about_an_error_is_told_apart() {
        use lastword_journal::JournalErrorKind::{Busy, Damaged, Full, Unavailable};
        let kind = |code| unavailable(&rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)).kind();
        assert_eq!([kind(ffi::SQLITE_FULL), kind(ffi::SQLITE_BUSY), kind(ffi::SQLITE_LOCKED)], [Full, Busy, Busy]);
        assert_eq!([kind(ffi::SQLITE_CORRUPT), kind(ffi::SQLITE_NOTADB)], [Damaged; 2]);
        assert_eq!([kind(ffi::SQLITE_IOERR_WRITE), kind(ffi::SQLITE_READONLY)], [Unavailable; 2]);
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
