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
        ("grow", FailureCause::Memory, "67108864 bytes"),
        ("grow-table", FailureCause::Memory, "67108864 bytes"),
        ("asks-much-random", FailureCause::Host, "exceeds limit 65536"),
        ("many-handles", FailureCause::Host, "table"),
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
