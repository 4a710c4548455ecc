//! The end of a runtime: its journal is free when a shutdown or a detach returns, and nothing of it is left but its handles.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use lastword::events::{Deferral, DrainReason, EndReason, FailureCause, Hook, HookCall, Outcome, PluginName};
use lastword::limits::{DEFAULT_DRAIN_BUDGET, MAX_DRAIN_RESERVE, WORKERS_LEAVE_WITHIN};
use lastword::testing::ManualClock;
use lastword::{
    Acceptance, Clock as _, DeliveryFilter, Journal, JournalErrorKind, MemoryJournal, PageRequest, Plugin, Refusal,
    Runtime, Settled, SqliteJournal,
};
use lastword_harness::{Harness, HarnessBuilder, NEVER, ObservedOutcome};
use lastword_journal::testing::FaultyJournal;
use parking_lot::Mutex;
use tempfile::TempDir;

const MINUTE: Duration = Duration::from_secs(60);

/// Of the usual budget, what calls have.
fn budget_of_calls() -> Duration {
    DEFAULT_DRAIN_BUDGET - MAX_DRAIN_RESERVE
}

/// A journal of either kind, run after run.
enum Kept {
    Memory(Arc<MemoryJournal>),
    File(TempDir),
}

impl Kept {
    fn each() -> [Self; 2] {
        [Self::Memory(Arc::new(MemoryJournal::new())), Self::File(tempfile::tempdir().unwrap())]
    }

    /// For the next run. One that somebody still has is not waited for.
    fn open(&self) -> Arc<dyn Journal> {
        match self {
            Self::Memory(journal) => journal.clone(),
            Self::File(_) => Arc::new(SqliteJournal::open(&self.path()).unwrap()),
        }
    }

    /// For the next run, after one that was killed: its workers may still have it.
    async fn open_after_a_kill(&self) -> Arc<dyn Journal> {
        loop {
            match self {
                Self::Memory(journal) => return journal.clone(),
                Self::File(_) => match SqliteJournal::open(&self.path()) {
                    Ok(journal) => return Arc::new(journal),
                    Err(lastword::OpenError::Locked { .. }) => tokio::task::yield_now().await,
                    Err(error) => panic!("{error}"),
                },
            }
        }
    }

    fn path(&self) -> PathBuf {
        match self {
            Self::Memory(_) => panic!("it has no file"),
            Self::File(home) => home.path().join("journal.db"),
        }
    }
}

/// A run that holds sessions for their owners, with a plugin that takes everything.
fn attaching(journal: Arc<dyn Journal>, tenant: &str) -> Harness {
    Harness::builder().plugin("p", "good-all").journal(journal).tenant(tenant).attach_grace(NEVER).build()
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let holds = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), holds).await.unwrap_or_else(|_| panic!("{what} does not come"));
}

/// A plugin that hangs until the sender is dropped or says that it may go on.
fn hangs(name: &str) -> (Plugin, Sender<()>) {
    let (go_on, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let hook = move |_: &HookCall| {
        wait.lock().recv().ok();
        Outcome::Delivered
    };
    (Plugin::native(PluginName::new(name).unwrap(), Hook::ALL.into_iter().collect(), hook).unwrap(), go_on)
}

/// Ends of `plugin` as they were told: which session, and which attempt.
fn ends(harness: &Harness, plugin: &str) -> Vec<(String, u32)> {
    let mut ends: Vec<_> =
        harness.outcomes_of(plugin, Hook::SessionEnd).into_iter().map(|one| (one.session, one.attempt)).collect();
    ends.sort();
    ends
}

#[tokio::test]
async fn after_a_shutdown_the_next_runtime_has_the_journal_at_once_though_clones_of_both_are_held() {
    for kept in Kept::each() {
        let journal = kept.open();
        let first = Harness::builder().plugin("p", "good-all").plugin("retry", "retry").retry(NEVER, 8);
        let first = first.journal(journal.clone()).build();
        first.start_many("s", 3).await.unwrap();
        first.end("s0", EndReason::Reset).await.unwrap();
        first.runtime.settled().await;
        let held: Runtime = first.runtime.clone();
        let report = first.runtime.shutdown(DrainReason::Restart).await;
        assert_eq!((report.reason, report.sessions, report.delivered), (DrainReason::Restart, 2, 2), "{report:?}");
        assert!(report.warnings.iter().all(|one| one.name == lastword::events::DRAIN_WARNING), "{report:?}");

        let next = Harness::builder().plugin("p", "good-all").plugin("retry", "good").journal(kept.open());
        let next = next.tenant(&first.tenant).build();
        next.runtime.settled().await;
        assert_eq!(ends(&next, "retry").len(), 3, "what the first one could not deliver");
        next.start("s0").await.unwrap();
        drop((held, first, journal));
        next.end("s0", EndReason::Reset).await.unwrap();
        next.runtime.settled().await;
        assert_eq!(next.runtime.undelivered_ends(), 0, "what the first one leaves late changes nothing");
    }
}

#[tokio::test]
async fn whoever_asks_for_a_shutdown_has_the_same_report_and_every_drain_a_copy_of_its_drains() {
    for drains_first in [false, true] {
        let harness = Harness::with(&["prints"]);
        harness.start_many("s", 3).await.unwrap();
        let drained = if drains_first { Some(harness.drain().await) } else { None };
        let asked = [DrainReason::Restart, DrainReason::Shutdown].map(|reason| harness.runtime.shutdown(reason));
        let second_drain = harness.runtime.drain(DrainReason::Crashed);
        let [one, other] = asked;
        let (one, other, second_drain) = tokio::join!(one, other, second_drain);
        let late = harness.runtime.shutdown(DrainReason::Crashed).await;
        assert!(Arc::ptr_eq(&one, &other) && Arc::ptr_eq(&one, &late));
        let reason = if drains_first { DrainReason::Shutdown } else { DrainReason::Restart };
        assert_eq!((one.reason, one.sessions, one.delivered), (reason, 3, 3), "the first cause wins");
        assert_eq!(*one, drained.unwrap_or_else(|| second_drain.clone()));
        assert_eq!(*one, second_drain);
        assert_eq!(ends(&harness, "prints").len(), 3, "each is ended once");
    }
}

#[tokio::test]
async fn a_shutdown_and_a_detach_go_on_when_nobody_waits_for_them() {
    for shuts_down in [true, false] {
        let kept = Kept::File(tempfile::tempdir().unwrap());
        let harness = Harness::builder().plugin("p", "good-all").journal(kept.open()).build();
        harness.start("s").await.unwrap();
        if shuts_down {
            drop(harness.runtime.shutdown(DrainReason::Shutdown));
        } else {
            drop(harness.runtime.detach());
        }
        let next = attaching(kept.open_after_a_kill().await, &harness.tenant);
        let how = next.start("s").await.unwrap().how;
        assert_eq!(how, if shuts_down { Acceptance::Registered } else { Acceptance::Updated });
    }
}

/// The names of this process's threads, as far as they are a runtime's or its journal's.
#[cfg(target_os = "linux")]
fn threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    // One that goes meanwhile has no name any more.
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
    let mut names: Vec<_> = names.map(|name| name.trim_end().to_owned()).collect();
    // A name has 15 characters at most. The sandbox stays, and with it its ticker.
    names.retain(|name| name.starts_with("lastword-") && name != "lastword-ticker");
    names.sort();
    names
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn when_it_is_over_no_thread_is_left() {
    for shuts_down in [true, false] {
        for kept in Kept::each() {
            let harness = Harness::builder().plugin("p", "good-all").workers(3).journal(kept.open()).build();
            harness.start("s").await.unwrap();
            harness.runtime.settled().await;
            let of_runtime = ["lastword-0", "lastword-1", "lastword-2", "lastword-timers"];
            until("every thread", || of_runtime.iter().all(|name| threads().iter().any(|is| is == name))).await;
            if shuts_down {
                harness.runtime.shutdown(DrainReason::Shutdown).await;
            } else {
                harness.runtime.detach().await.unwrap();
            }
            let left = threads();
            assert!(of_runtime.iter().all(|name| left.iter().all(|is| is != name)), "{left:?}");
            // The journal's own have let go of the file. They go by themselves, which the kernel takes some milliseconds for.
            until("the end of the journal's threads", || threads().is_empty()).await;
        }
    }
}

#[tokio::test]
async fn what_is_detached_is_found_by_the_next_runtime_as_it_was_and_owners_go_on() {
    for kept in Kept::each() {
        let first = Harness::builder().plugin("p", "good-all").plugin("gone", "good-all").journal(kept.open()).build();
        let tenant = first.tenant.clone();
        first.start_many("s", 3).await.unwrap();
        first.runtime.settled().await;
        let detached = first.runtime.detach().await.unwrap();
        assert_eq!((detached.sessions, detached.owed), (3, 0));
        assert!(ends(&first, "p").is_empty(), "no session is ended");

        for run in 0..3 {
            let next = attaching(kept.open(), &tenant);
            let recovered = next.runtime.recovered();
            assert_eq!((recovered.sessions, recovered.deliveries), (detached.sessions, u64::from(run > 0)));
            assert_eq!(next.start("s0").await.unwrap().how, Acceptance::Updated);
            if run == 0 {
                next.end("s1", EndReason::Reset).await.unwrap();
                next.start("s1").await.unwrap();
            }
            next.runtime.settled().await;
            let left = next.runtime.detach().await.unwrap();
            assert_eq!((left.sessions, left.owed), (3, 1), "the end of `s1` is owed to the plugin that is gone");
        }

        // Nobody was called with any of it in three runs.
        let last = Harness::builder().plugin("p", "good-all").plugin("gone", "good-all").journal(kept.open());
        let last = last.tenant(&tenant).attach_grace(NEVER).build();
        last.runtime.settled().await;
        assert_eq!(ends(&last, "gone"), [("s1".to_owned(), 1)]);
        last.end("s0", EndReason::Reset).await.unwrap();
        last.drain().await;
        for plugin in ["p", "gone"] {
            let told = ends(&last, plugin);
            assert!(told.len() >= 3 && told.iter().all(|(_, attempt)| *attempt == 1), "{plugin}: {told:?}");
        }
    }
}

/// It may have been called without a trace.
#[tokio::test]
async fn after_a_kill_every_owed_delivery_counts_one_attempt_more() {
    for kept in Kept::each() {
        let first = Harness::builder().plugin("gone", "good-all").journal(kept.open()).build();
        let tenant = first.tenant.clone();
        first.start("s").await.unwrap();
        first.runtime.settled().await;
        first.runtime.detach().await.unwrap();
        // Two that are killed, and one between them that is not.
        for detaches in [false, true, false] {
            let run = attaching(kept.open_after_a_kill().await, &tenant);
            run.start("s").await.unwrap();
            run.runtime.settled().await;
            if detaches {
                run.runtime.detach().await.unwrap();
            }
        }
        let last = attaching(kept.open_after_a_kill().await, &tenant);
        last.end("s", EndReason::Reset).await.unwrap();
        last.runtime.settled().await;
        assert_eq!(ends(&last, "p"), [("s".to_owned(), 3)]);
    }
}

/// Whether its drain came to the plugin or not.
#[tokio::test]
async fn after_a_drain_that_left_something_its_attempts_count_what_was_called_and_no_more() {
    for kept in Kept::each() {
        let first = Harness::builder().plugin("p", "trap").workers(1).journal(kept.open()).build();
        let tenant = first.tenant.clone();
        first.start_many("s", 200).await.unwrap();
        first.runtime.settled().await;
        let report = first.runtime.shutdown(DrainReason::Shutdown).await;
        assert!(report.failed >= 5 && report.deferred > 100, "the breaker has opened: {report:?}");
        let told = first.outcomes_of("p", Hook::SessionEnd);
        let next = Harness::builder().plugin("p", "good-all").journal(kept.open()).tenant(&tenant).build();
        next.runtime.settled().await;
        assert_eq!(ends(&next, "p").len(), 200);
        for (session, attempt) in ends(&next, "p") {
            let is_it = |one: &&ObservedOutcome| one.session == session && one.attempt > 0;
            let before = told.iter().find(is_it).map_or(0, |one| one.attempt);
            assert_eq!(attempt, before + 1, "{session}");
            assert!(before < 2, "{session}");
        }
    }
}

#[tokio::test]
async fn a_detach_waits_for_the_calls_that_are_under_way_and_begins_none() {
    for kept in Kept::each() {
        let (plugin, go_on) = hangs("p");
        let harness = Harness::builder().loaded(plugin).workers(2).journal(kept.open()).build();
        let tenant = harness.tenant.clone();
        harness.end("called", EndReason::Reset).await.unwrap();
        until("the call", || harness.runtime.stats().plugins[0].running == 1).await;
        // Behind the first, in the order of the session.
        harness.start("called").await.unwrap();
        let mut detach = Box::pin(harness.runtime.detach());
        for _ in 0..20 {
            tokio::select! {
                biased;
                _ = &mut detach => panic!("a call is under way"),
                () = tokio::task::yield_now() => (),
            }
        }
        assert_eq!(harness.start("new").await, Err(Refusal::Draining));
        drop(go_on);
        let detached = detach.await.unwrap();
        assert_eq!((detached.sessions, detached.owed), (1, 1));
        assert_eq!(harness.outcomes().len(), 1, "the start behind it was not called: {:?}", harness.outcomes());

        let next = attaching(kept.open(), &tenant);
        next.runtime.settled().await;
        let told: Vec<_> = next.outcomes().into_iter().map(|one| (one.hook, one.generation, one.attempt)).collect();
        assert_eq!(told, [(Hook::SessionStart, 2, 1)]);
    }
}

#[tokio::test]
async fn a_call_that_is_cut_at_the_end_of_a_detachs_budget_counts_one_attempt_and_no_other_does() {
    for kept in Kept::each() {
        let clock = ManualClock::new();
        let first = Harness::builder().with_deadline("sleep", MINUTE).journal(kept.open()).clock(clock.clone()).build();
        let tenant = first.tenant.clone();
        first.end("a", EndReason::Reset).await.unwrap();
        until("the call", || first.runtime.stats().plugins[0].running == 1).await;
        first.start("b").await.unwrap();
        let detach = first.runtime.detach();
        clock.advance(budget_of_calls());
        let detached = detach.await.unwrap();
        assert_eq!((detached.sessions, detached.owed), (1, 1));
        let told: Vec<_> = first.outcomes().into_iter().map(|one| (one.outcome, one.attempt, one.draining)).collect();
        assert_eq!(told, [(Outcome::Deferred(Deferral::Budget), 1, false)]);

        let next = Harness::builder().plugin("sleep", "good-all").journal(kept.open()).tenant(&tenant);
        let next = next.attach_grace(NEVER).build();
        next.end("b", EndReason::Reset).await.unwrap();
        next.runtime.settled().await;
        assert_eq!(ends(&next, "sleep"), [("a".to_owned(), 2), ("b".to_owned(), 1)]);
    }
}

#[tokio::test]
async fn the_budget_of_a_detach_counts_from_the_moment_that_whoever_detaches_says() {
    let clock = ManualClock::new();
    let harness = Harness::builder().with_deadline("sleep", MINUTE).clock(clock.clone()).build();
    harness.end("a", EndReason::Reset).await.unwrap();
    until("the call", || harness.runtime.stats().plugins[0].running == 1).await;
    let began = clock.now();
    let earlier = Duration::from_millis(700);
    clock.advance(earlier);
    let detach = harness.runtime.detach_since(began);
    clock.advance(budget_of_calls() - earlier);
    // The clock stands still from here on: a budget of its own would never be over.
    let detached = tokio::time::timeout(MINUTE, detach).await.expect("its budget is over").unwrap();
    assert_eq!((detached.sessions, detached.owed), (0, 1));
}

/// Counts the calls that have begun, by plugin.
#[derive(Clone, Default)]
struct Begun(Arc<Mutex<Vec<(Hook, PluginName)>>>);

impl Begun {
    fn ends_of(&self, plugin: &str) -> usize {
        self.0.lock().iter().filter(|(hook, name)| *hook == Hook::SessionEnd && name.as_str() == plugin).count()
    }
}

impl lastword::Observer for Begun {
    fn call(&self, call: &lastword::CallStart<'_>) -> tracing::Span {
        self.0.lock().push((call.id.event.hook(), call.id.plugin.clone()));
        tracing::Span::none()
    }
}

/// In a drain the next start writes the ends down. One that was cut there has its number as well.
#[tokio::test]
async fn a_call_that_is_cut_at_the_end_of_a_drains_budget_counts_one_attempt_to_its_plugin_alone() {
    for kept in Kept::each() {
        let clock = ManualClock::new();
        let begun = Begun::default();
        let first = Harness::builder().with_deadline("sleep", MINUTE).plugin("p", "trap").workers(1);
        let first = first.journal(kept.open()).clock(clock.clone()).observer(begun.clone()).build();
        let tenant = first.tenant.clone();
        first.start_many("s", 20).await.unwrap();
        first.runtime.settled().await;
        let shutdown = first.runtime.shutdown(DrainReason::Shutdown);
        // A worker may have taken deliveries that it has not begun to call with.
        until("every call", || begun.ends_of("sleep") == 20).await;
        until("the breaker", || first.outcomes_of("p", Hook::SessionEnd).len() >= 5).await;
        clock.advance(budget_of_calls());
        let report = shutdown.await;
        assert_eq!(report.deferred + report.failed, 40, "{report:?}");
        let of_trap = first.outcomes_of("p", Hook::SessionEnd);

        let next = Harness::builder().plugin("sleep", "good-all").plugin("p", "good-all").journal(kept.open());
        let next = next.tenant(&tenant).build();
        next.runtime.settled().await;
        assert!(ends(&next, "sleep").iter().all(|(_, attempt)| *attempt == 2), "{:?}", ends(&next, "sleep"));
        let called = of_trap.iter().filter(|one| one.attempt == 1).count();
        let second = ends(&next, "p").iter().filter(|(_, attempt)| *attempt == 2).count();
        let first_attempts = ends(&next, "p").iter().filter(|(_, attempt)| *attempt == 1).count();
        assert_eq!((second, first_attempts), (called, 20 - called), "{:?}", ends(&next, "p"));
    }
}

#[tokio::test]
async fn a_worker_that_does_not_leave_is_told_of_and_keeps_nothing_from_the_next_runtime() {
    for kept in Kept::each() {
        let (plugin, go_on) = hangs("p");
        let clock = ManualClock::new();
        let first = Harness::builder().loaded(plugin).workers(2).journal(kept.open()).clock(clock.clone()).build();
        let tenant = first.tenant.clone();
        #[cfg(target_os = "linux")]
        let workers = || threads().iter().filter(|name| name.ends_with("-0") || name.ends_with("-1")).count();
        // A thread has its name only when it first runs.
        #[cfg(target_os = "linux")]
        until("both workers have begun", || workers() == 2).await;
        first.end("s", EndReason::Reset).await.unwrap();
        until("the call", || first.runtime.stats().plugins[0].running == 1).await;
        let shutdown = tokio::spawn(first.runtime.shutdown(DrainReason::Shutdown));
        clock.advance(DEFAULT_DRAIN_BUDGET);
        assert_eq!(first.drain().await.deferred, 1, "the drain is over, and a worker has one end still");
        // The other has all the time that it takes.
        #[cfg(target_os = "linux")]
        until("it leaves", || workers() == 1).await;
        // Far less than what the journal has.
        for _ in 0..6 {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            clock.advance(WORKERS_LEAVE_WITHIN);
        }
        let report = shutdown.await.unwrap();
        let stuck: Vec<_> = report.warnings.iter().filter(|one| one.name == "workers").collect();
        let [one] = stuck.as_slice() else { panic!("{report:?}") };
        assert!(one.message.starts_with("1 of the runtime's workers did not leave within 1000 ms"), "{one:?}");

        let next = attaching(kept.open(), &tenant);
        next.runtime.settled().await;
        assert_eq!(ends(&next, "p"), [("s".to_owned(), 2)], "it may have been made");
        // What comes late is of no run any more.
        drop(go_on);
        until("the end of the first runtime", || first.runtime.stats().plugins[0].running == 0).await;
        next.end("s", EndReason::Reset).await.unwrap();
        next.runtime.settled().await;
        assert_eq!(next.runtime.undelivered_ends(), 0);
    }
}

fn owes(journal: Arc<dyn Journal>) -> HarnessBuilder {
    Harness::builder().plugin("retry", "retry").retry(NEVER, 8).journal(journal)
}

#[tokio::test]
async fn who_waits_for_a_delivery_or_a_record_is_answered_as_the_runtime_ends() {
    for shuts_down in [true, false] {
        for kept in Kept::each() {
            let harness = owes(kept.open()).build();
            let id = harness.end("s", EndReason::Reset).await.unwrap().deliveries.remove(0);
            harness.runtime.settled().await;
            let waits: Vec<_> = (0..3).map(|_| tokio::spawn(harness.runtime.settled_of(&id))).collect();
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            let (asked_late, recorded) = (harness.runtime.settled_of(&id), harness.runtime.recorded());
            if shuts_down {
                harness.runtime.shutdown(DrainReason::Shutdown).await;
            } else {
                harness.runtime.detach().await.unwrap();
            }
            for wait in waits {
                assert_eq!(wait.await.unwrap(), Ok(Settled::Deferred));
            }
            // These were not polled before.
            assert_eq!((asked_late.await, recorded.await), (Ok(Settled::Deferred), Ok(())));
            harness.runtime.settled().await;
        }
    }
}

#[tokio::test]
async fn what_is_asked_of_a_runtime_that_is_over_is_refused_and_changes_nothing() {
    for shuts_down in [true, false] {
        for kept in Kept::each() {
            let harness = owes(kept.open()).build();
            let id = harness.end("s", EndReason::Reset).await.unwrap().deliveries.remove(0);
            harness.start("active").await.unwrap();
            harness.runtime.settled().await;
            if shuts_down {
                harness.runtime.shutdown(DrainReason::Shutdown).await;
            } else {
                harness.runtime.detach().await.unwrap();
            }
            let tenant = harness.tenant.clone();
            let next = Harness::builder().plugin("retry", "retry").retry(NEVER, 8).journal(kept.open());
            let next = next.tenant(&tenant).attach_grace(NEVER).build();
            next.runtime.settled().await;

            let (runtime, closed) = (&harness.runtime, Some(JournalErrorKind::Closed));
            assert_eq!(harness.start("late").await, Err(Refusal::Draining));
            assert_eq!(runtime.redeliver(vec![id.clone()]).await, Err(Refusal::Draining));
            assert_eq!(harness.end("late", EndReason::Reset).await.unwrap_err().journal_error(), closed);
            if !shuts_down {
                assert_eq!(harness.end("active", EndReason::Reset).await.unwrap_err().journal_error(), closed);
            }
            runtime.seen(&harness.session("s").identity);
            let filter = (DeliveryFilter::default(), PageRequest::default());
            assert_eq!(runtime.deliveries(&filter.0, &filter.1).await.err().map(|error| error.kind()), closed);
            assert_eq!(runtime.probe().await.err().map(|error| error.kind()), closed);
            assert_eq!(runtime.recorded().await.err().map(|error| error.kind()), closed);
            assert_eq!(runtime.settled_of(&id).await.err().map(|error| error.kind()), closed);

            let found = next.runtime.deliveries(&filter.0, &filter.1).await.unwrap().rows;
            assert!(found.iter().all(|row| row.session != "late") && found.iter().any(|row| row.delivery == id));
            if !shuts_down {
                assert_eq!(next.start("active").await.unwrap().how, Acceptance::Updated);
            }
        }
    }
}

#[tokio::test]
async fn after_the_one_end_of_a_runtime_the_other_finds_nothing_to_do() {
    for kept in Kept::each() {
        let harness = attaching(kept.open(), "t");
        harness.start("s").await.unwrap();
        harness.runtime.settled().await;
        let (first, second) = tokio::join!(harness.runtime.detach(), harness.runtime.detach());
        assert_eq!((first.clone().unwrap().sessions, first.unwrap()), (1, second.unwrap()));
        let report = harness.runtime.shutdown(DrainReason::Restart).await;
        assert_eq!((report.sessions, report.owed(), report.warnings.len()), (0, 0, 0), "{report:?}");

        let harness = attaching(kept.open(), &harness.tenant);
        harness.start("s").await.unwrap();
        let report = harness.runtime.shutdown(DrainReason::Restart).await;
        let detached = harness.runtime.detach().await.unwrap();
        assert_eq!((report.sessions, detached.sessions, detached.owed), (1, 0, 0));

        let harness = attaching(kept.open(), &harness.tenant);
        harness.start("s").await.unwrap();
        harness.runtime.close(DrainReason::Restart).await;
        let report = harness.runtime.shutdown(DrainReason::Shutdown).await;
        assert_eq!((report.sessions, report.owed()), (0, 0), "nothing is drained after a close");
        drop(kept.open());
    }
}

#[tokio::test]
async fn on_a_full_disk_a_detach_says_so_and_lets_go_all_the_same() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let harness = owes(journal.clone()).build();
    journal.hold_outcomes();
    harness.end("s", EndReason::Reset).await.unwrap();
    journal.until_held(1).await;
    journal.fill();
    let failed = harness.runtime.detach().await.unwrap_err();
    assert_eq!(failed.kind(), JournalErrorKind::Full);

    // The failure is not on record, so its number is taken.
    let next = Harness::builder().plugin("retry", "good").journal(journal).tenant(&harness.tenant).build();
    next.runtime.settled().await;
    assert_eq!(ends(&next, "retry"), [("s".to_owned(), 2)]);
}

/// What an observer was told of is what is on record, and it was told of all of it.
#[tokio::test]
async fn observers_are_told_of_everything_before_a_shutdown_returns() {
    for kept in Kept::each() {
        let harness = Harness::builder().plugin("p", "good-all").journal(kept.open());
        let recorded = Arc::new(Mutex::new(0));
        let harness = harness.observer(Counts(recorded.clone())).build();
        harness.start_many("s", 200).await.unwrap();
        let report = harness.runtime.shutdown(DrainReason::Shutdown).await;
        assert_eq!(report.delivered, 200);
        assert_eq!((ends(&harness, "p").len(), *recorded.lock()), (200, 400), "each start and each end");
    }
}

/// Counts records.
struct Counts(Arc<Mutex<u32>>);

impl lastword::Observer for Counts {
    fn recorded(&self, _delivery: &lastword::events::DeliveryId, _settlement: &lastword::Settlement) {
        *self.0.lock() += 1;
    }
}

/// A guest that answers wrongly is no reason to wait.
#[tokio::test]
async fn failures_of_a_run_that_detaches_are_on_record_with_their_numbers() {
    for kept in Kept::each() {
        let harness = owes(kept.open()).build();
        harness.end("s", EndReason::Reset).await.unwrap();
        harness.runtime.settled().await;
        assert_eq!(harness.runtime.detach().await.unwrap().owed, 1);
        let next = owes(kept.open()).tenant(&harness.tenant).build();
        next.runtime.settled().await;
        let told: Vec<_> = next.outcomes().into_iter().map(|one| (one.attempt, one.failures, one.outcome)).collect();
        assert!(
            matches!(&told[..], [(2, 2, Outcome::Failed { cause: FailureCause::Retry, .. })]),
            "no number is used twice, and none is left out: {told:?}"
        );
    }
}
