//! Checks the linked version of SQLite. The builder of a program chooses it, and some versions can corrupt a journal.

use crate::error::OpenError;

/// The oldest SQLite with which a journal is opened: 3.51.3, as SQLite itself writes it. In older ones a reset of the write-ahead
/// log beside another connection's checkpoint could corrupt the file (the "WAL-reset bug").
const OLDEST: i32 = 3_051_003;

/// Refuses an SQLite that can corrupt a journal.
pub(crate) fn check() -> Result<(), OpenError> {
    let (number, version) = linked();
    if number < OLDEST {
        return Err(OpenError::OldSqlite { version: version.to_owned() });
    }
    Ok(())
}

/// The number and the name of the version that is linked into this program.
#[cfg(not(test))]
fn linked() -> (i32, &'static str) {
    (rusqlite::version_number(), rusqlite::version())
}

#[cfg(test)]
use tests::linked;

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::{JournalFile, SqliteJournal};

    thread_local! {
        static PRETENDED: Cell<Option<(i32, &'static str)>> = const { Cell::new(None) };
    }

    pub(super) fn linked() -> (i32, &'static str) {
        PRETENDED.get().unwrap_or((rusqlite::version_number(), rusqlite::version()))
    }

    #[test]
    fn an_sqlite_with_the_bug_opens_no_journal_and_is_told_with_the_crate_that_brought_it() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("journal.db");
        PRETENDED.set(Some((OLDEST, "3.51.3")));
        drop(SqliteJournal::open(&path).unwrap());
        PRETENDED.set(Some((OLDEST - 1, "3.51.2")));
        for refused in [
            SqliteJournal::open(&path).map(drop),
            JournalFile::look(&path).map(drop),
            JournalFile::change(&path).map(drop),
        ] {
            let error = refused.unwrap_err().to_string();
            for told in ["SQLite 3.51.2", "3.51.3", "libsqlite3-sys", "cargo tree --invert libsqlite3-sys"] {
                assert!(error.contains(told), "{told}: {error}");
            }
        }
    }
}
