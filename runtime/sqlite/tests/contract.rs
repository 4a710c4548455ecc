//! What every journal must do. A new implementation adds itself to `journals`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly, its helper functions too")]

use std::sync::Arc;

use lastword_events::{
    Change, CompactionPhase, DrainReason, EndReason, Event, EventKey, FailureCause, Hook, Identity,
    KEY_OVERHEAD_BYTES as KEY, PluginName, Session, SessionCompaction, SessionEnd, SessionStart, Timestamp,
};
use lastword_journal::{
    Appended, Completion, DeliveryKey, Journal, JournalError, JournalOp, KeyValueChanges, KeyValueConflict,
    MemoryJournal, PendingDelivery, REPEATED_WITHIN, RETAINED_ENDED_SESSIONS, Receipt, RecentEnd, Recovered,
    RefusedCompletion, Settlement, Space, StagedCompletions,
};
use lastword_sqlite::SqliteJournal;

/// A journal, run after run.
struct Runs {
    journal: Option<Arc<dyn Journal>>,
    open: Box<dyn FnMut() -> Arc<dyn Journal>>,
}

impl Runs {
    fn next_run(&mut self) -> Recovered {
        // One that has a file has to let go of it first.
        self.journal = None;
        let journal = self.journal.insert((self.open)());
        journal.recover().unwrap()
    }
}

impl std::ops::Deref for Runs {
    type Target = dyn Journal;

    fn deref(&self) -> &Self::Target {
        &**self.journal.as_ref().unwrap()
    }
}

fn journals() -> Vec<Runs> {
    let memory = Arc::new(MemoryJournal::new());
    let dir = tempfile::tempdir().unwrap();
    let file = move || -> Arc<dyn Journal> { Arc::new(SqliteJournal::open(&dir.path().join("journal.db")).unwrap()) };
    vec![Runs { journal: None, open: Box::new(move || memory.clone()) }, Runs { journal: None, open: Box::new(file) }]
}

fn plugin() -> PluginName {
    PluginName::new("memory").unwrap()
}

fn start_event() -> Arc<Event> {
    Arc::new(Event::Start(SessionStart::default()))
}

fn end_event(reason: EndReason) -> Arc<Event> {
    Arc::new(Event::End(SessionEnd::new(reason, Timestamp::from_millisecond(0))))
}

async fn start(journal: &dyn Journal, id: &str) -> (u64, Arc<Session>) {
    let write =
        JournalOp::Start { session: Arc::new(Session::new("t", id)), event: start_event(), owed: vec![], op_id: None };
    match journal.append(write).await.unwrap() {
        Appended::Session { sequence, session } => (sequence, session),
        other => panic!("{other:?}"),
    }
}

async fn end(journal: &dyn Journal, sequence: u64, session: &Arc<Session>) -> Appended {
    let (session, event) = (session.clone(), end_event(EndReason::Reset));
    journal
        .append(JournalOp::End { sequence, session, event, owed: vec![plugin()], received: None, op_id: None })
        .await
        .unwrap()
}

fn completion(sequence: u64, attempt: u32, settlement: Settlement) -> Completion {
    let delivery = DeliveryKey { sequence, event: EventKey::End, plugin: plugin() };
    Completion { delivery, attempt, settlement, changes: None }
}

fn owed_again(late: bool) -> Settlement {
    Settlement::Owed { failures: 1, late, retry_at: None, cause: FailureCause::Retry, message: "busy".into() }
}

fn changes(space: &Space, keys: &[(&str, Option<&[u8]>)]) -> Option<Box<KeyValueChanges>> {
    let change = |&(key, value): &(&str, Option<&[u8]>)| {
        (key.to_owned(), value.map_or(Change::Delete, |value| Change::Set(value.to_vec())))
    };
    let changes = keys.iter().map(change).collect();
    Some(Box::new(KeyValueChanges { space: space.clone(), plugin_quota: None, tenant_quota: None, changes }))
}

#[tokio::test]
async fn sequence_numbers_are_never_used_again_and_generations_count_per_id() {
    for mut journal in journals() {
        journal.next_run();
        let (first, one) = start(&*journal, "a").await;
        end(&*journal, first, &one).await;
        let (second, two) = start(&*journal, "a").await;
        let (third, other) = start(&*journal, "b").await;
        assert!(first < second && second < third);
        assert_eq!((one.generation, two.generation, other.generation), (1, 2, 1));
    }
}

fn received_at(at: Timestamp) -> Receipt {
    // Each bit is kept.
    Receipt { at, said: u64::MAX - 1 }
}

fn stray(identity: &Identity, at: Timestamp) -> JournalOp {
    JournalOp::EndWithoutStart {
        session: Arc::new(Session::of(identity.clone())),
        event: end_event(EndReason::Reset),
        owed: vec![],
        received: received_at(at),
        op_id: None,
    }
}

async fn end_at(journal: &dyn Journal, identity: &Identity, at: Timestamp) -> (u64, u32) {
    match journal.append(stray(identity, at)).await.unwrap() {
        Appended::Session { sequence, session } => (sequence, session.generation),
        other => panic!("{other:?}"),
    }
}

/// Sessions whose end may be repeated, with its generation.
fn recent(recovered: &Recovered) -> Vec<(&str, &str, u32)> {
    let of = |end: &RecentEnd| end.ended_at == Timestamp::from_millisecond(0) && end.received.said == u64::MAX - 1;
    assert!(recovered.ended.iter().all(of), "{:?}", recovered.ended);
    let mut ended: Vec<_> =
        recovered.ended.iter().map(|end| (&*end.identity.id, &*end.identity.scope, end.generation)).collect();
    ended.sort_unstable();
    ended
}

#[tokio::test]
async fn ends_of_the_last_seconds_are_known_to_the_next_run_until_something_is_heard_of_their_sessions() {
    for mut journal in journals() {
        journal.next_run();
        let now = Timestamp::now();
        let id = |id: &str| Identity::new("t", id);
        for said in ["told", "again", "alive", "started"] {
            end_at(&*journal, &id(said), now).await;
        }
        end_at(&*journal, &id("again"), now).await;
        let (alive, _) = end_at(&*journal, &id("alive"), now).await;
        journal.append(JournalOp::Alive { sequence: alive }).await.unwrap();
        start(&*journal, "started").await;
        let (sequence, session) = start(&*journal, "ended").await;
        let (session, event, received) = (session.clone(), end_event(EndReason::Reset), Some(received_at(now)));
        let told = JournalOp::End { sequence, session, event, owed: vec![], received, op_id: None };
        journal.append(told).await.unwrap();
        // The runtime has found this one out, and no owner has told of it.
        let (sequence, session) = start(&*journal, "crashed").await;
        end(&*journal, sequence, &session).await;
        for _ in 0..2 {
            assert_eq!(recent(&journal.next_run()), [("again", "", 2), ("ended", "", 1), ("told", "", 1)]);
        }
    }
}

#[tokio::test]
async fn ends_that_are_long_ago_or_that_a_clock_has_from_the_future_are_not_told_again() {
    for mut journal in journals() {
        journal.next_run();
        let now = Timestamp::now();
        let ms = |ms: i64| Timestamp::from_millisecond(now.as_millisecond() + ms);
        let (window, hour) = (i64::try_from(REPEATED_WITHIN.as_millis()).unwrap(), 3_600_000);
        end_at(&*journal, &Identity::new("t", "long-ago"), ms(-window - 1)).await;
        end_at(&*journal, &Identity::new("t", "future"), ms(hour)).await;
        end_at(&*journal, &Identity::new("t", "just-now"), ms(0)).await;
        assert_eq!(recent(&journal.next_run()), [("just-now", "", 1)]);
    }
}

#[tokio::test]
async fn sessions_of_one_id_in_two_scopes_are_two_and_share_no_generation() {
    for mut journal in journals() {
        journal.next_run();
        let scope = |scope: &str| Identity::new("t", "main").in_scope(scope);
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
        // Its key has changed, and it ends.
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
        let (_, generation) = end_at(&*journal, &scope(""), Timestamp::now()).await;
        assert_eq!(generation, 3);
        let left = journal.next_run();
        assert_eq!(scopes(&left), [("agent:b:main".to_owned(), 2)]);
        assert_eq!(recent(&left), [("main", "", 3), ("main", "agent:a:telegram", 1)]);
        assert_eq!(&*left.deliveries[0].session.identity.scope, "agent:a:telegram");
    }
}

#[tokio::test]
async fn a_compaction_of_an_unknown_session_is_one_write_and_counts_once() {
    for mut journal in journals() {
        journal.next_run();
        let compaction = || JournalOp::CompactionWithoutStart {
            session: Arc::new(Session::new("t", "a")),
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
}

#[tokio::test]
async fn an_op_id_belongs_to_its_session_and_kind_of_line() {
    for mut journal in journals() {
        journal.next_run();
        let op_id = || Some(Arc::<str>::from("op"));
        let start = |tenant: &str, id: &str| JournalOp::Start {
            session: Arc::new(Session::new(tenant, id)),
            event: start_event(),
            owed: vec![],
            op_id: op_id(),
        };
        let Appended::Session { sequence, session } = journal.append(start("t", "a")).await.unwrap() else { panic!() };
        assert_eq!(journal.append(start("t", "a")).await.unwrap(), Appended::DuplicateOp { generation: 1 });
        for (tenant, id) in [("t", "b"), ("u", "a")] {
            assert!(
                matches!(journal.append(start(tenant, id)).await.unwrap(), Appended::Session { .. }),
                "{tenant}/{id}"
            );
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
        assert_eq!(
            journal.append(again).await.unwrap(),
            Appended::DuplicateOp { generation: 1 },
            "over a restart as well"
        );
        let (of_end, of_compaction) = (Hook::SessionEnd, Hook::SessionCompaction);
        assert_eq!(journal.known_op(&session.identity, of_end, "op"), Some(1));
        assert_eq!(journal.known_op(&session.identity, of_compaction, "op"), None);
    }
}

#[tokio::test]
async fn a_session_can_be_attached_as_long_as_no_run_can_have_told_of_its_end() {
    let attachable = |recovered: &Recovered| recovered.sessions[0].attachable;
    let installed = |attaching| vec![JournalOp::Installed { plugins: vec![], attaching }];
    for mut journal in journals() {
        journal.next_run();
        journal.append_decided(installed(false)).await.unwrap();
        start(&*journal, "a").await;
        assert!(attachable(&journal.next_run()), "its owner may still be there");
        for _ in 0..3 {
            journal.append_decided(installed(true)).await.unwrap();
            assert!(attachable(&journal.next_run()), "the runs since have held it");
        }
        // This run dies before it says anything.
        assert!(!attachable(&journal.next_run()), "that one may have told of it");
        journal.append_decided(installed(true)).await.unwrap();
        assert!(!attachable(&journal.next_run()), "and that is not forgotten");
    }
    for mut journal in journals() {
        journal.next_run();
        start(&*journal, "a").await;
        journal.next_run();
        let draining = JournalOp::Draining { reason: DrainReason::Shutdown, at: Timestamp::from_millisecond(7) };
        journal.append_decided([installed(true), vec![draining]].concat()).await.unwrap();
        assert!(!attachable(&journal.next_run()), "a drain ends unattached sessions");
    }
}

/// Of a file it is tested where rows can be made old.
#[tokio::test]
async fn an_id_that_a_journal_in_memory_has_forgotten_counts_on() {
    let journal = MemoryJournal::new();
    for _ in 0..3 {
        let (sequence, session) = start(&journal, "back").await;
        end(&journal, sequence, &session).await;
    }
    for n in 0..RETAINED_ENDED_SESSIONS {
        let (sequence, session) = start(&journal, &format!("s{n}")).await;
        end(&journal, sequence, &session).await;
    }
    assert_eq!(start(&journal, "back").await.1.generation, 4);
    assert_eq!(start(&journal, "s1").await.1.generation, 4, "this one is remembered, and skips some");
}

#[tokio::test]
async fn what_is_owed_is_found_by_the_next_run_until_it_is_delivered_or_dead() {
    for mut journal in journals() {
        journal.next_run();
        let mut sequences = Vec::new();
        for id in ["delivered", "failed", "dead", "untried"] {
            let (sequence, session) = start(&*journal, id).await;
            end(&*journal, sequence, &session).await;
            sequences.push(sequence);
        }
        let failed = owed_again(true);
        let dead = Settlement::Dead { failures: 1, cause: FailureCause::Fatal, message: "never".into() };
        let done = [Settlement::Delivered, failed, dead];
        let completions = done.into_iter().zip(&sequences).map(|(s, n)| completion(*n, 1, s)).collect();
        journal.complete(&"t".into(), completions).pending.await.unwrap();
        journal.flush().await.unwrap();

        let owed = journal.next_run().deliveries;
        let owed: Vec<_> = owed.iter().map(|d| (&*d.session.identity.id, d.attempt, d.failures, d.late)).collect();
        // The dead run may have begun one attempt more of each.
        assert_eq!(owed, [("failed", 2, 1, true), ("untried", 1, 0, false)]);
    }
}

#[tokio::test]
async fn what_an_orphan_is_overtaken_by_is_remembered_until_its_plugin_is_back() {
    for mut journal in journals() {
        journal.next_run();
        for id in ["overtaken", "alone"] {
            let (sequence, session) = start(&*journal, id).await;
            end(&*journal, sequence, &session).await;
        }
        let found = journal.next_run().deliveries;
        let orphaned = |d: &PendingDelivery| JournalOp::Orphaned {
            delivery: d.delivery.clone(),
            late: &*d.session.identity.id == "overtaken",
        };
        journal.append_decided(found.iter().map(orphaned).collect()).await.unwrap();
        let found = journal.next_run().deliveries;
        let found: Vec<_> = found.iter().map(|d| (&*d.session.identity.id, d.late)).collect();
        assert_eq!(found, [("overtaken", true), ("alone", false)]);
    }
}

#[tokio::test]
async fn sessions_without_an_end_are_found_with_what_is_known_of_them() {
    for mut journal in journals() {
        journal.next_run();
        let (sequence, session) = start(&*journal, "a").await;
        let mut updated = Session::clone(&session);
        updated.cwd = Some("/w".into());
        let session = Arc::new(updated);
        journal.append(JournalOp::Update { sequence, session: session.clone(), op_id: None }).await.unwrap();
        let event = Event::Compaction(SessionCompaction::new(CompactionPhase::Before));
        let write = JournalOp::Compaction {
            sequence,
            n: 1,
            session,
            event: Arc::new(event),
            owed: vec![plugin()],
            op_id: None,
        };
        journal.append(write).await.unwrap();

        let recovered = journal.next_run();
        let [found] = &recovered.sessions[..] else { panic!("one session is active") };
        assert_eq!((found.sequence, found.compactions, found.drained().drain), (sequence, 1, None));
        assert_eq!((found.session.cwd.as_deref(), found.session.generation), (Some("/w"), 1));
        let key = EventKey::Compaction { n: 1, phase: CompactionPhase::Before };
        assert_eq!(recovered.deliveries[0].delivery.event, key);
    }
}

#[tokio::test]
async fn a_drain_needs_no_write_for_each_session_and_the_next_run_knows_what_is_settled() {
    for mut journal in journals() {
        journal.next_run();
        let (delivered, _) = start(&*journal, "delivered").await;
        let (failed, _) = start(&*journal, "failed").await;
        start(&*journal, "untried").await;
        let at = Timestamp::from_millisecond(7);
        journal.append(JournalOp::Draining { reason: DrainReason::Restart, at }).await.unwrap();
        journal.append(JournalOp::Draining { reason: DrainReason::Shutdown, at }).await.unwrap();
        let owed = owed_again(false);
        journal
            .complete(&"t".into(), vec![completion(delivered, 1, Settlement::Delivered), completion(failed, 1, owed)])
            .pending
            .await
            .unwrap();

        let sessions = journal.next_run().sessions;
        assert!(sessions.iter().all(|s| s.drained().drain == Some((DrainReason::Restart, at))), "the first cause wins");
        let settled: Vec<_> = sessions
            .iter()
            .map(|s| (&*s.session.identity.id, s.drained().settled.len(), s.drained().failed.len()))
            .collect();
        assert_eq!(settled, [("delivered", 1, 0), ("failed", 0, 1), ("untried", 0, 0)]);
        assert_eq!(sessions[1].attempt, 2);
        for session in sessions {
            end(&*journal, session.sequence, &session.session).await;
        }
        let owed = journal.next_run().deliveries;
        let ids: Vec<_> = owed.iter().map(|d| &*d.session.identity.id).collect();
        assert_eq!(ids, ["failed", "untried"]);
    }
}

#[tokio::test]
async fn what_a_guest_wrote_is_there_when_its_call_delivered_and_not_before() {
    for mut journal in journals() {
        journal.next_run();
        let (sequence, session) = start(&*journal, "a").await;
        end(&*journal, sequence, &session).await;
        let space = Space { tenant: "t".into(), plugin: plugin() };
        let write = |settlement, value: &[u8]| Completion {
            changes: changes(&space, &[("count", Some(value))]),
            ..completion(sequence, 1, settlement)
        };
        let failed = owed_again(false);
        journal.complete(&"t".into(), vec![write(failed, b"1")]).pending.await.unwrap();
        assert_eq!(journal.key_value(&space, "count").unwrap(), None);
        journal.complete(&"t".into(), vec![write(Settlement::Delivered, b"2")]).pending.await.unwrap();
        assert_eq!(journal.key_value(&space, "count").unwrap(), Some(b"2".to_vec()));
        let other = Space { tenant: "u".into(), plugin: plugin() };
        assert_eq!(journal.key_value(&other, "count").unwrap(), None, "another tenant sees nothing of it");
    }
}

#[tokio::test]
async fn a_space_has_its_keys_in_order_and_counts_the_bytes_of_keys_and_values() {
    for mut journal in journals() {
        journal.next_run();
        let (sequence, session) = start(&*journal, "a").await;
        end(&*journal, sequence, &session).await;
        let space =
            |tenant: &str, plugin: &str| Space { tenant: tenant.into(), plugin: PluginName::new(plugin).unwrap() };
        let (mine, next_door, elsewhere) = (space("t", "memory"), space("t", "other"), space("u", "memory"));
        let write = |space: &Space, keys: &[(&str, Option<&[u8]>)]| {
            let changes = changes(space, keys);
            journal
                .complete(&"t".into(), vec![Completion { changes, ..completion(sequence, 1, Settlement::Delivered) }])
                .pending
        };
        let bytes = || {
            let of = |space| journal.key_value_bytes(space).unwrap();
            (of(&mine), of(&next_door), of(&elsewhere), journal.key_value_tenant_bytes("t").unwrap())
        };
        let keys = |space| journal.key_value_keys(space, None, 100).unwrap();
        assert_eq!((bytes(), keys(&mine)), ((0, 0, 0, 0), vec![]));

        write(&mine, &[("b", Some(b"12")), ("ä", Some(b"")), ("a", Some(b"1"))]).await.unwrap();
        write(&next_door, &[("key", Some(b"value"))]).await.unwrap();
        assert_eq!(keys(&mine), ["a", "b", "ä"]);
        assert_eq!(journal.key_value_keys(&mine, Some("a"), 1).unwrap(), ["b"]);
        assert_eq!(journal.key_value_keys(&mine, Some("aa"), 100).unwrap(), ["b", "ä"], "a key that is not there");
        assert_eq!(keys(&next_door), ["key"], "each plugin has its own");
        assert_eq!(bytes(), (3 + 2 + 2 + 3 * KEY, 8 + KEY, 0, 15 + 4 * KEY));

        write(&mine, &[("b", Some(b"1")), ("a", None), ("never-was", None)]).await.unwrap();
        assert_eq!(keys(&mine), ["b", "ä"]);
        assert_eq!(bytes(), (2 + 2 + 2 * KEY, 8 + KEY, 0, 12 + 3 * KEY));

        write(&mine, &[("b", None), ("ä", None)]).await.unwrap();
        assert_eq!((bytes(), keys(&mine)), ((0, 8 + KEY, 0, 8 + KEY), vec![]));
    }
}

#[tokio::test]
async fn what_was_handed_over_is_read_at_once_and_in_order() {
    for mut journal in journals() {
        journal.next_run();
        let (sequence, session) = start(&*journal, "a").await;
        end(&*journal, sequence, &session).await;
        let space = Space { tenant: "t".into(), plugin: plugin() };
        let value = |text: &str| Completion {
            changes: changes(&space, &[("count", Some(text.as_bytes()))]),
            ..completion(sequence, 1, Settlement::Delivered)
        };
        let waiting = [
            journal.complete(&"t".into(), vec![value("1"), value("2")]),
            journal.complete(&"t".into(), vec![value("3")]),
        ];
        assert_eq!(journal.key_value(&space, "count").unwrap(), Some(b"3".to_vec()), "nobody has waited for it");
        for staged in waiting {
            staged.pending.await.unwrap();
        }
        assert_eq!(journal.key_value(&space, "count").unwrap(), Some(b"3".to_vec()));
    }
}

/// A call of plugin `memory` for tenant `t` that adds to numbers, and sets texts.
fn counts(quotas: (Option<u64>, Option<u64>), changes: &[(&str, Change)]) -> Completion {
    let space = Space { tenant: "t".into(), plugin: plugin() };
    let changes = changes.iter().map(|(key, change)| ((*key).to_owned(), change.clone())).collect();
    let changes = KeyValueChanges { space, plugin_quota: quotas.0, tenant_quota: quotas.1, changes };
    Completion { changes: Some(Box::new(changes)), ..completion(99, 1, Settlement::Delivered) }
}

#[tokio::test]
async fn what_cannot_be_stored_any_more_is_refused_alone_and_nothing_of_it_is_seen() {
    for mut journal in journals() {
        journal.next_run();
        let space = Space { tenant: "t".into(), plugin: plugin() };
        let set = |text: &str| Change::Set(text.as_bytes().to_vec());
        let max = u64::MAX.to_string();
        let begin = counts((None, None), &[("text", set("x")), ("max", set(&max))]);
        journal.complete(&"t".into(), vec![begin]).pending.await.unwrap();
        let calls = vec![
            counts((None, None), &[("a", Change::Add(1)), ("text", Change::Add(1))]),
            counts((None, None), &[("a", Change::Add(1))]),
            counts((None, None), &[("a", Change::Add(1)), ("max", Change::Add(1))]),
            counts((None, None), &[("a", Change::Add(2)), ("text", Change::Delete)]),
        ];
        let staged = journal.complete(&"t".into(), calls);
        let refused = |at, why| RefusedCompletion { at, why };
        assert_eq!(
            staged.refused,
            [
                refused(0, KeyValueConflict::NoNumber("text".into())),
                refused(2, KeyValueConflict::Overflow("max".into()))
            ]
        );
        assert_eq!(journal.key_value(&space, "a").unwrap().as_deref(), Some(&b"3"[..]));
        staged.pending.await.unwrap();
        assert_eq!(journal.key_value(&space, "a").unwrap().as_deref(), Some(&b"3"[..]));
        assert_eq!(journal.key_value_keys(&space, None, 9).unwrap(), ["a", "max"]);
    }
}

#[tokio::test]
async fn quotas_count_what_is_stored_when_a_call_is_handed_over_and_let_go_what_frees() {
    for mut journal in journals() {
        journal.next_run();
        let fill = |key, n: usize| (key, Change::Set(vec![b'x'; n]));
        let complete = |calls: Vec<Completion>| {
            let journal = &*journal;
            async move {
                let StagedCompletions { refused, pending } = journal.complete(&"t".into(), calls);
                pending.await.unwrap();
                refused
            }
        };
        let plugins = (Some(10 + 2 * KEY), Some(12 + 3 * KEY));
        let calls = [fill("a", 7), fill("b", 2), fill("b", 1)].map(|one| counts(plugins, &[one]));
        let over = KeyValueConflict::PluginQuota { quota: 10 + 2 * KEY, wanted: 11 + 2 * KEY };
        assert_eq!(complete(calls.to_vec()).await, [RefusedCompletion { at: 1, why: over }]);
        // Another plugin of the tenant has its own quota, and the tenant's.
        let other = |n| {
            let mut call = counts((Some(10 + KEY), plugins.1), &[fill("c", n)]);
            let space = Space { tenant: "t".into(), plugin: PluginName::new("other").unwrap() };
            call.changes.as_mut().unwrap().space = space;
            call
        };
        let over = KeyValueConflict::TenantQuota { quota: 12 + 3 * KEY, wanted: 13 + 3 * KEY };
        assert_eq!(complete(vec![other(2), other(1)]).await, [RefusedCompletion { at: 0, why: over }]);
        // The operator has lowered the quota: less is always possible, more is not.
        let calls = [fill("a", 6), fill("a", 7)].map(|one| counts((Some(3), plugins.1), &[one]));
        let over = KeyValueConflict::PluginQuota { quota: 3, wanted: 10 + 2 * KEY };
        assert_eq!(complete(calls.to_vec()).await, [RefusedCompletion { at: 1, why: over }]);
        assert_eq!(journal.key_value_tenant_bytes("t").unwrap(), 7 + 2 + 2 + 3 * KEY);
    }
}

#[test]
fn threads_that_hand_over_at_the_same_time_lose_no_increment() {
    for mut journal in journals() {
        journal.next_run();
        let shared: &dyn Journal = &*journal;
        std::thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || {
                    for n in 0..250 {
                        let calls = vec![counts((None, None), &[("count", Change::Add(1))]); 1 + (n + thread) % 3];
                        assert!(shared.complete(&"t".into(), calls).refused.is_empty());
                    }
                });
            }
        });
        let expected: usize = (0..4).flat_map(|thread| (0..250).map(move |n| 1 + (n + thread) % 3)).sum();
        let space = Space { tenant: "t".into(), plugin: plugin() };
        assert_eq!(journal.key_value(&space, "count").unwrap(), Some(expected.to_string().into_bytes()));
        journal.next_run();
        assert_eq!(journal.key_value(&space, "count").unwrap(), Some(expected.to_string().into_bytes()));
    }
}

#[tokio::test]
async fn a_write_for_a_session_that_is_not_active_is_an_error_and_changes_nothing() {
    for mut journal in journals() {
        journal.next_run();
        let session = Arc::new(Session::new("t", "a"));
        let write = JournalOp::Update { sequence: 99, session, op_id: None };
        assert_eq!(journal.append(write).await, Err(JournalError::UnknownSession(99)));
    }
}
