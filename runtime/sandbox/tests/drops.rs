//! A call can be dropped at any moment; what it used is free at once.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod common;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use common::{LONG, end, failure, generous, load};
use lastword_events::{FailureCause, Outcome};
use lastword_sandbox::{Sandbox, SandboxConfig};

fn small(calls: u32) -> Sandbox {
    Sandbox::new(SandboxConfig { max_concurrent_calls: Some(calls), ..SandboxConfig::default() }).unwrap()
}

#[test]
fn dropping_a_call_at_any_of_its_polls_leaves_no_slot_taken() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _inside = runtime.enter();
    // Fewer slots than rounds: one that leaks would be missed soon.
    let sandbox = small(2);
    for guest in ["spin", "spin-start", "sleep", "prints", "grow"] {
        let plugin = load(&sandbox, guest, generous());
        for polls in 0..30 {
            let mut call = sandbox.call(&plugin, end("s1", 1), LONG);
            for _ in 0..polls {
                let mut cx = Context::from_waker(Waker::noop());
                if Pin::new(&mut call).poll(&mut cx).is_ready() {
                    break;
                }
            }
            drop(call);
            assert_eq!(sandbox.slots_in_use(), Some(0), "{guest} dropped after {polls} polls");
        }
    }
    let good = load(&sandbox, "good", generous());
    let report = runtime.block_on(sandbox.call(&good, end("s1", 1), LONG));
    assert_eq!(report.outcome, Outcome::Delivered);
}

#[tokio::test]
async fn more_calls_than_slots_wait_for_their_turn() {
    let sandbox = small(2);
    let plugin = load(&sandbox, "sleep-50ms", generous());
    let calls: Vec<_> = (0..6).map(|_| tokio::spawn(sandbox.call(&plugin, end("s1", 1), LONG))).collect();
    let mut waited = Duration::ZERO;
    for call in calls {
        let report = call.await.unwrap();
        assert_eq!(report.outcome, Outcome::Delivered);
        waited = waited.max(report.wall - report.active);
    }
    assert!(waited >= Duration::from_millis(50), "the last ones waited for a slot, which does not count: {waited:?}");
    assert_eq!(sandbox.slots_in_use(), Some(0));
}

#[test]
fn a_panic_in_the_host_is_that_calls_failure() {
    // WASI's clock panics when there is no tokio runtime to wait in.
    let sandbox = small(2);
    let plugin = load(&sandbox, "sleep", generous());
    let mut call = sandbox.call(&plugin, end("s1", 1), LONG);
    // A guest that yields at an epoch before it comes to the panic goes on at the next poll.
    let mut polls = (0..1000).map(|_| Pin::new(&mut call).poll(&mut Context::from_waker(Waker::noop())));
    let Some(Poll::Ready(report)) = polls.find(Poll::is_ready) else { panic!("nothing would ever wake it") };
    let (cause, message) = failure(&report);
    assert_eq!(*cause, FailureCause::Host);
    assert!(message.contains("the host panicked"), "{message}");
    assert_eq!(sandbox.slots_in_use(), Some(0));
}
