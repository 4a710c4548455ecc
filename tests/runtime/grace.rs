//! Sessions of a dead run, while their owners may come back for them and when that time is over.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use lastword::events::{DrainReason, EndReason, Hook};
use lastword::{Acceptance, Journal, MemoryJournal, Refusal, StartRequest};
use lastword_harness::{Harness, NEVER};
use lastword_journal::testing::FaultyJournal;

const AT_ONCE: Duration = Duration::from_millis(1);

/// A dead run leaves so many sessions, `s0`, `s1`, …. Gives their tenant.
async fn leave(journal: &Arc<impl Journal>, sessions: u32) -> String {
    let dead = Harness::builder().plugin("prints", "prints").journal(journal.clone()).build();
    dead.start_many("s", sessions).await.unwrap();
    dead.runtime.settled().await;
    dead.tenant.clone()
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let holds = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    in_time(what, holds).await;
}

async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.unwrap_or_else(|_| panic!("{what} does not come"))
}

#[tokio::test]
async fn the_ends_of_a_grace_are_recorded_in_groups_and_told_when_they_are_on_record() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let tenant = leave(&journal, 2_500).await;
    journal.hold();
    let next = Harness::builder().plugin("prints", "prints").journal(journal.clone()).tenant(&tenant);
    let next = next.attach_grace(AT_ONCE).build();
    // The first thing that a run says is who is installed.
    journal.until_held(2).await;
    let late = next.runtime.start_session(StartRequest::new(next.session("s7")));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(journal.held(), 2, "one group is with the disk, and whoever comes now waits behind it");
    assert!(next.outcomes().is_empty(), "nobody is told of what a crash could undo");
    journal.commit().await;
    let late = in_time("the answer", late).await.unwrap();
    assert_eq!((late.how, late.generation), (Acceptance::Registered, 2), "it had ended");
    until("every end", || next.outcomes_of("prints", Hook::SessionEnd).len() == 2_500).await;
    let ends = next.outcomes_of("prints", Hook::SessionEnd);
    assert!(ends.iter().all(|end| end.reason == Some(EndReason::Crashed) && end.generation == 1));
    assert_eq!(next.runtime.sessions().len(), 1);
}

#[tokio::test]
async fn an_update_begins_no_session_behind_the_end_of_a_grace() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let tenant = leave(&journal, 2).await;
    journal.hold();
    let next = Harness::builder().plugin("prints", "prints").journal(journal.clone()).tenant(&tenant);
    let next = next.attach_grace(AT_ONCE).build();
    // The first thing that a run says is who is installed.
    journal.until_held(2).await;
    let late = next.runtime.update_session(next.session("s1"));
    journal.commit().await;
    assert_eq!(in_time("the answer", late).await, Ok(None));
    until("every end", || next.outcomes_of("prints", Hook::SessionEnd).len() == 2).await;
    assert_eq!(next.runtime.active_sessions(), 0);
}

#[tokio::test]
async fn an_update_within_a_grace_is_of_an_owner_that_has_come_back() {
    let journal = Arc::new(MemoryJournal::new());
    let tenant = leave(&journal, 1).await;
    let next = Harness::builder().plugin("prints", "prints").journal(journal).tenant(&tenant);
    let next = next.attach_grace(NEVER).build();
    let updated = next.runtime.update_session(next.session("s0")).await.unwrap().unwrap();
    assert_eq!((updated.how, updated.generation), (Acceptance::Updated, 1));
    next.runtime.drain(DrainReason::Shutdown).await;
    let ends = next.outcomes_of("prints", Hook::SessionEnd);
    assert_eq!(ends.iter().map(|end| end.reason.clone()).collect::<Vec<_>>(), [Some(EndReason::Shutdown)]);
}

#[tokio::test]
async fn while_the_disk_is_full_the_ends_of_a_grace_wait_and_whoever_comes_is_refused_at_once() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let tenant = leave(&journal, 2).await;
    journal.fill();
    let next = Harness::builder().plugin("prints", "prints").journal(journal.clone()).tenant(&tenant);
    let next = next.attach_grace(AT_ONCE).build();
    journal.until_held(2).await;
    assert_eq!(journal.held(), 2);
    let start = next.runtime.start_session(StartRequest::new(next.session("s0")));
    assert!(matches!(in_time("the answer", start).await, Err(Refusal::Journal(_))));
    assert!(next.outcomes().is_empty(), "nobody is told");
    journal.commit().await;
    until("every end", || next.outcomes_of("prints", Hook::SessionEnd).len() == 2).await;
    assert_eq!(next.start("s0").await.unwrap().generation, 2, "it goes on without a restart");
}

#[tokio::test]
async fn a_runtime_that_was_dropped_keeps_no_journal_and_ends_no_session_when_a_grace_is_over() {
    for grace in [AT_ONCE, NEVER] {
        let journal = Arc::new(MemoryJournal::new());
        let tenant = leave(&journal, 2).await;
        let next = Harness::builder().plugin("prints", "prints").journal(journal.clone()).tenant(&tenant);
        drop(next.attach_grace(grace).build());
        until("the end of all that keeps the journal", || Arc::strong_count(&journal) == 1).await;
        assert_eq!(journal.recover().unwrap().sessions.len(), 2, "they are as they were");
    }
}

/// A full disk answers when it has space, and that may be never.
#[tokio::test]
async fn a_runtime_that_was_dropped_keeps_no_journal_for_an_outcome_that_is_not_on_record() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let harness = Harness::builder().plugin("retry", "retry").journal(journal.clone()).retry(NEVER, 8).build();
    journal.hold_outcomes();
    harness.end("s1", EndReason::Reset).await.unwrap();
    harness.first_outcome(|o| o.plugin == "retry").await.expect("it fails");
    journal.until_held(1).await;
    drop(harness);
    until("the end of all that keeps the journal", || Arc::strong_count(&journal) == 1).await;
}

#[tokio::test]
async fn a_runtime_that_is_detached_ends_no_session_and_owners_go_on_in_the_next_run() {
    let journal = Arc::new(MemoryJournal::new());
    let first = Harness::builder().plugin("prints", "prints").journal(journal.clone()).build();
    first.start("a").await.unwrap();
    first.runtime.settled().await;
    in_time("detaching", first.runtime.detach()).await.unwrap();
    assert_eq!(first.start("b").await, Err(Refusal::Draining));
    let report = in_time("a drain", first.runtime.drain(DrainReason::Shutdown)).await;
    assert_eq!(report.sessions, 0, "there is nothing to drain any more");
    assert!(first.outcomes_of("prints", Hook::SessionEnd).is_empty());
    let tenant = first.tenant.clone();
    drop(first);

    let next =
        Harness::builder().plugin("prints", "prints").journal(journal).tenant(&tenant).attach_grace(NEVER).build();
    assert_eq!(next.start("a").await.unwrap().how, Acceptance::Updated);
    next.runtime.drain(DrainReason::Shutdown).await;
    let ends = next.outcomes_of("prints", Hook::SessionEnd);
    assert_eq!(
        ends.iter().map(|end| (end.generation, end.reason.clone())).collect::<Vec<_>>(),
        [(1, Some(EndReason::Shutdown))]
    );
}
