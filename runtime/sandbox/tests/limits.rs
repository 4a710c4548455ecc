//! The limits that are counted in host calls: each ends the call, and the outcome names it.

mod common;

use common::{call_end, end, failure, generous, load, sandbox};
use lastword_events::{FailureCause, Outcome};
use lastword_sandbox::{Limits, LoadError, Source};

#[tokio::test]
async fn each_limit_ends_the_call_and_is_named() {
    let sandbox = sandbox();
    for (guest, limits, which, says) in [
        ("host-call-loop", Limits { host_calls: 1_000, ..generous() }, "host-calls", "more than its 1000 host calls"),
        ("grow-storm", Limits { host_calls: 1_000, ..generous() }, "host-calls", "more than its 1000 host calls"),
        ("random-flood", generous(), "random-bytes", "more than its 1048576 random bytes"),
        ("asks-much-random", generous(), "random-bytes", "more than 65536 random bytes at once"),
        ("random-u64-flood", Limits { random_bytes: 800, ..generous() }, "random-bytes", "more than its 800"),
        ("many-handles", Limits { handles: 10, ..generous() }, "handles", "more than its 10 handles"),
        ("answers-50mb", generous(), "host-call-bytes", "too many bytes"),
        ("prints-50mb", generous(), "host-call-bytes", "too many bytes"),
    ] {
        let report = call_end(&sandbox, &load(&sandbox, guest, limits)).await;
        let (cause, message) = failure(&report);
        assert_eq!(*cause, FailureCause::Limit(which.to_owned()), "{guest}: {message}");
        assert!(message.contains(says), "{guest}: {message}");
    }
    assert_eq!(sandbox.slots_in_use(), Some(0));
}

#[tokio::test]
async fn what_stays_below_a_limit_is_not_cut() {
    let sandbox = sandbox();
    // One to get stdout, one to print, one to drop it, and what the component model itself asks for.
    let enough = load(&sandbox, "prints", Limits { host_calls: 16, handles: 2, random_bytes: 0, ..generous() });
    assert_eq!(call_end(&sandbox, &enough).await.outcome, Outcome::Delivered);
    let too_few = load(&sandbox, "prints", Limits { host_calls: 1, ..generous() });
    assert_eq!(*failure(&call_end(&sandbox, &too_few).await).0, FailureCause::Limit("host-calls".to_owned()));
}

#[tokio::test]
async fn the_same_plugin_and_the_same_input_use_the_same_fuel() {
    let sandbox = sandbox();
    let plugin = load(&sandbox, "prints", generous());
    let first = sandbox.call(&plugin, end("s1", 1), common::LONG).await.fuel_used;
    for _ in 0..1_000 {
        assert_eq!(sandbox.call(&plugin, end("s1", 1), common::LONG).await.fuel_used, first);
    }
}

#[tokio::test]
async fn a_slot_that_is_used_again_shows_nothing_of_the_call_before() {
    let sandbox = sandbox();
    // It looks for anything that is not zero, and then fills everything with its tenant's name.
    let plugin = load(&sandbox, "scans-memory", generous());
    for round in 0..100 {
        let report = call_end(&sandbox, &plugin).await;
        assert_eq!(report.outcome, Outcome::Delivered, "round {round}");
    }
}

#[tokio::test]
async fn what_all_calls_of_a_plugin_have_together_is_limited_and_given_back() {
    let sandbox = sandbox();
    let limits = Limits { total_memory: 40 << 20, ..generous() };
    // 40 MiB, of which 1 MiB does not count: one call at a time fits, and a hundred one after the other.
    let plugin = load(&sandbox, "needs-40mib", limits);
    for _ in 0..100 {
        assert_eq!(call_end(&sandbox, &plugin).await.outcome, Outcome::Delivered);
    }
    let source = Source::Bytes(lastword_test_guests::component("needs-40mib"));
    let too_little = Limits { total_memory: 30 << 20, ..generous() };
    let refused = sandbox.load("p".parse().unwrap(), &source, too_little).unwrap_err();
    assert!(matches!(refused, LoadError::NoMemoryForCall { needs, most } if needs >= 39 << 20 && most == 30 << 20));
    assert!(refused.to_string().contains("`[calls] memory`"), "{refused}");
}
