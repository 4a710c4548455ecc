//! What a tenant's quotas refuse and make wait, and that nothing is lost by it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use lastword::events::{CompactionPhase, Deferral, EndReason, Outcome};
use lastword::testing::ManualClock;
use lastword::{Acceptance, Limits, MemoryJournal, QuotaKind, Refusal, TenantQuota};
use lastword_harness::{Harness, NEVER};
use lastword_journal::testing::FaultyJournal;
use lastword_test_guests::component;

const NO_LIMIT: TenantQuota = TenantQuota {
    concurrent_calls: None,
    fuel_per_second: None,
    key_value_bytes: None,
    active_sessions: None,
    owed_deliveries: None,
};

fn sessions(limit: u64) -> TenantQuota {
    TenantQuota { active_sessions: Some(limit), ..NO_LIMIT }
}

fn too_many_sessions(limit: u64) -> Refusal {
    Refusal::Quota { what: QuotaKind::ActiveSessions, limit }
}

#[tokio::test]
async fn a_tenant_with_all_its_sessions_is_refused_another_one_and_nothing_else() {
    let harness = Harness::builder().plugin("prints", "prints").quota(sessions(2)).build();
    harness.start_many("s", 2).await.unwrap();
    let refusal = harness.start("s2").await.unwrap_err();
    assert_eq!((&refusal, refusal.code(), refusal.field()), (&too_many_sessions(2), "quota", None));
    let says = refusal.to_string();
    assert!(
        says.contains("2 active sessions") && says.contains("active-sessions") && says.contains("end one"),
        "{says}"
    );

    assert_eq!(harness.start("s1").await.unwrap().how, Acceptance::Updated);
    assert_eq!(harness.compaction("s1", CompactionPhase::After).await.unwrap().how, Acceptance::Registered);
    let unknown = harness.compaction("s3", CompactionPhase::After).await;
    assert_eq!(unknown, Err(too_many_sessions(2)), "it would be a session more");
    assert_eq!(harness.end("stranger", EndReason::Reset).await.unwrap().how, Acceptance::Implied);
    assert_eq!(harness.start_for("somebody-else", "s1").await.unwrap().how, Acceptance::Registered);

    harness.end("s0", EndReason::Reset).await.unwrap();
    assert_eq!(harness.start("s2").await.unwrap().how, Acceptance::Registered, "there is room again");
    assert_eq!(harness.start("s3").await, Err(too_many_sessions(2)));
    assert_eq!(harness.runtime.sessions().len(), 3);
}

#[tokio::test]
async fn one_tenants_quota_can_differ_from_everybody_elses() {
    let harness =
        Harness::builder().quota(sessions(1)).tenant_quota("large", sessions(3)).tenant_quota("free", NO_LIMIT).build();
    let mut taken = HashMap::new();
    for tenant in ["small", "large", "free"] {
        for n in 0..5 {
            let started = harness.start_for(tenant, &format!("s{n}")).await.is_ok();
            *taken.entry(tenant).or_insert(0) += u32::from(started);
        }
    }
    assert_eq!(taken, HashMap::from([("small", 1), ("large", 3), ("free", 5)]));
}

#[tokio::test]
async fn two_starts_at_once_cannot_both_have_the_last_place() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let harness = Harness::builder().journal(journal.clone()).quota(sessions(1)).build();
    let start = |id: &str| harness.runtime.start_session(lastword::StartRequest::new(harness.session(id)));
    journal.hold();
    let first = start("s1");
    assert_eq!(start("s2").await, Err(too_many_sessions(1)), "the first one has the place already");
    journal.commit().await;
    first.await.unwrap();
    assert_eq!(start("s2").await, Err(too_many_sessions(1)));
}

#[tokio::test]
async fn a_start_that_cannot_be_recorded_gives_its_place_back() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let harness = Harness::builder().journal(journal.clone()).quota(sessions(1)).build();
    journal.hold();
    let failed = harness.runtime.start_session(lastword::StartRequest::new(harness.session("s1")));
    journal.fail();
    assert!(matches!(failed.await, Err(Refusal::Journal(_))));
    assert_eq!(harness.start("s2").await.unwrap().how, Acceptance::Registered);
    assert_eq!(harness.start("s3").await, Err(too_many_sessions(1)));
}

#[tokio::test]
async fn a_line_that_is_sent_again_takes_no_place() {
    let harness = Harness::builder().quota(sessions(2)).build();
    let mut request = lastword::StartRequest::new(harness.session("s1"));
    request.op_id = Some("op".into());
    harness.runtime.start_session(request.clone()).await.unwrap();
    harness.end("s1", EndReason::Reset).await.unwrap();
    assert_eq!(harness.runtime.start_session(request.clone()).await.unwrap().how, Acceptance::DuplicateOp);
    harness.start_many("t", 2).await.unwrap();
    assert_eq!(harness.start("t9").await, Err(too_many_sessions(2)));
    // Its owner has not read the first answer, and gives up whoever is refused.
    assert_eq!(harness.runtime.start_session(request).await.unwrap().how, Acceptance::DuplicateOp);
}

#[tokio::test]
async fn sessions_that_a_dead_run_left_take_no_place() {
    let journal = Arc::new(MemoryJournal::new());
    let dead = Harness::builder().journal(journal.clone()).build();
    dead.start_many("s", 3).await.unwrap();
    let tenant = dead.tenant.clone();
    drop(dead);
    let next = Harness::builder().journal(journal).tenant(&tenant).quota(sessions(1)).build();
    assert_eq!(next.start("s0").await.unwrap().how, Acceptance::Registered);
    assert_eq!(next.start("s1").await, Err(too_many_sessions(1)));
}

#[tokio::test]
async fn a_tenant_that_is_owed_too_much_is_refused_a_start_and_never_an_end() {
    let quota = TenantQuota { owed_deliveries: Some(2), ..NO_LIMIT };
    let harness =
        Harness::builder().plugin("retry", "retry").plugin("fatal", "fatal").retry(NEVER, 8).quota(quota).build();
    harness.end("a", EndReason::Reset).await.unwrap();
    harness.runtime.settled().await;
    harness.start("s1").await.expect("one waits for its retry, and the one that is dead does not count");
    harness.end("b", EndReason::Reset).await.unwrap();
    harness.runtime.settled().await;
    let refusal = harness.start("s2").await.unwrap_err();
    assert_eq!(refusal, Refusal::Quota { what: QuotaKind::OwedDeliveries, limit: 2 });
    assert!(refusal.to_string().contains("2 owed deliveries"), "{refusal}");
    assert_eq!(harness.start("s1").await.unwrap().how, Acceptance::Updated);
    assert_eq!(harness.end("s1", EndReason::Reset).await.unwrap().how, Acceptance::Registered, "beyond the quota");
    assert_eq!(harness.end("c", EndReason::Reset).await.unwrap().how, Acceptance::Implied);
    assert!(harness.start("s2").await.is_err());
    harness.start_for("somebody-else", "s2").await.unwrap();
    harness.runtime.settled().await;
    let told = harness.outcomes().iter().filter(|o| o.plugin == "retry").count();
    assert_eq!(told, 4, "each end was tried");
}

#[tokio::test]
async fn what_is_delivered_is_owed_no_more() {
    let quota = TenantQuota { owed_deliveries: Some(1), ..NO_LIMIT };
    let harness = Harness::builder().plugin("sleep-50ms", "sleep-50ms").quota(quota).build();
    harness.end("a", EndReason::Reset).await.unwrap();
    assert!(harness.start("s1").await.is_err(), "it is under way");
    harness.runtime.settled().await;
    assert_eq!(harness.start("s1").await.unwrap().how, Acceptance::Registered);
}

#[tokio::test]
async fn a_tenant_has_no_more_calls_under_way_than_its_quota_whether_or_not_it_drains() {
    let quota = TenantQuota { concurrent_calls: Some(2), ..NO_LIMIT };
    let harness = Harness::builder().plugin("one", "sleep-50ms").plugin("two", "sleep-50ms").quota(quota).build();
    let began = std::time::Instant::now();
    for n in 0..4 {
        harness.end(&format!("ended{n}"), EndReason::Reset).await.unwrap();
    }
    harness.runtime.settled().await;
    // 8 calls of 50 ms, two at a time.
    assert!(began.elapsed() >= Duration::from_millis(200), "{:?}", began.elapsed());
    harness.start_many("s", 4).await.unwrap();
    let report = harness.drain().await;
    assert!(report.elapsed >= Duration::from_millis(200), "{:?}", report.elapsed);
    assert_eq!((report.delivered, report.owed()), (8, 8));
    let outcomes = harness.outcomes();
    assert!(
        outcomes.len() == 16 && outcomes.iter().all(|o| o.outcome == Outcome::Delivered),
        "nobody hears of waiting"
    );
}

#[tokio::test]
async fn a_plugin_that_waits_takes_turns_with_its_siblings_for_the_tenants_only_call() {
    // It uses no worker, and would always be the one that has had least beside one that works for 2 ms.
    let quota = TenantQuota { concurrent_calls: Some(1), ..NO_LIMIT };
    let works = lastword_test_guests::burn(2_000_000);
    let harness = Harness::builder()
        .plugin("waits", "sleep-50ms")
        .component("works", works, Limits::default())
        .quota(quota)
        .build();
    for n in 0..10 {
        harness.end(&format!("s{n}"), EndReason::Reset).await.unwrap();
    }
    harness.runtime.settled().await;
    let outcomes = harness.outcomes();
    let order: Vec<_> = outcomes.iter().map(|o| &*o.plugin).collect();
    let before_the_last = order.iter().rev().skip_while(|one| **one != "works").filter(|one| **one == "waits");
    // How long it has the call, and with it a worker, is up to who else has a processor: it is charged for both.
    let worked: Duration = outcomes.iter().filter(|o| o.plugin == "works").filter_map(|o| o.wall).sum();
    let turns = (2 * worked).as_millis().div_ceil(50);
    let most = usize::try_from(turns).unwrap() + 2;
    assert!(before_the_last.count() <= most, "one has the call for 50 ms, then the other: {order:?}, {worked:?}");
}

#[tokio::test]
async fn a_tenant_that_waits_for_its_own_calls_holds_up_nobody_else() {
    let quota = TenantQuota { concurrent_calls: Some(1), ..NO_LIMIT };
    let long = Limits { deadline: Duration::from_secs(60), ..Limits::default() };
    let harness = Harness::builder()
        .component("sleep", component("sleep"), long)
        .plugin_for("prints", "prints", &["good", "hanging"])
        .tenant_quota("hanging", quota)
        .budget(Duration::from_millis(300))
        .build();
    for n in 0..50 {
        harness.end_for("hanging", &format!("h{n}")).await.unwrap();
    }
    for n in 0..50 {
        harness.end_for("good", &format!("g{n}")).await.unwrap();
    }
    for n in 0..50 {
        let id = format!("g{n}");
        harness.first_outcome(|o| o.plugin == "prints" && o.session == id).await.expect("the other tenant is served");
    }
    let report = harness.drain().await;
    let of = |tenant: &str| report.plugins.iter().filter(|p| *p.tenant == *tenant).map(|p| p.deferred).sum::<u64>();
    assert!(report.timed_out && of("hanging") >= 50, "all that hang, and what waited behind them: {report:?}");
}

/// The first call of this tenant takes more than it has for a long time.
fn hardly_any_fuel() -> TenantQuota {
    TenantQuota { fuel_per_second: Some(1), ..NO_LIMIT }
}

#[tokio::test]
async fn a_tenant_without_fuel_waits_and_each_of_its_deliveries_is_said_to_be_deferred_once() {
    let harness = Harness::builder()
        .plugin("prints", "prints")
        .quota(hardly_any_fuel())
        .tenant_quota("rich", NO_LIMIT)
        .workers(1)
        .build();
    for n in 0..5 {
        harness.end(&format!("s{n}"), EndReason::Reset).await.unwrap();
    }
    harness.runtime.settled().await;
    harness.end("later", EndReason::Reset).await.unwrap();
    harness.end_for("rich", "r").await.unwrap();
    harness.first_outcome(|o| o.tenant == "rich").await.expect("another tenant has its own fuel");
    harness.runtime.settled().await;

    let mine: Vec<_> = harness.outcomes().into_iter().filter(|o| o.tenant == harness.tenant).collect();
    let (delivered, deferred): (Vec<_>, Vec<_>) = mine.iter().partition(|o| o.outcome == Outcome::Delivered);
    assert_eq!((delivered.len(), deferred.len()), (1, 5), "{mine:#?}");
    for one in &deferred {
        assert_eq!(one.outcome, Outcome::Deferred(Deferral::Quota));
        assert_eq!((one.attempt, one.failures, one.retry_at, one.dead, one.draining), (0, 0, None, false, false));
    }
    assert_eq!(harness.printed("prints").len(), 1, "no other one began");
    assert_eq!(harness.runtime.undelivered_ends(), 5, "they are still owed");
}

#[tokio::test]
async fn what_waits_for_fuel_goes_out_by_itself_when_it_flows_again() {
    let call = {
        let harness = Harness::with(&["prints"]);
        harness.end("s0", EndReason::Reset).await.unwrap();
        harness.first_outcome(|o| o.outcome == Outcome::Delivered).await.and_then(|o| o.fuel).unwrap()
    };
    let (clock, quarter) = (ManualClock::new(), Duration::from_millis(250));
    let quota = TenantQuota { fuel_per_second: Some(4 * call), ..NO_LIMIT };
    let harness = Harness::builder().plugin("prints", "prints").quota(quota).workers(1).clock(clock.clone()).build();
    for n in 0..10 {
        harness.end(&format!("s{n}"), EndReason::Reset).await.unwrap();
    }
    let delivered = || harness.outcomes().iter().filter(|o| o.outcome == Outcome::Delivered).count();
    harness.runtime.settled().await;
    // Ten calls: a second's worth that was saved up, one on credit at most, and a quarter of a second for each of the others.
    let at_first = delivered();
    assert!((4..=5).contains(&at_first), "{at_first}");
    for more in 1..=10 - at_first {
        // A call uses some units more or less.
        clock.advance(quarter + Duration::from_millis(10));
        harness.runtime.settled().await;
        let due = (at_first + more).min(10);
        assert!((due..=due + 1).contains(&delivered()), "one for each quarter of a second, and one on credit");
    }
    assert_eq!(delivered(), 10);
    let mut deferred: Vec<_> =
        harness.outcomes().into_iter().filter(|o| o.outcome != Outcome::Delivered).map(|o| o.session).collect();
    let said = deferred.len();
    deferred.sort_unstable();
    deferred.dedup();
    assert!(said == deferred.len() && said == 10 - at_first, "each that waited was told of once: {said}");
}

#[tokio::test]
async fn in_a_drain_fuel_by_the_second_does_not_count() {
    let harness = Harness::builder().plugin("prints", "prints").quota(hardly_any_fuel()).workers(1).build();
    for n in 0..3 {
        harness.end(&format!("ended{n}"), EndReason::Reset).await.unwrap();
    }
    harness.runtime.settled().await;
    harness.end("last", EndReason::Reset).await.unwrap();
    let report = harness.drain().await;
    assert_eq!((report.delivered, report.deferred, report.unreported), (3, 0, 0));
    assert!(!report.timed_out && report.warnings.is_empty(), "{report:?}");
    let delivered: Vec<_> = harness.outcomes().into_iter().filter(|o| o.outcome == Outcome::Delivered).collect();
    assert_eq!(delivered.len(), 4);
    assert!(delivered.iter().all(|o| o.attempt == 1), "waiting was no attempt");
    assert_eq!(
        harness.outcomes().last().unwrap().outcome,
        Outcome::Delivered,
        "deferred is never said after delivered"
    );
    assert_eq!(harness.runtime.undelivered_ends(), 0);
}

#[tokio::test]
async fn a_retry_that_has_to_wait_for_fuel_is_said_to_wait_and_keeps_its_count() {
    let quota = hardly_any_fuel();
    let harness =
        Harness::builder().plugin("retry", "retry").retry(Duration::from_millis(1), 8).quota(quota).workers(1).build();
    harness.end("s1", EndReason::Reset).await.unwrap();
    let deferred =
        harness.first_outcome(|o| o.outcome == Outcome::Deferred(Deferral::Quota)).await.expect("its retry waits");
    assert_eq!((deferred.attempt, deferred.failures), (1, 1), "the failure counts, the waiting does not");
    harness.runtime.settled().await;
    assert_eq!(harness.outcomes().len(), 2);
}

#[tokio::test]
async fn a_spinner_pays_for_its_time_and_one_that_waits_in_the_host_does_not() {
    // Enough for any call that comes back, and not for 30 ms of anything.
    let quota = TenantQuota { fuel_per_second: Some(10_000_000), ..NO_LIMIT };
    for (guest, begun) in [("spin", 1), ("sleep", 3)] {
        let harness = Harness::builder()
            .with_deadline(guest, Duration::from_millis(30))
            .retry(NEVER, 8)
            .quota(quota)
            .workers(1)
            .build();
        for n in 0..3 {
            harness.end(&format!("s{n}"), EndReason::Reset).await.unwrap();
        }
        harness.runtime.settled().await;
        let cut = harness.outcomes().iter().filter(|o| o.attempt == 1).count();
        assert_eq!(cut, begun, "{guest}: {:#?}", harness.outcomes());
    }
}

#[tokio::test]
async fn a_quota_of_fuel_that_is_raised_lets_go_on_what_waited_and_one_that_is_lowered_holds_back_what_comes() {
    let harness = Harness::builder().plugin("prints", "prints").quota(hardly_any_fuel()).workers(1).build();
    for n in 0..5 {
        harness.end(&format!("s{n}"), EndReason::Reset).await.unwrap();
    }
    harness.runtime.settled().await;
    assert_eq!(harness.runtime.undelivered_ends(), 4, "the first took all that there is for a long time");
    harness.runtime.set_quota(&harness.tenant, Some(NO_LIMIT)).unwrap();
    for n in 0..5 {
        let id = format!("s{n}");
        let is_delivered = harness.first_outcome(|o| o.session == id && o.outcome == Outcome::Delivered).await;
        assert_eq!(is_delivered.expect("nothing holds it back any more").attempt, 1);
    }
    harness.runtime.set_quota(&harness.tenant, None).unwrap();
    for id in ["t0", "t1"] {
        harness.end(id, EndReason::Reset).await.unwrap();
        harness.runtime.settled().await;
    }
    let of_t1 = harness.first_outcome(|o| o.session == "t1").await.unwrap();
    assert_eq!(of_t1.outcome, Outcome::Deferred(Deferral::Quota), "it is as it was for everybody");
    assert_eq!(harness.runtime.undelivered_ends(), 1);
}
