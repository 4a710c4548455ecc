//! What was under way when the process died: it is counted, and nothing else is.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly, its helper functions too")]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use lastword_events::{
    DrainReason, EndReason, Event, EventKey, PluginName, Session, SessionEnd, SessionStart, Timestamp,
};
use lastword_journal::{
    Appended, Changed, Completion, DeliveryChange, DeliveryKey, Journal, JournalOp, Receipt, Recovered, Settlement,
};
use lastword_sqlite::{DeliveryState, JournalFile, SqliteJournal};
use tempfile::TempDir;

struct Harness {
    dir: TempDir,
    /// The deliveries that are owed.
    owed: Vec<DeliveryKey>,
}

impl Harness {
    /// So many ends are owed.
    async fn owing(ends: u64) -> Self {
        let mut harness = Self { dir: tempfile::tempdir().unwrap(), owed: Vec::new() };
        let (journal, _) = harness.run();
        for n in 0..ends {
            let session = Arc::new(Session::new("t", &format!("s{n}")));
            let event = Arc::new(Event::End(SessionEnd::new(EndReason::Reset, Timestamp::now())));
            let received = Receipt { at: Timestamp::now(), said: 0 };
            let end = JournalOp::EndWithoutStart { session, event, owed: vec![plugin()], received, op_id: None };
            let Appended::Session { sequence, .. } = journal.append(end).await.unwrap() else { panic!() };
            harness.owed.push(DeliveryKey { sequence, event: EventKey::End, plugin: plugin() });
        }
        harness
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("journal.db")
    }

    fn run(&self) -> (SqliteJournal, Recovered) {
        let journal = SqliteJournal::open(&self.path()).unwrap();
        let recovered = journal.recover().unwrap();
        (journal, recovered)
    }

    /// A run that dies while these are under way. What it has found is suspect, or given up: in order.
    fn dies(&self, under_way: &[DeliveryKey]) -> Vec<&'static str> {
        let (journal, recovered) = self.run();
        let marks: Vec<_> = under_way.iter().map(|delivery| journal.mark_call(delivery).unwrap()).collect();
        let calls = self.dir.path().join("journal.db-calls");
        // As the kernel would keep it.
        let kept = fs::read(&calls).unwrap();
        drop(marks);
        drop(journal);
        fs::write(&calls, kept).unwrap();
        self.found(&recovered)
    }

    fn found(&self, recovered: &Recovered) -> Vec<&'static str> {
        let is = |delivery: &DeliveryKey| match recovered.deliveries.iter().find(|owed| owed.delivery == *delivery) {
            Some(owed) if owed.suspect => "suspect",
            Some(_) => "owed",
            None => "gone",
        };
        self.owed.iter().map(is).collect()
    }

    fn dead(&self) -> Vec<(u64, Option<String>)> {
        let rows = JournalFile::look(&self.path()).unwrap().deliveries().unwrap();
        let dead = rows.into_iter().filter(|row| row.state == DeliveryState::Dead);
        dead.map(|row| (row.delivery.sequence, row.cause)).collect()
    }
}

fn plugin() -> PluginName {
    PluginName::new("memory").unwrap()
}

#[tokio::test]
async fn what_is_alone_at_three_deaths_is_given_up_and_what_was_beside_it_is_not() {
    let harness = Harness::owing(3).await;
    let all = harness.owed.clone();
    assert_eq!(harness.dies(&all), ["owed"; 3]);
    assert_eq!(harness.dies(&all), ["owed"; 3], "one death is anybody's");
    // From now on each is made alone, after everything else.
    let alone = &all[..1];
    assert_eq!(harness.dies(alone), ["suspect"; 3]);
    assert_eq!(harness.dies(alone), ["suspect"; 3]);
    assert_eq!(harness.dies(alone), ["suspect"; 3]);
    let (journal, recovered) = harness.run();
    assert_eq!(harness.found(&recovered), ["gone", "suspect", "suspect"]);
    assert_eq!(harness.dead(), [(all[0].sequence, Some("lost".to_owned()))]);
    // An outcome clears the others.
    let made = |delivery: &DeliveryKey, settlement| Completion {
        delivery: delivery.clone(),
        attempt: 9,
        settlement,
        changes: None,
    };
    let failed = Settlement::Owed {
        failures: 1,
        late: false,
        retry_at: None,
        cause: lastword_events::FailureCause::Retry,
        message: "busy".into(),
    };
    journal
        .complete(&"t".into(), vec![made(&all[1], failed), made(&all[2], Settlement::Delivered)])
        .pending
        .await
        .unwrap();
    drop(journal);
    assert_eq!(harness.dies(&[]), ["gone", "owed", "gone"]);
}

#[tokio::test]
async fn what_is_never_alone_is_never_given_up() {
    let harness = Harness::owing(2).await;
    let all = harness.owed.clone();
    for _ in 0..10 {
        harness.dies(&all);
    }
    assert_eq!(harness.found(&harness.run().1), ["suspect"; 2]);
    assert_eq!(harness.dead(), []);
}

#[tokio::test]
async fn a_run_that_leaves_makes_nothing_suspect_whatever_is_under_way() {
    let harness = Harness::owing(1).await;
    for _ in 0..5 {
        let (journal, recovered) = harness.run();
        assert_eq!(harness.found(&recovered), ["owed"]);
        std::mem::forget(journal.mark_call(&harness.owed[0]).unwrap());
    }
}

#[tokio::test]
async fn what_was_given_up_is_owed_again_when_an_operator_says_so() {
    let harness = Harness::owing(1).await;
    let all = harness.owed.clone();
    for _ in 0..3 {
        harness.dies(&all);
    }
    drop(harness.run());
    assert_eq!(harness.dead().len(), 1);
    let mut file = JournalFile::change(&harness.path()).unwrap();
    let id = all[0].id(file.name());
    file.redeliver(&[id]).unwrap();
    drop(file);
    assert_eq!(harness.dies(&[]), ["owed"], "with a clean record");
}

#[tokio::test]
async fn the_end_of_a_session_that_a_drain_tries_is_counted_before_it_is_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let harness = Harness { dir, owed: Vec::new() };
    let (journal, _) = harness.run();
    let (session, event) = (Arc::new(Session::new("t", "a")), Arc::new(Event::Start(SessionStart::default())));
    let started = journal.append(JournalOp::Start { session, event, owed: vec![], op_id: None }).await.unwrap();
    let Appended::Session { sequence, .. } = started else { panic!() };
    let installed = JournalOp::Installed { plugins: vec![(plugin(), None)], attaching: false };
    let draining = JournalOp::Draining { reason: DrainReason::Shutdown, at: Timestamp::now() };
    journal.append_decided(vec![installed, draining]).await.unwrap();
    drop(journal);
    let end = [DeliveryKey { sequence, event: EventKey::End, plugin: plugin() }];
    for _ in 0..3 {
        harness.dies(&end);
    }
    let (journal, recovered) = harness.run();
    assert_eq!(recovered.sessions[0].drained().settled, [plugin()], "nobody makes it again");
    assert_eq!(harness.dead(), [(sequence, Some("lost".to_owned()))]);
    let changed = journal.change_deliveries(DeliveryChange::Redeliver, end.to_vec()).await.unwrap();
    assert_eq!(
        (changed[0].changed, changed[0].tried_in_this_run),
        (Changed::Done, false),
        "only dead runs have tried it"
    );
}
