//! Plugins that come and go, and quotas that change, while sessions go on: the same with a journal in memory and with one on disk.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use lastword::events::{
    CompactionPhase, DeliveryId, DrainReason, EndReason, EventKey, FailureCause, Hook, HookCall, Identity, Outcome,
    PluginKey, PluginName, Session,
};
use lastword::{
    BuildError, DeliveryFilter, DeliveryState, EndRequest, InstallError, Leave, Observer, OutcomeRecord, PageRequest,
    Plugin, Refusal, Runtime, StartRequest, Stats, TenantQuota, Tenants,
};
use lastword_harness::{Harness, HarnessBuilder, NEVER, Store};
use lastword_journal::testing::FaultyJournal;
use parking_lot::{Condvar, Mutex};

/// What a plugin was called with.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Call {
    version: u32,
    tenant: String,
    session: String,
    hook: Hook,
    attempt: u32,
    late: bool,
}

/// All calls of some plugins, in order.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<Call>>>);

impl Calls {
    fn add(&self, version: u32, call: &HookCall) {
        let identity = &call.session.identity;
        self.0.lock().push(Call {
            version,
            tenant: identity.tenant.to_string(),
            session: identity.id.to_string(),
            hook: call.event.hook(),
            attempt: call.delivery.attempt,
            late: call.delivery.late,
        });
    }

    fn all(&self) -> Vec<Call> {
        self.0.lock().clone()
    }

    /// The ends, as (session, version).
    fn ends(&self) -> Vec<(String, u32)> {
        let ends = self.all().into_iter().filter(|call| call.hook == Hook::SessionEnd);
        ends.map(|call| (call.session, call.version)).collect()
    }

    /// As (hook, session, attempt, late).
    fn told(&self) -> Vec<(Hook, String, u32, bool)> {
        self.all().into_iter().map(|call| (call.hook, call.session, call.attempt, call.late)).collect()
    }

    async fn until(&self, count: usize) {
        while self.0.lock().len() < count {
            tokio::task::yield_now().await;
        }
    }
}

/// Holds calls until it is opened.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock() = true;
        self.0.1.notify_all();
    }

    fn wait(&self) {
        let mut is_open = self.0.0.lock();
        while !*is_open {
            self.0.1.wait(&mut is_open);
        }
    }
}

fn name(name: &str) -> PluginName {
    PluginName::new(name).unwrap()
}

fn key(of: &str) -> PluginKey {
    name(of).into()
}

fn native(of: &str, hooks: &[Hook], hook: impl Fn(&HookCall) -> Outcome + Send + Sync + 'static) -> Plugin {
    Plugin::native(name(of), hooks.iter().copied().collect(), hook).unwrap()
}

/// One that takes everything, and notes it.
fn takes(of: &str, version: u32, calls: &Calls) -> Plugin {
    let calls = calls.clone();
    native(of, &Hook::ALL, move |call| {
        calls.add(version, call);
        Outcome::Delivered
    })
}

/// One that takes ends, and has no other hook.
fn takes_ends(of: &str, version: u32, calls: &Calls) -> Plugin {
    let calls = calls.clone();
    native(of, &[Hook::SessionEnd], move |call| {
        calls.add(version, call);
        Outcome::Delivered
    })
}

/// One whose calls take as long as the gate is closed.
fn waits(of: &str, version: u32, calls: &Calls, gate: &Gate) -> Plugin {
    let (calls, gate) = (calls.clone(), gate.clone());
    native(of, &[Hook::SessionEnd], move |call| {
        calls.add(version, call);
        gate.wait();
        Outcome::Delivered
    })
}

/// One that is never busy twice with the same.
fn busy_at_first(of: &str, calls: &Calls) -> Plugin {
    let calls = calls.clone();
    native(of, &Hook::ALL, move |call| {
        calls.add(0, call);
        Outcome::Failed { cause: FailureCause::Retry, message: "busy".to_owned() }
    })
}

fn harness() -> HarnessBuilder {
    Harness::builder().retry(NEVER, 8).workers(4)
}

async fn until(runtime: &Runtime, is_so: impl Fn(&Stats) -> bool) {
    while !is_so(&runtime.stats()) {
        tokio::task::yield_now().await;
    }
}

/// Sessions of which something is in this state, by plugin.
async fn listed(runtime: &Runtime, state: DeliveryState) -> Vec<(String, EventKey, String)> {
    let page = runtime.deliveries(&DeliveryFilter::in_state(state), &PageRequest::default()).await.unwrap();
    let row = |row: &lastword::DeliveryRow| (row.session.clone(), row.delivery.event, row.delivery.plugin.to_string());
    page.rows.iter().map(row).collect()
}

/// Dead, orphaned and installed, by plugin.
fn left(runtime: &Runtime) -> Vec<(String, bool, u64)> {
    let stats = runtime.stats().plugins;
    stats.iter().map(|one| (one.plugin.to_string(), one.is_installed, one.orphaned)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_installed_while_ends_arrive_is_told_of_each_that_is_accepted_after_and_of_none_before() {
    /// Before it is installed, and after that.
    const ENDS: usize = 100;
    for store in Store::each() {
        let (first, second) = (Calls::default(), Calls::default());
        let harness = Arc::new(harness().loaded(takes("first", 0, &first)).journal(store.open().await).build());
        let (ended, is_installed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let owner = tokio::spawn({
            let (harness, ended, is_installed) = (harness.clone(), ended.clone(), is_installed.clone());
            async move {
                let (mut owed, mut after) = (BTreeSet::new(), 0);
                while after < ENDS {
                    let has_to_be_owed = is_installed.load(Ordering::SeqCst);
                    let session = format!("s{}", ended.load(Ordering::SeqCst));
                    let accepted = harness.end(&session, EndReason::Reset).await.unwrap();
                    let is_owed = accepted.deliveries.iter().any(|id| id.plugin.as_str() == "second");
                    assert!(is_owed || !has_to_be_owed, "{session} was accepted when it was installed");
                    if is_owed {
                        owed.insert(session);
                    }
                    after += usize::from(has_to_be_owed);
                    ended.fetch_add(1, Ordering::SeqCst);
                }
                owed
            }
        });
        while ended.load(Ordering::SeqCst) < ENDS {
            tokio::task::yield_now().await;
        }
        harness.runtime.install(takes("second", 0, &second), Tenants::Every).unwrap();
        is_installed.store(true, Ordering::SeqCst);
        let owed = owner.await.unwrap();
        let all = ended.load(Ordering::SeqCst);
        harness.runtime.settled().await;
        let told: BTreeSet<String> = second.ends().into_iter().map(|(session, _)| session).collect();
        assert_eq!((&told, second.all().len()), (&owed, owed.len()), "each once");
        assert!((ENDS..all).contains(&owed.len()) && !owed.contains("s0"));
        assert_eq!((first.all().len(), harness.runtime.undelivered_ends()), (all, 0));
        let installed: Vec<_> = harness.runtime.plugins().iter().map(|plugin| plugin.key().to_string()).collect();
        assert_eq!(installed, ["first", "second"]);
    }
}

#[tokio::test]
async fn what_was_orphaned_comes_back_in_its_order_before_anything_newer_with_no_attempt_counted() {
    for store in Store::each() {
        let (before, after) = (Calls::default(), Calls::default());
        let harness = harness().loaded(busy_at_first("memory", &before)).journal(store.open().await).build();
        let runtime = &harness.runtime;
        harness.end("failed", EndReason::Reset).await.unwrap();
        runtime.settled().await;
        let paused = runtime.pause(&key("memory")).unwrap();
        harness.start("s").await.unwrap();
        harness.compaction("s", CompactionPhase::Before).await.unwrap();
        harness.compaction("s", CompactionPhase::After).await.unwrap();
        harness.end("s", EndReason::Reset).await.unwrap();
        // More than is read at once.
        for n in 0..600 {
            harness.end(&format!("many{n}"), EndReason::Reset).await.unwrap();
        }
        let undelivered = runtime.undelivered_ends();
        let uninstalled = runtime.uninstall(&key("memory"), Leave::Orphaned).await.unwrap();
        assert_eq!((uninstalled.owed, uninstalled.plugin.name()), (605, &name("memory")));
        drop(paused);
        assert_eq!(left(runtime), [("memory".to_owned(), false, 605)]);
        assert_eq!((undelivered, runtime.undelivered_ends()), (602, 602));
        assert!(harness.end("nobody", EndReason::Reset).await.unwrap().deliveries.is_empty());

        runtime.install(takes("memory", 1, &after), Tenants::Every).unwrap();
        // These wait for what is older.
        harness.start("s").await.unwrap();
        harness.end("s", EndReason::Reset).await.unwrap();
        runtime.settled().await;
        let told = after.told();
        assert_eq!((told.len(), runtime.undelivered_ends()), (607, 0));
        let failed = told.iter().find(|call| call.1 == "failed");
        assert_eq!(failed, Some(&(Hook::SessionEnd, "failed".to_owned(), 2, false)), "it had one attempt");
        let of_s: Vec<_> = told.iter().filter(|call| call.1 == "s").map(|call| (call.0, call.2, call.3)).collect();
        let [start, compaction, end] = [Hook::SessionStart, Hook::SessionCompaction, Hook::SessionEnd];
        assert_eq!(of_s, [start, compaction, compaction, end, start, end].map(|hook| (hook, 1, false)));
        let many = told.iter().filter(|call| call.1.starts_with("many"));
        assert!(many.clone().all(|call| call.2 == 1) && many.count() == 600);
        assert_eq!(left(runtime), [("memory".to_owned(), true, 0)]);
        assert_eq!(listed(runtime, DeliveryState::Orphaned).await, []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replaced_under_load_nothing_is_lost_no_attempt_is_counted_and_the_order_stays() {
    const VERSIONS: u32 = 10;
    for store in Store::each() {
        let calls = Calls::default();
        let harness = Arc::new(harness().loaded(takes("memory", 0, &calls)).journal(store.open().await).build());
        let is_enough = Arc::new(AtomicBool::new(false));
        let owner = tokio::spawn({
            let (harness, is_enough) = (harness.clone(), is_enough.clone());
            async move {
                let mut sessions = 0;
                while !is_enough.load(Ordering::SeqCst) {
                    harness.start(&format!("s{sessions}")).await.unwrap();
                    harness.end(&format!("s{sessions}"), EndReason::Reset).await.unwrap();
                    sessions += 1;
                }
                sessions
            }
        });
        for version in 1..=VERSIONS {
            // Some of each.
            calls.until(calls.all().len() + 7).await;
            let old = harness.runtime.replace(takes("memory", version, &calls)).unwrap();
            assert_eq!(old.key(), key("memory"));
        }
        is_enough.store(true, Ordering::SeqCst);
        let sessions: usize = owner.await.unwrap();
        harness.end("last", EndReason::Reset).await.unwrap();
        harness.runtime.settled().await;
        let calls = calls.all();
        assert_eq!(calls.len(), 2 * sessions + 1);
        assert!(calls.iter().all(|call| call.attempt == 1 && !call.late));
        let last = calls.iter().find(|call| call.session == "last").unwrap();
        assert_eq!((last.version, calls[0].version), (VERSIONS, 0));
        for n in 0..sessions {
            let session = format!("s{n}");
            let hooks: Vec<_> = calls.iter().filter(|call| call.session == session).map(|call| call.hook).collect();
            assert_eq!(hooks, [Hook::SessionStart, Hook::SessionEnd]);
        }
        assert_eq!(harness.runtime.undelivered_ends(), 0);
    }
}

/// The sessions of the outcomes, each with the version that was called, as the runtime numbers them.
#[derive(Clone, Default)]
struct CalledVersions(Arc<Mutex<Vec<(String, u32)>>>);

impl Observer for CalledVersions {
    fn outcome(&self, record: &OutcomeRecord<'_>) {
        self.0.lock().push((record.session.identity.id.to_string(), record.version));
    }
}

#[tokio::test]
async fn a_call_under_way_ends_on_the_old_version_and_the_next_begins_on_the_new_one() {
    let (calls, gate, called) = (Calls::default(), Gate::default(), CalledVersions::default());
    let harness = harness().loaded(waits("memory", 1, &calls, &gate)).observer(called.clone()).build();
    let installed = || harness.runtime.stats().plugins[0].version;
    let old = installed();
    harness.end("old", EndReason::Reset).await.unwrap();
    calls.until(1).await;
    harness.runtime.replace(takes_ends("memory", 2, &calls)).unwrap();
    harness.end("new", EndReason::Reset).await.unwrap();
    harness.first_outcome(|o| o.session == "new").await.unwrap();
    assert!(harness.outcomes().iter().all(|o| o.session != "old"), "it is under way");
    gate.open();
    harness.first_outcome(|o| o.session == "old").await.unwrap();
    assert_eq!(calls.ends(), [("old".to_owned(), 1), ("new".to_owned(), 2)]);
    harness.runtime.settled().await;
    assert!(old < installed());
    assert_eq!(*called.0.lock(), [("new".to_owned(), installed()), ("old".to_owned(), old)]);
    let unknown = harness.runtime.replace(takes("other", 1, &calls)).unwrap_err();
    assert_eq!(unknown, InstallError::NotInstalled(key("other")));
}

#[tokio::test]
async fn what_a_new_version_has_no_hook_for_is_orphaned_and_comes_back_late_with_the_hook() {
    for store in Store::each() {
        let calls = Calls::default();
        let harness = harness().loaded(takes("memory", 1, &calls)).journal(store.open().await).build();
        let runtime = &harness.runtime;
        let paused = runtime.pause(&key("memory")).unwrap();
        harness.start("s").await.unwrap();
        runtime.replace(takes_ends("memory", 2, &calls)).unwrap();
        drop(paused);
        runtime.settled().await;
        assert_eq!(
            listed(runtime, DeliveryState::Orphaned).await,
            [("s".to_owned(), EventKey::Start, "memory".to_owned())]
        );
        assert_eq!(left(runtime), [("memory".to_owned(), true, 1)]);
        harness.end("s", EndReason::Reset).await.unwrap();
        runtime.settled().await;
        assert_eq!(calls.told(), [(Hook::SessionEnd, "s".to_owned(), 1, false)], "its session goes on");
        runtime.replace(takes("memory", 3, &calls)).unwrap();
        runtime.settled().await;
        assert_eq!(calls.told()[1..], [(Hook::SessionStart, "s".to_owned(), 1, true)]);
        assert_eq!((left(runtime), runtime.undelivered_ends()), (vec![("memory".to_owned(), true, 0)], 0));
    }
}

/// Two plugins that take everything, and three sessions of whose starts they were told.
async fn with_three_sessions(store: &Store, memory: &Calls, log: &Calls) -> Harness {
    let plugins = harness().loaded(takes("memory", 1, memory)).loaded(takes("log", 1, log));
    let harness = plugins.journal(store.open().await).build();
    for session in ["ended", "ends", "active"] {
        harness.start(session).await.unwrap();
    }
    harness.runtime.settled().await;
    harness
}

/// Two sessions are active when the plugin goes, and one has ended. It is owed the end of those that it was sent the start of.
#[tokio::test]
async fn what_an_uninstalled_plugin_is_owed_is_orphaned_with_the_ends_of_active_sessions_until_it_is_back() {
    for store in Store::each() {
        let (calls, others) = (Calls::default(), Calls::default());
        let tenant = {
            let harness = with_three_sessions(&store, &calls, &others).await;
            let runtime = &harness.runtime;
            let paused = runtime.pause(&key("memory")).unwrap();
            harness.end("ended", EndReason::Reset).await.unwrap();
            runtime.settled().await;
            // Of each active session two ends are owed, and one of that which has ended.
            assert_eq!(runtime.undelivered_ends(), 5);
            let uninstalled = runtime.uninstall(&key("memory"), Leave::Orphaned).await.unwrap();
            assert_eq!((uninstalled.owed, runtime.undelivered_ends()), (1, 5));
            drop(paused);
            let owed = harness.end("ends", EndReason::Reset).await.unwrap().deliveries;
            assert_eq!(owed.iter().map(|id| id.plugin.as_str()).collect::<Vec<_>>(), ["log", "memory"]);
            harness.start("new").await.unwrap();
            let owed = harness.end("new", EndReason::Reset).await.unwrap().deliveries;
            assert_eq!(owed.iter().map(|id| id.plugin.as_str()).collect::<Vec<_>>(), ["log"]);
            runtime.settled().await;
            assert_eq!(runtime.undelivered_ends(), 4);
            assert_eq!(left(runtime), [("log".to_owned(), true, 0), ("memory".to_owned(), false, 2)]);
            let orphans = listed(runtime, DeliveryState::Orphaned).await;
            assert_eq!(orphans.iter().map(|one| &*one.0).collect::<Vec<_>>(), ["ended", "ends"]);
            runtime.detach().await.unwrap();
            harness.tenant.clone()
        };
        assert_eq!(calls.all().len(), 3, "the starts");
        // Without it the active session's end is orphaned as well.
        {
            let harness =
                harness().tenant(&tenant).loaded(takes("log", 2, &others)).journal(store.open().await).build();
            harness.runtime.settled().await;
            assert_eq!(left(&harness.runtime), [("log".to_owned(), true, 0), ("memory".to_owned(), false, 3)]);
            harness.runtime.install(takes("memory", 2, &calls), Tenants::Every).unwrap();
            harness.runtime.settled().await;
            assert_eq!(harness.runtime.undelivered_ends(), 0);
        }
        let ends: Vec<String> = calls.ends().into_iter().map(|(session, _)| session).collect();
        assert_eq!(ends, ["ended", "ends", "active"]);
    }
}

#[tokio::test]
async fn what_is_dropped_with_a_plugin_is_owed_to_nobody_also_after_a_restart() {
    for store in Store::each() {
        let (calls, others) = (Calls::default(), Calls::default());
        let tenant = {
            let harness = with_three_sessions(&store, &calls, &others).await;
            let runtime = &harness.runtime;
            let paused = runtime.pause(&key("memory")).unwrap();
            let ended = harness.end("ended", EndReason::Reset).await.unwrap().deliveries;
            let waits = runtime.settled_of(&ended[0]);
            let uninstalled = runtime.uninstall(&key("memory"), Leave::Dropped).await.unwrap();
            assert_eq!((uninstalled.owed, waits.await), (1, Ok(lastword::Settled::Forgotten)));
            drop(paused);
            let owed = harness.end("ends", EndReason::Reset).await.unwrap().deliveries;
            assert_eq!(owed.iter().map(|id| id.plugin.as_str()).collect::<Vec<_>>(), ["log"]);
            runtime.settled().await;
            assert_eq!((runtime.undelivered_ends(), left(runtime)), (1, vec![("log".to_owned(), true, 0)]));
            runtime.detach().await.unwrap();
            harness.tenant.clone()
        };
        let harness = harness().tenant(&tenant).loaded(takes("log", 2, &others)).journal(store.open().await).build();
        harness.runtime.settled().await;
        assert_eq!(left(&harness.runtime), [("log".to_owned(), true, 0)], "not the active session's end either");
        harness.runtime.install(takes("memory", 2, &calls), Tenants::Every).unwrap();
        harness.runtime.settled().await;
        assert_eq!((calls.ends(), harness.runtime.undelivered_ends()), (vec![], 0));
    }
}

#[tokio::test]
async fn an_uninstalled_plugin_is_out_when_its_call_is_over_and_one_of_its_name_begins_after_that() {
    for store in Store::each() {
        let (calls, gate) = (Calls::default(), Gate::default());
        let harness = harness().loaded(waits("memory", 1, &calls, &gate)).journal(store.open().await).build();
        let runtime = &harness.runtime;
        harness.end("s", EndReason::Reset).await.unwrap();
        calls.until(1).await;
        // Both are carried out when they are called.
        let mut uninstalled = Box::pin(runtime.uninstall(&key("memory"), Leave::Orphaned));
        harness.end("nobody", EndReason::Reset).await.unwrap();
        runtime.install(takes_ends("memory", 2, &calls), Tenants::Every).unwrap();
        harness.end("next", EndReason::Reset).await.unwrap();
        let answer = std::future::poll_fn(|cx| std::task::Poll::Ready(uninstalled.as_mut().poll(cx)));
        assert!(answer.await.is_pending(), "its call is under way");
        assert_eq!(calls.all().len(), 1, "and so the new one waits");
        gate.open();
        let uninstalled = uninstalled.await.unwrap();
        runtime.settled().await;
        let ends = calls.ends();
        assert_eq!(ends[0], ("s".to_owned(), 1));
        assert_eq!(ends.last(), Some(&("next".to_owned(), 2)));
        // A machine that is too busy has it fail, for it is late: then the new one has it as well.
        assert_eq!(ends.len(), 2 + usize::try_from(uninstalled.owed).unwrap());
        assert_eq!(runtime.undelivered_ends(), 0);
    }
}

#[tokio::test]
async fn numbers_of_plugins_that_are_out_are_others_and_no_call_is_mixed_up() {
    let (memory, log) = (Calls::default(), Calls::default());
    let harness = harness().loaded(takes("log", 0, &log)).build();
    for n in 0..50 {
        let name = format!("memory{}", n % 3);
        harness.runtime.install(takes(&name, n, &memory), Tenants::Every).unwrap();
        harness.end(&format!("s{n}"), EndReason::Reset).await.unwrap();
        harness.runtime.settled().await;
        harness.runtime.uninstall(&key(&name), Leave::Orphaned).await.unwrap();
        harness.end(&format!("t{n}"), EndReason::Reset).await.unwrap();
    }
    harness.runtime.settled().await;
    let expected: Vec<(String, u32)> = (0..50).map(|n| (format!("s{n}"), n)).collect();
    assert_eq!((memory.ends(), log.all().len()), (expected, 100));
    assert_eq!(left(&harness.runtime), [("log".to_owned(), true, 0)]);
}

#[tokio::test]
async fn once_a_drain_has_begun_nothing_is_changed() {
    let calls = Calls::default();
    let harness = harness().loaded(takes("memory", 1, &calls)).build();
    let runtime = &harness.runtime;
    let _paused = runtime.pause(&key("memory")).unwrap();
    harness.start("s").await.unwrap();
    let drain = runtime.drain(DrainReason::Shutdown);
    assert_eq!(runtime.install(takes("log", 1, &calls), Tenants::Every), Err(InstallError::Draining));
    assert!(matches!(runtime.replace(takes("memory", 2, &calls)), Err(InstallError::Draining)));
    assert!(matches!(runtime.uninstall(&key("memory"), Leave::Dropped).await, Err(InstallError::Draining)));
    assert_eq!(runtime.set_quota("t", None), Err(InstallError::Draining));
    let report = drain.await;
    assert_eq!((report.delivered, report.owed()), (1, 1), "a drain ends the pause");
    assert!(calls.all().iter().all(|call| call.version == 1));
}

#[tokio::test]
async fn a_plugin_that_is_paused_is_not_called_until_the_last_guard_is_gone_and_others_are() {
    for store in Store::each() {
        let (memory, log, gate) = (Calls::default(), Calls::default(), Gate::default());
        let plugins = harness().loaded(waits("memory", 1, &memory, &gate)).loaded(takes("log", 1, &log));
        let harness = plugins.journal(store.open().await).build();
        let runtime = &harness.runtime;
        assert!(runtime.pause(&key("other")).is_none());
        harness.end("under-way", EndReason::Reset).await.unwrap();
        memory.until(1).await;
        let paused = runtime.pause(&key("memory")).unwrap();
        for n in 0..100 {
            harness.end(&format!("s{n}"), EndReason::Reset).await.unwrap();
        }
        log.until(101).await;
        let mut idle = Box::pin(paused.idle());
        let first = std::future::poll_fn(|cx| std::task::Poll::Ready(idle.as_mut().poll(cx)));
        assert!(first.await.is_pending(), "its call is under way");
        gate.open();
        idle.await;
        runtime.settled().await;
        assert_eq!(memory.all().len(), 1);
        let (again, clone) = (runtime.pause(&key("memory")).unwrap(), paused.clone());
        drop(paused);
        drop(again);
        runtime.settled().await;
        assert_eq!(memory.all().len(), 1, "a guard is left");
        drop(clone);
        runtime.settled().await;
        let told = memory.told();
        assert!(told.len() == 101 && told.iter().all(|call| call.2 == 1), "no attempt was counted");
        assert_eq!(runtime.undelivered_ends(), 0);
    }
}

#[tokio::test]
async fn who_waits_for_a_pause_keeps_nothing_of_a_runtime_that_is_gone() {
    let (calls, gate) = (Calls::default(), Gate::default());
    let harness = harness().loaded(waits("memory", 1, &calls, &gate)).build();
    harness.end("s", EndReason::Reset).await.unwrap();
    calls.until(1).await;
    let paused = harness.runtime.pause(&key("memory")).unwrap();
    let uninstalled = harness.runtime.uninstall(&key("memory"), Leave::Orphaned);
    drop(harness);
    paused.idle().await;
    assert!(matches!(uninstalled.await, Err(InstallError::Journal(_))));
    gate.open();
}

#[tokio::test]
async fn two_tenants_have_plugins_of_one_name_and_each_is_called_for_its_own() {
    for store in Store::each() {
        let [acme, other] = [Calls::default(), Calls::default()];
        let scoped = |of: &str, calls: &Calls| takes("memory", 1, calls).scoped(of);
        let runtime = Runtime::builder()
            .plugin(scoped("acme", &acme), Tenants::Every)
            .journal(store.open().await)
            .build()
            .unwrap();
        runtime.install(scoped("other", &other), Tenants::Only(vec!["other".into()])).unwrap();
        let keys: Vec<_> = runtime.plugins().iter().map(|plugin| plugin.key().to_string()).collect();
        assert_eq!(keys, ["acme/memory", "other/memory"]);
        for tenant in ["acme", "other", "third"] {
            let end = EndRequest::new(Session::new(tenant, "s"), EndReason::Reset);
            let owed = runtime.end_session(end).await.unwrap().deliveries;
            let names: Vec<_> = owed.iter().map(|id| id.plugin.as_str()).collect();
            assert_eq!(names, if tenant == "third" { vec![] } else { vec!["memory"] });
        }
        runtime.settled().await;
        let tenants = |calls: &Calls| calls.all().into_iter().map(|call| call.tenant).collect::<Vec<_>>();
        assert_eq!((tenants(&acme), tenants(&other)), (vec!["acme".to_owned()], vec!["other".to_owned()]));
        // What one is owed is not the other's.
        let own = key("memory").scoped("acme");
        let paused = runtime.pause(&own).unwrap();
        let end = EndRequest::new(Session::new("acme", "t"), EndReason::Reset);
        runtime.end_session(end).await.unwrap();
        assert_eq!(runtime.uninstall(&own, Leave::Orphaned).await.unwrap().owed, 1);
        drop(paused);
        assert!(matches!(runtime.uninstall(&key("memory"), Leave::Orphaned).await, Err(InstallError::NotInstalled(_))));
        runtime.install(scoped("third", &other), Tenants::Every).unwrap();
        runtime.settled().await;
        assert_eq!(tenants(&other).len(), 1);
        runtime.install(scoped("acme", &acme), Tenants::Every).unwrap();
        runtime.settled().await;
        assert_eq!((acme.ends().len(), runtime.undelivered_ends()), (2, 0));
        let stats = runtime.stats().plugins;
        let scopes: Vec<_> = stats.iter().map(|one| one.tenant.as_deref()).collect();
        assert_eq!(scopes, [Some("other"), Some("third"), Some("acme")]);
    }
}

#[tokio::test]
async fn no_tenant_has_two_plugins_of_one_name() {
    let calls = Calls::default();
    let only = |tenants: &[&str]| Tenants::Only(tenants.iter().map(|tenant| (*tenant).into()).collect());
    let plain = || takes("memory", 1, &calls);
    let same = |key| InstallError::SamePluginName(key);
    let own = || key("memory").scoped("acme");
    let cases = [
        ((plain(), Tenants::Every), (plain().scoped("acme"), Tenants::Every), Some(same(own()))),
        ((plain().scoped("acme"), Tenants::Every), (plain(), Tenants::Every), Some(same(key("memory")))),
        ((plain().scoped("acme"), Tenants::Every), (plain(), only(&["acme", "b"])), Some(same(key("memory")))),
        ((plain(), only(&["a"])), (plain(), only(&["b"])), Some(same(key("memory")))),
        ((plain().scoped("acme"), Tenants::Every), (plain().scoped("acme"), Tenants::Every), Some(same(own()))),
        ((plain(), only(&["b", "b"])), (plain().scoped("acme"), only(&["acme"])), None),
        ((plain().scoped("b"), only(&["b"])), (plain(), only(&["acme"])), None),
        (
            (takes("log", 1, &calls), Tenants::Every),
            (plain().scoped("acme"), only(&["b"])),
            Some(InstallError::OtherTenants(own())),
        ),
    ];
    for ((first, for_first), (second, for_second), expected) in cases {
        let builder = Runtime::builder().plugin(first.clone(), for_first.clone());
        let built = builder.plugin(second.clone(), for_second.clone()).build();
        let refused = match built {
            Ok(_) => None,
            Err(BuildError::SamePluginName(key)) => Some(InstallError::SamePluginName(key)),
            Err(BuildError::OtherTenants(key)) => Some(InstallError::OtherTenants(key)),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(refused, expected);
        let runtime = Runtime::builder().plugin(first, for_first).build().unwrap();
        assert_eq!(runtime.install(second, for_second).err(), expected);
        assert_eq!(runtime.plugins().len(), if expected.is_some() { 1 } else { 2 });
    }
}

#[tokio::test]
async fn a_quota_of_calls_counts_from_the_next_call_on_whether_it_is_raised_or_lowered() {
    let (calls, gate) = (Calls::default(), Gate::default());
    let calls_at_once = |most| Some(TenantQuota { concurrent_calls: Some(most), ..TenantQuota::default() });
    let harness = harness().loaded(waits("memory", 1, &calls, &gate)).quota(calls_at_once(1).unwrap()).build();
    let runtime = &harness.runtime;
    for n in 0..3 {
        harness.end(&format!("s{n}"), EndReason::Reset).await.unwrap();
    }
    until(runtime, |stats| stats.plugins[0].running == 1).await;
    runtime.set_quota(&harness.tenant, calls_at_once(2)).unwrap();
    until(runtime, |stats| stats.plugins[0].running == 2).await;
    // Nothing that is there is taken away.
    runtime.set_quota(&harness.tenant, None).unwrap();
    assert_eq!(runtime.stats().plugins[0].running, 2);
    gate.open();
    runtime.settled().await;
    assert_eq!(runtime.undelivered_ends(), 0);
}

#[tokio::test]
async fn a_quota_of_sessions_counts_from_the_next_start_on() {
    let sessions = |most| Some(TenantQuota { active_sessions: Some(most), ..TenantQuota::default() });
    let harness = harness().quota(sessions(1).unwrap()).build();
    let (runtime, tenant) = (&harness.runtime, &*harness.tenant);
    harness.start("a").await.unwrap();
    assert!(matches!(harness.start("b").await, Err(Refusal::Quota { limit: 1, .. })));
    runtime.set_quota(tenant, sessions(3)).unwrap();
    for session in ["b", "c"] {
        harness.start(session).await.unwrap();
    }
    let request = StartRequest::new(Session::new("another", "a"));
    runtime.start_session(request).await.unwrap();
    runtime.set_quota(tenant, sessions(2)).unwrap();
    harness.end("c", EndReason::Reset).await.unwrap();
    assert!(matches!(harness.start("d").await, Err(Refusal::Quota { limit: 2, .. })), "two are active");
    assert_eq!(runtime.active_sessions(), 3);
    runtime.set_quota(tenant, Some(TenantQuota::default())).unwrap();
    harness.start("d").await.unwrap();
    runtime.set_quota(tenant, None).unwrap();
    assert!(matches!(harness.start("e").await, Err(Refusal::Quota { limit: 1, .. })));
}

/// What is orphaned is on no disk yet when the plugin is back.
#[tokio::test]
async fn on_a_disk_that_takes_its_time_orphans_are_found_all_the_same_and_newer_events_wait_for_them() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let calls = Calls::default();
    let harness = harness().loaded(takes("memory", 1, &calls)).journal(journal.clone()).build();
    let runtime = &harness.runtime;
    let paused = runtime.pause(&key("memory")).unwrap();
    harness.end("s", EndReason::Reset).await.unwrap();
    journal.hold();
    runtime.uninstall(&key("memory"), Leave::Orphaned).await.unwrap();
    drop(paused);
    runtime.install(takes("memory", 2, &calls), Tenants::Every).unwrap();
    let newer = runtime.end_session(EndRequest::new(harness.session("s"), EndReason::Deleted).with_op_id("2"));
    journal.commit().await;
    newer.await.unwrap();
    journal.commit().await;
    runtime.settled().await;
    let outcomes = harness.outcomes();
    let reasons: Vec<_> = outcomes.iter().map(|one| (one.reason.clone().unwrap(), one.attempt)).collect();
    assert_eq!(reasons, [(EndReason::Reset, 1), (EndReason::Deleted, 1)]);
}

#[tokio::test]
async fn who_is_uninstalled_while_orphans_are_adopted_leaves_none_of_them_owed_to_nobody() {
    for (leave, left) in [(Leave::Orphaned, vec!["s".to_owned()]), (Leave::Dropped, vec![])] {
        let journal = Arc::new(FaultyJournal::in_memory());
        let calls = Calls::default();
        let harness = harness().loaded(takes("memory", 1, &calls)).journal(journal.clone()).build();
        let runtime = &harness.runtime;
        let paused = runtime.pause(&key("memory")).unwrap();
        harness.end("s", EndReason::Reset).await.unwrap();
        runtime.uninstall(&key("memory"), Leave::Orphaned).await.unwrap();
        drop(paused);
        journal.hold_changes();
        runtime.install(takes("memory", 2, &calls), Tenants::Every).unwrap();
        journal.until_held(1).await;
        // The end is adopted on record, and in no queue.
        let uninstalled = runtime.uninstall(&key("memory"), leave);
        journal.commit().await;
        assert_eq!(uninstalled.await.unwrap().owed, 1, "{leave:?}");
        runtime.settled().await;
        assert_eq!(listed(runtime, DeliveryState::Owed).await, [], "{leave:?}");
        let orphans = listed(runtime, DeliveryState::Orphaned).await;
        assert_eq!(orphans.into_iter().map(|(session, ..)| session).collect::<Vec<_>>(), left);
    }
}

/// Counts the deliveries that are told as forgotten.
#[derive(Clone, Default)]
struct ToldForgotten(Arc<AtomicUsize>);

impl Observer for ToldForgotten {
    fn forgotten(&self, _session: &Identity, _delivery: &DeliveryId) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// What is on record of it is damaged.
#[tokio::test]
async fn what_was_to_be_dropped_and_is_on_record_still_is_told_to_nobody_as_forgotten_and_the_next_start_makes_it() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let (calls, told) = (Calls::default(), ToldForgotten::default());
    let builder = harness().loaded(takes("memory", 1, &calls)).observer(told.clone());
    let first = builder.journal(journal.clone()).build();
    let runtime = &first.runtime;
    let paused = runtime.pause(&key("memory")).unwrap();
    let id = first.end("s", EndReason::Reset).await.unwrap().deliveries.remove(0);
    let mut settled = Box::pin(runtime.settled_of(&id));
    let poll = std::future::poll_fn(|cx| std::task::Poll::Ready(settled.as_mut().poll(cx)));
    assert!(poll.await.is_pending(), "it is owed");
    journal.spoil_changes(true);
    assert_eq!(runtime.uninstall(&key("memory"), Leave::Dropped).await.unwrap().owed, 0);
    let poll = std::future::poll_fn(|cx| std::task::Poll::Ready(settled.as_mut().poll(cx)));
    assert!(poll.await.is_pending(), "it is owed as before");
    assert_eq!((told.0.load(Ordering::SeqCst), runtime.undelivered_ends()), (0, 1));
    let owed = ("s".to_owned(), EventKey::End, "memory".to_owned());
    assert_eq!(listed(runtime, DeliveryState::Owed).await, [owed]);

    journal.spoil_changes(false);
    let tenant = first.tenant.clone();
    drop(paused);
    drop(first);
    let next = harness().loaded(takes("memory", 2, &calls)).journal(journal).tenant(&tenant).build();
    let made = next.first_outcome(|o| o.id == id).await.expect("it is called");
    assert_eq!(made.outcome, Outcome::Delivered);
}
