//! A journal that is let go of is free for whoever comes next, and takes nothing more.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly, its helper functions too"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lastword_events::{
    EndReason, Event, EventKey, FailureCause, Hook, Identity, PluginName, Session, SessionEnd, SessionStart, Timestamp,
};
use lastword_journal::{
    Appended, Completion, DeliveryChange, DeliveryFilter, DeliveryKey, Journal, JournalError, JournalOp, PageRequest,
    Settlement, Space,
};
use lastword_sqlite::{JournalFile, OpenError, SqliteJournal};
use tempfile::TempDir;

fn new() -> (TempDir, PathBuf, Arc<SqliteJournal>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let journal = open(&path);
    (dir, path, journal)
}

fn open(path: &Path) -> Arc<SqliteJournal> {
    Arc::new(SqliteJournal::open(path).unwrap())
}

fn plugin() -> PluginName {
    PluginName::new("memory").unwrap()
}

fn start(id: &str, op_id: &str) -> JournalOp {
    let (session, event) = (Arc::new(Session::new("t", id)), Arc::new(Event::Start(SessionStart::default())));
    JournalOp::Start { session, event, owed: vec![], op_id: Some(op_id.into()) }
}

async fn end(journal: &dyn Journal, id: &str) -> u64 {
    let Appended::Session { sequence, session } = journal.append(start(id, id)).await.unwrap() else { panic!() };
    let event = Arc::new(Event::End(SessionEnd::new(EndReason::Reset, Timestamp::now())));
    let end = JournalOp::End { sequence, session, event, owed: vec![plugin()], received: None, op_id: None };
    journal.append(end).await.unwrap();
    sequence
}

fn key(sequence: u64) -> DeliveryKey {
    DeliveryKey { sequence, event: EventKey::End, plugin: plugin() }
}

fn failed(sequence: u64) -> Completion {
    let (failures, cause, message) = (1, FailureCause::Retry, "busy".to_owned());
    let settlement = Settlement::Owed { failures, late: false, retry_at: None, cause, message };
    Completion { delivery: key(sequence), attempt: 1, settlement, changes: None }
}

#[tokio::test]
async fn a_journal_that_was_let_go_of_can_be_opened_at_once_though_somebody_holds_it() {
    let (_dir, path, first) = new();
    first.recover().unwrap();
    let sequence = end(&*first, "a").await;
    // Nobody waits for these.
    drop(first.append(start("b", "b")));
    drop(first.complete(&"t".into(), vec![failed(sequence)]));
    drop(first.append_decided(vec![JournalOp::Seen { sequence }]));
    let flushed = first.flush();
    assert!(matches!(SqliteJournal::open(&path), Err(OpenError::Locked { .. })));
    let (one, other) = (first.release(), first.release());
    assert_eq!((one.await, other.await, flushed.await), (Ok(()), Ok(()), Ok(())), "everybody is answered");
    assert!(!path.with_extension("db-wal").exists(), "the log is in the database");

    let second = open(&path);
    let found = second.recover().unwrap();
    assert_eq!((found.sessions.len(), found.deliveries.len()), (1, 1));
    assert_eq!((found.deliveries[0].attempt, found.deliveries[0].failures), (2, 1));
    assert_eq!(first.release().await, Ok(()), "it says the same again, and takes nothing from the second");
    assert!(matches!(SqliteJournal::open(&path), Err(OpenError::Locked { .. })));

    let closed = || Some(JournalError::Closed);
    assert_eq!(first.append(start("c", "c")).await.err(), closed());
    assert_eq!(first.append_decided(vec![start("c", "c")]).await.err(), closed());
    assert_eq!(first.complete(&"t".into(), vec![failed(sequence)]).pending.await.err(), closed());
    assert_eq!(first.change_deliveries(DeliveryChange::Forget, vec![key(sequence)]).await.err(), closed());
    assert_eq!((first.flush().await.err(), first.probe().await.err()), (closed(), closed()));
    assert_eq!(first.recover().err(), closed());
    assert_eq!(first.delivery(&key(sequence)).err(), closed());
    assert_eq!(first.deliveries(&DeliveryFilter::default(), &PageRequest::default()).err(), closed());
    assert_eq!(first.key_value(&Space { tenant: "t".into(), plugin: plugin() }, "k").err(), closed());
    assert_eq!(first.known_op(&Identity::new("t", "a"), Hook::SessionStart, "a"), None);
    assert!(first.mark_call(&key(sequence)).is_none());

    // What the first one did late is not in it.
    assert_eq!(second.known_op(&Identity::new("t", "c"), Hook::SessionStart, "c"), None);
    assert!(second.delivery(&key(sequence)).unwrap().is_some());
    second.append(start("c", "c")).await.unwrap();
    drop(first);
    second.append(start("d", "d")).await.unwrap();
}

#[tokio::test]
async fn a_journal_whose_run_never_began_is_let_go_of_as_well() {
    let (_dir, path, unused) = new();
    assert_eq!(unused.flush().await, Err(JournalError::NotBegun));
    assert_eq!(unused.release().await, Ok(()));
    let closed = Some(JournalError::Closed);
    assert_eq!((unused.recover().err(), unused.flush().await.err()), (closed.clone(), closed));
    let next = open(&path);
    next.recover().unwrap();
    next.append(start("a", "a")).await.unwrap();
}

#[tokio::test]
async fn a_journal_that_cannot_be_written_says_so_and_is_let_go_of_all_the_same() {
    let (dir, path, journal) = new();
    journal.recover().unwrap();
    end(&*journal, "a").await;
    fs::rename(&path, dir.path().join("elsewhere.db")).unwrap();
    assert!(matches!(journal.release().await, Err(JournalError::Unavailable(_))));
    // What was accepted is in it, wherever it is.
    for part in ["journal.db-wal", "journal.db-shm"] {
        fs::remove_file(dir.path().join(part)).ok();
    }
    let elsewhere = JournalFile::look(&dir.path().join("elsewhere.db")).unwrap();
    assert_eq!(elsewhere.deliveries().unwrap().len(), 1);
    open(&path).recover().unwrap();
}

/// What is missing in it may be what some run had recorded last.
#[tokio::test]
async fn of_a_file_that_was_salvaged_no_run_counts_as_one_that_ended_cleanly() {
    let needle = "a-name-that-is-in-one-page-alone";
    for damaged in [false, true] {
        let (_dir, path, journal) = new();
        journal.recover().unwrap();
        end(&*journal, "a").await;
        journal.append(start("b", needle)).await.unwrap();
        journal.append_decided(vec![JournalOp::Ended { cut: vec![] }]).await.unwrap();
        journal.release().await.unwrap();
        if damaged {
            let mut bytes = fs::read(&path).unwrap();
            let at = bytes.windows(needle.len()).position(|window| window == needle.as_bytes()).unwrap();
            let page = at / 4096 * 4096;
            bytes[page..page + 4096].fill(0xa5);
            fs::write(&path, bytes).unwrap();
        }
        let found = open(&path).recover().unwrap();
        let attempts = (found.sessions[0].attempt, found.deliveries[0].attempt);
        let expected = u32::from(damaged);
        assert_eq!(attempts, (expected, expected), "damaged: {damaged}");
    }
}
