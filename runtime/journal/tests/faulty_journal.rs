//! A journal that fails does what a test says, and no more.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly, its helper functions too")]

use std::sync::Arc;

use lastword_events::{Event, Session, SessionStart};
use lastword_journal::testing::FaultyJournal;
use lastword_journal::{Journal, JournalError, JournalOp};

fn start(id: &str) -> JournalOp {
    let (session, event) = (Arc::new(Session::new("t", id)), Arc::new(Event::Start(SessionStart::default())));
    JournalOp::Start { session, event, owed: vec![], op_id: None }
}

fn active(journal: &dyn Journal) -> Vec<String> {
    journal.recover().unwrap().sessions.iter().map(|one| one.session.identity.id.to_string()).collect()
}

#[tokio::test]
async fn an_answer_that_is_lost_is_on_record_and_one_that_is_refused_is_not() {
    let journal = FaultyJournal::in_memory();
    journal.hold();
    let answer = journal.append(start("lost"));
    journal.until_held(1).await;
    assert_eq!(active(&journal), [""; 0], "nothing before the commit");
    journal.lose_answers().await;
    assert_eq!(answer.await, Err(JournalError::Closed));
    journal.hold();
    let answer = journal.append(start("refused"));
    journal.fail();
    assert!(matches!(answer.await, Err(JournalError::Full(_))));
    assert_eq!(active(&journal), ["lost"]);
}

#[tokio::test]
async fn a_full_disk_refuses_owners_and_keeps_what_the_runtime_has_decided() {
    let journal = FaultyJournal::in_memory();
    journal.fill();
    assert!(matches!(journal.append(start("refused")).await, Err(JournalError::Full(_))));
    assert!(journal.flush().await.is_err());
    let decided = journal.append_decided(vec![start("decided")]);
    journal.commit().await;
    assert_eq!(decided.await, Ok(()));
    assert_eq!(active(&journal), ["decided"]);
    journal.append(start("later")).await.unwrap();
}

#[tokio::test]
async fn what_owners_ask_and_what_the_runtime_has_decided_wait_each_by_itself() {
    let journal = FaultyJournal::in_memory();
    journal.hold_appends();
    let asked = journal.append(start("asked"));
    journal.append_decided(vec![start("decided")]).await.unwrap();
    journal.flush().await.unwrap();
    assert_eq!((active(&journal), journal.held()), (vec!["decided".to_owned()], 1));
    journal.commit().await;
    asked.await.unwrap();
    journal.hold_decided();
    let (decided, flushed) = (journal.append_decided(vec![start("decided-later")]), journal.flush());
    journal.append(start("asked-later")).await.unwrap();
    assert_eq!((active(&journal).len(), journal.held()), (3, 1));
    journal.commit().await;
    assert_eq!((decided.await, flushed.await), (Ok(()), Ok(())));
    assert_eq!(active(&journal).len(), 4);
}
