//! A note for the next start that the journal was found damaged. A note inside the damaged journal would not last.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use crate::paths::beside;

/// Added to the journal's name.
const SUFFIX: &str = ".suspect";
const TEXT: &str = "found damaged; the next start of the program looks through the journal\n";

/// Writes the note. If somebody else has a file of that name, writes none.
pub(crate) fn write(journal: &Path) {
    let made = OpenOptions::new().write(true).create_new(true).open(beside(journal, SUFFIX));
    made.and_then(|mut file| file.write_all(TEXT.as_bytes())).ok();
}

/// Whether there is a note.
pub(crate) fn exists(journal: &Path) -> bool {
    let at = beside(journal, SUFFIX);
    // A file of somebody else may be a FIFO, or large.
    let is_short = fs::metadata(&at).is_ok_and(|file| file.is_file() && file.len() == TEXT.len() as u64);
    is_short && fs::read(&at).is_ok_and(|found| found == TEXT.as_bytes())
}

/// Removes the note: the journal was mended, or never was damaged.
pub(crate) fn remove(journal: &Path) {
    if exists(journal) {
        fs::remove_file(beside(journal, SUFFIX)).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_is_left_and_removed_and_a_file_of_that_name_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let journal = dir.path().join("journal.db");
        write(&journal);
        assert!(exists(&journal));
        remove(&journal);
        assert!(!exists(&journal));
        let theirs = dir.path().join("journal.db.suspect");
        fs::write(&theirs, "wanted since 1888\n").unwrap();
        write(&journal);
        assert!(!exists(&journal));
        remove(&journal);
        assert_eq!(fs::read_to_string(&theirs).unwrap(), "wanted since 1888\n");
    }
}
