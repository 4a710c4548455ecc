//! How a call can end, and that each end is told apart from the others.

mod common;

use common::{call_end, compaction, end, failure, generous, load, sandbox, start};
use lastword_events::{FailureCause, Hook, Outcome};
use lastword_sandbox::Limits;

#[tokio::test]
async fn a_hook_that_answers_ok_is_delivered() {
    let sandbox = sandbox();
    let plugin = load(&sandbox, "good-all", Limits::default());
    assert!(
        [Hook::SessionStart, Hook::SessionEnd, Hook::SessionCompaction].map(|h| plugin.hooks().contains(h))
            == [true; 3]
    );
    for call in [start("s1"), compaction("s1"), end("s1", 1)] {
        let report = sandbox.call(&plugin, call, common::LONG).await;
        assert_eq!(report.outcome, Outcome::Delivered);
        assert!(report.fuel_used > 0);
        assert_eq!(report.peak_memory, 65536, "one page");
        assert!(report.active <= report.wall);
    }
}

#[tokio::test]
async fn every_outcome_has_its_cause() {
    let trap = |which: &str| FailureCause::Trap(which.to_owned());
    let limit = |which: &str| FailureCause::Limit(which.to_owned());
    let sandbox = sandbox();
    for (guest, cause, says) in [
        ("retry", FailureCause::Retry, "not now"),
        ("fatal", FailureCause::Fatal, "never"),
        ("trap", trap("unreachable"), "unreachable"),
        ("start-traps", trap("unreachable"), "unreachable"),
        ("recurse", trap("stack-overflow"), "stack exhausted, in deeper < deeper"),
        ("divide", trap("integer-divide-by-zero"), "divide by zero"),
        ("out-of-bounds", trap("out-of-bounds-memory"), "out of bounds"),
        ("bad-indirect-call", trap("indirect-call-to-null"), "uninitialized"),
        ("exit", trap("exit"), "code 0"),
        ("writes-too-much", trap("host-call"), "at most 4096"),
        ("polls-nothing", trap("host-call"), "empty poll list"),
        ("forges-handle", trap("host-call"), "handle"),
        ("answers-invalid-utf8", trap("canonical-abi"), "utf-8"),
        ("realloc-lies-outside", trap("canonical-abi"), "realloc"),
        ("grow", FailureCause::Memory, "67108864 bytes"),
        ("grow-table", FailureCause::Memory, "67108864 bytes"),
        ("asks-much-random", limit("random-bytes"), "more than 65536 random bytes at once"),
        ("many-handles", limit("handles"), "1024"),
    ] {
        let plugin = load(&sandbox, guest, generous());
        let report = call_end(&sandbox, &plugin).await;
        let (found, message) = failure(&report);
        assert_eq!(*found, cause, "{guest}: {message}");
        assert!(message.contains(says), "{guest}: {message}");
        assert!(!message.contains('\n'), "{guest}: {message}");
    }
    assert_eq!(sandbox.slots_in_use(), Some(0), "no store outlives its call");
}

#[tokio::test]
async fn memory_is_summed_and_its_peak_reported() {
    let sandbox = sandbox();
    let report = call_end(&sandbox, &load(&sandbox, "needs-40mib", generous())).await;
    assert_eq!((report.outcome, report.peak_memory), (Outcome::Delivered, 40 << 20));
    // A guest that takes a refusal well is no failure.
    let report = call_end(&sandbox, &load(&sandbox, "grow-and-go-on", generous())).await;
    assert_eq!((report.outcome, report.peak_memory), (Outcome::Delivered, 65536));
    let report = call_end(&sandbox, &load(&sandbox, "grow", Limits { memory: 1 << 20, ..generous() })).await;
    assert_eq!(report.peak_memory, 1 << 20);
}

#[tokio::test]
async fn a_guest_finds_no_environment_no_arguments_and_no_directories() {
    let sandbox = sandbox();
    let report = call_end(&sandbox, &load(&sandbox, "sees-nothing", generous())).await;
    assert_eq!(report.outcome, Outcome::Delivered);
}

#[tokio::test]
async fn a_guest_reads_the_attempt_and_a_long_excuse_is_cut() {
    let sandbox = sandbox();
    let plugin = load(&sandbox, "retry-by-attempt", generous());
    for (attempt, delivered) in [(1, false), (2, false), (3, true), (4, true)] {
        let report = sandbox.call(&plugin, end("s1", attempt), common::LONG).await;
        assert_eq!(report.outcome == Outcome::Delivered, delivered, "attempt {attempt}");
    }
    let report = call_end(&sandbox, &load(&sandbox, "long-excuse", generous())).await;
    let (cause, message) = failure(&report);
    assert_eq!((cause, message.len()), (&FailureCause::Retry, 1024));
}

#[tokio::test]
async fn a_guests_answer_cannot_drive_a_terminal_or_begin_a_line() {
    let sandbox = sandbox();
    let report = call_end(&sandbox, &load(&sandbox, "forges", generous())).await;
    let (_, message) = failure(&report);
    assert_eq!(message, r"x\n ERROR lastword\u{1b}[2J");
}

#[tokio::test]
async fn a_hook_that_the_plugin_lacks_is_the_hosts_failure() {
    let sandbox = sandbox();
    let plugin = load(&sandbox, "good", generous());
    let report = sandbox.call(&plugin, start("s1"), common::LONG).await;
    let (cause, message) = failure(&report);
    assert_eq!(*cause, FailureCause::Host);
    assert!(message.contains("no session-start hook"), "{message}");
}

#[tokio::test]
async fn a_guest_that_failed_leaves_nothing_behind_for_the_next() {
    let sandbox = sandbox();
    let (spins, good) = (load(&sandbox, "spin-on-x", Limits { fuel: 10_000_000, ..generous() }), "ok-session");
    assert_eq!(*failure(&sandbox.call(&spins, end("x1", 1), common::LONG).await).0, FailureCause::Fuel);
    assert_eq!(sandbox.call(&spins, end(good, 1), common::LONG).await.outcome, Outcome::Delivered);
}
