//! Who is who: which session an event is of, and which end is one that was told before.

use std::sync::Arc;
use std::time::Duration;

use lastword::events::{CompactionPhase, EndReason, Hook, Identity, Session, Timestamp};
use lastword::{
    Acceptance, Accepted, CompactionRequest, EndRequest, Journal, MemoryJournal, OpenError, SqliteJournal, StartRequest,
};
use lastword_tests::{House, held};

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

    async fn house(&self, tenant: &str) -> House {
        self.house_with_grace(tenant, Duration::ZERO).await
    }

    async fn house_with_grace(&self, tenant: &str, grace: Duration) -> House {
        let journal: Arc<dyn Journal> = match &self.memory {
            Some(memory) => memory.clone(),
            None => Arc::new(self.open().await),
        };
        House::builder().plugin("prints", "prints").journal(journal).tenant(tenant).attach_grace(grace).build()
    }
}

impl Disk {
    /// The house before lets go of its file when its workers have left.
    async fn open(&self) -> SqliteJournal {
        loop {
            match SqliteJournal::open(&self.home.path().join("journal.db")) {
                Err(OpenError::Locked { .. }) => tokio::task::yield_now().await,
                opened => return opened.unwrap(),
            }
        }
    }
}

fn ends(house: &House) -> Vec<(String, u32, EndReason)> {
    let ends = house.outcomes_of("prints", Hook::SessionEnd);
    let mut ends: Vec<_> = ends.into_iter().map(|end| (end.session, end.generation, end.reason.unwrap())).collect();
    ends.sort_by_key(|(_, generation, _)| *generation);
    ends
}

#[tokio::test]
async fn an_end_that_is_told_again_is_delivered_once_and_what_it_knows_more_is_counted() {
    let house = House::with(&["prints"]);
    house.start("s").await.unwrap();
    let first = house.end("s", EndReason::Idle).await.unwrap();
    let again = house.end("s", EndReason::Idle).await.unwrap();
    let mut more = EndRequest::new(house.session("s"), EndReason::UserExit);
    more.event.message_count = Some(42);
    let more = house.runtime.end_session(more).await.unwrap();
    assert_eq!(
        [&first, &again, &more].map(made),
        [(Acceptance::Registered, 1), (Acceptance::DuplicateEnd, 1), (Acceptance::DuplicateEnd, 1)]
    );
    let counts = house.runtime.repeated_ends();
    assert_eq!((counts.told_again, counts.knew_more), (2, 1));
    house.runtime.settled().await;
    assert_eq!(ends(&house), [("s".to_owned(), 1, EndReason::Idle)]);
}

/// A session goes on after an end that was told too early, and ends for good: with a compaction between, with any other event
/// between, or with a restart as well.
#[tokio::test]
async fn a_session_that_lives_after_its_end_ends_again_whatever_was_between() {
    for disk in Disk::of_each_kind() {
        let mut house = disk.house("t").await;
        let identity = |id: &str| Identity::new("t", id);
        for id in ["compacted", "seen", "restarted"] {
            house.start(id).await.unwrap();
            assert_eq!(house.end(id, EndReason::Other("other".into())).await.unwrap().how, Acceptance::Registered);
        }
        house.compaction("compacted", CompactionPhase::Before).await.unwrap();
        house.runtime.seen(&identity("seen"));
        house.runtime.seen(&identity("restarted"));
        for id in ["compacted", "seen"] {
            assert_eq!(house.end(id, EndReason::UserExit).await.unwrap().generation, 2, "{id}");
        }
        house.runtime.recorded().await.unwrap();
        drop(house);
        house = disk.house("t").await;
        assert_eq!(made(&house.end("restarted", EndReason::UserExit).await.unwrap()), (Acceptance::Implied, 2));
    }
}

#[tokio::test]
async fn an_end_is_the_same_told_again_with_a_restart_between() {
    for disk in Disk::of_each_kind() {
        let house = disk.house("t").await;
        house.start("s").await.unwrap();
        house.end("s", EndReason::Idle).await.unwrap();
        house.end("stray", EndReason::Idle).await.unwrap();
        house.runtime.settled().await;
        drop(house);
        let house = disk.house("t").await;
        for id in ["s", "stray"] {
            let again = house.end(id, EndReason::Idle).await.unwrap();
            assert_eq!(made(&again), (Acceptance::DuplicateEnd, 1), "{id}");
        }
        house.runtime.settled().await;
        assert_eq!(ends(&house), []);
    }
}

#[tokio::test]
async fn an_end_with_another_name_or_of_a_session_that_began_later_is_a_new_one() {
    let house = House::with(&["prints"]);
    let end = |op: Option<&str>, started_at: Option<Timestamp>| {
        let mut request = EndRequest::new(house.session("s"), EndReason::Idle);
        request.op_id = op.map(Arc::from);
        request.session.started_at = started_at;
        house.runtime.end_session(request)
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
        let house = disk.house("t").await;
        house.start("s").await.unwrap();
        house.runtime.settled().await;
        drop(house);
        let house = disk.house("t").await;
        assert_eq!(made(&house.end("s", EndReason::Reset).await.unwrap()), (Acceptance::Implied, 2));
        house.runtime.settled().await;
        let expected = [(1, EndReason::Crashed), (2, EndReason::Reset)];
        assert_eq!(ends(&house), expected.map(|(generation, reason)| ("s".to_owned(), generation, reason)));
    }
}

/// What is told of a session while its end waits for the disk comes after that end.
#[tokio::test]
async fn what_is_seen_has_its_place_in_the_order_of_its_session() {
    let journal = held();
    let house = House::builder().plugin("prints", "prints").journal(journal.clone()).build();
    house.start("s").await.unwrap();
    journal.hold();
    let identity = Identity::new(&house.tenant, "s");
    let first = house.runtime.end_session(EndRequest::new(house.session("s"), EndReason::Idle));
    let again = house.runtime.end_session(EndRequest::new(house.session("s"), EndReason::Idle));
    house.runtime.seen(&identity);
    house.runtime.seen(&identity);
    let last = house.runtime.end_session(EndRequest::new(house.session("s"), EndReason::UserExit));
    journal.commit().await;
    let answers = [first.await.unwrap(), again.await.unwrap(), last.await.unwrap()];
    assert_eq!(
        answers.each_ref().map(made),
        [(Acceptance::Registered, 1), (Acceptance::DuplicateEnd, 1), (Acceptance::Implied, 2)]
    );
}

/// OpenClaw's sessions: an id, a key, and where they work.
fn keyed(house: &House, key: &str, cwd: &str) -> Session {
    let mut session = house.session("main");
    session.identity.scope = key.into();
    session.key = Some(key.to_owned()).filter(|key| !key.is_empty());
    session.cwd = Some(cwd.to_owned());
    session
}

fn listed(house: &House) -> Vec<(String, u32, Option<String>)> {
    let of = |session: &Arc<Session>| (session.identity.scope.to_string(), session.generation, session.cwd.clone());
    house.runtime.sessions().iter().map(of).collect()
}

const A: &str = "agent:a:main";
const B: &str = "agent:b:main";

#[tokio::test]
async fn two_agents_with_one_session_id_are_two_sessions_and_their_facts_are_not_mixed() {
    let house = House::with(&["prints"]);
    for (key, cwd) in [(A, "/a"), (B, "/b")] {
        let started = house.runtime.start_session(StartRequest::new(keyed(&house, key, cwd))).await.unwrap();
        assert_eq!(started.how, Acceptance::Registered);
    }
    let both = [(A.to_owned(), 1, Some("/a".to_owned())), (B.to_owned(), 2, Some("/b".to_owned()))];
    assert_eq!(listed(&house), both, "no plugin takes one for the other: their generations differ");
    let end = |key: &str, reason| house.runtime.end_session(EndRequest::new(keyed(&house, key, "/c"), reason));
    assert_eq!(made(&end(A, EndReason::New).await.unwrap()), (Acceptance::Registered, 1));
    assert_eq!(listed(&house), both[1..]);
    assert_eq!(made(&end(B, EndReason::Idle).await.unwrap()), (Acceptance::Registered, 2));
    assert_eq!(made(&end(A, EndReason::New).await.unwrap()), (Acceptance::DuplicateEnd, 1));
    house.runtime.settled().await;
    let expected = [("main".to_owned(), 1, EndReason::New), ("main".to_owned(), 2, EndReason::Idle)];
    assert_eq!(ends(&house), expected);
}

#[tokio::test]
async fn an_event_without_a_key_goes_to_the_one_active_session_of_its_id_and_says_so_when_there_are_two() {
    let house = House::with(&["prints"]);
    let start = |key: &str| house.runtime.start_session(StartRequest::new(keyed(&house, key, "/w")));
    let end = |op: Option<&str>| {
        let request = EndRequest::new(house.session("main"), EndReason::Reset);
        house.runtime.end_session(EndRequest { op_id: op.map(Arc::from), ..request })
    };
    start(A).await.unwrap();
    start(B).await.unwrap();
    let compaction = CompactionRequest::new(house.session("main"), CompactionPhase::Before);
    let compacted = house.runtime.compaction(compaction).await.unwrap();
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
        "told again, and not the other's"
    );
    assert_eq!(listed(&house).len(), 1);
    // A session that began after that end is not the one that it was of.
    start("agent:c:main").await.unwrap();
    let ended = end(None).await.unwrap();
    assert_eq!((made(&ended), &*ended.identity.scope), ((Acceptance::Registered, 3), "agent:c:main"));
    let of_a = house.runtime.end_session(EndRequest::new(keyed(&house, A, "/w"), EndReason::Idle)).await.unwrap();
    assert_eq!(made(&of_a), (Acceptance::Registered, 1));
}

/// Over a restart as well: the owner comes back for the sessions that were left.
#[tokio::test]
async fn an_end_that_is_told_again_ends_no_other_session_of_its_id() {
    let (x, y) = ("agent:a:x", "agent:a:y");
    let cases = [y, ""].into_iter().flat_map(|key| Disk::of_each_kind().map(|disk| (disk, key)));
    for (disk, key) in cases {
        let mut house = disk.house("t").await;
        for key in [x, y] {
            house.runtime.start_session(StartRequest::new(keyed(&house, key, "/w"))).await.unwrap();
        }
        let end = |house: &House, key: &str| {
            house.runtime.end_session(EndRequest::new(keyed(house, key, "/w"), EndReason::Reset))
        };
        assert_eq!(made(&end(&house, key).await.unwrap()), (Acceptance::Registered, 2));
        assert_eq!(made(&end(&house, key).await.unwrap()), (Acceptance::DuplicateEnd, 2), "{key}");
        house.runtime.settled().await;
        drop(house);
        house = disk.house_with_grace("t", Duration::from_secs(3600)).await;
        assert_eq!(made(&end(&house, key).await.unwrap()), (Acceptance::DuplicateEnd, 2), "{key}, over a restart");
        assert_eq!(listed(&house), [(x.to_owned(), 1, Some("/w".to_owned()))]);
    }
}

/// What comes late of a session that has ended is not of the other one of its agent.
#[tokio::test]
async fn what_is_told_of_a_session_after_its_end_does_not_rename_another() {
    let (x, y) = ("agent:a:x", "agent:a:y");
    for op in [None, Some("op")] {
        let house = House::with(&["prints"]);
        for key in [x, y] {
            house.runtime.start_session(StartRequest::new(keyed(&house, key, "/w"))).await.unwrap();
        }
        let end = |key: &str, op: Option<&str>| {
            let request = EndRequest::new(keyed(&house, key, "/w"), EndReason::Reset);
            house.runtime.end_session(EndRequest { op_id: op.map(Arc::from), ..request })
        };
        assert_eq!(made(&end(x, None).await.unwrap()), (Acceptance::Registered, 1));
        let late = if op.is_some() {
            end(x, op).await
        } else {
            house.runtime.compaction(CompactionRequest::new(keyed(&house, x, "/w"), CompactionPhase::After)).await
        };
        assert_eq!(made(&late.unwrap()), (Acceptance::Implied, 3));
        assert!(listed(&house).contains(&(y.to_owned(), 2, Some("/w".to_owned()))));
    }
}

/// An end that waits for its turn as a drain begins is no other session's either.
#[tokio::test]
async fn a_drain_takes_no_session_over_with_the_end_of_another_that_is_told_again() {
    let journal = held();
    let house = House::builder().plugin("prints", "prints").journal(journal.clone()).build();
    for key in ["agent:a:x", "agent:a:y"] {
        house.runtime.start_session(StartRequest::new(keyed(&house, key, "/w"))).await.unwrap();
    }
    let end = |op: Option<&str>| {
        let request = EndRequest::new(keyed(&house, "agent:a:x", "/w"), EndReason::Reset);
        house.runtime.end_session(EndRequest { op_id: op.map(Arc::from), ..request })
    };
    assert_eq!(made(&end(None).await.unwrap()), (Acceptance::Registered, 1));
    house.runtime.settled().await;
    journal.hold();
    // It waits for the disk, and the one behind it for its turn.
    let (named, again) = (end(Some("op")), end(None));
    let report = house.drain();
    let (report, ()) = tokio::join!(report, async {
        house.seen(|seen| seen.hook == Hook::SessionEnd && seen.generation == 2).await;
        journal.commit().await;
    });
    assert_eq!(report.failed, 0);
    assert_eq!(made(&named.await.unwrap()), (Acceptance::Implied, 3));
    assert_eq!(made(&again.await.unwrap()), (Acceptance::DuplicateEnd, 3));
    let of_y = ends(&house).into_iter().find(|(_, generation, _)| *generation == 2);
    assert_eq!(of_y.unwrap().2, EndReason::Shutdown);
}

#[tokio::test]
async fn a_session_is_followed_when_its_key_changes_or_becomes_known() {
    for disk in Disk::of_each_kind() {
        let house = disk.house("t").await;
        house.runtime.start_session(StartRequest::new(keyed(&house, "", "/w"))).await.unwrap();
        let said = |key: &str| Session { cwd: None, ..keyed(&house, key, "") };
        house.runtime.start_session(StartRequest::new(said(A))).await.unwrap();
        assert_eq!(listed(&house), [(A.to_owned(), 1, Some("/w".to_owned()))]);
        let moved = "agent:a:telegram";
        let compaction = CompactionRequest::new(said(moved), CompactionPhase::After);
        assert_eq!(made(&house.runtime.compaction(compaction).await.unwrap()), (Acceptance::Registered, 1));
        assert_eq!(listed(&house), [(moved.to_owned(), 1, Some("/w".to_owned()))]);
        assert_eq!(house.runtime.sessions()[0].key.as_deref(), Some(moved));
        let again = "agent:a:discord";
        let ended = house.runtime.end_session(EndRequest::new(said(again), EndReason::Reset)).await.unwrap();
        assert_eq!((made(&ended), &*ended.identity.scope), ((Acceptance::Registered, 1), again));
        assert_eq!(listed(&house), []);
        let told_again = house.runtime.end_session(EndRequest::new(said(again), EndReason::Reset)).await.unwrap();
        assert_eq!(made(&told_again), (Acceptance::DuplicateEnd, 1));
        house.runtime.settled().await;
        assert_eq!(ends(&house), [("main".to_owned(), 1, EndReason::Reset)]);
    }
}

/// Ends that wait for the disk as a drain begins keep their reasons, each with its own session.
#[tokio::test]
async fn a_drain_takes_over_the_ends_of_two_sessions_of_one_id_each_with_its_own() {
    let journal = held();
    let house = House::builder().plugin("prints", "prints").journal(journal.clone()).build();
    for key in [A, B, "agent:c:main"] {
        house.runtime.start_session(StartRequest::new(keyed(&house, key, "/w"))).await.unwrap();
    }
    house.runtime.settled().await;
    journal.hold();
    let end = |key: &str, reason| house.runtime.end_session(EndRequest::new(keyed(&house, key, "/w"), reason));
    let (of_a, of_b) = (end(A, EndReason::New), end(B, EndReason::Idle));
    let report = house.drain();
    let (report, ()) = tokio::join!(report, async {
        house.seen(|seen| seen.hook == Hook::SessionEnd).await;
        journal.commit().await;
    });
    assert_eq!((report.delivered, report.failed, report.deferred), (3, 0, 0));
    let answers = [of_a.await.unwrap(), of_b.await.unwrap()];
    assert_eq!(answers.each_ref().map(made), [(Acceptance::Registered, 1), (Acceptance::Registered, 2)]);
    let reasons: Vec<_> = ends(&house).into_iter().map(|(_, _, reason)| reason).collect();
    assert_eq!(reasons, [EndReason::New, EndReason::Idle, EndReason::Shutdown]);
}

#[tokio::test]
async fn two_sessions_of_one_id_that_nobody_comes_back_for_end_when_the_grace_is_over() {
    let journal = Arc::new(MemoryJournal::new());
    let dead = House::builder().plugin("prints", "prints").journal(journal.clone()).build();
    for key in [A, B] {
        dead.runtime.start_session(StartRequest::new(keyed(&dead, key, "/w"))).await.unwrap();
    }
    dead.runtime.settled().await;
    let tenant = dead.tenant.clone();
    drop(dead);
    let builder = House::builder().plugin("prints", "prints").journal(journal).tenant(&tenant);
    let next = builder.attach_grace(Duration::from_millis(1)).build();
    for generation in [1, 2] {
        let ended = next.seen(|seen| seen.hook == Hook::SessionEnd && seen.generation == generation).await.unwrap();
        assert_eq!(ended.reason, Some(EndReason::Crashed));
    }
    assert!(next.runtime.sessions().is_empty());
}

/// A session of an agent that its owner names.
fn of_agent(house: &House, key: &str, agent: &str) -> Session {
    Session { agent_id: Some(agent.to_owned()), ..keyed(house, key, &format!("/{agent}")) }
}

#[tokio::test]
async fn two_agents_with_one_session_id_and_one_key_or_none_are_two_sessions() {
    let cases = ["", "main"].into_iter().flat_map(|key| Disk::of_each_kind().map(|disk| (disk, key)));
    for (disk, key) in cases {
        let house = disk.house("t").await;
        let start = |agent| house.runtime.start_session(StartRequest::new(of_agent(&house, key, agent)));
        let end = |agent, reason| house.runtime.end_session(EndRequest::new(of_agent(&house, key, agent), reason));
        let compaction = |agent| {
            house.runtime.compaction(CompactionRequest::new(of_agent(&house, key, agent), CompactionPhase::After))
        };
        assert_eq!(made(&start("a").await.unwrap()), (Acceptance::Registered, 1), "{key}");
        assert_eq!(made(&start("b").await.unwrap()), (Acceptance::Registered, 2), "{key}");
        assert_eq!(made(&start("b").await.unwrap()), (Acceptance::Updated, 2), "{key}");
        assert_eq!(made(&compaction("b").await.unwrap()), (Acceptance::Registered, 2), "{key}");
        assert_eq!(made(&compaction("a").await.unwrap()), (Acceptance::Registered, 1), "{key}");
        let mut where_they_work: Vec<_> = listed(&house).into_iter().map(|(_, n, cwd)| (n, cwd.unwrap())).collect();
        where_they_work.sort();
        assert_eq!(where_they_work, [(1, "/a".to_owned()), (2, "/b".to_owned())], "{key}");
        assert_eq!(made(&end("a", EndReason::Reset).await.unwrap()), (Acceptance::Registered, 1), "{key}");
        assert_eq!(made(&end("a", EndReason::Reset).await.unwrap()), (Acceptance::DuplicateEnd, 1), "{key}");
        assert_eq!(made(&end("b", EndReason::Idle).await.unwrap()), (Acceptance::Registered, 2), "{key}");
        assert_eq!(made(&end("b", EndReason::Idle).await.unwrap()), (Acceptance::DuplicateEnd, 2), "{key}");
        house.runtime.settled().await;
        let expected = [("main".to_owned(), 1, EndReason::Reset), ("main".to_owned(), 2, EndReason::Idle)];
        assert_eq!(ends(&house), expected, "{key}");
        drop(house);
        let house = disk.house("t").await;
        for (agent, generation) in [("a", 1), ("b", 2)] {
            let again = EndRequest::new(of_agent(&house, key, agent), EndReason::Idle);
            let again = house.runtime.end_session(again).await.unwrap();
            assert_eq!(made(&again), (Acceptance::DuplicateEnd, generation), "{key}, over a restart");
        }
    }
}

#[tokio::test]
async fn an_end_of_another_agent_is_not_the_last_one_told_again() {
    for disk in Disk::of_each_kind() {
        let mut house = disk.house("t").await;
        let end = |house: &House, key, agent| {
            house.runtime.end_session(EndRequest::new(of_agent(house, key, agent), EndReason::Idle))
        };
        house.runtime.start_session(StartRequest::new(of_agent(&house, A, "a"))).await.unwrap();
        assert_eq!(made(&end(&house, A, "a").await.unwrap()), (Acceptance::Registered, 1));
        assert_eq!(made(&end(&house, "", "b").await.unwrap()), (Acceptance::Implied, 2));
        assert_eq!(made(&end(&house, "", "a").await.unwrap()), (Acceptance::DuplicateEnd, 1));
        house.runtime.settled().await;
        drop(house);
        house = disk.house("t").await;
        assert_eq!(made(&end(&house, "", "c").await.unwrap()), (Acceptance::Implied, 3));
        assert_eq!(made(&end(&house, "", "b").await.unwrap()), (Acceptance::DuplicateEnd, 2));
    }
}
