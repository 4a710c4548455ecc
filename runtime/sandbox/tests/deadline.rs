//! The three cuts, and what the deadline counts.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod common;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use common::{LONG, end, failure, generous, load, name, sandbox};
use lastword_events::{FailureCause, Outcome};
use lastword_sandbox::{Call, Limits, Source};
use lastword_test_guests::{World, from_wat};

const MS: Duration = Duration::from_millis(1);

#[tokio::test]
async fn whatever_a_guest_does_until_its_deadline_it_is_cut_there() {
    let sandbox = sandbox();
    for (guest, place) in [
        ("spin", "running in "),
        ("spin-start", "running in "),
        ("log-flood", "running in "),
        ("sleep", "waiting for wasi:io/poll (poll or pollable.block) for "),
    ] {
        let plugin = load(&sandbox, guest, Limits { deadline: 50 * MS, ..generous() });
        let report = sandbox.call(&plugin, end("s1", 1), LONG).await;
        let (cause, message) = failure(&report);
        assert_eq!(*cause, FailureCause::Deadline, "{guest}");
        assert!(message.starts_with(&format!("cut after 50 ms, {place}")), "{guest}: {message}");
        assert!(report.active >= 50 * MS, "{guest} was cut after {:?}", report.active);
        assert!(report.active < 5000 * MS, "{guest} was cut after {:?}", report.active);
    }
    assert_eq!(sandbox.slots_in_use(), Some(0));
}

#[tokio::test]
async fn the_callers_deadline_counts_when_it_is_shorter() {
    let sandbox = sandbox();
    let plugin = load(&sandbox, "spin", generous());
    let report = sandbox.call(&plugin, end("s1", 1), 20 * MS).await;
    let (cause, message) = failure(&report);
    assert_eq!(*cause, FailureCause::Deadline);
    assert!(message.starts_with("cut after 20 ms, "), "{message}");
}

#[tokio::test]
async fn a_wait_that_is_short_enough_is_delivered_and_counted() {
    let sandbox = sandbox();
    let plugin = load(&sandbox, "sleep-50ms", generous());
    let report = sandbox.call(&plugin, end("s1", 1), LONG).await;
    assert_eq!(report.outcome, Outcome::Delivered);
    assert!(report.active >= 50 * MS, "{:?}", report.active);
}

#[tokio::test]
async fn fuel_cuts_where_the_deadline_does_not() {
    let sandbox = sandbox();
    let plugin = load(&sandbox, "spin", Limits { fuel: 1_000_000, ..generous() });
    let report = sandbox.call(&plugin, end("s1", 1), LONG).await;
    let (cause, message) = failure(&report);
    assert_eq!(*cause, FailureCause::Fuel);
    assert!(message.starts_with("used up its 1000000 units of fuel, running in "), "{message}");
    assert_eq!(report.fuel_used, 1_000_000);
}

/// A plugin whose hook calls itself so many times, and then spins in another function.
fn spins_deep_in(name: &str, depth: u32) -> Vec<u8> {
    let wat = format!(
        r#"(module (memory (export "memory") 1)
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
          (func ${name} (loop (br 0)))
          (func $outer (param i32)
            (if (local.get 0) (then (call $outer (i32.sub (local.get 0) (i32.const 1)))) (else (call ${name}))))
          (func $hook (export "session-end") (param i32) (result i32) (call $outer (i32.const {depth})) (i32.const 0)))"#
    );
    from_wat(&wat, World::SessionEnd).unwrap()
}

#[tokio::test]
async fn a_guest_that_is_cut_while_it_runs_is_told_where_it_was_in_words_and_in_short() {
    let sandbox = sandbox();
    let rust = "_ZN7session5notes4tidy17h0123456789abcdefE";
    let place = ", running in session::notes::tidy < outer < outer < hook";
    let limits = [Limits { deadline: 20 * MS, ..generous() }, Limits { fuel: 1_000_000, ..generous() }];
    for limits in limits {
        let plugin = sandbox.load(name("p"), &Source::Bytes(spins_deep_in(rust, 1)), limits).unwrap();
        let report = sandbox.call(&plugin, end("s1", 1), LONG).await;
        assert!(failure(&report).1.ends_with(place), "{:?}", report.outcome);

        let long = spins_deep_in(&"x".repeat(50_000), 500);
        let plugin = sandbox.load(name("p"), &Source::Bytes(long), limits).unwrap();
        let report = sandbox.call(&plugin, end("s1", 1), LONG).await;
        let (_, message) = failure(&report);
        assert!(message.contains("xxx") && message.contains("… < outer < outer"), "{message}");
        assert!(message.len() < 1024, "{} bytes", message.len());
    }
}

#[tokio::test]
async fn the_same_input_uses_the_same_fuel() {
    let sandbox = sandbox();
    for guest in ["good", "prints", "retry-by-attempt"] {
        let plugin = load(&sandbox, guest, generous());
        let first = sandbox.call(&plugin, end("s1", 1), LONG).await.fuel_used;
        for _ in 0..20 {
            assert_eq!(sandbox.call(&plugin, end("s1", 1), LONG).await.fuel_used, first, "{guest}");
        }
    }
}

#[test]
fn a_spinning_guest_gives_its_thread_back_at_every_tick() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _inside = runtime.enter();
    let sandbox = sandbox();
    let plugin = load(&sandbox, "spin", generous());
    let mut call = sandbox.call(&plugin, end("s1", 1), LONG);
    let before = sandbox.ticks();
    for _ in 0..50 {
        // If it did not, this would never come back.
        assert!(poll(&mut call).is_pending());
    }
    assert!(sandbox.ticks() >= before + 49, "a poll of a guest that is never done lasts until the next tick");
}

#[test]
fn a_guest_is_not_cut_for_what_its_neighbours_do() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _inside = runtime.enter();
    let sandbox = sandbox();
    let spin = load(&sandbox, "spin", generous());
    let mut neighbours: Vec<Call> = (0..15).map(|_| sandbox.call(&spin, end("s1", 1), LONG)).collect();

    // Some 40 ms of CPU, however many they are on this machine, one tick at a time while 15 others take theirs.
    let bytes = lastword_test_guests::burn(lastword_test_guests::BURN_ITERATIONS / 8);
    let modest = sandbox.load(name("modest"), &Source::Bytes(bytes), generous()).unwrap();
    let alone = runtime.block_on(sandbox.call(&modest, end("s1", 1), LONG)).active;
    let deadline = 4 * alone;
    let mut call = sandbox.call(&modest, end("s1", 1), deadline);
    let report = loop {
        if let Poll::Ready(report) = poll(&mut call) {
            break report;
        }
        for neighbour in &mut neighbours {
            assert!(poll(neighbour).is_pending());
        }
    };
    assert_eq!(report.outcome, Outcome::Delivered, "{report:?}");
    assert!(report.wall > deadline, "the test has to be harder: {report:?}");
    assert!(report.active < deadline, "{report:?}");
}

fn poll(call: &mut Call) -> Poll<lastword_sandbox::CallReport> {
    Pin::new(call).poll(&mut Context::from_waker(Waker::noop()))
}
