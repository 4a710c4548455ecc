//! Files of earlier versions. Each has a fixture: the text of a journal that its program has written.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly, its helper functions too")]

use std::fs;
use std::path::{Path, PathBuf};

use lastword_events::{DrainReason, EndReason, Event, EventKey, Hook, Identity, PluginName};
use lastword_journal::{Appended, Journal, JournalOp, Space};
use lastword_sqlite::{DeliveryState, JournalFile, OpenError, SCHEMA_VERSION, SqliteJournal};
use rusqlite::Connection;
use tempfile::TempDir;

const VERSION_1: &str = include_str!("migration/version-1.sql");
const VERSION_2: &str = include_str!("migration/version-2.sql");
const VERSION_3: &str = include_str!("migration/version-3.sql");
const VERSION_4: &str = include_str!("migration/version-4.sql");
const VERSION_5: &str = include_str!("migration/version-5.sql");

fn written(text: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    Connection::open(&path).unwrap().execute_batch(text).unwrap();
    (dir, path)
}

fn version_1() -> (TempDir, PathBuf) {
    written(VERSION_1)
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
    assert_eq!(journal.known_op(&Identity::new("acme", "left"), Hook::SessionStart, "op-left"), Some(1));
    drop(journal);
    assert_eq!(version(&path), SCHEMA_VERSION);
}

#[tokio::test]
async fn attempts_of_a_session_that_an_owner_went_on_with_count_from_the_run_in_which_it_began() {
    let (_dir, path) = version_1();
    let journal = SqliteJournal::open(&path).unwrap();
    let left = journal.recover().unwrap().sessions.remove(0);
    let note = JournalOp::Update { sequence: left.sequence, session: left.session, op_id: None };
    assert!(matches!(journal.append(note).await.unwrap(), Appended::Done));
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

/// `1/end flaky` for `session-end` of the first session to `flaky`.
fn name(delivery: &lastword_journal::DeliveryKey) -> String {
    assert_eq!(delivery.event, EventKey::End);
    format!("{}/end {}", delivery.sequence, delivery.plugin)
}

#[test]
fn nothing_of_a_file_of_version_2_is_lost() {
    let (_dir, path) = written(VERSION_2);
    let journal = SqliteJournal::open(&path).unwrap();
    let recovered = journal.recover().unwrap();
    assert_eq!(journal.name().as_str(), "7ggltcy3", "its ids begin as they did");

    let owed = recovered.deliveries.iter().map(|owed| (name(&owed.delivery), owed.attempt, owed.failures));
    let expected = [("1/end flaky", 7, 5), ("1/end gone", 5, 3), ("2/end flaky", 6, 4), ("2/end hangs", 5, 3)];
    assert_eq!(
        owed.collect::<Vec<_>>(),
        expected.map(|(name, attempt, failures)| (name.to_owned(), attempt, failures))
    );

    let [open] = recovered.sessions.as_slice() else { panic!("{recovered:?}") };
    assert_eq!((&*open.session.identity.id, open.sequence, open.attachable), ("open", 3, false));
    let drained = open.drained();
    assert_eq!(drained.drain.map(|(reason, _)| reason), Some(DrainReason::Restart));
    let settled: Vec<&str> = drained.settled.iter().map(PluginName::as_str).collect();
    assert_eq!(settled, ["good", "never", "counter"]);
    let tried: Vec<_> = drained.tried.iter().map(|end| (end.plugin.as_str(), end.failures)).collect();
    assert_eq!(tried, [("flaky", 1), ("hangs", 1)]);
    assert_eq!(drained.owed.as_ref().map(Vec::len), Some(5), "everybody who was installed then");

    assert_eq!(journal.key_value(&space(), "ends").unwrap().as_deref(), Some(b"3".as_slice()));
    drop(journal);
    assert_eq!(version(&path), SCHEMA_VERSION);
    let listed = JournalFile::look(&path).unwrap().deliveries().unwrap();
    let dead = listed.iter().filter(|row| row.state == DeliveryState::Dead).map(|row| row.delivery.to_string());
    let expected = ["1/session-end/never", "2/session-end/never", "3/session-end/never"];
    assert_eq!(dead.collect::<Vec<_>>(), expected.map(|rest| format!("7ggltcy3.{rest}")));
}

#[test]
fn a_file_of_version_2_that_was_changed_is_refused_before_it_is_migrated() {
    for (sql, said) in [
        ("UPDATE delivery SET attempt = 4294967295", "`attempt` of `delivery` is Integer(4294967295)"),
        ("UPDATE session SET generation = 'many'", "`generation` of `session` is Text(\"many\")"),
        ("UPDATE journal SET next_sequence = 1", "the next session's number is 1"),
        ("DROP INDEX session_by_id", "the index of `session`"),
    ] {
        let (_dir, path) = written(VERSION_2);
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        // As version 2 leaves its files.
        Connection::open(&path).unwrap().query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
        let before = fs::read(&path).unwrap();
        let refused = SqliteJournal::open(&path).map(drop);
        let Err(OpenError::Altered { what, .. }) = &refused else { panic!("{sql}: {refused:?}") };
        assert!(what.contains(said), "{sql}: {what}");
        assert!(fs::read(&path).unwrap() == before, "{sql}: something was changed");
    }
}

/// Of a line that version 2 has seen nobody knows any more what it was.
#[test]
fn an_op_id_of_version_2_stands_for_any_line_but_an_end_of_another_generation() {
    let (_dir, path) = written(VERSION_2);
    let journal = SqliteJournal::open(&path).unwrap();
    journal.recover().unwrap();
    let known = |id: &str, kind, op: &str| journal.known_op(&Identity::new("acme", id), kind, op);
    assert_eq!(known("open", Hook::SessionStart, "op-open"), Some(1));
    assert_eq!(known("made", Hook::SessionEnd, "op-end"), Some(1), "it has ended");
    assert_eq!(known("open", Hook::SessionEnd, "op-open"), None, "it has not, and an end is not swallowed");
    assert_eq!(known("made", Hook::SessionEnd, "never-used"), None);
}

/// In OpenClaw's format the key has become a part of who a session is.
#[test]
fn sessions_and_lines_of_version_3_have_their_keys_as_scopes() {
    let (_dir, path) = written(VERSION_3);
    let journal = SqliteJournal::open(&path).unwrap();
    let recovered = journal.recover().unwrap();
    let left: Vec<_> = recovered.sessions.iter().map(|left| (&*left.session.identity.id, &left.session)).collect();
    let [("main", main), ("keyless", keyless)] = left.as_slice() else { panic!("{left:?}") };
    assert_eq!((&*main.identity.scope, main.key.as_deref()), ("agent:a:main", Some("agent:a:main")));
    assert_eq!((&*keyless.identity.scope, keyless.key.as_deref()), ("", None));
    assert_eq!(recovered.ended, [], "when their ends came it has not written down");
    let known = |scope: &str| {
        let identity = Identity::new("default", "main").in_scope(scope);
        journal.known_op(&identity, Hook::SessionStart, "op-main")
    };
    assert_eq!((known("agent:a:main"), known("agent:b:main"), known("")), (Some(1), None, Some(1)));
    drop(journal);
    assert_eq!(version(&path), SCHEMA_VERSION);
}

/// The delivery has been told as an owner's own word, and version 3 would tell the next attempt as one of ours.
#[test]
fn an_owners_word_that_version_3_has_written_as_one_of_ours_is_the_owners_again() {
    let (_dir, path) = written(VERSION_3);
    let recovered = SqliteJournal::open(&path).unwrap().recover().unwrap();
    let [owed] = recovered.deliveries.as_slice() else { panic!("{recovered:?}") };
    let Event::End(end) = &*owed.event else { panic!("{owed:?}") };
    assert_eq!((&end.reason, end.raw_reason.as_deref()), (&EndReason::Other("clear".into()), Some("clear")));
    assert_eq!((owed.attempt, owed.failures), (3, 2));
}

/// Of an end that was there nobody knows when it was written down.
#[test]
fn what_version_4_has_ended_is_kept_from_the_migration_on() {
    let (_dir, path) = written(VERSION_4);
    let recovered = SqliteJournal::open(&path).unwrap().recover().unwrap();
    assert_eq!(recovered.sessions.iter().map(|left| left.session.generation).collect::<Vec<_>>(), [2]);
    let file = Connection::open(&path).unwrap();
    let kept = |recorded: &str| -> u32 {
        let sql = format!("SELECT count(*) FROM session WHERE recorded_at {recorded}");
        file.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!((kept("IS NULL"), kept("> ended_at")), (1, 1), "one is active");
    assert_eq!(version(&path), SCHEMA_VERSION);
}

/// Which of its runs ended cleanly it does not say: each counts as one that may have made an attempt. The next ones say it.
#[tokio::test]
async fn runs_of_version_5_may_each_have_made_an_attempt_and_runs_of_this_version_say_whether_they_have() {
    let (_dir, path) = written(VERSION_5);
    let listed = JournalFile::look(&path).unwrap();
    assert_eq!((listed.check().unwrap(), version(&path)), (vec![], 5), "who only looks changes nothing");
    drop(listed);
    for _ in 0..3 {
        let journal = SqliteJournal::open(&path).unwrap();
        let recovered = journal.recover().unwrap();
        let ([left], [owed]) = (recovered.sessions.as_slice(), recovered.deliveries.as_slice()) else {
            panic!("{recovered:?}")
        };
        assert_eq!((&*left.session.identity.id, left.attempt, left.attachable), ("s2", 2, true));
        assert_eq!((name(&owed.delivery), owed.attempt, owed.failures), ("1/end flaky".to_owned(), 3, 1));
        journal.append_decided(vec![JournalOp::Installed { plugins: vec![], attaching: true }]).await.unwrap();
        journal.append_decided(vec![JournalOp::Ended { cut: vec![] }]).await.unwrap();
    }
    assert_eq!(version(&path), SCHEMA_VERSION);
}
