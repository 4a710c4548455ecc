//! Somebody tidies up, or restores a backup, while the journal is in use: nothing is accepted into a file that nobody will
//! find.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly, its helper functions too")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lastword_events::{Event, Session, SessionStart};
use lastword_journal::{Appended, Journal, JournalError, JournalOp};
use lastword_sqlite::{JournalFile, SqliteJournal};
use tempfile::TempDir;

struct Harness {
    dir: TempDir,
    journal: SqliteJournal,
}

impl Harness {
    async fn with_a_session() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("state")).unwrap();
        let journal = SqliteJournal::open(&dir.path().join("state/journal.db")).unwrap();
        journal.recover().unwrap();
        let harness = Self { dir, journal };
        harness.start("before").await.unwrap();
        harness
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("state/journal.db")
    }

    async fn start(&self, id: &str) -> Result<Appended, JournalError> {
        let (session, event) = (Arc::new(Session::new("t", id)), Arc::new(Event::Start(SessionStart::default())));
        self.journal.append(JournalOp::Start { session, event, owed: vec![], op_id: None }).await
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

type Away = fn(&Harness);

#[tokio::test]
async fn a_write_is_refused_when_one_of_the_files_is_not_where_it_was() {
    let ways: [(&str, Away); 6] = [
        ("all are removed", |harness| {
            fs::remove_dir_all(harness.dir.path().join("state")).unwrap();
            fs::create_dir(harness.dir.path().join("state")).unwrap();
        }),
        ("the database is removed", |harness| fs::remove_file(harness.path()).unwrap()),
        ("the log is removed", |harness| fs::remove_file(beside(&harness.path(), "-wal")).unwrap()),
        ("the database is renamed", |harness| fs::rename(harness.path(), harness.dir.path().join("old.db")).unwrap()),
        ("the directory is another one", |harness| {
            fs::rename(harness.dir.path().join("state"), harness.dir.path().join("old")).unwrap();
            fs::create_dir(harness.dir.path().join("state")).unwrap();
        }),
        ("an older copy is put over it", |harness| {
            let copy = harness.dir.path().join("copy.db");
            fs::copy(harness.path(), &copy).unwrap();
            fs::rename(copy, harness.path()).unwrap();
        }),
    ];
    for (what, away) in ways {
        let harness = Harness::with_a_session().await;
        away(&harness);
        for id in ["after", "later"] {
            let refused = harness.start(id).await;
            let Err(JournalError::Unavailable(why)) = &refused else { panic!("{what}: {refused:?}") };
            assert!(why.contains("journal.db") && why.contains("put the files"), "{what}: {why}");
        }
        assert!(harness.journal.flush().await.is_err(), "{what}: nothing is safe");
    }
}

/// What was accepted before is in the database then: the log may be what is gone.
#[tokio::test]
async fn what_was_accepted_before_is_in_the_database_wherever_that_is() {
    let (by_name, renamed): (Away, Away) = (
        |harness| fs::remove_file(beside(&harness.path(), "-wal")).unwrap(),
        |harness| {
            fs::rename(harness.path(), harness.dir.path().join("old.db")).unwrap();
            fs::remove_file(beside(&harness.path(), "-wal")).unwrap();
        },
    );
    for (away, database) in [(by_name, "state/journal.db"), (renamed, "old.db")] {
        let harness = Harness::with_a_session().await;
        away(&harness);
        assert!(harness.journal.flush().await.is_err());
        // As it would be found if the process were killed now.
        let copy = harness.dir.path().join("copy.db");
        fs::copy(harness.dir.path().join(database), &copy).unwrap();
        let recovered = SqliteJournal::open(&copy).unwrap().recover().unwrap();
        let ids: Vec<&str> = recovered.sessions.iter().map(|left| &*left.session.identity.id).collect();
        assert_eq!(ids, ["before"], "{database}");
    }
}

#[tokio::test]
async fn when_the_file_is_put_back_the_work_goes_on() {
    let harness = Harness::with_a_session().await;
    let aside = harness.dir.path().join("aside.db");
    fs::rename(harness.path(), &aside).unwrap();
    assert!(harness.start("refused").await.is_err());
    fs::rename(&aside, harness.path()).unwrap();
    assert!(harness.start("after").await.is_ok());
    let listed = JournalFile::look(&harness.path()).unwrap().sessions().unwrap();
    let ids: Vec<&str> = listed.iter().map(|row| &*row.session.identity.id).collect();
    assert_eq!(ids, ["before", "after"], "and what was refused is not there");
}
