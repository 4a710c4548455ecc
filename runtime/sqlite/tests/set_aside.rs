//! What SQLite does not take by itself is set aside, and the rest goes on. Somebody has changed the tables while the program
//! runs: that is how a constraint fails that never does otherwise.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly, its helper functions too")]

use std::path::PathBuf;
use std::sync::Arc;

use lastword_events::{
    Change, DrainReason, EndReason, Event, EventKey, FailureCause, PluginName, Session, SessionEnd, SessionStart,
    Timestamp,
};
use lastword_journal::{
    Appended, Changed, Completion, DeliveryChange, DeliveryKey, DeliveryState, Journal, JournalError, JournalOp,
    KeyValueChanges, Settlement, Space,
};
use lastword_sqlite::{Erasure, ErasureTarget, JournalFile, SqliteJournal};
use rusqlite::Connection;
use tempfile::TempDir;

struct Harness {
    _dir: TempDir,
    path: PathBuf,
    journal: SqliteJournal,
}

impl Harness {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let journal = SqliteJournal::open(&path).unwrap();
        journal.recover().unwrap();
        Self { _dir: dir, path, journal }
    }

    /// Changes the file behind the journal's back.
    fn alter(&self, sql: &str) {
        Connection::open(&self.path).unwrap().execute_batch(sql).unwrap();
    }

    async fn start(&self, id: &str) -> (u64, Arc<Session>) {
        let (session, event) = (Arc::new(Session::new("t", id)), Arc::new(Event::Start(SessionStart::default())));
        let write = JournalOp::Start { session, event, owed: vec![plugin()], op_id: None };
        match self.journal.append(write).await.unwrap() {
            Appended::Session { sequence, session } => (sequence, session),
            other => panic!("{other:?}"),
        }
    }

    fn set_aside(&self) -> Vec<lastword_sqlite::SetAsideRow> {
        JournalFile::look(&self.path).unwrap().set_aside().unwrap()
    }

    /// What the next start finds: ids of active sessions, and what is owed.
    fn next(self) -> (Vec<String>, Vec<(u64, EventKey)>) {
        let Self { _dir: dir, path, journal } = self;
        drop(journal);
        let journal = SqliteJournal::open(&path).unwrap();
        let recovered = journal.recover().unwrap();
        drop((journal, dir));
        let active = recovered.sessions.iter().map(|left| left.session.identity.id.to_string()).collect();
        (active, recovered.deliveries.iter().map(|owed| (owed.delivery.sequence, owed.delivery.event)).collect())
    }
}

fn plugin() -> PluginName {
    PluginName::new("memory").unwrap()
}

fn space() -> Space {
    Space { tenant: "t".into(), plugin: plugin() }
}

fn end((sequence, session): &(u64, Arc<Session>)) -> JournalOp {
    let event = Arc::new(Event::End(SessionEnd::new(EndReason::Reset, Timestamp::now())));
    let (sequence, session) = (*sequence, session.clone());
    JournalOp::End { sequence, session, event, owed: vec![plugin()], received: None, op_id: None }
}

fn of_start(sequence: u64, settlement: Settlement, stored: Option<(&str, &str)>) -> Completion {
    let delivery = DeliveryKey { sequence, event: EventKey::Start, plugin: plugin() };
    let change = |(key, value): (&str, &str)| (key.to_owned(), Change::Set(value.into()));
    let changes = stored.map(|stored| {
        let changes = vec![change(stored)];
        Box::new(KeyValueChanges { space: space(), plugin_quota: None, tenant_quota: None, changes })
    });
    Completion { delivery, attempt: 1, settlement, changes }
}

fn failed() -> Settlement {
    let (failures, cause, message) = (1, FailureCause::Retry, "busy".to_owned());
    Settlement::Owed { failures, late: false, retry_at: None, cause, message }
}

/// The sessions whose outcomes were set aside, when others that were handed over with them were not.
fn not_on_record(answer: Result<(), JournalError>) -> Vec<u64> {
    match answer {
        Err(JournalError::UnwritableOutcomes { deliveries, .. }) => deliveries.iter().map(|one| one.sequence).collect(),
        other => panic!("{other:?}"),
    }
}

const TAKES_A_VALUE_ONCE: &str = "CREATE UNIQUE INDEX once ON key_value (value)";

#[tokio::test]
async fn a_call_whose_values_cannot_be_stored_is_owed_again_and_everything_else_is_on_record() {
    let harness = Harness::new();
    let mut sequences = Vec::new();
    for id in ["a", "b", "c"] {
        sequences.push(harness.start(id).await.0);
    }
    harness.alter(TAKES_A_VALUE_ONCE);
    let made = |n: usize, key| of_start(sequences[n], Settlement::Delivered, Some((key, "same")));
    harness.journal.complete(&"t".into(), vec![made(0, "first")]).pending.await.unwrap();
    // In one group: a value that is there already, and an outcome like any other.
    let other = of_start(sequences[2], Settlement::Delivered, None);
    let answer = harness.journal.complete(&"t".into(), vec![made(1, "second"), other]).pending.await;
    assert_eq!(not_on_record(answer), [sequences[1]], "the other one is on record");
    let value = |key| harness.journal.key_value(&space(), key).unwrap();
    assert_eq!((value("first"), value("second")), (Some(b"same".to_vec()), None));
    let size = lastword_events::key_value_bytes("first", b"same");
    assert_eq!(harness.journal.key_value_bytes(&space()).unwrap(), size, "quotas count what is there");
    assert_eq!(harness.journal.key_value_tenant_bytes("t").unwrap(), size);
    harness.start("d").await;
    harness.journal.flush().await.unwrap();

    assert_eq!(harness.journal.set_aside(), 1);
    let listed = harness.set_aside();
    let [one] = listed.as_slice() else { panic!("{listed:?}") };
    assert_eq!((one.tenant.as_str(), one.session.as_str()), ("t", "b"));
    assert!(one.what.contains(r#""outcome":"delivered""#) && one.what.contains(r#""plugin":"memory""#), "{one:?}");
    assert!(one.why.contains("UNIQUE"), "{one:?}");
    assert_eq!(JournalFile::look(&harness.path).unwrap().check().unwrap(), Vec::<String>::new(), "the file is whole");
    harness.alter("DROP INDEX once");
    let b = sequences[1];
    let (active, owed) = harness.next();
    assert_eq!((active.len(), owed), (4, vec![(b, EventKey::Start), (b + 2, EventKey::Start)]));
}

#[tokio::test]
async fn an_end_that_cannot_be_recorded_leaves_its_session_active_for_the_next_start() {
    let harness = Harness::new();
    let (a, b) = (harness.start("a").await, harness.start("b").await);
    let row = "INSERT INTO delivery (sequence, event, plugin, run, attempt, body) VALUES";
    harness.alter(&format!("{row} ({}, 'session-end', 1, 1, 0, '{{}}')", a.0));
    let draining = JournalOp::Draining { reason: DrainReason::Restart, at: Timestamp::now() };
    harness.journal.append_decided(vec![end(&a), end(&b), draining]).await.unwrap();
    harness.journal.flush().await.unwrap();
    // In the same run it is made all the same, and that is on record.
    assert_eq!(harness.journal.set_aside(), 1);
    let listed = harness.set_aside();
    assert_eq!((listed[0].tenant.as_str(), listed[0].session.as_str()), ("t", "a"));
    assert!(
        listed[0].what.contains(r#""write":"end""#) && listed[0].what.contains(r#""reason":"reset""#),
        "{listed:?}"
    );
    harness.alter(&format!("DELETE FROM delivery WHERE sequence = {} AND event = 'session-end'", a.0));
    let (active, owed) = harness.next();
    assert_eq!(active, ["a"]);
    assert!(owed.contains(&(b.0, EventKey::End)), "{owed:?}");
}

#[tokio::test]
async fn an_owners_line_that_cannot_be_recorded_is_refused_alone() {
    let harness = Harness::new();
    let (a, b) = (harness.start("a").await, harness.start("b").await);
    let row = "INSERT INTO delivery (sequence, event, plugin, run, attempt, body) VALUES";
    harness.alter(&format!("{row} ({}, 'session-end', 1, 1, 0, '{{}}')", a.0));
    let blocked = Connection::open(&harness.path).unwrap();
    blocked.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (first, second) = (harness.journal.append(end(&a)), harness.journal.append(end(&b)));
    blocked.execute_batch("COMMIT").unwrap();
    let refused = first.await;
    assert!(matches!(&refused, Err(JournalError::Unwritable(why)) if why.contains("UNIQUE")), "{refused:?}");
    assert_eq!(second.await, Ok(Appended::Done));
    assert_eq!((harness.journal.set_aside(), harness.set_aside()), (0, vec![]), "its owner has it");
    harness.alter(&format!("DELETE FROM delivery WHERE sequence = {} AND event = 'session-end'", a.0));
    assert_eq!(harness.journal.append(end(&a)).await, Ok(Appended::Done), "sent again it is taken");
}

/// Its number could be used twice otherwise.
#[tokio::test]
async fn a_failure_that_cannot_be_recorded_is_not_tried_again_in_this_run() {
    let harness = Harness::new();
    let (a, b) = (harness.start("a").await.0, harness.start("b").await.0);
    harness.alter("CREATE UNIQUE INDEX once ON delivery (message)");
    harness.journal.complete(&"t".into(), vec![of_start(a, failed(), None)]).pending.await.unwrap();
    let answer = harness.journal.complete(&"t".into(), vec![of_start(b, failed(), None)]).pending.await;
    assert_eq!(not_on_record(answer), [b]);
    harness.journal.flush().await.unwrap();
    harness.alter("DROP INDEX once");
    let (_, owed) = harness.next();
    assert_eq!(owed, [(a, EventKey::Start), (b, EventKey::Start)]);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_leaves_the_others_to_an_operator() {
    let harness = Harness::new();
    let mut keys = Vec::new();
    for id in ["a", "b", "c"] {
        let dead = Settlement::Dead { failures: 1, cause: FailureCause::Fatal, message: "no".to_owned() };
        let completion = of_start(harness.start(id).await.0, dead, None);
        keys.push(completion.delivery.clone());
        harness.journal.complete(&"t".into(), vec![completion]).pending.await.unwrap();
    }
    harness.alter(&format!("UPDATE delivery SET body = 'no JSON' WHERE sequence = {}", keys[1].sequence));
    let changed = harness.journal.change_deliveries(DeliveryChange::Redeliver, keys.clone()).await.unwrap();
    let changed: Vec<Changed> = changed.into_iter().map(|one| one.changed).collect();
    assert_eq!(changed, [Changed::Done, Changed::Unwritable, Changed::Done]);
    let state = |key| harness.journal.delivery(key).unwrap().map(|row| row.state);
    assert_eq!([state(&keys[0]), state(&keys[2])], [Some(DeliveryState::Owed); 2]);
}

#[tokio::test]
async fn what_was_set_aside_is_erased_with_its_tenant_and_only_the_newest_is_kept() {
    let harness = Harness::new();
    let (a, _) = harness.start("a").await;
    harness.alter(TAKES_A_VALUE_ONCE);
    let made = |key: &str| of_start(a, Settlement::Delivered, Some((key, "same")));
    harness.journal.complete(&"t".into(), vec![made("first")]).pending.await.unwrap();
    let more = lastword_sqlite::RETAINED_SET_ASIDE + 5;
    let answer =
        harness.journal.complete(&"t".into(), (0..more).map(|n| made(&format!("k{n}"))).collect()).pending.await;
    assert_eq!(not_on_record(answer).len(), more as usize);
    assert_eq!(harness.journal.set_aside(), u64::from(more));
    assert_eq!(harness.set_aside().len(), lastword_sqlite::RETAINED_SET_ASIDE as usize);
    harness.alter("DROP INDEX once");
    let Harness { _dir: dir, path, journal } = harness;
    drop(journal);
    let mut file = JournalFile::change(&path).unwrap();
    let erased = file.erase(ErasureTarget { tenant: "t", session: Some("a") }, true).unwrap();
    assert!(matches!(erased, Erasure::Done { .. }), "{erased:?}");
    assert_eq!(file.set_aside().unwrap(), vec![]);
    drop((file, dir));
}

/// Its call was made, and the next run must not give the number to another one.
#[tokio::test]
async fn a_run_of_which_an_outcome_was_set_aside_does_not_end_cleanly() {
    for broken in [false, true] {
        let harness = Harness::new();
        let (a, b) = (harness.start("a").await.0, harness.start("b").await.0);
        if broken {
            harness.alter(TAKES_A_VALUE_ONCE);
        }
        let made = |sequence, key| of_start(sequence, Settlement::Delivered, Some((key, "same")));
        harness.journal.complete(&"t".into(), vec![made(a, "first")]).pending.await.unwrap();
        let answer = harness.journal.complete(&"t".into(), vec![made(b, "second")]).pending.await;
        assert_eq!(answer.is_err(), broken, "{answer:?}");
        harness.start("c").await;
        harness.journal.append_decided(vec![JournalOp::Ended { cut: vec![] }]).await.unwrap();
        if broken {
            harness.alter("DROP INDEX once");
        }
        let Harness { _dir: dir, path, journal } = harness;
        drop(journal);
        let found = SqliteJournal::open(&path).unwrap().recover().unwrap();
        let attempts: Vec<_> = found.deliveries.iter().map(|owed| owed.attempt).collect();
        assert_eq!(attempts, if broken { vec![1, 1] } else { vec![0] }, "broken: {broken}");
        drop(dir);
    }
}
