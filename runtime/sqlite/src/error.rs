//! Why a journal cannot be opened.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ffi::{
    SQLITE_IOERR_LOCK, SQLITE_IOERR_RDLOCK, SQLITE_IOERR_SHMLOCK, SQLITE_IOERR_SHMMAP, SQLITE_IOERR_SHMOPEN,
    SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_UNLOCK, SQLITE_PROTOCOL,
};
use thiserror::Error;

use crate::format::SCHEMA_VERSION;
use crate::sqlite_error::{impossible, is_damage};

/// A journal file that cannot be opened. The file is as it was.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another program has the journal.
    #[error(
        "the journal {} is in use by {}: stop that program, or use another file with --journal",
        path.display(), match pid { Some(pid) => format!("process {pid}"), None => "another process".to_owned() }
    )]
    Locked {
        /// The journal.
        path: PathBuf,
        /// The process that has it, if the lock names one.
        pid: Option<u32>,
    },
    /// This program has an SQLite that can corrupt a journal.
    #[error(
        "this program has SQLite {version}, and a journal needs 3.51.3 or newer: older ones can corrupt a file in WAL mode; the \
         crate libsqlite3-sys brought it: raise that to 0.37 or newer (`cargo tree --invert libsqlite3-sys` says who asks for it), \
         and turn on its feature `bundled` where it links the system's SQLite"
    )]
    OldSqlite {
        /// The version that SQLite reports.
        version: String,
    },
    /// The journal was written by a newer version of the program.
    #[error(
        "the journal {} has version {found}, and this program knows versions up to {known}: use the newer program, or \
         another file with --journal; the file was left as it is",
        path.display()
    )]
    Newer {
        /// The journal.
        path: PathBuf,
        /// The file's version.
        found: u32,
        /// The newest version that this program knows.
        known: u32,
    },
    /// The file is not a journal: perhaps the database of another program.
    #[error(
        "{} is no journal: use another file with --journal; the file was left as it is",
        path.display()
    )]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// The path has something that is no file.
    #[error("{} cannot be used: it is {what}, and a journal is a file: use another path with --journal", path.display())]
    NoFile {
        /// The path.
        path: PathBuf,
        /// The kind of thing at the path.
        what: &'static str,
    },
    /// Somebody changed the journal's tables, or wrote a value that no version of the program writes.
    #[error(
        "the journal {} was changed by something else: {what}; put a copy of it back, or use another file with --journal; \
         the file was left as it is",
        path.display()
    )]
    Altered {
        /// The journal.
        path: PathBuf,
        /// The part that does not fit.
        what: String,
    },
    /// The journal is missing or empty, and files that belong to a journal lie beside it.
    #[error(
        "there is no journal at {}, and {} is there: put the file back that it belongs to, or move it away; nothing was \
         changed",
        path.display(), beside.display()
    )]
    PartOnly {
        /// The journal's path.
        path: PathBuf,
        /// A file beside it.
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
        /// The operating system's error.
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
        /// SQLite's message.
        why: String,
    },
    /// Another program reads the journal. As long as it does, SQLite cannot empty the log.
    #[error(
        "the log of the journal {} could not be emptied, because something else reads the journal: what was erased may have \
         bytes in it; stop that, and say the same again",
        path.display()
    )]
    BeingRead {
        /// The journal.
        path: PathBuf,
    },
    /// The path of the new file has a file already.
    #[error("there is a file at {} already, and nothing is written over one: name another, or move it away", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// There is no journal.
    #[error("there is no journal at {}", path.display())]
    Missing {
        /// The journal's path.
        path: PathBuf,
    },
    /// The journal is damaged; the program mends it when it starts.
    #[error("the journal {} is damaged: {why}; `lastword stdio` keeps it aside and salvages what it can", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// SQLite's message.
        why: String,
    },
    /// The operating system refuses access.
    #[error("{} cannot be used: {source}", path.display())]
    Unusable {
        /// The file or directory.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// SQLite refuses access.
    #[error("the journal {} cannot be used: {why}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// SQLite's message.
        why: String,
    },
}

impl OpenError {
    pub(crate) fn unusable(path: &Path, source: io::Error) -> Self {
        Self::Unusable { path: path.to_owned(), source }
    }

    pub(crate) fn foreign(path: &Path) -> Self {
        Self::NotOurs { path: path.to_owned() }
    }

    pub(crate) fn newer(path: &Path, found: u32) -> Self {
        Self::Newer { path: path.to_owned(), found, known: SCHEMA_VERSION }
    }

    /// The error for SQLite's message about the file at `path`.
    pub(crate) fn sqlite(path: &Path, error: &rusqlite::Error) -> Self {
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

/// Why a file that is locked and open cannot be used as a journal.
pub(crate) enum OpenFailure {
    /// The file is broken: it can be salvaged.
    Damage(String),
    /// The file is whole, and another obstacle remains.
    Sqlite(rusqlite::Error),
    /// The tables are not ours.
    Altered(String),
    /// The file has this newer version.
    Newer(u32),
}

impl OpenFailure {
    /// The error of opening the journal at `path`.
    pub(crate) fn at(self, path: &Path) -> OpenError {
        match self {
            Self::Damage(why) => OpenError::Sqlite { path: path.to_owned(), why },
            Self::Sqlite(error) => OpenError::sqlite(path, &error),
            Self::Altered(what) => OpenError::Altered { path: path.to_owned(), what },
            Self::Newer(found) => OpenError::newer(path, found),
        }
    }
}

impl From<rusqlite::Error> for OpenFailure {
    fn from(error: rusqlite::Error) -> Self {
        if is_damage(&error) { Self::Damage(error.to_string()) } else { Self::Sqlite(error) }
    }
}
