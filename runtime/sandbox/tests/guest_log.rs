//! What a guest prints becomes log events, of bounded size.

mod common;

use common::heard::Heard;
use common::{LONG, call_end, compaction, end, failure, generous, load, name, sandbox, start};
use lastword_events::{FailureCause, Outcome};
use lastword_sandbox::{Limits, Source};

#[tokio::test]
async fn lines_carry_plugin_tenant_session_and_stream() {
    let (heard, _guard) = Heard::listen();
    let sandbox = sandbox();
    let plugin = load(&sandbox, "prints", generous());
    for call in [start("s1"), compaction("s1"), end("s2", 7)] {
        assert_eq!(sandbox.call(&plugin, call, LONG).await.outcome, Outcome::Delivered);
    }
    assert_eq!(
        heard.take(),
        [
            "INFO stdout acme/s1/prints: session-start s1 attempt=1",
            "INFO stdout acme/s1/prints: session-compaction s1 attempt=1",
            "INFO stdout acme/s2/prints: session-end s2 attempt=7",
        ]
    );
}

#[tokio::test]
async fn half_lines_wait_for_their_end_or_for_the_end_of_the_call() {
    let (heard, _guard) = Heard::listen();
    let sandbox = sandbox();
    assert_eq!(call_end(&sandbox, &load(&sandbox, "prints-partly", generous())).await.outcome, Outcome::Delivered);
    assert_eq!(
        heard.take(),
        [
            "INFO stdout acme/s1/prints-partly: first line",
            "INFO stderr acme/s1/prints-partly: complaint",
            "INFO stdout acme/s1/prints-partly: second",
        ]
    );
    let report = call_end(&sandbox, &load(&sandbox, "prints-then-traps", generous())).await;
    assert_eq!(*failure(&report).0, FailureCause::Trap("unreachable".to_owned()));
    assert_eq!(heard.take(), ["INFO stdout acme/s1/prints-then-traps: about to fail"]);
}

#[tokio::test]
async fn a_log_is_cut_at_its_limit_and_says_so_once() {
    let (heard, _guard) = Heard::listen();
    let sandbox = sandbox();
    let limits = Limits { log_bytes: 640, ..generous() };
    assert_eq!(call_end(&sandbox, &load(&sandbox, "prints-much", limits)).await.outcome, Outcome::Delivered);
    let lines = heard.take();
    assert_eq!(lines.len(), 11, "ten lines of 64 bytes and the mark");
    assert!(lines[10].starts_with("WARN stdout acme/s1/prints-much: the log of this call is cut"), "{}", lines[10]);
}

#[tokio::test]
async fn a_guest_sees_that_a_delivery_is_late() {
    let (heard, _guard) = Heard::listen();
    let sandbox = sandbox();
    let plugin = load(&sandbox, "prints-late", generous());
    let mut late = end("s1", 2);
    late.delivery.late = true;
    for call in [end("s1", 1), late] {
        assert_eq!(sandbox.call(&plugin, call, LONG).await.outcome, Outcome::Delivered);
    }
    assert_eq!(
        heard.take(),
        [
            "INFO stdout acme/s1/prints-late: session-end s1 attempt=1",
            "INFO stdout acme/s1/prints-late: session-end s1 attempt=2 late",
        ]
    );
}

/// Built when 0.1.0 was the newest version of the contract: what users have installed keeps working.
#[tokio::test]
async fn a_plugin_of_0_1_0_loads_and_is_called() {
    let (heard, _guard) = Heard::listen();
    let sandbox = sandbox();
    let source = Source::Bytes(lastword_test_guests::frozen_0_1_0());
    let plugin = sandbox.load(name("frozen"), &source, generous()).unwrap();
    for call in [start("s1"), compaction("s1"), end("s1", 1)] {
        assert_eq!(sandbox.call(&plugin, call, LONG).await.outcome, Outcome::Delivered);
    }
    assert_eq!(
        heard.take(),
        [
            "INFO stdout acme/s1/frozen: session-start s1 attempt=1",
            "INFO stdout acme/s1/frozen: session-compaction s1 attempt=1",
            "INFO stdout acme/s1/frozen: session-end s1 attempt=1",
        ]
    );
}
