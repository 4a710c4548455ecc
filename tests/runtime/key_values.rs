//! What guests store: visible together with `delivered`, counted once, and nobody else's.

use std::sync::Arc;
use std::time::Duration;

use lastword::events::{Deferral, EndReason, FailureCause, Hook, KEY_OVERHEAD_BYTES, Outcome, PluginName};
use lastword::{Grants, Journal, KeyValueGrant, MemoryJournal, TenantQuota};
use lastword_harness::{Harness, HarnessBuilder};
use lastword_journal::Space;
use lastword_journal::testing::FaultyJournal;
use lastword_test_guests::component;

const SOON: Duration = Duration::from_millis(1);

fn granted(quota: u64) -> Grants {
    Grants { key_value: Some(KeyValueGrant { quota }), ..Grants::default() }
}

fn harness(journal: &Arc<MemoryJournal>) -> HarnessBuilder {
    Harness::builder().journal(journal.clone())
}

fn count(journal: &dyn Journal, tenant: &str, plugin: &str) -> Option<String> {
    let space = Space { tenant: tenant.into(), plugin: PluginName::new(plugin).unwrap() };
    let value = journal.key_value(&space, "ends").unwrap();
    value.map(|value| String::from_utf8(value).unwrap())
}

#[tokio::test]
async fn a_thousand_ends_on_two_workers_are_counted_a_thousand_times() {
    let journal = Arc::new(MemoryJournal::new());
    let harness = harness(&journal).granted("counts", component("kv-counts"), granted(1_000)).workers(2).build();
    for n in 0..500 {
        harness.end(&format!("ended{n}"), EndReason::Reset).await.unwrap();
    }
    harness.start_many("s", 500).await.unwrap();
    harness.runtime.settled().await;
    let report = harness.drain().await;
    assert_eq!((report.delivered, report.failed, report.deferred), (500, 0, 0));
    assert_eq!(count(&*journal, &harness.tenant, "counts").as_deref(), Some("1000"));
}

#[tokio::test]
async fn calls_that_have_the_same_key_in_their_hands_at_once_lose_nothing() {
    let journal = Arc::new(MemoryJournal::new());
    let harness = harness(&journal).granted("counts", component("kv-counts-then-sleeps"), granted(1_000)).build();
    harness.start_many("s", 200).await.unwrap();
    let report = harness.drain().await;
    assert_eq!((report.delivered, report.deferred), (200, 0));
    let read = harness.printed("counts").iter().filter(|line| *line == "ends=1").count();
    assert!(read > 1, "they ran at the same time: each saw what was there when it began");
    assert_eq!(count(&*journal, &harness.tenant, "counts").as_deref(), Some("200"));
}

#[tokio::test]
async fn what_a_call_wrote_that_failed_or_trapped_is_gone() {
    let journal = Arc::new(MemoryJournal::new());
    let harness = harness(&journal)
        .granted("fails", component("kv-counts-then-fails"), granted(1_000))
        .granted("traps", component("kv-counts-then-traps"), granted(1_000))
        .retry(SOON, 3)
        .build();
    harness.end("s1", EndReason::Reset).await.unwrap();
    for plugin in ["fails", "traps"] {
        harness.first_outcome(|o| o.plugin == plugin && o.dead).await.expect("it is tried three times");
        assert_eq!(count(&*journal, &harness.tenant, plugin), None);
        assert_eq!(harness.printed(plugin), ["ends=1"; 3], "no attempt saw what the one before had written");
    }
}

#[tokio::test]
async fn what_a_call_wrote_that_the_budget_cut_is_gone() {
    let journal = Arc::new(MemoryJournal::new());
    let harness = harness(&journal)
        .granted("counts", component("kv-counts-then-sleeps"), granted(1_000))
        .budget(Duration::from_millis(4))
        .build();
    harness.start_many("s", 20).await.unwrap();
    let report = harness.drain().await;
    assert!(report.deferred > 0, "{report:?}");
    let counted = count(&*journal, &harness.tenant, "counts").map_or(0, |count| count.parse::<u64>().unwrap());
    assert_eq!(counted, report.delivered);
}

#[tokio::test]
async fn a_delivery_that_is_made_again_counts_once() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let harness = Harness::builder()
        .journal(journal.clone())
        .granted("counts", component("kv-counts"), granted(1_000))
        .retry(SOON, 8)
        .build();
    // Its outcome is lost with the process: nobody knows that it delivered, and the next run makes it again.
    journal.hold_outcomes();
    harness.end("s1", EndReason::Reset).await.unwrap();
    harness.first_outcome(|o| o.outcome == Outcome::Delivered).await.unwrap();
    harness.runtime.settled().await;
    assert_eq!(count(&*journal, &harness.tenant, "counts").as_deref(), Some("1"), "it was staged");
    journal.fail();
    assert_eq!(count(&*journal, &harness.tenant, "counts"), None);
    let tenant = harness.tenant.clone();
    drop(harness);

    let next = Harness::builder()
        .journal(journal.clone())
        .tenant(&tenant)
        .granted("counts", component("kv-counts"), granted(1_000))
        .build();
    let again = next.first_outcome(|o| o.outcome == Outcome::Delivered).await.expect("it is made again");
    assert_eq!(again.attempt, 2);
    next.runtime.settled().await;
    assert_eq!(count(&*journal, &tenant, "counts").as_deref(), Some("1"));
}

#[tokio::test]
async fn what_is_handed_over_counts_before_it_is_durable() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let harness =
        Harness::builder().journal(journal.clone()).granted("counts", component("kv-counts"), granted(1_000)).build();
    journal.hold_outcomes();
    for n in 0..20 {
        harness.end(&format!("s{n}"), EndReason::Reset).await.unwrap();
    }
    harness.runtime.settled().await;
    assert_eq!(count(&*journal, &harness.tenant, "counts").as_deref(), Some("20"));
    journal.commit().await;
    assert_eq!(count(&*journal, &harness.tenant, "counts").as_deref(), Some("20"));
}

#[tokio::test]
async fn no_plugin_and_no_tenant_sees_what_another_has_stored() {
    let journal = Arc::new(MemoryJournal::new());
    let harness = harness(&journal)
        .granted("plants", component("kv-plants-secret"), granted(1_000))
        .granted("steals", component("kv-steals"), granted(1_000))
        .build();
    for tenant in ["victim", "thief"] {
        harness.end_for(tenant, "plants").await.unwrap();
    }
    harness.runtime.settled().await;
    for n in 0..20 {
        for tenant in ["victim", "thief"] {
            harness.end_for(tenant, &format!("s{n}")).await.unwrap();
        }
    }
    harness.runtime.settled().await;
    let tried = harness.outcomes_of("steals", Hook::SessionEnd);
    assert!(tried.len() == 42 && tried.iter().all(|o| o.outcome == Outcome::Delivered), "it traps when it finds one");
    for tenant in ["victim", "thief"] {
        let of = |plugin| Space { tenant: tenant.into(), plugin: PluginName::new(plugin).unwrap() };
        let secret = journal.key_value(&of("plants"), "secret").unwrap();
        assert_eq!(secret.as_deref(), Some(tenant.as_bytes()), "each has its own");
        assert_eq!(journal.key_value_bytes(&of("steals")).unwrap(), 0);
    }
}

#[tokio::test]
async fn a_plugin_finds_what_its_earlier_calls_stored() {
    let journal = Arc::new(MemoryJournal::new());
    let harness = harness(&journal).granted("remembers", component("kv-remembers"), granted(1_000)).build();
    for n in 1..=3 {
        harness.end(&format!("s{n}"), EndReason::Reset).await.unwrap();
        harness.runtime.settled().await;
    }
    assert_eq!(harness.printed("remembers"), ["keys=1", "keys=2", "keys=3"]);
}

#[tokio::test]
async fn a_flood_ends_at_the_plugins_quota_or_the_tenants_and_leaves_nothing() {
    for (plugin, tenant) in [(20_000, None), (1_000_000, Some(20_000))] {
        let journal = Arc::new(MemoryJournal::new());
        let quota = TenantQuota { key_value_bytes: tenant, ..TenantQuota::default() };
        let harness = harness(&journal).granted("floods", component("kv-flood"), granted(plugin)).quota(quota).build();
        harness.end("s1", EndReason::Reset).await.unwrap();
        let seen = harness.first_outcome(|o| o.plugin == "floods").await.unwrap();
        let Outcome::Failed { cause: FailureCause::Retry, message } = &seen.outcome else { panic!("{seen:?}") };
        assert!(message.contains("quota"), "{message}");
        assert_eq!(journal.key_value_tenant_bytes(&harness.tenant).unwrap(), 0);
    }
}

#[tokio::test]
async fn a_quota_of_bytes_that_is_changed_counts_from_the_next_write_on_and_for_its_tenant_alone() {
    let bytes = |most| TenantQuota { key_value_bytes: Some(most), ..TenantQuota::default() };
    let journal = Arc::new(MemoryJournal::new());
    let harness = harness(&journal)
        .granted("counts", component("kv-counts"), granted(1_000))
        .quota(bytes(10))
        .retry(Duration::from_secs(600), 8)
        .build();
    let is_refused = |outcome: &Outcome| matches!(outcome, Outcome::Failed { .. });
    harness.end("s1", EndReason::Reset).await.unwrap();
    let first = harness.first_outcome(|o| o.session == "s1").await.unwrap();
    assert!(is_refused(&first.outcome) && count(&*journal, &harness.tenant, "counts").is_none(), "{first:?}");
    harness.runtime.set_quota(&harness.tenant, Some(bytes(1_000))).unwrap();
    harness.end("s2", EndReason::Reset).await.unwrap();
    let second = harness.first_outcome(|o| o.session == "s2").await.unwrap();
    assert_eq!(second.outcome, Outcome::Delivered);
    assert_eq!(count(&*journal, &harness.tenant, "counts").as_deref(), Some("1"));
    harness.end_for("another", "s3").await.unwrap();
    let of_another = harness.first_outcome(|o| o.session == "s3").await.unwrap();
    assert!(is_refused(&of_another.outcome), "{of_another:?}");
}

#[tokio::test]
async fn calls_that_together_are_over_a_quota_fail_and_never_store_more() {
    // Each call alone is within the quota: they all see an empty store.
    let journal = Arc::new(MemoryJournal::new());
    let quota = TenantQuota { key_value_bytes: Some(5 + KEY_OVERHEAD_BYTES), ..TenantQuota::default() };
    let harness = harness(&journal)
        .granted("one", component("kv-counts-then-sleeps"), granted(1_000))
        .granted("two", component("kv-counts-then-sleeps"), granted(1_000))
        .quota(quota)
        .retry(Duration::from_secs(600), 8)
        .build();
    // "ends" and one digit are 5 bytes, and what a key costs: one of the two plugins has room.
    harness.end("s1", EndReason::Reset).await.unwrap();
    harness.runtime.settled().await;
    let (delivered, failed): (Vec<_>, Vec<_>) =
        harness.outcomes().into_iter().partition(|o| o.outcome == Outcome::Delivered);
    assert_eq!((delivered.len(), failed.len()), (1, 1));
    let Outcome::Failed { cause: FailureCause::Host, message } = &failed[0].outcome else { panic!("{failed:?}") };
    assert!(message.contains("key-value quota of the tenant") && message.contains("69 bytes"), "{message}");
    assert!(failed[0].retry_at.is_some() && failed[0].failures == 1, "as any failure of the host: it is tried again");
    assert_eq!(journal.key_value_tenant_bytes(&harness.tenant).unwrap(), 69);
}

/// So many of the flood's ends were delivered.
fn of_flood(harness: &Harness) -> usize {
    let outcomes = harness.outcomes();
    outcomes.iter().filter(|one| one.tenant == "flood" && one.outcome == Outcome::Delivered).count()
}

const MIB: u64 = 1 << 20;
/// Values of 1 MiB that may wait for the disk, and what one slice of the only worker may have begun beyond that.
const UNWRITTEN: usize = 4 + 16;

#[tokio::test]
async fn a_tenant_with_much_to_write_waits_for_the_disk_and_nobody_else_does() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let harness = Harness::builder()
        .journal(journal.clone())
        .granted_for("stores", component("kv-mebibyte"), granted(2 * MIB), &["flood"])
        .plugin_for("good", "good", &["quiet"])
        .workers(1)
        .build();
    journal.hold_outcomes();
    for n in 0..100 {
        harness.end_for("flood", &format!("s{n}")).await.expect("its lines are taken");
    }
    // Between two of these the worker has nothing else to do. They go on for a while after the tenant may have no more waiting.
    let (mut quiet, mut since_full) = (0, 0);
    while since_full < 200 {
        let id = format!("q{quiet}");
        harness.end_for("quiet", &id).await.unwrap();
        harness
            .first_outcome(|o| o.session == id && o.outcome == Outcome::Delivered)
            .await
            .expect("the other one has its turn");
        quiet += 1;
        since_full += usize::from(of_flood(&harness) >= 4);
    }
    let before = of_flood(&harness);
    assert!(before <= UNWRITTEN, "{before} values of 1 MiB wait for the disk");
    journal.commit().await;
    harness.runtime.settled().await;
    assert_eq!(of_flood(&harness), 100, "when they are written it goes on");
}

#[tokio::test]
async fn what_waits_for_the_disk_at_the_end_of_a_drain_is_deferred_for_that_reason() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let harness = Harness::builder()
        .journal(journal.clone())
        .granted("stores", component("kv-mebibyte"), granted(2 * MIB))
        .workers(1)
        .budget(Duration::from_secs(2))
        .build();
    for n in 0..100 {
        harness.start_for("flood", &format!("s{n}")).await.unwrap();
    }
    for n in 0..4 {
        harness.start_for("quiet", &format!("q{n}")).await.unwrap();
    }
    journal.hold_outcomes();
    let report = harness.drain().await;
    let outcomes = harness.outcomes();
    let quiet = outcomes.iter().filter(|o| o.tenant == "quiet");
    assert!(quiet.clone().count() == 4 && quiet.clone().all(|o| o.outcome == Outcome::Delivered));
    let deferred = outcomes.iter().filter(|o| o.outcome == Outcome::Deferred(Deferral::Journal)).count();
    assert_eq!(deferred + of_flood(&harness), 100, "{report:?}");
    assert!((4..=UNWRITTEN).contains(&of_flood(&harness)), "{report:?}");
    assert!(report.timed_out, "{report:?}");
    assert!(report.warnings.iter().any(|w| w.message.contains("deferred(journal)")), "{:?}", report.warnings);
}
