//! What tenants share a plugin and its slots for, and what they must not see of each other.

use lastword::events::EndReason;
use lastword::events::{Outcome, Session};
use lastword::{EndRequest, Grants, KeyValueGrant};
use lastword_harness::{Harness, machine};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_guest_finds_nothing_of_another_tenant_in_the_memory_that_it_is_given() {
    // More than there are slots.
    scan_fresh_memory(if machine::is_ci() { 1_000 } else { 300 }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "for people: `just soak`"]
async fn soak_a_guest_finds_nothing_of_another_tenant() {
    scan_fresh_memory(10_000).await;
}

async fn scan_fresh_memory(rounds: usize) {
    // It looks through its fresh memory and table, and then fills them with its tenant's name.
    let harness = Harness::with(&["scans-memory"]);
    for round in 0..rounds {
        let session = Session::new(&format!("tenant-{}", round % 7), &format!("s{round}"));
        harness.runtime.end_session(EndRequest::new(session, EndReason::Reset)).await.expect("it is accepted");
    }
    harness.runtime.settled().await;
    let outcomes = harness.outcomes();
    assert_eq!(outcomes.len(), rounds);
    let dirty = outcomes.iter().find(|seen| seen.outcome != Outcome::Delivered);
    assert_eq!(dirty, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn keys_are_seen_by_no_other_tenant_and_no_other_plugin() {
    let keyed = || Grants { key_value: Some(KeyValueGrant { quota: 1 << 20 }), ..Grants::default() };
    let harness = Harness::builder()
        .granted("plants", lastword_test_guests::component("kv-plants-secret"), keyed())
        .granted("steals", lastword_test_guests::component("kv-steals"), keyed())
        .build();
    for tenant in ["victim", "other", "victim"] {
        harness.end_for(tenant, &format!("s-{}", harness.outcomes().len())).await.expect("it is accepted");
        harness.runtime.settled().await;
    }
    let outcomes: Vec<_> =
        harness.outcomes().into_iter().map(|seen| (seen.plugin, seen.tenant, seen.outcome)).collect();
    assert_eq!(outcomes.len(), 6);
    assert!(outcomes.iter().all(|(_, _, outcome)| *outcome == Outcome::Delivered), "{outcomes:?}");
}
