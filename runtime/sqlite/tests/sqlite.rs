//! What only a journal on disk has to do.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly, its helper functions too")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use lastword_events::{
    Change, DrainReason, EndReason, Event, EventKey, PluginName, Session, SessionEnd, SessionStart, Timestamp,
};
use lastword_journal::{Appended, Completion, DeliveryKey, Journal, JournalOp, KeyValueChanges, Settlement, Space};
use lastword_sqlite::{DeliveryState, ErasureTarget, JournalFile, OpenError, SqliteJournal, unfinished_beside};

fn open(path: &Path) -> SqliteJournal {
    let journal = SqliteJournal::open(path).unwrap();
    journal.recover().unwrap();
    journal
}

fn plugin() -> PluginName {
    PluginName::new("memory").unwrap()
}

fn start(id: &str) -> JournalOp {
    let event = Arc::new(Event::Start(SessionStart::default()));
    JournalOp::Start { session: Arc::new(Session::new("t", id)), event, owed: vec![], op_id: None }
}

/// The same, and a plugin is to be told of it.
fn start_for_plugin(id: &str) -> JournalOp {
    let event = Arc::new(Event::Start(SessionStart::default()));
    JournalOp::Start { session: Arc::new(Session::new("t", id)), event, owed: vec![plugin()], op_id: None }
}

fn end(sequence: u64, session: &Arc<Session>) -> JournalOp {
    let event = Arc::new(Event::End(SessionEnd::new(EndReason::Reset, Timestamp::now())));
    JournalOp::End { sequence, session: session.clone(), event, owed: vec![plugin()], received: None, op_id: None }
}

fn delivered(sequence: u64) -> Completion {
    let delivery = DeliveryKey { sequence, event: EventKey::End, plugin: plugin() };
    Completion { delivery, attempt: 1, settlement: Settlement::Delivered, changes: None }
}

/// The whole life of sessions `from` to `to`, a thousand at once.
async fn live(journal: &SqliteJournal, from: u64, to: u64) {
    for first in (from..to).step_by(1_000) {
        let starts: Vec<_> = (first..first + 1_000).map(|n| journal.append(start(&format!("s{n}")))).collect();
        let mut ends = Vec::new();
        for written in starts {
            let Appended::Session { sequence, session } = written.await.unwrap() else { panic!("a new session") };
            ends.push((sequence, journal.append(end(sequence, &session))));
        }
        let mut made = Vec::new();
        for (sequence, ended) in ends {
            ended.await.unwrap();
            made.push(delivered(sequence));
        }
        journal.complete(&"t".into(), made).pending.await.unwrap();
    }
}

#[tokio::test]
async fn the_file_does_not_grow_without_bound_and_keeps_what_somebody_needs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let journal = open(&path);
    let Appended::Session { session: active, .. } = journal.append(start("active")).await.unwrap() else { panic!() };
    let Appended::Session { sequence, session } = journal.append(start("owed")).await.unwrap() else { panic!() };
    journal.append(end(sequence, &session)).await.unwrap();

    live(&journal, 0, 120_000).await;
    // A journal that is closed has everything in the one file.
    drop(journal);
    let size = || std::fs::metadata(&path).unwrap().len();
    let full = size();
    // Several runs, because each begins to look from the oldest on: three times as many sessions as are kept, and twice as many
    // elsewhere than in CI.
    let in_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false");
    let (runs, most) = if in_ci { (4, 2 * full) } else { (2, full * 3 / 2) };
    for run in 1..=runs {
        let journal = open(&path);
        live(&journal, run * 120_000, run * 120_000 + 60_000).await;
    }
    assert!(size() < most, "{} bytes in the end, {full} with as many as are kept", size());

    let journal = SqliteJournal::open(&path).unwrap();
    let recovered = journal.recover().unwrap();
    let ids = |sessions: Vec<&Arc<Session>>| sessions.iter().map(|s| s.identity.id.to_string()).collect::<Vec<_>>();
    assert_eq!(ids(recovered.sessions.iter().map(|s| &s.session).collect()), [active.identity.id.to_string()]);
    assert_eq!(ids(recovered.deliveries.iter().map(|d| &d.session).collect()), ["owed"]);
}

/// Some sessions as they are begun and ended, and as many after them as make the journal look for what it can forget.
async fn begin_and_end(path: &Path, ids: &[&str]) -> Vec<u32> {
    let journal = open(path);
    let mut generations = Vec::new();
    for id in ids {
        let Appended::Session { sequence, session } = journal.append(start(id)).await.unwrap() else { panic!() };
        journal.append(end(sequence, &session)).await.unwrap();
        journal.complete(&"t".into(), vec![delivered(sequence)]).pending.await.unwrap();
        generations.push(session.generation);
    }
    live(&journal, 0, 1_000).await;
    generations
}

fn change(path: &Path, sql: &str) {
    rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

fn count(path: &Path, what: &str) -> u32 {
    let file = rusqlite::Connection::open(path).unwrap();
    file.query_row(&format!("SELECT count(*) FROM {what}"), [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn an_id_whose_sessions_are_forgotten_counts_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    assert_eq!(begin_and_end(&path, &["back", "back", "back", "stays"]).await, [1, 2, 3, 1]);
    change(&path, "UPDATE session SET recorded_at = 1 WHERE id = 'back'");
    begin_and_end(&path, &[]).await;
    assert_eq!(count(&path, "session WHERE id = 'back'"), 0, "they were written down long ago");

    let next = begin_and_end(&path, &["back", "stays", "back"]).await;
    assert_eq!(next, [4, 4, 5], "a plugin has heard of the first three, and nobody knows any more whose they were");
    // What is newer keeps the count by itself.
    change(&path, "UPDATE session SET recorded_at = 1 WHERE id = 'back' AND generation = 4");
    begin_and_end(&path, &[]).await;
    assert_eq!(begin_and_end(&path, &["back", "new"]).await, [6, 4]);
}

#[tokio::test]
async fn an_id_counts_on_when_its_newest_session_is_forgotten_and_an_older_one_is_owed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let journal = open(&path);
    let Appended::Session { sequence, session } = journal.append(start("owed")).await.unwrap() else { panic!() };
    journal.append(end(sequence, &session)).await.unwrap();
    drop(journal);
    assert_eq!(begin_and_end(&path, &["owed", "owed"]).await, [2, 3]);
    change(&path, "UPDATE session SET recorded_at = 1 WHERE id = 'owed'");
    begin_and_end(&path, &[]).await;
    assert_eq!(count(&path, "session WHERE id = 'owed'"), 1);
    assert_eq!(begin_and_end(&path, &["owed"]).await, [4]);
}

#[tokio::test]
async fn an_id_that_an_operator_has_forgotten_counts_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    begin_and_end(&path, &["back", "back"]).await;
    let whose = ErasureTarget { tenant: "t", session: Some("back") };
    JournalFile::change(&path).unwrap().erase(whose, false).unwrap();
    assert_eq!(begin_and_end(&path, &["back"]).await, [3]);
    JournalFile::change(&path).unwrap().erase(ErasureTarget { tenant: "t", session: None }, false).unwrap();
    assert_eq!(begin_and_end(&path, &["back"]).await, [4]);
}

#[tokio::test]
async fn how_long_a_session_is_kept_goes_by_when_it_was_written_down() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    begin_and_end(&path, &["owner-of-yore", "owner-ahead"]).await;
    change(
        &path,
        "UPDATE session SET ended_at = 1 WHERE id = 'owner-of-yore';
         UPDATE session SET ended_at = 9999999999999, recorded_at = 1 WHERE id = 'owner-ahead'",
    );
    begin_and_end(&path, &[]).await;
    assert_eq!(count(&path, "session WHERE id = 'owner-of-yore'"), 1);
    assert_eq!(count(&path, "session WHERE id = 'owner-ahead'"), 0);
}

#[tokio::test]
async fn a_journal_that_is_closed_is_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    begin_and_end(&path, &["s1"]).await;
    let beside = |name: &str| path.with_file_name(name).exists();
    assert!(!beside("journal.db-wal") && !beside("journal.db-shm"));
}

/// As the last that has it: it is closed on the thread that writes, and that thread has more to write.
#[tokio::test]
async fn an_observer_of_commits_can_close_the_journal_and_what_was_handed_over_is_written_before_anybody_else_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let journal = Arc::new(open(&path));
    let ((observes, observed), (close, closes), (is_closed, closed)) = (channel(), channel(), channel());
    let (theirs, closes) = (Arc::downgrade(&journal), Mutex::new(closes));
    journal.observe_commits(Arc::new(move |_commit| {
        let Some(last) = theirs.upgrade() else { return };
        observes.send(()).unwrap();
        closes.lock().unwrap().recv().unwrap();
        is_closed.send(catch_unwind(AssertUnwindSafe(|| drop(last))).is_ok()).unwrap();
    }));
    let first = journal.append(start("first"));
    observed.recv().unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let second = journal.append(start("second"));
    drop(journal);
    close.send(()).unwrap();
    assert_eq!(closed.recv(), Ok(true), "it does not wait for itself");
    let refused = SqliteJournal::open(&path).map(drop);
    assert!(matches!(refused, Err(OpenError::Locked { .. })), "the second is not written: {refused:?}");
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    first.await.unwrap();
    second.await.unwrap();
    let next = loop {
        match SqliteJournal::open(&path) {
            Err(OpenError::Locked { .. }) => std::thread::yield_now(),
            opened => break opened.unwrap(),
        }
    };
    assert_eq!(next.recover().unwrap().sessions.len(), 2);
}

/// What reads for long keeps the log from being moved into the database: it would grow for as long as guests read.
#[test]
fn guests_that_read_all_the_time_do_not_make_the_log_grow() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let journal = open(&path);
    let space = Space { tenant: "t".into(), plugin: plugin() };
    let store = |key: String, bytes: usize| {
        let changes = vec![(key, Change::Set(vec![b'x'; bytes]))];
        let changes = KeyValueChanges { space: space.clone(), plugin_quota: None, tenant_quota: None, changes };
        Completion { changes: Some(Box::new(changes)), ..delivered(1) }
    };
    let log = || std::fs::metadata(path.with_file_name("journal.db-wal")).map_or(0, |log| log.len());
    let (is_over, log_at_most) = (AtomicBool::new(false), 64 << 20);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    journal.key_value(&space, "k1").unwrap();
                    journal.key_value_keys(&space, None, 100).unwrap();
                }
            });
        }
        // Some 200 MiB, in transactions of their own.
        for n in 0..800 {
            runtime
                .block_on(journal.complete(&"t".into(), vec![store(format!("k{}", n % 100), 256 << 10)]).pending)
                .unwrap();
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(log() <= log_at_most, "{} bytes", log());
}

#[tokio::test]
async fn sessions_that_several_threads_read_are_each_found_once_and_in_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    // As many as are worth three threads, with ends among them, so that no part is as long as another.
    let journal = open(&path);
    let starts: Vec<_> = (0..31_000).map(|n| journal.append(start(&format!("s{n}")))).collect();
    let mut left = Vec::new();
    let mut ends = Vec::new();
    for written in starts {
        let Appended::Session { sequence, session } = written.await.unwrap() else { panic!("a new session") };
        if sequence.is_multiple_of(50) || (5_000..5_900).contains(&sequence) {
            ends.push(journal.append(end(sequence, &session)));
        } else {
            left.push((sequence, session));
        }
    }
    for ended in ends {
        ended.await.unwrap();
    }
    drop(journal);

    let found = SqliteJournal::open(&path).unwrap().recover().unwrap().sessions;
    assert_eq!(found.len(), left.len());
    for (found, left) in found.into_iter().zip(left) {
        assert_eq!((found.sequence, found.session), left);
    }
}

#[tokio::test]
async fn what_was_freed_is_given_back_by_compacting() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let journal = open(&path);
    live(&journal, 0, 5_000).await;
    drop(journal);
    let file = rusqlite::Connection::open(&path).unwrap();
    file.execute("DELETE FROM session", []).unwrap();
    drop(file);
    let (before, after) = JournalFile::change(&path).unwrap().compact().unwrap();
    assert!(after < before / 4, "{before} bytes before, {after} after");
    assert!(JournalFile::look(&path).unwrap().check().unwrap().is_empty());
}

/// Without its session nobody knows whose end it is: it is as lost as the session, and not found again at every check.
#[tokio::test]
async fn of_a_session_that_a_damaged_file_has_lost_nothing_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let journal = open(&path);
    let Appended::Session { sequence, session } = journal.append(start("lost-session")).await.unwrap() else {
        panic!()
    };
    journal.append(end(sequence, &session)).await.unwrap();
    drop(journal);
    let mut bytes = std::fs::read(&path).unwrap();
    let needle = br#""id":"lost-session""#;
    let at = bytes.windows(needle.len()).position(|window| window == needle).unwrap();
    let page = at / 4096 * 4096;
    bytes[page..page + 4096].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    drop(open(&path));
    let file = JournalFile::look(&path).unwrap();
    assert_eq!(file.deliveries().unwrap().len(), 0);
    assert_eq!(file.check().unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn an_end_that_is_owed_to_a_plugin_which_is_gone_is_listed_as_orphaned_before_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let journal = open(&path);
    let sessions = [journal.append(start_for_plugin("ended")), journal.append(start_for_plugin("drained"))];
    let mut written = Vec::new();
    for session in sessions {
        let Appended::Session { sequence, session } = session.await.unwrap() else { panic!("a new session") };
        written.push((sequence, session));
    }
    drop(journal);
    let journal = open(&path);
    journal.append_decided(vec![JournalOp::Installed { plugins: vec![], attaching: false }]).await.unwrap();
    for (sequence, session) in written.clone() {
        journal.append(JournalOp::Update { sequence, session, op_id: None }).await.unwrap();
    }
    journal.append(end(written[0].0, &written[0].1)).await.unwrap();
    let ends = || {
        let rows = JournalFile::look(&path).unwrap().deliveries().unwrap();
        rows.iter().filter(|row| row.delivery.event == EventKey::End).map(|row| row.state).collect::<Vec<_>>()
    };
    assert_eq!(ends(), [DeliveryState::Orphaned]);
    journal.append(JournalOp::Draining { reason: DrainReason::Shutdown, at: Timestamp::now() }).await.unwrap();
    assert_eq!(ends(), [DeliveryState::Orphaned; 2]);
}

/// A page that cannot be read hides only itself, wherever it is and however many there are.
#[tokio::test]
async fn what_lies_between_pages_that_cannot_be_read_is_salvaged() {
    const SESSIONS: u64 = 1_000;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let journal = open(&path);
    let started: Vec<_> = (0..SESSIONS).map(|n| journal.append(start(&format!("s{n:04}")))).collect();
    for written in started {
        written.await.unwrap();
    }
    drop(journal);
    let mut bytes = std::fs::read(&path).unwrap();
    let mut damage = |id: u64| {
        let needle = format!(r#""id":"s{id:04}""#);
        let at = bytes.windows(needle.len()).position(|window| window == needle.as_bytes()).unwrap();
        let page = at / 4096 * 4096;
        let lost = bytes[page..page + 4096].windows(6).filter(|window| *window == br#""id":""#).count();
        bytes[page..page + 4096].fill(0xa5);
        lost
    };
    let lost: usize = [0, 300, 600, SESSIONS - 1].map(&mut damage).into_iter().sum();
    std::fs::write(&path, bytes).unwrap();
    let journal = SqliteJournal::open(&path).unwrap();
    let found = journal.recover().unwrap().sessions.len();
    assert_eq!(found + lost, usize::try_from(SESSIONS).unwrap(), "{lost} rows were on the four pages");
}

#[tokio::test]
async fn a_journal_whose_drain_is_done_owes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let journal = open(&path);
    let Appended::Session { sequence, .. } = journal.append(start("s1")).await.unwrap() else { panic!() };
    let installed = JournalOp::Installed { plugins: vec![(plugin(), None)], attaching: false };
    let draining = JournalOp::Draining { reason: DrainReason::Shutdown, at: Timestamp::now() };
    journal.append_decided(vec![installed, draining]).await.unwrap();
    drop(journal);
    let reopened = SqliteJournal::open(&path).unwrap();
    assert!(reopened.has_unfinished(), "its end is owed");
    drop(reopened);
    let found = unfinished_beside(&dir.path().join("new.db"));
    assert_eq!((found.len(), found[0].sessions, found[0].deliveries), (1, 0, 1));

    let journal = open(&path);
    journal
        .append_decided(vec![JournalOp::Draining { reason: DrainReason::Shutdown, at: Timestamp::now() }])
        .await
        .unwrap();
    journal.complete(&"t".into(), vec![delivered(sequence)]).pending.await.unwrap();
    drop(journal);
    assert!(!SqliteJournal::open(&path).unwrap().has_unfinished());
    assert_eq!(unfinished_beside(&dir.path().join("new.db")), []);
}
