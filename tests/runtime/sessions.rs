//! The set of active sessions: what starts, updates and ends one, and what a listing of it shows.

use lastword::events::{EndReason, Hook, Outcome, Session};
use lastword::{Acceptance, EndRequest, StartRequest};
use lastword_harness::Harness;

fn ids(harness: &Harness) -> Vec<String> {
    harness.runtime.sessions().iter().map(|s| s.identity.id.to_string()).collect()
}

#[tokio::test]
async fn the_set_is_empty_before_anything_started() {
    let harness = Harness::with(&["prints"]);
    assert!(harness.runtime.sessions().is_empty());
}

#[tokio::test]
async fn a_start_of_an_active_session_is_an_update() {
    let harness = Harness::with(&["prints"]);
    let mut session = harness.session("s1");
    session.cwd = Some("/old".into());
    session.key = Some("agent:main:a".into());
    let first = harness.runtime.start_session(StartRequest::new(session)).await.unwrap();
    let mut newer = harness.session("s1");
    newer.cwd = Some("/new".into());
    let second = harness.runtime.start_session(StartRequest::new(newer)).await.unwrap();
    assert_eq!((first.how, first.generation), (Acceptance::Registered, 1));
    assert_eq!((second.how, second.generation), (Acceptance::Updated, 1));
    harness.runtime.settled().await;

    let [session] = &harness.runtime.sessions()[..] else { panic!("one session is active") };
    assert_eq!((session.cwd.as_deref(), session.key.as_deref()), (Some("/new"), Some("agent:main:a")));
    assert_eq!(harness.printed("prints"), ["session-start s1 attempt=1"]);
}

#[tokio::test]
async fn an_empty_id_is_refused_and_leaves_the_set_alone() {
    let harness = Harness::with(&["prints"]);
    harness.start("s1").await.unwrap();
    let refusal = harness.start("").await.unwrap_err();
    assert_eq!((refusal.code(), refusal.field()), ("empty_id", Some("session.id")));
    assert_eq!(refusal.to_string(), "session.id must not be empty");
    assert_eq!(harness.end("", EndReason::Reset).await.unwrap_err().code(), "empty_id");
    assert_eq!(ids(&harness), ["s1"]);
}

#[tokio::test]
async fn a_session_that_ended_is_gone_and_the_others_stay() {
    let harness = Harness::with(&["prints"]);
    harness.start_many("s", 3).await.unwrap();
    harness.end("s1", EndReason::Deleted).await.unwrap();
    assert_eq!(ids(&harness), ["s0", "s2"]);
}

#[tokio::test]
async fn ending_an_unknown_session_harms_nothing() {
    let harness = Harness::with(&["prints"]);
    harness.start("s1").await.unwrap();
    let first = harness.end("stranger", EndReason::Reset).await.unwrap();
    assert_eq!((first.how, first.generation), (Acceptance::Implied, 1));
    let second = harness.end("stranger", EndReason::Reset).await.unwrap();
    assert_eq!((second.how, second.generation), (Acceptance::DuplicateEnd, 1));
    harness.runtime.settled().await;
    assert_eq!(ids(&harness), ["s1"]);
    let ends: Vec<_> = harness.printed("prints").into_iter().filter(|l| l.starts_with("session-end")).collect();
    assert_eq!(ends, ["session-end stranger attempt=1"], "its end is delivered, and once");
}

#[tokio::test]
async fn a_listing_is_a_snapshot() {
    let harness = Harness::with(&["prints"]);
    harness.start("s1").await.unwrap();
    let mut listing = harness.runtime.sessions();
    std::sync::Arc::make_mut(&mut listing[0]).cwd = Some("/changed".into());
    listing.push(std::sync::Arc::new(Session::new("t", "invented")));
    assert_eq!(ids(&harness), ["s1"]);
    assert_eq!(harness.runtime.sessions()[0].cwd, None);
    harness.start("s2").await.unwrap();
    assert_eq!(listing.len(), 2, "and the set does not change it");
}

#[tokio::test]
async fn the_set_can_be_emptied_whole() {
    let harness = Harness::with(&["prints"]);
    harness.start_many("s", 50).await.unwrap();
    harness.drain().await;
    assert!(harness.runtime.sessions().is_empty());
}

#[tokio::test]
async fn a_rollover_ends_the_old_session_with_its_reason_and_names_the_next() {
    let harness = Harness::with(&["prints"]);
    for (id, next, reason) in [("s1", "s2", EndReason::Idle), ("s2", "s3", EndReason::Daily)] {
        harness.start(id).await.unwrap();
        let mut request = EndRequest::new(harness.session(id), reason);
        request.event.next_session_id = Some(next.into());
        harness.runtime.end_session(request).await.unwrap();
    }
    harness.start("s3").await.unwrap();
    harness.runtime.settled().await;
    let ends = harness.outcomes_of("prints", Hook::SessionEnd);
    // Two sessions: there is no order between them.
    let mut reasons: Vec<_> = ends.iter().map(|e| (e.session.as_str(), e.reason.clone().unwrap())).collect();
    reasons.sort_by_key(|(session, _)| *session);
    assert_eq!(reasons, [("s1", EndReason::Idle), ("s2", EndReason::Daily)]);
    assert!(ends.iter().all(|e| e.outcome == Outcome::Delivered));
    assert_eq!(ids(&harness), ["s3"]);
}

#[tokio::test]
async fn the_same_id_may_start_again_after_its_end_and_the_generation_counts_up() {
    let harness = Harness::with(&["prints"]);
    for generation in 1..=3 {
        assert_eq!(harness.start("s1").await.unwrap().generation, generation);
        assert_eq!(harness.end("s1", EndReason::New).await.unwrap().generation, generation);
    }
    harness.runtime.settled().await;
    let seen: Vec<_> = harness.outcomes().iter().map(|s| (s.hook, s.generation)).collect();
    let expected: Vec<_> = (1..=3).flat_map(|g| [(Hook::SessionStart, g), (Hook::SessionEnd, g)]).collect();
    assert_eq!(seen, expected, "in order, one generation after the other");
}

#[tokio::test]
async fn the_same_op_id_again_is_acknowledged_and_does_nothing() {
    let harness = Harness::with(&["prints"]);
    let mut start = StartRequest::new(harness.session("s1"));
    start.op_id = Some("a-1".into());
    assert_eq!(harness.runtime.start_session(start.clone()).await.unwrap().how, Acceptance::Registered);
    let mut end = EndRequest::new(harness.session("s1"), EndReason::Reset);
    end.op_id = Some("a-2".into());
    assert_eq!(harness.runtime.end_session(end.clone()).await.unwrap().how, Acceptance::Registered);
    // Both answers were lost; the owner sends both again.
    assert_eq!(harness.runtime.start_session(start).await.unwrap().how, Acceptance::DuplicateOp);
    assert_eq!(harness.runtime.end_session(end).await.unwrap().how, Acceptance::DuplicateOp);
    harness.runtime.settled().await;
    assert!(harness.runtime.sessions().is_empty());
    assert_eq!(harness.printed("prints"), ["session-start s1 attempt=1", "session-end s1 attempt=1"]);
}

#[tokio::test]
async fn an_end_is_never_refused_for_its_size() {
    let harness = Harness::with(&["prints"]);
    let mut session = harness.session("s1");
    session.attributes.push(("big".into(), "x".repeat(100_000)));
    assert!(harness.runtime.start_session(StartRequest::new(session.clone())).await.is_err());
    let accepted = harness.runtime.end_session(EndRequest::new(session, EndReason::Reset)).await.unwrap();
    assert_eq!(accepted.dropped, ["session attribute \"big\""]);
    harness.runtime.settled().await;
    assert_eq!(harness.printed("prints"), ["session-end s1 attempt=1"]);
}

#[tokio::test]
async fn a_request_is_carried_out_even_if_nobody_waits_for_its_answer() {
    let harness = Harness::with(&["prints"]);
    drop(harness.runtime.start_session(StartRequest::new(harness.session("s1"))));
    assert_eq!(ids(&harness), ["s1"]);
}

#[tokio::test]
async fn an_update_is_of_the_active_session_of_its_generation_and_begins_none() {
    let harness = Harness::with(&["prints"]);
    let update = |id: &str, generation| {
        let session = Session { generation, cwd: Some("/w".into()), ..harness.session(id) };
        harness.runtime.update_session(session)
    };
    assert_eq!(update("s1", 0).await, Ok(None));
    harness.start("s1").await.unwrap();
    harness.end("s1", EndReason::Reset).await.unwrap();
    harness.start("s1").await.unwrap();
    for other in [1, 3] {
        assert_eq!(update("s1", other).await, Ok(None));
    }
    for meant in [0, 2] {
        let updated = update("s1", meant).await.unwrap().unwrap();
        assert_eq!((updated.how, updated.generation), (Acceptance::Updated, 2));
    }
    let sessions = harness.runtime.sessions();
    assert_eq!(sessions.iter().map(|one| one.cwd.as_deref()).collect::<Vec<_>>(), [Some("/w")]);
    harness.runtime.settled().await;
    assert_eq!(harness.outcomes_of("prints", Hook::SessionStart).len(), 2, "nobody is told of an update");
}
