//! A session ends and another begins, as one request.

use std::sync::Arc;

use lastword::events::{DrainReason, EndReason, Hook};
use lastword::{Acceptance, Accepted, EndRequest, JournalErrorKind, QuotaKind, Refusal, StartRequest, TenantQuota};
use lastword_harness::{Harness, NEVER, Store};
use lastword_journal::testing::FaultyJournal;

fn requests(harness: &Harness, ends: &str, begins: &str, op_id: Option<&str>) -> (EndRequest, StartRequest) {
    let end = EndRequest::new(harness.session(ends), EndReason::Reset);
    let mut start = StartRequest::new(harness.session(begins));
    start.op_id = op_id.map(Arc::from);
    (end, start)
}

async fn replace(
    harness: &Harness,
    ends: &str,
    begins: &str,
    op_id: Option<&str>,
) -> Result<(Accepted, Accepted), Refusal> {
    let (end, start) = requests(harness, ends, begins, op_id);
    harness.runtime.replace_session(end, start).await
}

fn how((ended, started): &(Accepted, Accepted)) -> [(Acceptance, u32); 2] {
    [(ended.how, ended.generation), (started.how, started.generation)]
}

fn active(harness: &Harness) -> Vec<(String, u32)> {
    harness.runtime.sessions().iter().map(|one| (one.identity.id.to_string(), one.generation)).collect()
}

#[tokio::test]
async fn an_id_ends_and_begins_anew_as_one() {
    for store in Store::each() {
        let harness = Harness::builder().plugin("prints", "prints").journal(store.open().await).build();
        harness.start("s1").await.unwrap();
        let replaced = replace(&harness, "s1", "s1", Some("k")).await.unwrap();
        assert_eq!(how(&replaced), [(Acceptance::Registered, 1), (Acceptance::Registered, 2)]);
        assert_eq!([replaced.0.deliveries.len(), replaced.1.deliveries.len()], [1, 1]);
        assert_ne!(replaced.0.deliveries[0].sequence, replaced.1.deliveries[0].sequence);
        harness.runtime.settled().await;
        let seen: Vec<_> = harness.outcomes().iter().map(|o| (o.hook, o.generation)).collect();
        assert_eq!(seen, [(Hook::SessionStart, 1), (Hook::SessionEnd, 1), (Hook::SessionStart, 2)]);
        let again = replace(&harness, "s1", "s1", Some("k")).await.unwrap();
        assert_eq!(how(&again), [(Acceptance::DuplicateOp, 1), (Acceptance::DuplicateOp, 2)]);
        assert_eq!(active(&harness), [("s1".to_owned(), 2)]);
        harness.runtime.settled().await;
        assert_eq!(harness.outcomes().len(), 3, "nothing was done again");
    }
}

#[tokio::test]
async fn one_session_makes_room_for_another_that_may_be_active_already() {
    for store in Store::each() {
        let harness = Harness::builder().plugin("prints", "prints").journal(store.open().await).build();
        harness.start("a").await.unwrap();
        let replaced = replace(&harness, "a", "b", None).await.unwrap();
        assert_eq!(how(&replaced), [(Acceptance::Registered, 1), (Acceptance::Registered, 1)]);
        harness.start("c").await.unwrap();
        let replaced = replace(&harness, "c", "b", None).await.unwrap();
        assert_eq!(how(&replaced), [(Acceptance::Registered, 1), (Acceptance::Updated, 1)]);
        assert_eq!(active(&harness), [("b".to_owned(), 1)]);
        // What nobody has started ends all the same, and what was ended just now is not ended again.
        let replaced = replace(&harness, "unheard-of", "d", None).await.unwrap();
        assert_eq!(how(&replaced), [(Acceptance::Implied, 1), (Acceptance::Registered, 1)]);
        let replaced = replace(&harness, "c", "e", None).await.unwrap();
        assert_eq!(how(&replaced), [(Acceptance::DuplicateEnd, 1), (Acceptance::Registered, 1)]);
    }
}

#[tokio::test]
async fn what_cannot_be_written_ends_nothing_and_begins_nothing() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let harness = Harness::builder().plugin("prints", "prints").journal(journal.clone()).build();
    harness.start("a").await.unwrap();
    harness.runtime.settled().await;
    journal.hold();
    let (end, start) = requests(&harness, "a", "b", Some("k"));
    let replaced = harness.runtime.replace_session(end, start);
    journal.fail();
    assert_eq!(replaced.await.unwrap_err().journal_error(), Some(JournalErrorKind::Full));
    assert_eq!(active(&harness), [("a".to_owned(), 1)]);
    harness.runtime.settled().await;
    assert_eq!(harness.outcomes().len(), 1, "nobody was told of an end");
    let replaced = replace(&harness, "a", "b", Some("k")).await.unwrap();
    assert_eq!(how(&replaced), [(Acceptance::Registered, 1), (Acceptance::Registered, 1)]);
}

#[tokio::test]
async fn the_session_that_begins_may_have_the_room_of_the_one_that_ends() {
    for store in Store::each() {
        let quota = TenantQuota { active_sessions: Some(1), ..TenantQuota::default() };
        let harness = Harness::builder().plugin("prints", "prints").quota(quota).journal(store.open().await).build();
        harness.start("a").await.unwrap();
        assert!(matches!(harness.start("b").await, Err(Refusal::Quota { what: QuotaKind::ActiveSessions, .. })));
        replace(&harness, "a", "b", Some("k")).await.unwrap();
        let refused = replace(&harness, "unheard-of", "c", None).await;
        assert!(matches!(refused, Err(Refusal::Quota { what: QuotaKind::ActiveSessions, .. })), "nothing made room");
        assert_eq!(active(&harness), [("b".to_owned(), 1)]);
        harness.runtime.settled().await;
        assert!(
            harness.outcomes_of("prints", Hook::SessionEnd).iter().all(|o| o.session == "a"),
            "and nothing was ended"
        );
        // Sent again, it is acknowledged though there is no room.
        let again = replace(&harness, "a", "b", Some("k")).await.unwrap();
        assert_eq!(how(&again), [(Acceptance::DuplicateOp, 1), (Acceptance::DuplicateOp, 1)]);
    }
}

#[tokio::test]
async fn a_drain_refuses_both() {
    let harness = Harness::with(&["prints"]);
    harness.start("a").await.unwrap();
    harness.runtime.drain(DrainReason::Shutdown).await;
    assert_eq!(replace(&harness, "a", "b", None).await, Err(Refusal::Draining));
    let ends = harness.outcomes_of("prints", Hook::SessionEnd);
    assert_eq!(ends.iter().map(|o| o.reason.clone()).collect::<Vec<_>>(), [Some(EndReason::Shutdown)]);
}

#[tokio::test]
async fn the_two_parts_have_one_name() {
    for store in Store::each() {
        let harness = Harness::builder().plugin("prints", "prints").journal(store.open().await).build();
        harness.start("a").await.unwrap();
        let (end, start) = requests(&harness, "a", "b", Some("k"));
        let end = end.with_op_id("other");
        let refused = harness.runtime.replace_session(end, start).await.unwrap_err();
        assert_eq!((refused.code(), refused.field()), ("bad_op_id", Some("op_id")));
        // The name of another request is no name for this one: neither part is done.
        let end = EndRequest::new(harness.session("a"), EndReason::Reset);
        harness.runtime.end_session(end.with_op_id("k")).await.unwrap();
        harness.start("a").await.unwrap();
        let refused = replace(&harness, "a", "b", Some("k")).await.unwrap_err();
        assert_eq!(refused.journal_error(), Some(JournalErrorKind::OpConflict));
        assert_eq!(active(&harness), [("a".to_owned(), 2)]);
    }
}

#[tokio::test]
async fn a_start_and_an_end_with_one_name_are_two_requests() {
    for store in Store::each() {
        let harness = Harness::builder().plugin("prints", "prints").journal(store.open().await).build();
        let start = StartRequest::new(harness.session("s")).with_op_id("k9");
        let end = EndRequest::new(harness.session("s"), EndReason::Reset).with_op_id("k9");
        assert_eq!(harness.runtime.start_session(start).await.unwrap().how, Acceptance::Registered);
        assert_eq!(harness.runtime.end_session(end).await.unwrap().how, Acceptance::Registered);
        assert_eq!(active(&harness), []);
    }
}

/// The run that took the first line is dead, and its owner comes back for the session with a scope of its own.
#[tokio::test]
async fn a_name_that_a_session_of_another_scope_had_in_a_dead_run_is_no_name_for_a_replacement() {
    for store in Store::each() {
        let first = Harness::builder().plugin("prints", "prints").journal(store.open().await).build();
        let start = StartRequest::new(first.session("a")).with_op_id("k");
        first.runtime.start_session(start).await.unwrap();
        let tenant = first.tenant.clone();
        drop(first);
        let next = Harness::builder().plugin("prints", "prints").journal(store.open().await).tenant(&tenant);
        let next = next.attach_grace(NEVER).build();
        let mut scoped = next.session("a");
        scoped.identity.scope = "agent:x".into();
        assert_eq!(next.runtime.start_session(StartRequest::new(scoped)).await.unwrap().how, Acceptance::Updated);
        let refused = replace(&next, "b", "a", Some("k")).await.unwrap_err();
        assert_eq!(refused.journal_error(), Some(JournalErrorKind::OpConflict));
        assert_eq!(active(&next), [("a".to_owned(), 1)]);
    }
}

#[tokio::test]
async fn whoever_sends_a_replacement_again_after_a_crash_goes_on_with_the_session_that_began() {
    for (ends, begins) in [("a", "a"), ("a", "b")] {
        for store in Store::each() {
            let first = Harness::builder().plugin("prints", "prints").journal(store.open().await).build();
            first.start("a").await.unwrap();
            replace(&first, ends, begins, Some("k")).await.unwrap();
            first.runtime.settled().await;
            let tenant = first.tenant.clone();
            drop(first);
            let next = Harness::builder().plugin("prints", "prints").journal(store.open().await).tenant(&tenant);
            let next = next.attach_grace(NEVER).build();
            let (ended, started) = replace(&next, ends, begins, Some("k")).await.unwrap();
            assert_eq!([ended.how, started.how], [Acceptance::DuplicateOp; 2]);
            next.runtime.drain(DrainReason::Shutdown).await;
            let ends = next.outcomes_of("prints", Hook::SessionEnd);
            let reasons: Vec<_> = ends.iter().map(|end| (end.session.as_str(), end.reason.clone())).collect();
            assert_eq!(reasons, [(begins, Some(EndReason::Shutdown))], "and not as crashed");
        }
    }
}
