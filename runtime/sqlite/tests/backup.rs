//! A backup is the journal as it was at one moment, also beside a program that writes, and a journal that is made of one has ids of
//! its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly, its helper functions too"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use lastword_journal::Journal as _;
use lastword_sqlite::{JournalFile, OpenError, SqliteJournal, restore};
use rusqlite::Connection;

/// A new journal, which nobody has any more.
fn make(path: &Path) {
    let journal = SqliteJournal::open(path).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(journal.release()).unwrap();
}

/// A journal with so many active sessions.
fn journal(path: &Path, sessions: u32) {
    let name = JournalFile::look(path).map(|file| file.name());
    if name.is_err() {
        make(path);
    }
    let file = Connection::open(path).unwrap();
    for number in 1..=sessions {
        let facts = format!(r#"{{"tenant":"default","id":"s{number}","generation":1}}"#);
        file.execute(
            "INSERT INTO session (sequence, tenant, id, generation, run, facts) VALUES (?1, 'default', ?2, 1, 1, ?3)",
            (number, format!("s{number}"), facts),
        )
        .unwrap();
    }
    file.execute("UPDATE journal SET next_sequence = ?1", [sessions + 1]).unwrap();
}

fn sequences(path: &Path) -> Vec<u64> {
    let file = Connection::open(path).unwrap();
    let mut statement = file.prepare("SELECT sequence FROM session ORDER BY sequence").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_backup_is_one_private_file_with_what_was_only_in_the_log_and_a_restore_has_another_name() {
    let dir = tempfile::tempdir().unwrap();
    let [path, copy, new] = ["journal.db", "copy", "new.db"].map(|name| dir.path().join(name));
    journal(&path, 3);
    let size = JournalFile::look(&path).unwrap().backup(&copy).unwrap();
    let metadata = fs::metadata(&copy).unwrap();
    assert_eq!((metadata.len(), metadata.permissions().mode() & 0o777), (size, 0o600));
    let beside = fs::read_dir(dir.path()).unwrap().filter_map(Result::ok);
    let beside: Vec<_> = beside.filter(|entry| entry.file_name().to_str().unwrap().starts_with("copy-")).collect();
    assert!(beside.is_empty(), "{beside:?}");

    let restored = restore(&copy, &new).unwrap();
    assert_eq!(restored.was, JournalFile::look(&path).unwrap().name());
    assert_ne!(restored.name, restored.was);
    assert_eq!(JournalFile::look(&new).unwrap().name(), restored.name);
    assert_eq!(sequences(&new), [1, 2, 3]);
    assert_eq!(JournalFile::look(&copy).unwrap().name(), restored.was, "the backup is as it was");
    assert!(!dir.path().join("new.db.restoring").exists());
}

#[test]
fn neither_is_written_over_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let [path, copy, other] = ["journal.db", "copy", "other.db"].map(|name| dir.path().join(name));
    journal(&path, 1);
    fs::write(&copy, "mine").unwrap();
    let refused = JournalFile::look(&path).unwrap().backup(&copy);
    assert!(matches!(refused, Err(OpenError::Exists { .. })), "{refused:?}");
    assert_eq!(fs::read(&copy).unwrap(), b"mine");
    fs::remove_file(&copy).unwrap();
    JournalFile::look(&path).unwrap().backup(&copy).unwrap();
    journal(&other, 2);
    let refused = restore(&copy, &other);
    assert!(matches!(refused, Err(OpenError::Exists { .. })), "{refused:?}");
    assert_eq!(sequences(&other), [1, 2]);
    let held = SqliteJournal::open(&dir.path().join("held.db")).unwrap();
    assert!(restore(&copy, &dir.path().join("held.db")).is_err(), "a program has it");
    drop(held);
}

#[test]
fn a_backup_that_is_damaged_or_something_else_makes_no_journal() {
    let dir = tempfile::tempdir().unwrap();
    let [path, copy, new] = ["journal.db", "copy", "new.db"].map(|name| dir.path().join(name));
    journal(&path, 500);
    JournalFile::look(&path).unwrap().backup(&copy).unwrap();
    let mut bytes = fs::read(&copy).unwrap();
    let page = bytes.len() / 2 / 4096 * 4096;
    bytes[page..page + 4096].fill(0xff);
    fs::write(&copy, &bytes).unwrap();
    assert!(restore(&copy, &new).is_err());
    fs::write(&copy, "Dear diary").unwrap();
    assert!(matches!(restore(&copy, &new), Err(OpenError::NotOurs { .. })));
    assert!(matches!(restore(&dir.path().join("none"), &new), Err(OpenError::Missing { .. })));
    assert!(!new.exists(), "nothing is left of what came to nothing");
}
