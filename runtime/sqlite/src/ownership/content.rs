//! Tells the kind of a file from its content. It changes nothing and does not use SQLite, which may change files as it opens them.

use std::path::Path;

use super::log_page::{first_page, word};
use super::open_file::OpenFile;
use crate::error::OpenError;
use crate::format::{APPLICATION_ID, SCHEMA_VERSION};
use crate::paths::beside;

const MAGIC: &[u8] = b"SQLite format 3\0";
/// Bytes of the file's header and of the header of its first page.
const HEADER_BYTES: usize = 108;
/// The first of our tables as SQLite writes it into the file: the row's type, name and table, the number of a page, and then the
/// statement. Prose about a journal does not have this form.
const TABLE_ROW: (&[u8], &[u8]) = (b"tablejournaljournal", b"CREATE TABLE journal (");
/// The bytes that are searched for that in a file without a header. The tables are written first, on some pages.
const SEARCHED_BYTES: usize = 256 << 10;

/// The kind of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// The file has no byte.
    Empty,
    /// A database of ours without tables. A power cut or a signal leaves it while version 2 makes a journal.
    Unwritten,
    /// A journal.
    Journal,
    /// A journal without its header.
    Headless,
    /// A journal of this version, which is newer than ours.
    Newer(u32),
    /// Another file, perhaps the database of another program.
    Foreign,
}

impl Content {
    /// Refuses a file that is not ours.
    pub(crate) fn ours(self, path: &Path) -> Result<Self, OpenError> {
        match self {
            Self::Newer(found) => Err(OpenError::newer(path, found)),
            Self::Foreign => Err(OpenError::foreign(path)),
            Self::Empty | Self::Unwritten | Self::Journal | Self::Headless => Ok(self),
        }
    }
}

/// Examines the file, and the log beside `path`.
///
/// # Errors
/// When one of them cannot be read.
pub(crate) fn examine(file: &OpenFile, path: &Path) -> Result<Content, OpenError> {
    let unusable = |source| OpenError::unusable(path, source);
    let header = file.read(0, HEADER_BYTES).map_err(unusable)?;
    if header.is_empty() {
        return Ok(Content::Empty);
    }
    if !header.starts_with(MAGIC) {
        let bytes = file.read(0, SEARCHED_BYTES).map_err(unusable)?;
        return Ok(if has_our_table(&bytes) { Content::Headless } else { Content::Foreign });
    }
    let mut page = header;
    if application(&page) == 0
        && let Some(newer) = first_page(&beside(path, "-wal")).map_err(unusable)?
    {
        page = newer;
    }
    Ok(match (application(&page), version(&page)) {
        (APPLICATION_ID, found) if found > SCHEMA_VERSION => Content::Newer(found),
        (APPLICATION_ID, _) => Content::Journal,
        (0, 0) if uses_log(&page) && has_no_table(&page) => Content::Unwritten,
        _ => Content::Foreign,
    })
}

fn version(page: &[u8]) -> u32 {
    word(page, 60)
}

fn application(page: &[u8]) -> u32 {
    word(page, 68)
}

fn uses_log(page: &[u8]) -> bool {
    page.get(18..20) == Some(&[2, 2])
}

/// Whether the list of tables is one page without rows.
fn has_no_table(page: &[u8]) -> bool {
    const LEAF: u8 = 0x0d;
    page.get(100) == Some(&LEAF) && page.get(103..105) == Some(&[0, 0])
}

fn has_our_table(bytes: &[u8]) -> bool {
    let (row, statement) = TABLE_ROW;
    let mut rows = bytes.windows(row.len()).enumerate().filter(|(_, window)| *window == row);
    rows.any(|(at, _)| {
        let behind = bytes.get(at + row.len()..).unwrap_or_default();
        // The number of the page takes up to four bytes.
        (1..=4).any(|number| behind.get(number..).is_some_and(|behind| behind.starts_with(statement)))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rusqlite::Connection;

    use super::*;
    use crate::SqliteJournal;

    fn content(path: &Path) -> Result<Content, OpenError> {
        examine(&OpenFile::open(path).unwrap().unwrap(), path)?.ours(path)
    }

    #[track_caller]
    fn assert_foreign(path: &Path) {
        assert!(matches!(content(path), Err(OpenError::NotOurs { .. })), "{:?}", content(path));
    }

    #[test]
    fn a_journal_is_known_by_its_header_or_its_tables() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let journal = SqliteJournal::open(&path).unwrap();
        assert_eq!(content(&path).unwrap(), Content::Journal, "while it is open");
        drop(journal);
        assert_eq!(content(&path).unwrap(), Content::Journal);
        let mut bytes = fs::read(&path).unwrap();
        bytes[..100].fill(0);
        fs::write(&path, &bytes).unwrap();
        assert_eq!(content(&path).unwrap(), Content::Headless);
        bytes.fill(0);
        fs::write(&path, &bytes).unwrap();
        assert_foreign(&path);
    }

    #[test]
    fn what_is_written_about_a_journal_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes.txt");
        for text in [crate::format::SCHEMA, "tablejournaljournal CREATE TABLE journal", "x"] {
            fs::write(&path, text).unwrap();
            assert_foreign(&path);
        }
    }

    #[test]
    fn a_database_of_another_program_is_known_whether_its_tables_are_in_its_log_or_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.db");
        let app = Connection::open(&path).unwrap();
        app.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
        app.execute_batch("CREATE TABLE session (id TEXT PRIMARY KEY, run INT); PRAGMA user_version = 1").unwrap();
        assert_foreign(&path);
        drop(app);
        assert!(!beside(&path, "-wal").exists());
        assert_foreign(&path);
    }
}
