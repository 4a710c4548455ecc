use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::JournalError;

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

impl From<rusqlite::Error> for JournalError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// Whether the file itself is broken, and not just out of reach.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
        // A value that is not what we write: the pages are there, with something else on them.
        || matches!(
            error,
            rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
        )
}
