//! Files of earlier versions. Each has a fixture: the text of a journal that its program has written.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly, its helper functions too")]

use std::fs;
use std::path::{Path, PathBuf};

use lastword_events::{EventKey, PluginName};
use lastword_journal::{Journal, JournalFile, SCHEMA_VERSION, Space, SqliteJournal, Write, Written};
use rusqlite::Connection;
use tempfile::TempDir;

const VERSION_1: &str = include_str!("migration/version-1.sql");

fn version_1() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    Connection::open(&path).unwrap().execute_batch(VERSION_1).unwrap();
    (dir, path)
}

fn version(path: &Path) -> u32 {
    Connection::open(path).unwrap().query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
}

fn space() -> Space {
    Space { tenant: "acme".into(), plugin: PluginName::new("counter").unwrap() }
}

#[test]
fn nothing_of_a_file_of_version_1_is_lost() {
    let (_dir, path) = version_1();
    let listed = JournalFile::look(&path).unwrap();
    assert_eq!((listed.sessions().unwrap().len(), version(&path)), (1, 1), "who only looks changes nothing");
    let journal = SqliteJournal::open(&path).unwrap();
    let recovered = journal.recover().unwrap();
    assert_eq!(journal.name().as_str(), "ptoe304r", "its ids begin as they did");
    let [left] = recovered.sessions.as_slice() else { panic!("{recovered:?}") };
    assert_eq!((&*left.session.identity.id, left.sequence, left.compactions, left.attempt), ("left", 2, 1, 1));
    let [owed] = recovered.deliveries.as_slice() else { panic!("{recovered:?}") };
    assert_eq!(
        (owed.delivery.sequence, owed.delivery.event, owed.delivery.plugin.as_str()),
        (1, EventKey::End, "flaky")
    );
    assert_eq!((owed.attempt, owed.failures), (2, 1));
    assert_eq!(journal.key_value(&space(), "ends").unwrap().as_deref(), Some(b"1".as_slice()));
    assert_eq!(journal.known_op(&"acme".into(), "op-left"), Some(1));
    drop(journal);
    assert_eq!(version(&path), SCHEMA_VERSION);
}

#[tokio::test]
async fn attempts_of_a_session_that_an_owner_went_on_with_count_from_the_run_in_which_it_began() {
    let (_dir, path) = version_1();
    let journal = SqliteJournal::open(&path).unwrap();
    let left = journal.recover().unwrap().sessions.remove(0);
    let note = Write::Renote { sequence: left.sequence, session: left.session, op_id: None };
    assert!(matches!(journal.write(note).await.unwrap(), Written::Done));
    drop(journal);
    let again = SqliteJournal::open(&path).unwrap().recover().unwrap();
    assert_eq!(again.sessions[0].attempt, 2, "two runs may have told somebody of its end");
}

#[test]
fn a_damaged_file_of_version_1_is_salvaged_into_one_of_this_version() {
    let (_dir, path) = version_1();
    let mut bytes = fs::read(&path).unwrap();
    let needle = b"not now";
    let at = bytes.windows(needle.len()).position(|window| window == needle).unwrap();
    let page = at / 4096 * 4096;
    bytes[page..page + 4096].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    let journal = SqliteJournal::open(&path).unwrap();
    let recovered = journal.recover().unwrap();
    assert_eq!((recovered.sessions.len(), recovered.deliveries.len()), (1, 0), "the deliveries' page is gone");
    drop(journal);
    assert_eq!(version(&path), SCHEMA_VERSION);
}
