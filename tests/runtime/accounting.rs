//! After a drain every `session-end` that was owed has exactly one outcome, whatever the plugins do.

use std::collections::HashMap;
use std::time::Duration;

use lastword::events::{Hook, Outcome};
use lastword_harness::Harness;
use proptest::prelude::*;

const GUESTS: [&str; 8] = ["prints", "trap", "retry", "fatal", "spin", "sleep", "exit", "grow"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn delivered_and_failed_and_deferred_are_what_was_owed(
        guests in prop::collection::vec(0usize..GUESTS.len(), 1..5),
        sessions in 0u32..60,
        ended_before in 0u32..20,
        budget_ms in 60u64..250,
        workers in 1usize..4,
    ) {
        let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
        tokio.block_on(async {
            let mut harness = Harness::builder().budget(Duration::from_millis(budget_ms)).workers(workers);
            for (n, guest) in guests.iter().enumerate() {
                harness = harness.plugin(&format!("p{n}"), GUESTS[*guest]);
            }
            let harness = harness.build();
            harness.start_many("s", sessions).await.unwrap();
            for n in 0..ended_before.min(sessions) {
                harness.end(&format!("s{n}"), lastword::events::EndReason::Reset).await.unwrap();
            }
            let report = harness.drain().await;
            check(&harness, &report, &guests, sessions);
        });
    }
}

fn check(harness: &Harness, report: &lastword::events::DrainReport, guests: &[usize], sessions: u32) {
    let plugins = u64::try_from(guests.len()).unwrap();
    let ends: Vec<_> = harness.outcomes().into_iter().filter(|o| o.hook == Hook::SessionEnd).collect();
    // Ends that were settled before the drain began are not the drain's.
    let in_drain = ends.iter().filter(|o| o.draining).count();
    let mut delivered: HashMap<_, u32> = HashMap::new();
    let mut last: HashMap<_, &Outcome> = HashMap::new();
    for end in &ends {
        *delivered.entry(&end.id).or_default() += u32::from(end.outcome == Outcome::Delivered);
        last.insert(&end.id, &end.outcome);
    }
    assert!(delivered.values().all(|&n| n <= 1), "none is delivered twice");
    // On a machine that is busy with something else the time to leave may come before everyone is told of.
    let untold = report.unreported;
    assert_eq!(last.len() as u64 + untold, u64::from(sessions) * plugins, "every end has an outcome");
    assert_eq!(in_drain as u64 + untold, report.owed(), "one outcome each, no more and no less");
    let count = |what: &str| ends.iter().filter(|o| o.draining && o.outcome.as_str() == what).count() as u64;
    assert_eq!(
        (count("delivered"), count("failed"), count("deferred")),
        (report.delivered, report.failed, report.deferred - untold)
    );
    let undelivered = last.values().filter(|o| ***o != Outcome::Delivered).count() as u64;
    assert_eq!(harness.runtime.undelivered_ends(), undelivered + untold);
    for (n, guest) in guests.iter().enumerate().filter(|(_, g)| GUESTS[**g] == "prints") {
        let plugin = format!("p{n}");
        let printed = harness.printed(&plugin).iter().filter(|l| l.starts_with("session-end")).count();
        let said = ends.iter().filter(|o| o.plugin == plugin && o.outcome == Outcome::Delivered).count();
        // A guest that was cut by the budget may have printed already.
        assert!(printed >= said, "{guest}: {printed} printed, {said} said to be delivered");
    }
}
