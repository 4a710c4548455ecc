//! What observers are told, and in which order.

use std::sync::Arc;
use std::time::Duration;

use lastword::events::{
    CompactionPhase, DeliveryId, EndReason, FailureCause, Hook, Identity, Outcome, PluginName, Session,
};
use lastword::testing::ManualClock;
use lastword::{
    CallStart, Commit, EndRequest, Observer, OutcomeRecord, Refusal, Registration, Settlement, SqliteJournal,
    StartRequest, TenantQuota,
};
use lastword_harness::{Harness, spans_of_printed};
use lastword_journal::testing::FaultyJournal;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tracing::{Span, info_span};

/// Writes down what it is told, in order.
#[derive(Clone, Default)]
struct Log(Arc<Shared>);

#[derive(Default)]
struct Shared {
    told: Mutex<Vec<String>>,
    added: Notify,
}

impl Log {
    fn add(&self, line: String) {
        self.0.told.lock().push(line);
        self.0.added.notify_waiters();
    }

    fn told(&self) -> Vec<String> {
        self.0.told.lock().clone()
    }

    /// Resolves when it has been told of something that begins so.
    async fn until(&self, beginning: &str) {
        loop {
            let added = self.0.added.notified();
            tokio::pin!(added);
            added.as_mut().enable();
            if self.told().iter().any(|line| line.starts_with(beginning)) {
                return;
            }
            added.await;
        }
    }
}

impl Observer for Log {
    fn registered(&self, registration: &Registration<'_>) {
        let Registration { key, session, event, plugins, received_at, submitted_at, .. } = *registration;
        assert!(received_at <= submitted_at && event.hook() == key.hook());
        self.add(format!("registered {key} of {} for {}", session.identity.id, plugins.len()));
    }

    fn call(&self, call: &CallStart<'_>) -> Span {
        assert_eq!((call.event.hook(), call.session.generation), (call.id.event.hook(), 1));
        self.add(format!("call {} of {}", call.attempt, call.id.plugin));
        info_span!("outer")
    }

    fn outcome(&self, record: &OutcomeRecord<'_>) {
        self.add(format!("outcome {} of {}: {}", record.attempt, record.id.plugin, record.outcome));
    }

    fn recorded(&self, delivery: &DeliveryId, settlement: &Settlement) {
        let settlement = match settlement {
            Settlement::Delivered => "delivered".to_owned(),
            Settlement::Owed { failures, .. } => format!("owed after {failures}"),
            Settlement::Dead { failures, .. } => format!("dead after {failures}"),
        };
        self.add(format!("recorded {}: {settlement}", delivery.plugin));
    }

    fn journal(&self, commit: &Commit<'_>) {
        let error = if commit.error.is_some() { " failed" } else { "" };
        assert!(commit.bytes > 0 && commit.duration > Duration::ZERO);
        self.add(format!("commit of {} and {}{error}", commit.operations, commit.completions));
    }

    fn breaker_opened(&self, tenant: &str, plugin: &PluginName) {
        self.add(format!("breaker {tenant} {plugin}"));
    }

    fn refused(&self, session: &Identity, hook: Hook, refusal: &Refusal) {
        self.add(format!("refused {hook} of {}: {}", session.id, refusal.code()));
    }
}

#[tokio::test]
async fn a_call_comes_first_and_its_record_after_its_outcome() {
    let (clock, log) = (ManualClock::new(), Log::default());
    let harness = Harness::builder()
        .plugin("flaky", "retry-by-attempt")
        .retry(Duration::from_secs(60), 8)
        .clock(clock.clone())
        .observer(log.clone())
        .build();
    harness.end("s", EndReason::Reset).await.unwrap();
    for _ in 0..3 {
        harness.runtime.settled().await;
        clock.advance(Duration::from_secs(3_600));
    }
    harness.runtime.settled().await;
    let told = log.told();
    let first: Vec<_> = told.iter().take(4).map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(first, ["registered session-end of s for 1", "call 1 of flaky", "outcome 1 of flaky", "recorded flaky"]);
    assert_eq!(told[3], "recorded flaky: owed after 1");
    assert_eq!(told[7..], ["call 3 of flaky", "outcome 3 of flaky: delivered", "recorded flaky: delivered"]);
    assert_eq!(harness.outcomes().len(), 3, "the other observer is told as well");
}

#[tokio::test]
async fn every_kind_of_request_is_told_once_it_is_on_record_and_before_its_calls() {
    let log = Log::default();
    let harness = Harness::builder().plugin("good", "good").observer(log.clone()).build();
    harness.end("unknown", EndReason::Reset).await.unwrap();
    harness.start("s").await.unwrap();
    harness.compaction("s", CompactionPhase::Before).await.unwrap();
    harness.compaction("c", CompactionPhase::After).await.unwrap();
    let (end, start) =
        (EndRequest::new(harness.session("s"), EndReason::Reset), StartRequest::new(harness.session("t")));
    harness.runtime.replace_session(end, start).await.unwrap();
    // An update is no event, and what the drain ends nobody has requested.
    harness.start("t").await.unwrap();
    harness.end("c", EndReason::Reset).await.unwrap();
    harness.drain().await;
    let told = log.told();
    let registered: Vec<_> =
        told.iter().filter_map(|line| line.strip_prefix("registered ")?.split(" for").next()).collect();
    let expected = [
        "session-end of unknown",
        "session-start of s",
        "session-compaction.1-before of s",
        "session-compaction.1-after of c",
        "session-end of s",
        "session-start of t",
        "session-end of c",
    ];
    assert_eq!(registered, expected);
    let first_call = told.iter().position(|line| line.starts_with("call")).unwrap();
    assert!(told[..first_call].contains(&"registered session-end of unknown for 1".to_owned()), "{told:?}");
}

#[tokio::test]
async fn nothing_is_said_to_be_recorded_before_the_journal_has_it() {
    for key_values in [false, true] {
        let (journal, log) = (Arc::new(FaultyJournal::in_memory()), Log::default());
        let builder = Harness::builder().journal(journal.clone()).observer(log.clone());
        let builder = if key_values {
            let grants =
                lastword::Grants { key_value: Some(lastword::KeyValueGrant { quota: 1 << 20 }), ..Default::default() };
            builder.granted("p", lastword_test_guests::component("kv-counts"), grants)
        } else {
            builder.plugin("p", "good")
        };
        let harness = builder.build();
        journal.hold_outcomes();
        harness.end("s", EndReason::Reset).await.unwrap();
        journal.until_held(1).await;
        log.until("outcome 1 of p: delivered").await;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(!log.told().iter().any(|line| line.starts_with("recorded")), "{:?}", log.told());
        journal.commit().await;
        log.until("recorded p: delivered").await;
    }
}

#[tokio::test]
async fn what_could_not_be_recorded_is_not_said_to_be() {
    let (journal, log) = (Arc::new(FaultyJournal::in_memory()), Log::default());
    let harness = Harness::builder().plugin("good", "good").journal(journal.clone()).observer(log.clone()).build();
    journal.hold_outcomes();
    harness.end("lost", EndReason::Reset).await.unwrap();
    journal.until_held(1).await;
    journal.fail();
    harness.end("kept", EndReason::Reset).await.unwrap();
    log.until("recorded").await;
    harness.runtime.settled().await;
    assert_eq!(log.told().iter().filter(|line| line.starts_with("recorded")).count(), 1, "{:?}", log.told());
}

#[tokio::test]
async fn what_a_guest_prints_is_in_the_spans_of_its_call() {
    struct Inner;
    impl Observer for Inner {
        fn call(&self, call: &CallStart<'_>) -> Span {
            info_span!("inner", attempt = call.attempt)
        }
    }
    // The second one prints half a line, which is said as its store goes; and the third is dropped by a drain.
    let (clock, log, budget) = (ManualClock::new(), Log::default(), Duration::from_secs(600));
    let harness = Harness::builder()
        .plugin("prints", "prints")
        .plugin("half", "prints-partly")
        .with_deadline("prints-partly-and-spins", Duration::from_secs(600))
        .budget(budget)
        .clock(clock.clone())
        .observer(log.clone())
        .observer(Inner)
        .build();
    harness.end("s", EndReason::Reset).await.unwrap();
    log.until("call 1 of prints-partly-and-spins").await;
    let report = harness.drain_until(&clock, budget, |seen| seen.len() == 2).await;
    assert_eq!(report.deferred, 1);
    for plugin in ["prints", "half", "prints-partly-and-spins"] {
        let spans = spans_of_printed(plugin, &harness.tenant);
        assert!(
            !spans.is_empty() && spans.iter().all(|spans| spans.starts_with(&["outer", "inner"])),
            "{plugin}: {spans:?}"
        );
    }
}

#[tokio::test]
async fn refusals_are_told_with_their_code() {
    let (journal, log) = (Arc::new(FaultyJournal::in_memory()), Log::default());
    let quota = TenantQuota { active_sessions: Some(1), ..TenantQuota::default() };
    let harness = Harness::builder().journal(journal.clone()).quota(quota).observer(log.clone()).build();
    harness.start("a").await.unwrap();
    harness.start("b").await.unwrap_err();
    harness.runtime.start_session(StartRequest::new(Session::new("", "c"))).await.unwrap_err();
    journal.fill();
    harness.end("a", EndReason::Reset).await.unwrap_err();
    journal.commit().await;
    // Told whether or not anybody waits for the answer.
    harness.runtime.drain(lastword::events::DrainReason::Shutdown).await;
    drop(harness.runtime.start_session(StartRequest::new(harness.session("d"))));
    let told: Vec<_> = log.told().into_iter().filter(|line| line.starts_with("refused")).collect();
    assert_eq!(told[0], "refused session-start of b: quota");
    assert!(told[1].starts_with("refused session-start of c: "), "{told:?}");
    assert!(told[2].starts_with("refused session-end of a: "), "{told:?}");
    assert_eq!(told[3], "refused session-start of d: draining");
}

#[tokio::test]
async fn a_breaker_that_opens_is_told_once_and_after_the_outcome() {
    let log = Log::default();
    let harness = Harness::builder().plugin("trap", "trap").workers(1).observer(log.clone()).build();
    harness.start_many("s", 20).await.unwrap();
    let report = harness.drain().await;
    assert!(report.plugins[0].broken, "{report:?}");
    let told = log.told();
    let breaker = format!("breaker {} trap", harness.tenant);
    assert_eq!(told.iter().filter(|line| **line == breaker).count(), 1, "{told:?}");
    let at = told.iter().position(|line| *line == breaker).unwrap();
    assert!(told[..at].iter().filter(|line| line.starts_with("outcome")).count() >= 5, "{told:?}");
}

#[tokio::test]
async fn the_journal_on_disk_tells_of_its_commits() {
    let (dir, log) = (tempfile::tempdir().unwrap(), Log::default());
    let journal = Arc::new(SqliteJournal::open(&dir.path().join("journal.db")).unwrap());
    let harness = Harness::builder().plugin("good", "good").journal(journal).observer(log.clone()).build();
    harness.start("s").await.unwrap();
    log.until("commit of").await;
    harness.end("s", EndReason::Reset).await.unwrap();
    log.until("recorded good: delivered").await;
    let told = log.told();
    let completions =
        told.iter().filter_map(|line| line.strip_prefix("commit of ")?.split(' ').next_back()?.parse::<usize>().ok());
    assert_eq!(completions.sum::<usize>(), 1, "{told:?}");
    let committed = told.iter().position(|line| line.starts_with("commit of") && line.ends_with('1')).unwrap();
    let recorded = told.iter().position(|line| line.starts_with("recorded")).unwrap();
    assert!(committed < recorded, "{told:?}");
}

#[tokio::test]
async fn an_observer_that_panics_takes_nobody_along() {
    struct Panics;
    impl Observer for Panics {
        fn registered(&self, _: &Registration<'_>) {
            panic!("as asked")
        }
        fn call(&self, _: &CallStart<'_>) -> Span {
            panic!("as asked")
        }
        fn outcome(&self, _: &OutcomeRecord<'_>) {
            panic!("as asked")
        }
        fn recorded(&self, _: &DeliveryId, _: &Settlement) {
            panic!("as asked")
        }
        fn journal(&self, _: &Commit<'_>) {
            panic!("as asked")
        }
        fn breaker_opened(&self, _: &str, _: &PluginName) {
            panic!("as asked")
        }
        fn refused(&self, _: &Identity, _: Hook, _: &Refusal) {
            panic!("as asked")
        }
    }
    let (dir, log) = (tempfile::tempdir().unwrap(), Log::default());
    let journal = Arc::new(SqliteJournal::open(&dir.path().join("journal.db")).unwrap());
    let harness = Harness::builder()
        .plugin("good", "good")
        .plugin("trap", "trap")
        .workers(1)
        .journal(journal)
        .observer(Panics)
        .observer(log.clone())
        .build();
    harness.runtime.end_session(EndRequest::new(Session::new("", "x"), EndReason::Reset)).await.unwrap_err();
    harness.end("s", EndReason::Reset).await.unwrap();
    log.until("recorded good: delivered").await;
    harness.start_many("s", 10).await.unwrap();
    let report = harness.drain().await;
    assert_eq!(report.delivered, 10);
    let told = log.told();
    for of in ["registered", "call", "outcome", "recorded", "commit", "breaker", "refused"] {
        assert!(told.iter().any(|line| line.starts_with(of)), "the one behind it is told of {of}: {told:?}");
    }
    assert!(!harness.runtime.has_failed());
}

#[test]
fn examples_can_be_changed_for_an_observers_own_tests() {
    let dead = Outcome::Failed { cause: FailureCause::Fatal, message: "never".to_owned() };
    let mut record = OutcomeRecord::example();
    (record.outcome, record.dead) = (&dead, true);
    let log = Log::default();
    log.registered(&Registration::example());
    log.call(&CallStart::example());
    log.outcome(&record);
    assert_eq!(
        log.told(),
        ["registered session-end of s1 for 1", "call 1 of memory", "outcome 1 of memory: failed(fatal)"]
    );
}
