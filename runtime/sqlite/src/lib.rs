//! The journal on disk, in an SQLite database. Owed deliveries outlive the process, and the machine. No other crate knows SQL.
//!
//! [`SqliteJournal`] is the journal that the runtime writes to. [`JournalFile`] is the same file for an operator, who can look at it or
//! copy it while a program runs, and change it while none does. [`restore`] makes a journal of such a copy. `lastword-journal` defines a
//! journal's rows and their changes.
//!
//! ```
//! use lastword_journal::Journal;
//! use lastword_sqlite::{JournalFile, SqliteJournal};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! let path = directory.path().join("journal.db");
//! let journal = SqliteJournal::open(&path)?;
//! assert!(journal.recover()?.sessions.is_empty());
//! assert_eq!(JournalFile::look(&path)?.sessions()?, []);
//! # Ok(())
//! # }
//! ```

mod apply;
mod backup;
mod calls;
mod command;
mod connection;
mod damage_note;
mod error;
mod export;
mod file;
mod format;
mod header;
mod journal;
mod limits;
mod open;
mod ownership;
mod paths;
mod readers;
mod recover;
mod release;
mod row;
mod run;
mod salvage;
mod schema;
mod sqlite_error;
mod sqlite_version;
mod tables;
#[cfg(test)]
mod testing;
mod unfinished;
mod unmade;
#[cfg(target_os = "linux")]
mod watch;
mod writer;

pub use self::apply::RETAINED_FOR;
pub use self::backup::{Restored, restore};
pub use self::error::OpenError;
pub use self::export::Export;
pub use self::file::{Erased, Erasure, ErasureTarget, JournalFile, SetAsideRow};
pub use self::format::SCHEMA_VERSION;
pub use self::journal::SqliteJournal;
pub use self::limits::{MAX_QUEUED_WRITES, RETAINED_SET_ASIDE};
pub use self::unfinished::{Unfinished, unfinished_beside};
// An operator sees the same types in a file as beside a running program.
pub use lastword_journal::{
    Changed, DeliveryFilter, DeliveryPage, DeliveryRow, DeliveryState, PageRequest, SessionRow,
};
