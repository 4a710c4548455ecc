//! Which session an event is of, and which end is one that was told before.

use std::sync::Arc;
use std::time::Duration;

use lastword::events::{CompactionPhase, EndReason, Hook, Identity, Session, Timestamp};
use lastword::{
    Acceptance, Accepted, CompactionRequest, EndRequest, Journal, MemoryJournal, OpenError, SqliteJournal, StartRequest,
};
use lastword_harness::Harness;
use lastword_journal::testing::FaultyJournal;

/// What was made of an end, and of which generation.
fn made(accepted: &Accepted) -> (Acceptance, u32) {
    (accepted.how, accepted.generation)
}

/// A journal over restarts, and which kind it is.
struct Disk {
    memory: Option<Arc<MemoryJournal>>,
    home: tempfile::TempDir,
}

impl Disk {
    fn of_each_kind() -> [Self; 2] {
        let home = || tempfile::tempdir().unwrap();
        [Self { memory: Some(Arc::default()), home: home() }, Self { memory: None, home: home() }]
    }

    async fn harness(&self, tenant: &str) -> Harness {
        self.harness_with_grace(tenant, Duration::ZERO).await
    }

    async fn harness_with_grace(&self, tenant: &str, grace: Duration) -> Harness {
        let journal: Arc<dyn Journal> = match &self.memory {
            Some(memory) => memory.clone(),
            None => Arc::new(self.open().await),
        };
        Harness::builder().plugin("prints", "prints").journal(journal).tenant(tenant).attach_grace(grace).build()
    }
}

impl Disk {
    /// The harness before lets go of its file when its workers have left.
    async fn open(&self) -> SqliteJournal {
        loop {
            match SqliteJournal::open(&self.home.path().join("journal.db")) {
                Err(OpenError::Locked { .. }) => tokio::task::yield_now().await,
                opened => return opened.unwrap(),
            }
        }
    }
}

fn ends(harness: &Harness) -> Vec<(String, u32, EndReason)> {
    let ends = harness.outcomes_of("prints", Hook::SessionEnd);
    let mut ends: Vec<_> = ends.into_iter().map(|end| (end.session, end.generation, end.reason.unwrap())).collect();
    ends.sort_by_key(|(_, generation, _)| *generation);
    ends
}

#[tokio::test]
async fn an_end_that_is_told_again_is_delivered_once_and_what_it_knows_more_is_counted() {
    let harness = Harness::with(&["prints"]);
    harness.start("s").await.unwrap();
    let first = harness.end("s", EndReason::Idle).await.unwrap();
    let again = harness.end("s", EndReason::Idle).await.unwrap();
    let mut more = EndRequest::new(harness.session("s"), EndReason::UserExit);
    more.event.message_count = Some(42);
    let more = harness.runtime.end_session(more).await.unwrap();
    assert_eq!(
        [&first, &again, &more].map(made),
        [(Acceptance::Registered, 1), (Acceptance::DuplicateEnd, 1), (Acceptance::DuplicateEnd, 1)]
    );
    let counts = harness.runtime.duplicate_ends();
    assert_eq!((counts.count, counts.with_more), (2, 1));
    harness.runtime.settled().await;
    assert_eq!(ends(&harness), [("s".to_owned(), 1, EndReason::Idle)]);
}

/// A session goes on after an end that was told too early, and ends for good: with a compaction between, with any other event
/// between, or with a restart as well.
#[tokio::test]
async fn a_session_that_lives_after_its_end_ends_again_whatever_was_between() {
    for disk in Disk::of_each_kind() {
        let mut harness = disk.harness("t").await;
        let identity = |id: &str| Identity::new("t", id);
        for id in ["compacted", "seen", "restarted"] {
            harness.start(id).await.unwrap();
            assert_eq!(harness.end(id, EndReason::Other("other".into())).await.unwrap().how, Acceptance::Registered);
        }
        harness.compaction("compacted", CompactionPhase::Before).await.unwrap();
        harness.runtime.seen(&identity("seen"));
        harness.runtime.seen(&identity("restarted"));
        for id in ["compacted", "seen"] {
            assert_eq!(harness.end(id, EndReason::UserExit).await.unwrap().generation, 2, "{id}");
        }
        harness.runtime.recorded().await.unwrap();
        drop(harness);
        harness = disk.harness("t").await;
        assert_eq!(made(&harness.end("restarted", EndReason::UserExit).await.unwrap()), (Acceptance::Implied, 2));
    }
}

#[tokio::test]
async fn an_end_is_the_same_told_again_with_a_restart_between() {
    for disk in Disk::of_each_kind() {
        let harness = disk.harness("t").await;
        harness.start("s").await.unwrap();
        harness.end("s", EndReason::Idle).await.unwrap();
        harness.end("stray", EndReason::Idle).await.unwrap();
        harness.runtime.settled().await;
        drop(harness);
        let harness = disk.harness("t").await;
        for id in ["s", "stray"] {
            let again = harness.end(id, EndReason::Idle).await.unwrap();
            assert_eq!(made(&again), (Acceptance::DuplicateEnd, 1), "{id}");
        }
        harness.runtime.settled().await;
        assert_eq!(ends(&harness), []);
    }
}

/// So a program with several runtimes can tell which of them has it.
#[tokio::test]
async fn whether_an_end_was_told_before_can_be_asked_and_changes_nothing() {
    for disk in Disk::of_each_kind() {
        let harness = disk.harness("t").await;
        let plain = EndRequest::new(harness.session("s"), EndReason::Idle);
        let named = plain.clone().with_op_id("once");
        for end in [&plain, &named] {
            assert!(!harness.runtime.knows_end(end).await);
        }
        harness.start("s").await.unwrap();
        assert!(!harness.runtime.knows_end(&plain).await, "it is active");
        harness.runtime.end_session(named.clone()).await.unwrap();
        harness.runtime.settled().await;
        drop(harness);
        let harness = disk.harness("t").await;
        assert!(harness.runtime.knows_end(&plain).await && harness.runtime.knows_end(&named).await);
        assert!(!harness.runtime.knows_end(&plain.clone().with_op_id("twice")).await, "it is another request");
        assert!(!harness.runtime.knows_end(&EndRequest::new(harness.session("other"), EndReason::Idle)).await);
        assert!(!harness.runtime.knows_end(&EndRequest::new(Session::new("t", ""), EndReason::Idle)).await);
        harness.runtime.seen(&Identity::new("t", "s"));
        assert!(!harness.runtime.knows_end(&plain).await, "it lives: the next end is a new one");
        assert!(harness.runtime.knows_end(&named).await);
        harness.runtime.settled().await;
        assert_eq!(ends(&harness), []);
    }
}

#[tokio::test]
async fn an_end_with_another_name_or_of_a_session_that_began_later_is_a_new_one() {
    let harness = Harness::with(&["prints"]);
    let end = |op: Option<&str>, started_at: Option<Timestamp>| {
        let mut request = EndRequest::new(harness.session("s"), EndReason::Idle);
        request.op_id = op.map(Arc::from);
        request.session.started_at = started_at;
        harness.runtime.end_session(request)
    };
    assert_eq!(made(&end(Some("a"), None).await.unwrap()), (Acceptance::Implied, 1));
    assert_eq!(made(&end(Some("a"), None).await.unwrap()), (Acceptance::DuplicateOp, 1));
    assert_eq!(made(&end(None, None).await.unwrap()), (Acceptance::DuplicateEnd, 1), "it has no name to be told by");
    assert_eq!(made(&end(Some("b"), None).await.unwrap()), (Acceptance::Implied, 2));
    let later = Timestamp::now().plus(Duration::from_secs(60));
    assert_eq!(made(&end(None, Some(later)).await.unwrap()), (Acceptance::Implied, 3));
    let long_ago = Timestamp::from_millisecond(0);
    assert_eq!(made(&end(None, Some(long_ago)).await.unwrap()), (Acceptance::DuplicateEnd, 3));
}

/// What the runtime finds out is not what an owner says.
#[tokio::test]
async fn an_owners_end_after_one_that_the_runtime_has_found_out_is_new() {
    for disk in Disk::of_each_kind() {
        let harness = disk.harness("t").await;
        harness.start("s").await.unwrap();
        harness.runtime.settled().await;
        drop(harness);
        let harness = disk.harness("t").await;
        assert_eq!(made(&harness.end("s", EndReason::Reset).await.unwrap()), (Acceptance::Implied, 2));
        harness.runtime.settled().await;
        let expected = [(1, EndReason::Crashed), (2, EndReason::Reset)];
        assert_eq!(ends(&harness), expected.map(|(generation, reason)| ("s".to_owned(), generation, reason)));
    }
}

/// What is told of a session while its end waits for the disk comes after that end.
#[tokio::test]
async fn what_is_seen_has_its_place_in_the_order_of_its_session() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let harness = Harness::builder().plugin("prints", "prints").journal(journal.clone()).build();
    harness.start("s").await.unwrap();
    journal.hold();
    let identity = Identity::new(&harness.tenant, "s");
    let first = harness.runtime.end_session(EndRequest::new(harness.session("s"), EndReason::Idle));
    let again = harness.runtime.end_session(EndRequest::new(harness.session("s"), EndReason::Idle));
    harness.runtime.seen(&identity);
    harness.runtime.seen(&identity);
    let last = harness.runtime.end_session(EndRequest::new(harness.session("s"), EndReason::UserExit));
    journal.commit().await;
    let answers = [first.await.unwrap(), again.await.unwrap(), last.await.unwrap()];
    assert_eq!(
        answers.each_ref().map(made),
        [(Acceptance::Registered, 1), (Acceptance::DuplicateEnd, 1), (Acceptance::Implied, 2)]
    );
}

/// OpenClaw's sessions: an id, a key, and where they work.
fn keyed(harness: &Harness, key: &str, cwd: &str) -> Session {
    let mut session = harness.session("main");
    session.identity.scope = key.into();
    session.key = Some(key.to_owned()).filter(|key| !key.is_empty());
    session.cwd = Some(cwd.to_owned());
    session
}

fn listed(harness: &Harness) -> Vec<(String, u32, Option<String>)> {
    let of = |session: &Arc<Session>| (session.identity.scope.to_string(), session.generation, session.cwd.clone());
    harness.runtime.sessions().iter().map(of).collect()
}

const A: &str = "agent:a:main";
const B: &str = "agent:b:main";

#[tokio::test]
async fn two_agents_with_one_session_id_are_two_sessions_and_their_facts_are_not_mixed() {
    let harness = Harness::with(&["prints"]);
    for (key, cwd) in [(A, "/a"), (B, "/b")] {
        let started = harness.runtime.start_session(StartRequest::new(keyed(&harness, key, cwd))).await.unwrap();
        assert_eq!(started.how, Acceptance::Registered);
    }
    let both = [(A.to_owned(), 1, Some("/a".to_owned())), (B.to_owned(), 2, Some("/b".to_owned()))];
    assert_eq!(listed(&harness), both, "no plugin takes one for the other: their generations differ");
    let end = |key: &str, reason| harness.runtime.end_session(EndRequest::new(keyed(&harness, key, "/c"), reason));
    assert_eq!(made(&end(A, EndReason::New).await.unwrap()), (Acceptance::Registered, 1));
    assert_eq!(listed(&harness), both[1..]);
    assert_eq!(made(&end(B, EndReason::Idle).await.unwrap()), (Acceptance::Registered, 2));
    assert_eq!(made(&end(A, EndReason::New).await.unwrap()), (Acceptance::DuplicateEnd, 1));
    harness.runtime.settled().await;
    let expected = [("main".to_owned(), 1, EndReason::New), ("main".to_owned(), 2, EndReason::Idle)];
    assert_eq!(ends(&harness), expected);
}

#[tokio::test]
async fn an_event_without_a_key_goes_to_the_one_active_session_of_its_id_and_says_so_when_there_are_two() {
    let harness = Harness::with(&["prints"]);
    let start = |key: &str| harness.runtime.start_session(StartRequest::new(keyed(&harness, key, "/w")));
    let end = |op: Option<&str>| {
        let mut request = EndRequest::new(harness.session("main"), EndReason::Reset);
        request.op_id = op.map(Arc::from);
        harness.runtime.end_session(request)
    };
    start(A).await.unwrap();
    start(B).await.unwrap();
    let compaction = CompactionRequest::new(harness.session("main"), CompactionPhase::Before);
    let compacted = harness.runtime.compaction(compaction).await.unwrap();
    let guessed =
        "session.key: it is missing, and 2 sessions of this id are active; taken for the newest, \"agent:b:main\"";
    assert_eq!((compacted.generation, compacted.dropped), (2, vec![guessed.to_owned()]));
    let ended = end(Some("op")).await.unwrap();
    assert_eq!((made(&ended), ended.dropped), ((Acceptance::Registered, 2), vec![guessed.to_owned()]));
    // Its answer was lost, and it is sent again: it is not the other one's end.
    assert_eq!(made(&end(Some("op")).await.unwrap()), (Acceptance::DuplicateOp, 2));
    let again = end(None).await.unwrap();
    assert_eq!(
        (made(&again), again.dropped),
        ((Acceptance::DuplicateEnd, 2), vec![]),
        "a duplicate, and not the other's"
    );
    assert_eq!(listed(&harness).len(), 1);
    // A session that began after that end is not the one that it was of.
    start("agent:c:main").await.unwrap();
    let ended = end(None).await.unwrap();
    assert_eq!((made(&ended), &*ended.identity.scope), ((Acceptance::Registered, 3), "agent:c:main"));
    let of_a = harness.runtime.end_session(EndRequest::new(keyed(&harness, A, "/w"), EndReason::Idle)).await.unwrap();
    assert_eq!(made(&of_a), (Acceptance::Registered, 1));
}

/// Over a restart as well: the owner comes back for the sessions that were left.
#[tokio::test]
async fn an_end_that_is_told_again_ends_no_other_session_of_its_id() {
    let (x, y) = ("agent:a:x", "agent:a:y");
    let cases = [y, ""].into_iter().flat_map(|key| Disk::of_each_kind().map(|disk| (disk, key)));
    for (disk, key) in cases {
        let mut harness = disk.harness("t").await;
        for key in [x, y] {
            harness.runtime.start_session(StartRequest::new(keyed(&harness, key, "/w"))).await.unwrap();
        }
        let end = |harness: &Harness, key: &str| {
            harness.runtime.end_session(EndRequest::new(keyed(harness, key, "/w"), EndReason::Reset))
        };
        assert_eq!(made(&end(&harness, key).await.unwrap()), (Acceptance::Registered, 2));
        assert_eq!(made(&end(&harness, key).await.unwrap()), (Acceptance::DuplicateEnd, 2), "{key}");
        harness.runtime.settled().await;
        drop(harness);
        harness = disk.harness_with_grace("t", Duration::from_secs(3600)).await;
        assert_eq!(made(&end(&harness, key).await.unwrap()), (Acceptance::DuplicateEnd, 2), "{key}, over a restart");
        assert_eq!(listed(&harness), [(x.to_owned(), 1, Some("/w".to_owned()))]);
    }
}

/// What comes late of a session that has ended is not of the other one of its agent.
#[tokio::test]
async fn what_is_told_of_a_session_after_its_end_does_not_rename_another() {
    let (x, y) = ("agent:a:x", "agent:a:y");
    for op in [None, Some("op")] {
        let harness = Harness::with(&["prints"]);
        for key in [x, y] {
            harness.runtime.start_session(StartRequest::new(keyed(&harness, key, "/w"))).await.unwrap();
        }
        let end = |key: &str, op: Option<&str>| {
            let mut request = EndRequest::new(keyed(&harness, key, "/w"), EndReason::Reset);
            request.op_id = op.map(Arc::from);
            harness.runtime.end_session(request)
        };
        assert_eq!(made(&end(x, None).await.unwrap()), (Acceptance::Registered, 1));
        let late = if op.is_some() {
            end(x, op).await
        } else {
            harness.runtime.compaction(CompactionRequest::new(keyed(&harness, x, "/w"), CompactionPhase::After)).await
        };
        assert_eq!(made(&late.unwrap()), (Acceptance::Implied, 3));
        assert!(listed(&harness).contains(&(y.to_owned(), 2, Some("/w".to_owned()))));
    }
}

/// An end that waits for its turn as a drain begins is no other session's either.
#[tokio::test]
async fn a_drain_takes_no_session_over_with_the_end_of_another_that_is_told_again() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let harness = Harness::builder().plugin("prints", "prints").journal(journal.clone()).build();
    for key in ["agent:a:x", "agent:a:y"] {
        harness.runtime.start_session(StartRequest::new(keyed(&harness, key, "/w"))).await.unwrap();
    }
    let end = |op: Option<&str>| {
        let mut request = EndRequest::new(keyed(&harness, "agent:a:x", "/w"), EndReason::Reset);
        request.op_id = op.map(Arc::from);
        harness.runtime.end_session(request)
    };
    assert_eq!(made(&end(None).await.unwrap()), (Acceptance::Registered, 1));
    harness.runtime.settled().await;
    journal.hold();
    // It waits for the disk, and the one behind it for its turn.
    let (named, again) = (end(Some("op")), end(None));
    let report = harness.drain();
    let (report, ()) = tokio::join!(report, async {
        harness.first_outcome(|seen| seen.hook == Hook::SessionEnd && seen.generation == 2).await;
        journal.commit().await;
    });
    assert_eq!(report.failed, 0);
    assert_eq!(made(&named.await.unwrap()), (Acceptance::Implied, 3));
    assert_eq!(made(&again.await.unwrap()), (Acceptance::DuplicateEnd, 3));
    let of_y = ends(&harness).into_iter().find(|(_, generation, _)| *generation == 2);
    assert_eq!(of_y.unwrap().2, EndReason::Shutdown);
}

#[tokio::test]
async fn a_session_is_followed_when_its_key_changes_or_becomes_known() {
    for disk in Disk::of_each_kind() {
        let harness = disk.harness("t").await;
        harness.runtime.start_session(StartRequest::new(keyed(&harness, "", "/w"))).await.unwrap();
        let said = |key: &str| Session { cwd: None, ..keyed(&harness, key, "") };
        harness.runtime.start_session(StartRequest::new(said(A))).await.unwrap();
        assert_eq!(listed(&harness), [(A.to_owned(), 1, Some("/w".to_owned()))]);
        let moved = "agent:a:telegram";
        let compaction = CompactionRequest::new(said(moved), CompactionPhase::After);
        assert_eq!(made(&harness.runtime.compaction(compaction).await.unwrap()), (Acceptance::Registered, 1));
        assert_eq!(listed(&harness), [(moved.to_owned(), 1, Some("/w".to_owned()))]);
        assert_eq!(harness.runtime.sessions()[0].key.as_deref(), Some(moved));
        let again = "agent:a:discord";
        let ended = harness.runtime.end_session(EndRequest::new(said(again), EndReason::Reset)).await.unwrap();
        assert_eq!((made(&ended), &*ended.identity.scope), ((Acceptance::Registered, 1), again));
        assert_eq!(listed(&harness), []);
        let told_again = harness.runtime.end_session(EndRequest::new(said(again), EndReason::Reset)).await.unwrap();
        assert_eq!(made(&told_again), (Acceptance::DuplicateEnd, 1));
        harness.runtime.settled().await;
        assert_eq!(ends(&harness), [("main".to_owned(), 1, EndReason::Reset)]);
    }
}

/// Ends that wait for the disk as a drain begins keep their reasons, each with its own session.
#[tokio::test]
async fn a_drain_takes_over_the_ends_of_two_sessions_of_one_id_each_with_its_own() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let harness = Harness::builder().plugin("prints", "prints").journal(journal.clone()).build();
    for key in [A, B, "agent:c:main"] {
        harness.runtime.start_session(StartRequest::new(keyed(&harness, key, "/w"))).await.unwrap();
    }
    harness.runtime.settled().await;
    journal.hold();
    let end = |key: &str, reason| harness.runtime.end_session(EndRequest::new(keyed(&harness, key, "/w"), reason));
    let (of_a, of_b) = (end(A, EndReason::New), end(B, EndReason::Idle));
    let report = harness.drain();
    let (report, ()) = tokio::join!(report, async {
        harness.first_outcome(|seen| seen.hook == Hook::SessionEnd).await;
        journal.commit().await;
    });
    assert_eq!((report.delivered, report.failed, report.deferred), (3, 0, 0));
    let answers = [of_a.await.unwrap(), of_b.await.unwrap()];
    assert_eq!(answers.each_ref().map(made), [(Acceptance::Registered, 1), (Acceptance::Registered, 2)]);
    let reasons: Vec<_> = ends(&harness).into_iter().map(|(_, _, reason)| reason).collect();
    assert_eq!(reasons, [EndReason::New, EndReason::Idle, EndReason::Shutdown]);
}

#[tokio::test]
async fn two_sessions_of_one_id_that_nobody_comes_back_for_end_when_the_grace_is_over() {
    let journal = Arc::new(MemoryJournal::new());
    let dead = Harness::builder().plugin("prints", "prints").journal(journal.clone()).build();
    for key in [A, B] {
        dead.runtime.start_session(StartRequest::new(keyed(&dead, key, "/w"))).await.unwrap();
    }
    dead.runtime.settled().await;
    let tenant = dead.tenant.clone();
    drop(dead);
    let builder = Harness::builder().plugin("prints", "prints").journal(journal).tenant(&tenant);
    let next = builder.attach_grace(Duration::from_millis(1)).build();
    for generation in [1, 2] {
        let ended =
            next.first_outcome(|seen| seen.hook == Hook::SessionEnd && seen.generation == generation).await.unwrap();
        assert_eq!(ended.reason, Some(EndReason::Crashed));
    }
    assert!(next.runtime.sessions().is_empty());
}

/// A session of an agent that its owner names.
fn of_agent(harness: &Harness, key: &str, agent: &str) -> Session {
    Session { agent_id: Some(agent.to_owned()), ..keyed(harness, key, &format!("/{agent}")) }
}

#[tokio::test]
async fn two_agents_with_one_session_id_and_one_key_or_none_are_two_sessions() {
    let cases = ["", "main"].into_iter().flat_map(|key| Disk::of_each_kind().map(|disk| (disk, key)));
    for (disk, key) in cases {
        let harness = disk.harness("t").await;
        let start = |agent| harness.runtime.start_session(StartRequest::new(of_agent(&harness, key, agent)));
        let end = |agent, reason| harness.runtime.end_session(EndRequest::new(of_agent(&harness, key, agent), reason));
        let compaction = |agent| {
            harness.runtime.compaction(CompactionRequest::new(of_agent(&harness, key, agent), CompactionPhase::After))
        };
        assert_eq!(made(&start("a").await.unwrap()), (Acceptance::Registered, 1), "{key}");
        assert_eq!(made(&start("b").await.unwrap()), (Acceptance::Registered, 2), "{key}");
        assert_eq!(made(&start("b").await.unwrap()), (Acceptance::Updated, 2), "{key}");
        assert_eq!(made(&compaction("b").await.unwrap()), (Acceptance::Registered, 2), "{key}");
        assert_eq!(made(&compaction("a").await.unwrap()), (Acceptance::Registered, 1), "{key}");
        let mut where_they_work: Vec<_> = listed(&harness).into_iter().map(|(_, n, cwd)| (n, cwd.unwrap())).collect();
        where_they_work.sort();
        assert_eq!(where_they_work, [(1, "/a".to_owned()), (2, "/b".to_owned())], "{key}");
        assert_eq!(made(&end("a", EndReason::Reset).await.unwrap()), (Acceptance::Registered, 1), "{key}");
        assert_eq!(made(&end("a", EndReason::Reset).await.unwrap()), (Acceptance::DuplicateEnd, 1), "{key}");
        assert_eq!(made(&end("b", EndReason::Idle).await.unwrap()), (Acceptance::Registered, 2), "{key}");
        assert_eq!(made(&end("b", EndReason::Idle).await.unwrap()), (Acceptance::DuplicateEnd, 2), "{key}");
        harness.runtime.settled().await;
        let expected = [("main".to_owned(), 1, EndReason::Reset), ("main".to_owned(), 2, EndReason::Idle)];
        assert_eq!(ends(&harness), expected, "{key}");
        drop(harness);
        let harness = disk.harness("t").await;
        for (agent, generation) in [("a", 1), ("b", 2)] {
            let again = EndRequest::new(of_agent(&harness, key, agent), EndReason::Idle);
            let again = harness.runtime.end_session(again).await.unwrap();
            assert_eq!(made(&again), (Acceptance::DuplicateEnd, generation), "{key}, over a restart");
        }
    }
}

#[tokio::test]
async fn an_end_of_another_agent_is_not_the_last_one_told_again() {
    for disk in Disk::of_each_kind() {
        let mut harness = disk.harness("t").await;
        let end = |harness: &Harness, key, agent| {
            harness.runtime.end_session(EndRequest::new(of_agent(harness, key, agent), EndReason::Idle))
        };
        harness.runtime.start_session(StartRequest::new(of_agent(&harness, A, "a"))).await.unwrap();
        assert_eq!(made(&end(&harness, A, "a").await.unwrap()), (Acceptance::Registered, 1));
        assert_eq!(made(&end(&harness, "", "b").await.unwrap()), (Acceptance::Implied, 2));
        assert_eq!(made(&end(&harness, "", "a").await.unwrap()), (Acceptance::DuplicateEnd, 1));
        harness.runtime.settled().await;
        drop(harness);
        harness = disk.harness("t").await;
        assert_eq!(made(&end(&harness, "", "c").await.unwrap()), (Acceptance::Implied, 3));
        assert_eq!(made(&end(&harness, "", "b").await.unwrap()), (Acceptance::DuplicateEnd, 2));
    }
}
