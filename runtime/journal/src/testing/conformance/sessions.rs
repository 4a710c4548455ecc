//! Sessions in a journal: their numbers, what is known of them, and which requests are known.

use std::sync::Arc;

use lastword_events::{
    CompactionPhase, DrainReason, EndReason, Event, EventKey, Hook, Identity, Session, SessionCompaction, Timestamp,
};

use super::runs::{NO_SEQUENCE, Runs, end_event, plugin, received_at, start_event};
use crate::{Appended, DUPLICATE_WITHIN, JournalError, JournalOp, RecentEnd, Recovered};

/// The sessions whose end may be repeated, each with its generation.
fn recent(recovered: &Recovered) -> Vec<(&str, &str, u32)> {
    let of = |end: &RecentEnd| end.ended_at == Timestamp::from_millisecond(0) && end.received.said == u64::MAX - 1;
    assert!(recovered.ended.iter().all(of), "{:?}", recovered.ended);
    let mut ended: Vec<_> =
        recovered.ended.iter().map(|end| (&*end.identity.id, &*end.identity.scope, end.generation)).collect();
    ended.sort_unstable();
    ended
}

pub(super) async fn sequence_numbers_are_never_used_again_and_generations_count_per_id(mut journal: Runs<'_>) {
    journal.next_run();
    let (first, one) = journal.start("a").await;
    journal.end(first, &one).await;
    let (second, two) = journal.start("a").await;
    let (third, other) = journal.start("b").await;
    assert!(first < second && second < third);
    assert_eq!((one.generation, two.generation, other.generation), (1, 2, 1));
}

pub(super) async fn ends_of_the_last_seconds_are_known_to_the_next_run_until_something_is_heard_of_their_sessions(
    mut journal: Runs<'_>,
) {
    let (t, _) = journal.tenants();
    journal.next_run();
    let now = Timestamp::now();
    let id = |id: &str| Identity::new(&t, id);
    for said in ["told", "again", "alive", "started"] {
        journal.end_at(&id(said), now).await;
    }
    journal.end_at(&id("again"), now).await;
    let (alive, _) = journal.end_at(&id("alive"), now).await;
    journal.append(JournalOp::Seen { sequence: alive }).await.unwrap();
    journal.start("started").await;
    let (sequence, session) = journal.start("ended").await;
    let (session, event, received) = (session.clone(), end_event(EndReason::Reset), Some(received_at(now)));
    let told = JournalOp::End { sequence, session, event, owed: vec![], received, op_id: None };
    journal.append(told).await.unwrap();
    // The runtime has found this end out, and no owner has told of it.
    let (sequence, session) = journal.start("crashed").await;
    journal.end(sequence, &session).await;
    for _ in 0..2 {
        assert_eq!(recent(&journal.next_run()), [("again", "", 2), ("ended", "", 1), ("told", "", 1)]);
    }
}

pub(super) async fn ends_that_are_long_ago_or_that_a_clock_has_from_the_future_are_not_told_again(
    mut journal: Runs<'_>,
) {
    let (t, _) = journal.tenants();
    journal.next_run();
    let now = Timestamp::now();
    let ms = |ms: i64| Timestamp::from_millisecond(now.as_millisecond() + ms);
    let (window, hour) = (i64::try_from(DUPLICATE_WITHIN.as_millis()).unwrap(), 3_600_000);
    journal.end_at(&Identity::new(&t, "long-ago"), ms(-window - 1)).await;
    journal.end_at(&Identity::new(&t, "future"), ms(hour)).await;
    journal.end_at(&Identity::new(&t, "just-now"), ms(0)).await;
    assert_eq!(recent(&journal.next_run()), [("just-now", "", 1)]);
}

pub(super) async fn sessions_of_one_id_in_two_scopes_are_two_and_share_no_generation(mut journal: Runs<'_>) {
    let (t, _) = journal.tenants();
    journal.next_run();
    let scope = |scope: &str| Identity::new(&t, "main").in_scope(scope);
    let start = |scope: &Identity, op: &str| JournalOp::Start {
        session: Arc::new(Session::of(scope.clone())),
        event: start_event(),
        owed: vec![],
        op_id: Some(op.into()),
    };
    let (a, b) = (scope("agent:a:main"), scope("agent:b:main"));
    let Appended::Session { sequence, session } = journal.append(start(&a, "op")).await.unwrap() else { panic!() };
    let Appended::Session { session: other, .. } = journal.append(start(&b, "op")).await.unwrap() else { panic!() };
    assert_eq!((session.generation, other.generation), (1, 2));
    assert_eq!(journal.append(start(&b, "op")).await.unwrap(), Appended::DuplicateOp { generation: 2 });
    assert_eq!(journal.known_op(&a, Hook::SessionStart, "op"), Some(1));
    assert_eq!(journal.known_op(&scope("c"), Hook::SessionStart, "op"), None);
    assert_eq!(journal.known_op(&scope(""), Hook::SessionStart, "op"), Some(2), "whose it is it does not say");
    // The session's key changes, and then the session ends.
    let moved = Arc::new(Session { identity: scope("agent:a:telegram"), ..Session::clone(&session) });
    let update = JournalOp::Update { sequence, session: moved.clone(), op_id: None };
    assert_eq!(journal.append(update).await.unwrap(), Appended::Done);
    let scopes = |recovered: &Recovered| -> Vec<(String, u32)> {
        let sessions = recovered.sessions.iter().map(|left| &left.session);
        sessions.map(|session| (session.identity.scope.to_string(), session.generation)).collect()
    };
    let left = journal.next_run();
    assert_eq!(scopes(&left), [("agent:a:telegram".to_owned(), 1), ("agent:b:main".to_owned(), 2)]);
    let received = Some(received_at(Timestamp::now()));
    let (session, event) = (moved, end_event(EndReason::Reset));
    let end = JournalOp::End { sequence, session, event, owed: vec![plugin()], received, op_id: None };
    assert_eq!(journal.append(end).await.unwrap(), Appended::Done);
    let (_, generation) = journal.end_at(&scope(""), Timestamp::now()).await;
    assert_eq!(generation, 3);
    let left = journal.next_run();
    assert_eq!(scopes(&left), [("agent:b:main".to_owned(), 2)]);
    assert_eq!(recent(&left), [("main", "", 3), ("main", "agent:a:telegram", 1)]);
    assert_eq!(&*left.deliveries[0].session.identity.scope, "agent:a:telegram");
}

pub(super) async fn a_compaction_of_an_unknown_session_is_one_write_and_counts_once(mut journal: Runs<'_>) {
    let (t, _) = journal.tenants();
    journal.next_run();
    let compaction = || JournalOp::CompactionWithoutStart {
        session: Arc::new(Session::new(&t, "a")),
        event: Arc::new(Event::Compaction(SessionCompaction::new(CompactionPhase::After))),
        owed: vec![plugin()],
        op_id: Some("c-1".into()),
    };
    assert!(matches!(journal.append(compaction()).await.unwrap(), Appended::Session { .. }));
    assert_eq!(journal.append(compaction()).await.unwrap(), Appended::DuplicateOp { generation: 1 });
    let recovered = journal.next_run();
    assert_eq!((recovered.sessions.len(), recovered.sessions[0].compactions), (1, 1));
    assert_eq!(recovered.deliveries.len(), 1);
}

pub(super) async fn an_op_id_belongs_to_its_session_and_kind_of_line(mut journal: Runs<'_>) {
    let (t, u) = journal.tenants();
    journal.next_run();
    let op_id = || Some(Arc::<str>::from("op"));
    let start = |tenant: &str, id: &str| JournalOp::Start {
        session: Arc::new(Session::new(tenant, id)),
        event: start_event(),
        owed: vec![],
        op_id: op_id(),
    };
    let Appended::Session { sequence, session } = journal.append(start(&t, "a")).await.unwrap() else { panic!() };
    assert_eq!(journal.append(start(&t, "a")).await.unwrap(), Appended::DuplicateOp { generation: 1 });
    for (tenant, id) in [(&t, "b"), (&u, "a")] {
        assert!(matches!(journal.append(start(tenant, id)).await.unwrap(), Appended::Session { .. }), "{tenant}/{id}");
    }
    // The end of a session is never taken for its start.
    let end = || JournalOp::End {
        sequence,
        session: session.clone(),
        event: end_event(EndReason::Reset),
        owed: vec![plugin()],
        received: None,
        op_id: op_id(),
    };
    assert_eq!(journal.append(end()).await.unwrap(), Appended::Done);
    let again = JournalOp::EndWithoutStart {
        session: session.clone(),
        event: end_event(EndReason::Reset),
        owed: vec![],
        received: received_at(Timestamp::now()),
        op_id: op_id(),
    };
    assert_eq!(journal.append(again.clone()).await.unwrap(), Appended::DuplicateOp { generation: 1 });
    let recovered = journal.next_run();
    assert_eq!((recovered.sessions.len(), recovered.deliveries.len()), (2, 1));
    assert_eq!(journal.append(again).await.unwrap(), Appended::DuplicateOp { generation: 1 }, "over a restart as well");
    let (of_end, of_compaction) = (Hook::SessionEnd, Hook::SessionCompaction);
    assert_eq!(journal.known_op(&session.identity, of_end, "op"), Some(1));
    assert_eq!(journal.known_op(&session.identity, of_compaction, "op"), None);
}

pub(super) async fn a_session_can_be_attached_as_long_as_no_run_can_have_told_of_its_end(mut journal: Runs<'_>) {
    let attachable = |recovered: &Recovered, id: &str| {
        recovered.sessions.iter().find(|one| &*one.session.identity.id == id).unwrap().attachable
    };
    let installed = |attaching| vec![JournalOp::Installed { plugins: vec![], attaching }];
    journal.next_run();
    journal.append_decided(installed(false)).await.unwrap();
    journal.start("a").await;
    assert!(attachable(&journal.next_run(), "a"), "its owner may still be there");
    for _ in 0..3 {
        journal.append_decided(installed(true)).await.unwrap();
        assert!(attachable(&journal.next_run(), "a"), "the runs since have held it");
    }
    // This run dies before it says anything.
    assert!(!attachable(&journal.next_run(), "a"), "that one may have told of it");
    journal.append_decided(installed(true)).await.unwrap();
    assert!(!attachable(&journal.next_run(), "a"), "and that is not forgotten");
    journal.start("b").await;
    journal.next_run();
    let draining = JournalOp::Draining { reason: DrainReason::Shutdown, at: Timestamp::from_millisecond(7) };
    journal.append_decided([installed(true), vec![draining]].concat()).await.unwrap();
    assert!(!attachable(&journal.next_run(), "b"), "a drain ends unattached sessions");
}

pub(super) async fn sessions_without_an_end_are_found_with_what_is_known_of_them(mut journal: Runs<'_>) {
    journal.next_run();
    let (sequence, session) = journal.start("a").await;
    let mut updated = Session::clone(&session);
    updated.cwd = Some("/w".into());
    let session = Arc::new(updated);
    journal.append(JournalOp::Update { sequence, session: session.clone(), op_id: None }).await.unwrap();
    let event = Event::Compaction(SessionCompaction::new(CompactionPhase::Before));
    let write =
        JournalOp::Compaction { sequence, n: 1, session, event: Arc::new(event), owed: vec![plugin()], op_id: None };
    journal.append(write).await.unwrap();

    let recovered = journal.next_run();
    let [found] = &recovered.sessions[..] else { panic!("one session is active") };
    assert_eq!((found.sequence, found.compactions, found.drained().drain), (sequence, 1, None));
    assert_eq!((found.session.cwd.as_deref(), found.session.generation), (Some("/w"), 1));
    let key = EventKey::Compaction { n: 1, phase: CompactionPhase::Before };
    assert_eq!(recovered.deliveries[0].delivery.event, key);
}

pub(super) async fn a_write_for_a_session_that_is_not_active_is_an_error_and_changes_nothing(mut journal: Runs<'_>) {
    let (t, _) = journal.tenants();
    journal.next_run();
    let session = Arc::new(Session::new(&t, "a"));
    let write = JournalOp::Update { sequence: NO_SEQUENCE, session, op_id: None };
    assert_eq!(journal.append(write).await, Err(JournalError::UnknownSession(NO_SEQUENCE)));
}
