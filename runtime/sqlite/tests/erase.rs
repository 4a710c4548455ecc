//! What was erased of a journal is in none of its files.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly, its helper functions too")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use lastword_events::{
    Change, CompactionPhase, EndReason, Event, EventKey, FailureCause, Identity, PluginName, Session,
    SessionCompaction, SessionEnd, SessionStart, Timestamp,
};
use lastword_journal::{
    Appended, Completion, DeliveryKey, Journal, JournalOp, KeyValueChanges, Receipt, Settlement, Space,
};
use lastword_sqlite::{Erased, Erasure, ErasureTarget, JournalFile, OpenError, SqliteJournal};
use rusqlite::Connection;

fn plugin() -> PluginName {
    PluginName::new("memory").unwrap()
}

/// Everything that a journal keeps of a session has the session's id in it, and its tenant.
async fn tell_all(journal: &SqliteJournal, tenant: &str, id: &str) {
    let mut session = Session::of(Identity::new(tenant, id).in_scope(&format!("key-of-{id}")));
    session.cwd = Some(format!("/work/{tenant}/{id}"));
    session.attributes = vec![("note".into(), format!("{id} ").repeat(500))];
    let event = Arc::new(Event::Start(SessionStart { source: Some(format!("by {id}")), ..SessionStart::default() }));
    let (session, op_id) = (Arc::new(session), Some(Arc::from(format!("op-of-{id}"))));
    let start = JournalOp::Start { session, event, owed: vec![plugin()], op_id };
    let Appended::Session { sequence, mut session } = journal.append(start).await.unwrap() else { panic!() };
    let space = Space { tenant: tenant.into(), plugin: plugin() };
    let changes = vec![(format!("{id}-key"), Change::Set(format!("{id}-value").into_bytes()))];
    let done = |event, settlement, changes| {
        let delivery = DeliveryKey { sequence, event, plugin: plugin() };
        vec![Completion { delivery, attempt: 1, settlement, changes }]
    };
    let changes = Some(Box::new(KeyValueChanges { space, plugin_quota: None, tenant_quota: None, changes }));
    journal.complete(&tenant.into(), done(EventKey::Start, Settlement::Delivered, changes)).pending.await.unwrap();
    // What was known before stays in pages that are not whole, or not used.
    Arc::make_mut(&mut session).attributes = vec![("note".into(), format!("new {id}"))];
    journal.append(JournalOp::Update { sequence, session: session.clone(), op_id: None }).await.unwrap();
    let mut end = SessionEnd::new(EndReason::Other(format!("because of {id}")), Timestamp::now());
    end.next_session_id = Some(format!("next-of-{id}"));
    let received = Some(Receipt { at: Timestamp::now(), said: 0 });
    let event = Arc::new(Event::End(end));
    journal
        .append(JournalOp::End { sequence, session, event, owed: vec![plugin()], received, op_id: None })
        .await
        .unwrap();
    let (failures, cause, message) = (1, FailureCause::Retry, format!("no room for {id}"));
    let failed = if id.starts_with("dead") {
        Settlement::Dead { failures, cause, message }
    } else {
        Settlement::Owed { failures, late: false, retry_at: None, cause, message }
    };
    journal.complete(&tenant.into(), done(EventKey::End, failed, None)).pending.await.unwrap();
}

/// Whether the text is in any file of the journal.
fn is_somewhere(directory: &Path, text: &str) -> bool {
    let files = fs::read_dir(directory).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
    files.into_iter().any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
}

async fn journal(directory: &Path, sessions: &[(&str, &str)]) {
    let journal = SqliteJournal::open(&directory.join("journal.db")).unwrap();
    journal.recover().unwrap();
    let tenants = vec!["rubber-plant".into(), "desk-lamp".into()];
    let plugins = vec![(plugin(), Some(tenants))];
    journal.append_decided(vec![JournalOp::Installed { plugins, attaching: false }]).await.unwrap();
    for (tenant, id) in sessions {
        tell_all(&journal, tenant, id).await;
    }
}

fn erase(directory: &Path, tenant: &str, session: Option<&str>, drop_owed: bool) -> Result<Erasure, OpenError> {
    JournalFile::change(&directory.join("journal.db"))?.erase(ErasureTarget { tenant, session }, drop_owed)
}

#[tokio::test]
async fn of_a_session_that_is_forgotten_no_byte_is_left_and_of_the_others_everything() {
    let dir = tempfile::tempdir().unwrap();
    let sessions = [("rubber-plant", "dead-parrot"), ("rubber-plant", "keeps-on"), ("desk-lamp", "dead-parrot")];
    journal(dir.path(), &sessions[..2]).await;
    assert!(is_somewhere(dir.path(), "dead-parrot"));
    let Erasure::Done { erased, aside } = erase(dir.path(), "rubber-plant", Some("dead-parrot"), false).unwrap() else {
        panic!("what is dead is owed to nobody")
    };
    assert_eq!(erased, Erased { sessions: 1, deliveries: 1, op_ids: 1, ..Erased::default() });
    assert!(aside.is_empty());
    // What a plugin has stored is its own.
    assert!(!is_somewhere(dir.path(), "dead-parrot "));
    for gone in ["key-of-dead-parrot", "op-of-dead-parrot", "next-of-dead-parrot", "because of dead-parrot"] {
        assert!(!is_somewhere(dir.path(), gone), "{gone}");
    }
    for kept in ["key-of-keeps-on", "op-of-keeps-on", "next-of-keeps-on", "keeps-on-value"] {
        assert!(is_somewhere(dir.path(), kept), "{kept}");
    }
}

/// Owners name the session before or after one: ids are reused for people's names, and a session that is forgotten is nobody's.
#[tokio::test]
async fn other_sessions_do_not_name_a_session_that_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    journal(dir.path(), &[("rubber-plant", "dead-parrot")]).await;
    let open = SqliteJournal::open(&dir.path().join("journal.db")).unwrap();
    open.recover().unwrap();
    let mut end = SessionEnd::new(EndReason::Reset, Timestamp::now());
    (end.next_session_id, end.next_session_key) = (Some("dead-parrot".into()), Some("key-of-dead-parrot".into()));
    let compaction = SessionCompaction {
        phase: CompactionPhase::After,
        message_count: Some(7),
        compacted_count: None,
        token_count: None,
        previous_session_id: Some("dead-parrot".into()),
        attributes: vec![("model".into(), "dead-parrot-2".into())],
    };
    let start = SessionStart { resumed_from: Some("dead-parrot".into()), ..SessionStart::default() };
    for (tenant, id, event) in [
        ("rubber-plant", "before", Event::End(end.clone())),
        ("rubber-plant", "compacted", Event::Compaction(compaction.clone())),
        ("rubber-plant", "resumed", Event::Start(start.clone())),
        ("desk-lamp", "elsewhere", Event::Start(start)),
    ] {
        let session = Arc::new(Session::new(tenant, id));
        let begun = Event::Start(SessionStart::default());
        let is_start = matches!(event, Event::Start(_));
        let (first, owed) = if is_start { (event.clone(), vec![plugin()]) } else { (begun, vec![]) };
        let first = JournalOp::Start { session, event: Arc::new(first), owed, op_id: None };
        let Appended::Session { sequence, session } = open.append(first).await.unwrap() else { panic!() };
        let (event, owed) = (Arc::new(event), vec![plugin()]);
        let next = match &*event {
            Event::Start(_) => continue,
            Event::End(_) => JournalOp::End { sequence, session, event, owed, received: None, op_id: None },
            Event::Compaction(_) => JournalOp::Compaction { sequence, n: 1, session, event, owed, op_id: None },
        };
        open.append(next).await.unwrap();
    }
    drop(open);
    let Erasure::Done { erased, .. } = erase(dir.path(), "rubber-plant", Some("dead-parrot"), false).unwrap() else {
        panic!("what others are owed is theirs")
    };
    assert_eq!((erased.sessions, erased.named), (1, 3));
    assert!(!is_somewhere(dir.path(), "key-of-dead-parrot"));
    let owed = SqliteJournal::open(&dir.path().join("journal.db")).unwrap().recover().unwrap().deliveries;
    let event = |id: &str| owed.iter().find(|owed| &*owed.session.identity.id == id).map(|owed| (*owed.event).clone());
    (end.next_session_id, end.next_session_key) = (None, None);
    assert_eq!(event("before"), Some(Event::End(end)));
    assert_eq!(
        event("compacted"),
        Some(Event::Compaction(SessionCompaction { previous_session_id: None, ..compaction }))
    );
    assert_eq!(event("resumed"), Some(Event::Start(SessionStart::default())));
    let elsewhere = event("elsewhere");
    assert!(matches!(&elsewhere, Some(Event::Start(start)) if start.resumed_from.is_some()), "{elsewhere:?}");
    // Nobody is owed anything of it, so this finds nothing.
    assert!(
        matches!(erase(dir.path(), "rubber-plant", Some("dead-parrot"), false).unwrap(), Erasure::Done { erased, .. }
        if erased == Erased::default())
    );
}

#[tokio::test]
async fn of_a_tenant_that_is_forgotten_no_byte_is_left_and_of_the_others_everything() {
    let dir = tempfile::tempdir().unwrap();
    journal(dir.path(), &[("rubber-plant", "dead-parrot"), ("desk-lamp", "keeps-on")]).await;
    assert!(matches!(erase(dir.path(), "rubber-plant", None, false).unwrap(), Erasure::Done { erased, .. }
        if erased == Erased { sessions: 1, deliveries: 1, op_ids: 1, key_values: 1, named: 0 }));
    for gone in ["rubber-plant", "dead-parrot"] {
        assert!(!is_somewhere(dir.path(), gone), "{gone}");
    }
    for kept in ["desk-lamp", "key-of-keeps-on", "keeps-on-value"] {
        assert!(is_somewhere(dir.path(), kept), "{kept}");
    }
    assert!(matches!(erase(dir.path(), "rubber-plant", None, false).unwrap(), Erasure::Done { erased, .. }
        if erased == Erased::default()));
}

#[tokio::test]
async fn what_is_still_owed_is_forgotten_only_when_somebody_says_so() {
    let dir = tempfile::tempdir().unwrap();
    journal(dir.path(), &[("desk-lamp", "owed")]).await;
    let session = Arc::new(Session::new("desk-lamp", "active"));
    let event = Arc::new(Event::Start(SessionStart::default()));
    let open = SqliteJournal::open(&dir.path().join("journal.db")).unwrap();
    open.recover().unwrap();
    open.append(JournalOp::Start { session, event, owed: vec![], op_id: None }).await.unwrap();
    let in_use = erase(dir.path(), "desk-lamp", None, true).unwrap_err();
    assert!(matches!(in_use, OpenError::Locked { .. }), "{in_use}");
    drop(open);
    let refused = erase(dir.path(), "desk-lamp", None, false).unwrap();
    assert_eq!(refused, Erasure::StillOwed { active: 1, owed: 1 });
    assert!(is_somewhere(dir.path(), "owed"), "nothing was changed");
    let refused = erase(dir.path(), "desk-lamp", Some("owed"), false).unwrap();
    assert_eq!(refused, Erasure::StillOwed { active: 0, owed: 1 });
    assert!(matches!(erase(dir.path(), "desk-lamp", None, true).unwrap(), Erasure::Done { .. }));
    assert!(!is_somewhere(dir.path(), "desk-lamp"));
    let recovered = SqliteJournal::open(&dir.path().join("journal.db")).unwrap().recover().unwrap();
    assert_eq!((recovered.sessions.len(), recovered.deliveries.len(), recovered.ended.len()), (0, 0, 0));
}

/// Who reads keeps the log as it is.
#[tokio::test]
async fn whoever_reads_the_journal_is_in_the_way_and_said_so() {
    let dir = tempfile::tempdir().unwrap();
    journal(dir.path(), &[("desk-lamp", "dead-one")]).await;
    let reader = Connection::open(dir.path().join("journal.db")).unwrap();
    reader.execute_batch("BEGIN; SELECT * FROM session").unwrap();
    let error = erase(dir.path(), "desk-lamp", None, false).unwrap_err();
    assert!(matches!(error, OpenError::BeingRead { .. } | OpenError::Sqlite { .. }), "{error}");
    drop(reader);
    assert!(matches!(erase(dir.path(), "desk-lamp", None, false).unwrap(), Erasure::Done { .. }));
    assert!(!is_somewhere(dir.path(), "desk-lamp"));
}

#[test]
fn a_file_of_an_earlier_version_is_migrated_first() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    Connection::open(&path).unwrap().execute_batch(include_str!("migration/version-2.sql")).unwrap();
    assert!(is_somewhere(dir.path(), "/work/made"));
    let erased = erase(dir.path(), "acme", Some("made"), true).unwrap();
    assert!(matches!(erased, Erasure::Done { erased: Erased { sessions: 1, .. }, .. }), "{erased:?}");
    assert!(!is_somewhere(dir.path(), "/work/made") && is_somewhere(dir.path(), "/work/left"));
}

/// Of an earlier version's file nothing is written before it is certain that something is to be erased.
#[test]
fn an_earlier_versions_file_is_migrated_when_something_is_erased_and_not_before() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    Connection::open(&path).unwrap().execute_batch(include_str!("migration/version-3.sql")).unwrap();
    let version =
        || -> u32 { Connection::open(&path).unwrap().query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap() };
    let (tenant, id): (String, String) = Connection::open(&path)
        .unwrap()
        .query_row("SELECT tenant, id FROM session WHERE ended_run IS NULL LIMIT 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert!(matches!(erase(dir.path(), &tenant, Some(&id), false).unwrap(), Erasure::StillOwed { .. }));
    assert_eq!(version(), 3, "it was refused");
    for (tenant, session) in [("nobody", None), (&*tenant, Some("nobody"))] {
        assert!(matches!(erase(dir.path(), tenant, session, false).unwrap(), Erasure::Done { erased, .. }
            if erased == Erased::default()));
        assert_eq!(version(), 3, "there was nothing");
    }
    assert!(matches!(erase(dir.path(), &tenant, Some(&id), true).unwrap(), Erasure::Done { .. }));
    assert_eq!(version(), lastword_sqlite::SCHEMA_VERSION);
}
