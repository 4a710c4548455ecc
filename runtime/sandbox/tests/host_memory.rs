//! What the host keeps for a guest counts to the guest's memory, and the account is compared with the allocator's.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

mod common;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use common::{LONG, call_end, end, failure, generous, load_with};
use lastword_events::{Deferral, FailureCause, Outcome};
use lastword_sandbox::limits::FREE_HOST_BYTES;
use lastword_sandbox::{Call, CallReport, Grants, Limits, Plugin, Sandbox, SandboxConfig};
use tikv_jemalloc_ctl::{epoch, stats};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const MIB: u64 = 1 << 20;
/// What one host call can hand over beyond a limit that is looked at when it returns.
const ONE_HOST_CALL_BYTES: u64 = 512 << 10;
/// A call's own store, instance and future; and some handles.
const OF_EVERY_CALL_BYTES: u64 = (64 << 10) + FREE_HOST_BYTES;
/// The account is never less than so much of what the allocator counts. A list may have just doubled, and an allocator
/// rounds up by a quarter at most.
const LEAST_PERCENT: u64 = 80;

/// Guests that make the host keep something until they are stopped.
const PILES: [&str; 5] =
    ["http-piles-fields", "http-piles-clones", "http-piles-values", "http-piles-requests", "http-piles-bodies"];

fn sandbox() -> Sandbox {
    Sandbox::new(SandboxConfig { max_concurrent_calls: Some(16), ..SandboxConfig::default() }).unwrap()
}

fn load(sandbox: &Sandbox, guest: &str, limits: Limits) -> Plugin {
    let grants = Grants { http: Some(std::iter::empty().collect()), ..Grants::default() };
    load_with(sandbox, guest, limits, grants)
}

fn with_memory(memory: u64) -> Limits {
    Limits { memory, handles: 1 << 20, ..generous() }
}

fn poll(call: &mut Call) -> Poll<CallReport> {
    Pin::new(call).poll(&mut Context::from_waker(Waker::noop()))
}

/// Bytes that the process has allocated.
fn allocated() -> u64 {
    epoch::advance().unwrap();
    u64::try_from(stats::allocated::read().unwrap()).unwrap()
}

/// Lets the guest go on until it waits or its call is over. Returns the most that was allocated meanwhile.
fn run(call: &mut Call, most_polls: u32) -> (u64, Option<CallReport>) {
    let before = allocated();
    let mut most = before;
    for _ in 0..most_polls {
        let polled = poll(call);
        most = most.max(allocated());
        if let Poll::Ready(report) = polled {
            return (most - before, Some(report));
        }
    }
    (most - before, None)
}

/// Lets the guest go on until its call is over. Returns the most that was allocated meanwhile.
async fn run_to_its_end(call: &mut Call) -> (u64, CallReport) {
    let before = allocated();
    let mut most = before;
    loop {
        if let Poll::Ready(report) = poll(call) {
            return (most - before, report);
        }
        most = most.max(allocated());
        // For timers. The guest has the processor otherwise.
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_does_not_fit_the_memory_is_the_guests_failure_with_the_limit_in_its_text() {
    let sandbox = sandbox();
    for guest in PILES {
        for memory in [4 * MIB, 32 * MIB] {
            let report = call_end(&sandbox, &load(&sandbox, guest, with_memory(memory))).await;
            let (cause, message) = failure(&report);
            assert_eq!(*cause, FailureCause::Memory, "{guest}: {message}");
            assert!(message.contains(&memory.to_string()), "{guest}: {message}");
            assert!(
                report.peak_memory > memory && report.peak_memory <= memory + ONE_HOST_CALL_BYTES,
                "{guest}: {report:?}"
            );
            let guests = report.peak_memory - report.host_memory;
            assert!((65_536..=6 * 65_536).contains(&guests), "{guest}: a few pages are its own: {report:?}");
        }
    }
    assert_eq!(sandbox.slots_in_use(), Some(0));
}

#[tokio::test]
async fn a_guest_with_a_few_handles_has_its_memory_for_itself() {
    let sandbox = sandbox();
    for guest in ["good", "prints"] {
        // One page, and a table.
        let report = call_end(&sandbox, &load(&sandbox, guest, with_memory(65_536 + 8))).await;
        assert_eq!((&report.outcome, report.host_memory), (&Outcome::Delivered, 0), "{guest}: {report:?}");
    }
}

#[tokio::test]
async fn what_is_written_and_not_sent_counts() {
    let sandbox = sandbox();
    let limits = Limits { host_calls: 20_000, ..Limits::default() };
    let report = call_end(&sandbox, &load(&sandbox, "http-piles-pieces", Limits { deadline: LONG, ..limits })).await;
    assert_eq!(*failure(&report).0, FailureCause::Limit("host-calls".to_owned()));
    assert!(report.host_memory > 19_000 * 60, "{report:?}");
}

/// The allocator's counts are the process's: this file's tests are processes of their own under nextest, and with `cargo test`
/// they would disturb each other.
#[test]
fn the_account_is_never_much_less_than_what_the_host_holds() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let sandbox = sandbox();
    let guests = PILES.into_iter().chain(["http-piles-pieces", "http-piles-and-waits", "many-handles"]);
    for guest in guests {
        let plugin = load(&sandbox, guest, Limits { http_request_bytes: 64 * MIB, ..with_memory(64 * MIB) });
        // What is allocated once, and stays.
        run(&mut sandbox.call(&plugin, end("s1", 1), LONG), 3);
        let mut call = sandbox.call(&plugin, end("s1", 1), LONG);
        let (held, report) = run(&mut call, 2_000);
        let waits = report.is_none();
        // What the account says of a guest that goes on is in its report.
        let (held, report) = match report {
            Some(report) => (held, report),
            None => {
                drop(call);
                let brief = std::time::Duration::from_millis(500);
                runtime.block_on(run_to_its_end(&mut sandbox.call(&plugin, end("s1", 1), brief)))
            }
        };
        let account = report.host_memory;
        let held = held.saturating_sub(OF_EVERY_CALL_BYTES);
        println!("{guest}: {account} in the account, {held} held, waits: {waits}");
        assert!(account > 0 || held == 0, "{guest}");
        assert!(account * 100 >= held * LEAST_PERCENT, "{guest}: {account} in the account, {held} held");
    }
}

#[tokio::test]
async fn whoever_wants_what_others_hold_is_put_back_and_fits_when_they_are_gone() {
    let sandbox = sandbox();
    let [first, second] = [(); 2].map(|()| load(&sandbox, "http-piles-and-waits", generous()));
    let begun = |plugin: &Plugin| {
        let mut call = sandbox.call(plugin, end("s1", 1), LONG);
        let (_, report) = run(&mut call, 300);
        (call, report)
    };
    let (one, none) = begun(&first);
    assert_eq!(none, None, "it waits, and holds some 50 MiB");
    let (two, none) = begun(&first);
    assert_eq!(none, None);
    let (_, third) = begun(&first);
    let third = third.unwrap();
    assert_eq!(third.outcome, Outcome::Deferred(Deferral::Memory), "its plugin's part is used up");
    let (others, none) = begun(&second);
    assert_eq!(none, None, "another plugin has a part of its own");
    drop((one, two));
    let (_again, none) = begun(&first);
    assert_eq!(none, None);
    drop(others);
}

#[cfg(target_os = "linux")]
#[test]
fn the_memory_of_large_calls_goes_back_to_the_system_when_they_end() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let sandbox = sandbox();
    let plugin = load(&sandbox, "fill-loop", generous());
    // Too few for a batch: nothing else would have them cleaned.
    let mut calls: Vec<_> = (0..3).map(|_| sandbox.call(&plugin, end("s1", 1), LONG)).collect();
    let before = resident_bytes();
    let mut peak = before;
    for call in &mut calls {
        for _ in 0..10_000 {
            if peak.max(resident_bytes()) >= peak + 50 * MIB {
                break;
            }
            assert!(poll(call).is_pending());
        }
        peak = resident_bytes();
    }
    assert!(peak > before + 150 * MIB, "each fills 60 MiB: {before} and {peak}");
    drop(calls);
    let after = resident_bytes();
    assert!(after < before + (peak - before) / 8, "before {before}, peak {peak}, after {after}");
}

#[cfg(target_os = "linux")]
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or_else(|| panic!("{statm}"));
    pages * u64::try_from(rustix::param::page_size()).unwrap()
}
