//! Both journals keep the contract, which `lastword_journal::testing` has as rules.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly, its helper functions too")]

use std::sync::Arc;

use lastword_events::{EndReason, Event, Session, SessionEnd, SessionStart, Timestamp};
use lastword_journal::testing::{FaultyJournal, journal_conformance};
use lastword_journal::{Appended, Journal, JournalOp, MemoryJournal, RETAINED_ENDED_SESSIONS};
use lastword_sqlite::SqliteJournal;

#[tokio::test]
async fn the_journal_on_disk_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let open = || -> Arc<dyn Journal> { Arc::new(SqliteJournal::open(&path).unwrap()) };
    // The second time it is full of what the first has left.
    for _ in 0..2 {
        journal_conformance(open).await.unwrap_or_else(|broken| panic!("{broken}"));
    }
}

#[tokio::test]
async fn the_journal_in_memory_keeps_the_contract() {
    let journal = Arc::new(MemoryJournal::new());
    for _ in 0..2 {
        journal_conformance(|| journal.clone()).await.unwrap_or_else(|broken| panic!("{broken}"));
    }
}

/// A test that uses it sees what it would see with the journal inside.
#[tokio::test]
async fn a_faulty_journal_of_which_nothing_is_asked_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let open = || -> Arc<dyn Journal> { Arc::new(FaultyJournal::new(SqliteJournal::open(&path).unwrap())) };
    journal_conformance(open).await.unwrap_or_else(|broken| panic!("{broken}"));
}

/// Of a file it is tested where rows can be made old.
#[tokio::test]
async fn an_id_that_a_journal_in_memory_has_forgotten_counts_on() {
    let journal = MemoryJournal::new();
    for _ in 0..3 {
        start_and_end(&journal, "back").await;
    }
    for n in 0..RETAINED_ENDED_SESSIONS {
        start_and_end(&journal, &format!("s{n}")).await;
    }
    assert_eq!(start(&journal, "back").await.1.generation, 4);
    assert_eq!(start(&journal, "s1").await.1.generation, 4, "this one is remembered, and skips some");
}

async fn start(journal: &dyn Journal, id: &str) -> (u64, Arc<Session>) {
    let (session, event) = (Arc::new(Session::new("t", id)), Arc::new(Event::Start(SessionStart::default())));
    match journal.append(JournalOp::Start { session, event, owed: vec![], op_id: None }).await.unwrap() {
        Appended::Session { sequence, session } => (sequence, session),
        other => panic!("{other:?}"),
    }
}

async fn start_and_end(journal: &dyn Journal, id: &str) {
    let (sequence, session) = start(journal, id).await;
    let event = Arc::new(Event::End(SessionEnd::new(EndReason::Reset, Timestamp::from_millisecond(0))));
    let end = JournalOp::End { sequence, session, event, owed: vec![], received: None, op_id: None };
    journal.append(end).await.unwrap();
}
