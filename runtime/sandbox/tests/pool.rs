//! A call that has a permit finds a slot: slots that are being cleaned are to spare.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use common::{LONG, end, generous, name};
use lastword_events::Outcome;
use lastword_sandbox::{Sandbox, SandboxConfig, Source};
use lastword_test_guests::{World, from_wat};

/// Waits in the host for 1 ms, and uses more of its stack than what is zeroed at once.
const WAITS: &str = include_str!("../../../tests/guests/wat/honest/sleep-50ms.wat");

/// Makes `calls` calls of a guest that waits, as many at once as there are slots, on several threads. Returns what came of
/// those that were not delivered.
fn waiting_calls(sandbox: &Sandbox, calls: u32) -> Vec<Outcome> {
    let component = from_wat(&WAITS.replace("50000000", "1000000"), World::SessionEnd).unwrap();
    let plugin = sandbox.load(name("waits"), &Source::Bytes(component), generous()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    let left = Arc::new(AtomicU32::new(calls));
    let slots = sandbox.max_concurrent_calls();
    runtime.block_on(async {
        // Twice as many as there are slots: one is taken as soon as its permit is back.
        let callers = (0..2 * slots).map(|_| {
            let (sandbox, plugin, left) = (sandbox.clone(), plugin.clone(), Arc::clone(&left));
            tokio::spawn(async move {
                let mut wrong = Vec::new();
                while left.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                    let outcome = sandbox.call(&plugin, end("s1", 1), LONG).await.outcome;
                    if outcome != Outcome::Delivered {
                        wrong.push(outcome);
                    }
                }
                wrong
            })
        });
        let callers: Vec<_> = callers.collect();
        let mut wrong = Vec::new();
        for caller in callers {
            wrong.extend(caller.await.unwrap());
        }
        wrong
    })
}

fn sandbox(calls: u32) -> Sandbox {
    Sandbox::new(SandboxConfig { max_concurrent_calls: Some(calls), ..SandboxConfig::default() }).unwrap()
}

#[test]
fn a_hundred_thousand_calls_that_wait_find_a_slot_each() {
    for (slots, calls) in [(256, 50_000), (16, 50_000)] {
        assert_eq!(waiting_calls(&sandbox(slots), calls), [], "{slots} slots");
    }
}

/// `cargo nextest run -p lastword-sandbox --all-features --run-ignored only -E 'test(soak_pool)'`
#[test]
#[ignore = "takes minutes"]
fn soak_pool_a_million_calls_that_wait_find_a_slot_each() {
    assert_eq!(waiting_calls(&sandbox(256), 1_000_000), []);
}
