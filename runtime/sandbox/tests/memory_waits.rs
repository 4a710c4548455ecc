//! Calls that want memory which others have: they wait, and none of them fails.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod common;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use common::{LONG, end, failure, generous, load, name};
use lastword_events::{Deferral, FailureCause, Outcome};
use lastword_sandbox::limits::FREE_MEMORY_BYTES;
use lastword_sandbox::{Call, CallReport, Limits, Plugin, Sandbox, SandboxConfig, Source};
use lastword_test_guests::grows::{PAGE, grows};

const MIB: u64 = 1 << 20;

fn sandbox(total_memory: u64) -> Sandbox {
    Sandbox::new(SandboxConfig { max_concurrent_calls: Some(64), total_memory, ..SandboxConfig::default() }).unwrap()
}

fn load_grows(sandbox: &Sandbox, steps: &[u32], wait_ms: u64, limits: Limits) -> Plugin {
    sandbox.load(name("grows"), &Source::Bytes(grows(steps, wait_ms)), limits).unwrap()
}

/// Polls a call until it waits for something. On a busy machine the engine stops it on the way for others to go on, and it wakes itself.
fn poll_until_it_waits(call: &mut Call) {
    loop {
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        assert!(Pin::new(&mut *call).poll(&mut Context::from_waker(&waker)).is_pending());
        if !woken.0.load(Ordering::SeqCst) {
            return;
        }
    }
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Calls until it is no more put back; the reports of all.
async fn until_it_ends(sandbox: &Sandbox, plugin: &Plugin) -> Vec<CallReport> {
    let mut reports = Vec::new();
    loop {
        let mut call = sandbox.call(plugin, end("s1", 1), LONG);
        // As the dispatcher does: whoever has to wait waits before it begins.
        let wanted = reports.last().map_or(0, |report: &CallReport| report.counted_memory);
        if wanted > 0 {
            let reserved = loop {
                match plugin.memory().reserve(wanted, false) {
                    Some(reserved) => break reserved,
                    None => tokio::task::yield_now().await,
                }
            };
            call = call.with_memory(reserved);
        }
        let report = call.await;
        let again = report.outcome == Outcome::Deferred(Deferral::Memory);
        reports.push(report);
        if !again {
            return reports;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_grow_in_steps_beyond_what_they_have_together_all_come_to_their_end() {
    // 20 calls of two steps of 8 MiB, with room for a step and a half of each.
    let limits = Limits { total_memory: 20 * 12 * MIB, ..generous() };
    let sandbox = sandbox(1 << 30);
    let plugin = Arc::new(load_grows(&sandbox, &[128, 128], 20, limits));
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let (sandbox, plugin) = (sandbox.clone(), Arc::clone(&plugin));
            tokio::spawn(async move { until_it_ends(&sandbox, &plugin).await })
        })
        .collect();
    let mut put_back = 0;
    for call in calls {
        let reports = call.await.unwrap();
        let last = reports.last().unwrap();
        assert_eq!(last.outcome, Outcome::Delivered);
        assert_eq!(last.counted_memory, 16 * MIB + PAGE - FREE_MEMORY_BYTES);
        put_back += reports.len() - 1;
    }
    assert!(put_back <= 20 * 20, "{put_back}");
    assert_eq!((plugin.memory().used(), sandbox.memory().used()), (0, 0));
}

#[tokio::test]
async fn waiting_for_memory_is_no_time_of_the_call_and_ends_with_who_has_it() {
    let sandbox = sandbox(1 << 30);
    let limits = Limits { total_memory: 20 * MIB, ..generous() };
    let plugin = load_grows(&sandbox, &[256], 50, limits);
    let mut first = sandbox.call(&plugin, end("s1", 1), LONG);
    poll_until_it_waits(&mut first);
    assert_eq!(plugin.memory().used(), 16 * MIB + PAGE - FREE_MEMORY_BYTES);
    let second = sandbox.call(&plugin, end("s2", 1), LONG);
    let (first, second) = tokio::join!(first, second);
    assert_eq!((&first.outcome, &second.outcome), (&Outcome::Delivered, &Outcome::Delivered));
    assert!(second.wall >= first.wall, "it has waited: {:?}, {:?}", first.wall, second.wall);
    assert!(second.active + Duration::from_millis(20) <= second.wall, "and that does not count: {second:?}");
    assert_eq!(plugin.memory().used(), 0);
}

#[tokio::test]
async fn what_a_call_wants_beyond_all_that_its_plugin_may_have_is_its_own_fault() {
    let sandbox = sandbox(64 * MIB);
    for limits in [
        Limits { total_memory: 10 * MIB, ..generous() },
        // Of the process there is no more than 64 MiB.
        Limits { memory: 512 * MIB, ..generous() },
    ] {
        let pages = if limits.total_memory == 10 * MIB { 256 } else { 2048 };
        let plugin = load_grows(&sandbox, &[pages], 0, limits);
        let report = sandbox.call(&plugin, end("s1", 1), LONG).await;
        assert_eq!(*failure(&report).0, FailureCause::Memory, "{report:?}");
        assert_eq!(sandbox.memory().used(), 0);
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_while_it_waits_for_memory_leaves_nothing() {
    let sandbox = sandbox(64 * MIB);
    let plugin = load_grows(&sandbox, &[512], 3_600_000, generous());
    let [mut has, mut second, mut third] = ["s1", "s2", "s3"].map(|id| sandbox.call(&plugin, end(id, 1), LONG));
    poll_until_it_waits(&mut has);
    let held = sandbox.memory().used();
    assert_eq!(held, 32 * MIB + PAGE - FREE_MEMORY_BYTES);
    poll_until_it_waits(&mut second);
    poll_until_it_waits(&mut third);
    drop((second, third));
    drop(has);
    assert_eq!(sandbox.memory().used(), 0);
    let good = load(&sandbox, "good", generous());
    assert_eq!(sandbox.call(&good, end("s4", 1), LONG).await.outcome, Outcome::Delivered);
}

#[test]
fn a_plugin_has_from_the_start_what_its_memory_declares_beyond_what_is_free() {
    let sandbox = sandbox(1 << 30);
    let plugin = |guest: &str| load(&sandbox, guest, generous()).least_memory();
    assert_eq!((plugin("good"), plugin("needs-40mib")), (0, 40 * MIB - FREE_MEMORY_BYTES));
}
