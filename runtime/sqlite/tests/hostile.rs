//! A journal from a hostile hand: what somebody has put into the file does not run, and what cannot be ours is refused, the
//! file left as it is.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly, its helper functions too")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lastword_events::{EndReason, Event, EventKey, PluginName, Session, SessionEnd, SessionStart, Timestamp};
use lastword_journal::{Appended, Completion, DeliveryKey, Journal, JournalOp, Settlement};
use lastword_sqlite::{OpenError, SqliteJournal};
use rusqlite::Connection;
use tempfile::TempDir;

fn plugin() -> PluginName {
    PluginName::new("memory").unwrap()
}

async fn start(journal: &SqliteJournal, id: &str) -> Result<(u64, Arc<Session>), lastword_journal::JournalError> {
    let (session, event) = (Arc::new(Session::new("t", id)), Arc::new(Event::Start(SessionStart::default())));
    match journal.append(JournalOp::Start { session, event, owed: vec![], op_id: None }).await? {
        Appended::Session { sequence, session } => Ok((sequence, session)),
        other => panic!("{other:?}"),
    }
}

/// With a session that is active, one whose end is owed, and one whose end a drain has tried.
async fn journal() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let journal = SqliteJournal::open(&path).unwrap();
    journal.recover().unwrap();
    start(&journal, "active").await.unwrap();
    let (sequence, session) = start(&journal, "ended").await.unwrap();
    let event = Arc::new(Event::End(SessionEnd::new(EndReason::Reset, Timestamp::now())));
    journal
        .append(JournalOp::End { sequence, session, event, owed: vec![plugin()], received: None, op_id: None })
        .await
        .unwrap();
    let (sequence, _) = start(&journal, "drained").await.unwrap();
    let delivery = DeliveryKey { sequence, event: EventKey::End, plugin: plugin() };
    let settlement = Settlement::Owed {
        failures: 1,
        late: false,
        retry_at: None,
        cause: lastword_events::FailureCause::Retry,
        message: "busy".into(),
    };
    journal
        .complete(&"t".into(), vec![Completion { delivery, attempt: 1, settlement, changes: None }])
        .pending
        .await
        .unwrap();
    (dir, path)
}

fn alter(path: &Path, sql: &str) {
    let file = Connection::open(path).unwrap();
    file.execute_batch(sql).unwrap();
    file.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
}

/// A copy of the journal with its log, as a program leaves both that is killed.
fn altered_in_the_log(path: &Path, sql: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let (copy, log) = (dir.path().join("journal.db"), dir.path().join("journal.db-wal"));
    fs::copy(path, &copy).unwrap();
    let file = Connection::open(&copy).unwrap();
    file.execute_batch(sql).unwrap();
    let (main, changes) = (fs::read(&copy).unwrap(), fs::read(&log).unwrap());
    assert!(!changes.is_empty(), "{sql}: it is in the log");
    drop(file);
    fs::write(&copy, main).unwrap();
    fs::write(&log, changes).unwrap();
    (dir, copy)
}

fn files(dir: &TempDir) -> Vec<(PathBuf, Vec<u8>)> {
    let names = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = names.map(|name| (name.clone(), fs::read(name).unwrap())).collect();
    files.sort_unstable();
    files
}

#[tokio::test]
async fn what_cannot_be_ours_is_refused_at_every_start_and_nothing_is_changed() {
    for (sql, said) in [
        ("UPDATE delivery SET attempt = 4294967295", "a delivery's attempt is 4294967295"),
        ("UPDATE delivery SET failures = -1", "a delivery's count of failures is -1"),
        ("UPDATE delivery SET run = 9223372036854775807", "a delivery's run is 9223372036854775807"),
        ("UPDATE drained SET attempt = 4294967295", "a drained end's attempt is 4294967295"),
        ("UPDATE session SET compactions = 4294967296", "a session's count of compactions is 4294967296"),
        ("UPDATE session SET run = -7 WHERE id = 'active'", "a session's run is -7"),
        ("UPDATE run SET id = 4294967295", "the number of a run is 4294967295"),
        ("UPDATE journal SET next_sequence = 1", "the next session's number is 1, and the newest session's 3"),
        ("UPDATE journal SET next_sequence = 9223372036854775807", "the next session's number is 9223372036854775807"),
        ("DROP INDEX session_active", "the index of `session`"),
        ("DROP TABLE op; CREATE VIEW op AS SELECT 1 AS number", "`op` is a view"),
        ("ALTER TABLE session ADD COLUMN more GENERATED ALWAYS AS (hex(zeroblob(1000000000)))", "column `more`"),
        ("CREATE UNIQUE INDEX one ON delivery (plugin)", "the index of `delivery`"),
    ] {
        let (dir, path) = journal().await;
        let in_the_log = altered_in_the_log(&path, sql);
        alter(&path, sql);
        for (dir, path) in [(&dir, &path), (&in_the_log.0, &in_the_log.1)] {
            let before = files(dir);
            for _ in 0..2 {
                let refused = SqliteJournal::open(path).map(drop);
                let Err(OpenError::Altered { what, .. }) = &refused else { panic!("{sql}: {refused:?}") };
                assert!(what.contains(said), "{sql}: {what}");
                assert!(files(dir) == before, "{sql}: something was changed");
            }
        }
    }
}

#[tokio::test]
async fn a_newer_version_that_is_only_in_the_log_is_left_as_it_is() {
    let (_dir, path) = journal().await;
    let (dir, path) = altered_in_the_log(&path, "PRAGMA user_version = 99");
    let before = files(&dir);
    for _ in 0..2 {
        assert!(matches!(SqliteJournal::open(&path).map(drop), Err(OpenError::Newer { found: 99, .. })));
        assert!(files(&dir) == before, "something was changed");
    }
}

#[tokio::test]
async fn triggers_views_and_checks_that_somebody_has_added_do_nothing() {
    let (_dir, path) = journal().await;
    alter(
        &path,
        "CREATE TRIGGER robs AFTER INSERT ON session BEGIN DELETE FROM delivery; END;
         CREATE TRIGGER stops BEFORE INSERT ON session BEGIN SELECT raise(ABORT, 'no more'); END;
         CREATE VIEW more AS SELECT * FROM session;",
    );
    let journal = SqliteJournal::open(&path).unwrap();
    assert_eq!(journal.recover().unwrap().deliveries.len(), 1);
    start(&journal, "next").await.unwrap();
    drop(journal);
    let recovered = SqliteJournal::open(&path).unwrap().recover().unwrap();
    assert_eq!((recovered.sessions.len(), recovered.deliveries.len()), (3, 1));
}

#[tokio::test]
async fn the_last_generation_there_can_be_refuses_its_id_and_no_other() {
    let (_dir, path) = journal().await;
    alter(&path, "UPDATE session SET generation = 4294967295 WHERE id = 'ended'");
    let journal = SqliteJournal::open(&path).unwrap();
    journal.recover().unwrap();
    let refused = start(&journal, "ended").await.unwrap_err().to_string();
    assert!(refused.contains("generation is 4294967295"), "{refused}");
    start(&journal, "other").await.unwrap();
}
