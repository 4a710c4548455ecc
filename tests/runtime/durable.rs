//! What happens while the journal has not answered, and when it refuses.

use std::sync::Arc;
use std::time::Duration;

use lastword::events::{CompactionPhase, DrainReason, EndReason, Hook, Outcome};
use lastword::{Acceptance, CompactionRequest, EndRequest, QuotaKind, Refusal, StartRequest, TenantQuota};
use lastword_harness::{Harness, NEVER};
use lastword_journal::testing::FaultyJournal;

#[tokio::test]
async fn no_plugin_hears_of_a_start_that_is_not_recorded() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let harness = Harness::builder().plugin("prints", "prints").journal(journal.clone()).build();
    journal.hold();
    let start = harness.runtime.start_session(StartRequest::new(harness.session("s1")));
    harness.runtime.settled().await;
    assert!(harness.outcomes().is_empty() && harness.runtime.sessions().is_empty());
    journal.commit().await;
    assert_eq!(start.await.unwrap().how, Acceptance::Registered);
    harness.runtime.settled().await;
    assert_eq!(harness.printed("prints"), ["session-start s1 attempt=1"]);
}

#[tokio::test]
async fn a_start_that_cannot_be_recorded_is_refused_and_leaves_the_set_alone() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let harness = Harness::builder().plugin("prints", "prints").journal(journal.clone()).build();
    journal.hold();
    let start = harness.runtime.start_session(StartRequest::new(harness.session("s1")));
    journal.fail();
    assert!(matches!(start.await, Err(Refusal::Journal(_))));
    harness.runtime.settled().await;
    assert!(harness.outcomes().is_empty() && harness.runtime.sessions().is_empty());
    assert_eq!(harness.start("s1").await.unwrap().generation, 1, "when there is space again, work goes on");
}

#[tokio::test]
async fn requests_of_one_session_keep_their_order_while_the_journal_takes_its_time() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let harness = Harness::builder().plugin("prints", "prints").journal(journal.clone()).build();
    journal.hold();
    let start = harness.runtime.start_session(StartRequest::new(harness.session("s1")));
    let end = harness.runtime.end_session(EndRequest::new(harness.session("s1"), EndReason::New));
    let again = harness.runtime.start_session(StartRequest::new(harness.session("s1")));
    assert_eq!(journal.held(), 1, "the end waits for its start");
    journal.commit().await;
    let generations = (start.await.unwrap().generation, end.await.unwrap().generation, again.await.unwrap().generation);
    assert_eq!(generations, (1, 1, 2));
    harness.runtime.settled().await;
    let seen: Vec<_> = harness.outcomes().iter().map(|o| (o.hook, o.generation)).collect();
    assert_eq!(seen, [(Hook::SessionStart, 1), (Hook::SessionEnd, 1), (Hook::SessionStart, 2)]);
}

#[tokio::test]
async fn a_failure_is_recorded_before_its_retry_goes_out() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let harness = Harness::builder()
        .plugin("flaky", "retry-by-attempt")
        .plugin("prints", "prints")
        .journal(journal.clone())
        .retry(Duration::ZERO, 8)
        .build();
    journal.hold_outcomes();
    harness.end("s1", EndReason::Reset).await.unwrap();
    harness.first_outcome(|o| o.plugin == "flaky").await.expect("the first attempt fails");
    // Others are served meanwhile, and a retry that did not wait would have had its turn.
    for n in 0..20 {
        let id = format!("other-{n}");
        harness.end(&id, EndReason::Reset).await.unwrap();
        harness.first_outcome(|o| o.plugin == "prints" && o.session == id).await.expect("the other plugin is served");
    }
    let attempts = |harness: &Harness| -> Vec<u32> {
        harness.outcomes().iter().filter(|o| o.plugin == "flaky" && o.session == "s1").map(|o| o.attempt).collect()
    };
    assert_eq!(attempts(&harness), [1]);
    journal.commit().await;
    harness
        .first_outcome(|o| o.plugin == "flaky" && o.session == "s1" && o.outcome == Outcome::Delivered)
        .await
        .unwrap();
    assert_eq!(attempts(&harness), [1, 2, 3]);
}

#[tokio::test]
async fn a_failure_that_cannot_be_recorded_is_not_tried_again_in_this_run() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let harness = Harness::builder().plugin("retry", "retry").journal(journal.clone()).retry(Duration::ZERO, 8).build();
    journal.hold_outcomes();
    harness.end("s1", EndReason::Reset).await.unwrap();
    let first = harness.first_outcome(|o| o.plugin == "retry").await.expect("the first attempt fails");
    // It is told before it is written down, and settled only after the answer.
    journal.until_held(1).await;
    journal.fail();
    harness.runtime.settled().await;
    assert_eq!((first.attempt, harness.outcomes().len()), (1, 1));
    assert_eq!(harness.runtime.undelivered_ends(), 1, "it stays owed");
}

#[tokio::test]
async fn a_session_whose_start_was_recorded_during_a_drain_is_ended_by_it() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let harness = Harness::builder().plugin("prints", "prints").journal(journal.clone()).build();
    harness.start("held-up").await.unwrap();
    journal.hold();
    let start = harness.runtime.start_session(StartRequest::new(harness.session("s1")));
    let drain = harness.runtime.drain(DrainReason::Restart);
    journal.commit().await;
    assert_eq!(start.await.unwrap().how, Acceptance::Registered, "it was under way before the drain");
    drain.await;
    harness.runtime.settled().await;
    let undelivered = harness.runtime.undelivered_ends();
    let delivered =
        harness.outcomes_of("prints", Hook::SessionEnd).iter().filter(|o| o.outcome == Outcome::Delivered).count();
    assert_eq!(delivered as u64 + undelivered, 2, "both ends are delivered or owed, none is lost");
}

#[tokio::test]
async fn a_compaction_that_a_drain_has_overtaken_says_that_it_is_late() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let harness =
        Harness::builder().plugin("slow", "sleep-50ms").plugin("p", "prints-late").journal(journal.clone()).build();
    harness.start("s1").await.unwrap();
    harness.runtime.settled().await;
    journal.hold();
    let compaction = harness.runtime.compaction(CompactionRequest::new(harness.session("s1"), CompactionPhase::After));
    let drain = harness.runtime.drain(DrainReason::Shutdown);
    harness.first_outcome(|o| o.plugin == "p" && o.hook == Hook::SessionEnd).await.expect("the end goes out");
    journal.commit().await;
    compaction.await.unwrap();
    drain.await;
    let told: Vec<_> = harness.printed("p").into_iter().filter(|l| l.starts_with("session-compaction")).collect();
    assert_eq!(told, ["session-compaction s1 attempt=1 late"]);
}

#[tokio::test]
async fn a_drain_outlives_the_last_handle_of_its_runtime() {
    let Harness { runtime, tenant, .. } = Harness::builder().plugin("prints", "prints").build();
    for n in 0..3 {
        let session = lastword::events::Session::new(&tenant, &format!("s{n}"));
        runtime.start_session(StartRequest::new(session)).await.unwrap();
    }
    let drain = runtime.drain(DrainReason::Shutdown);
    drop(runtime);
    let report = drain.await;
    assert_eq!((report.delivered, report.deferred), (3, 0));
}

#[tokio::test]
async fn a_compaction_line_that_is_sent_again_after_the_end_leaves_no_ghost() {
    let harness = Harness::builder().plugin("prints", "prints").retry(NEVER, 8).build();
    harness.start("s1").await.unwrap();
    let mut compaction = CompactionRequest::new(harness.session("s1"), CompactionPhase::After);
    compaction.op_id = Some("c-1".into());
    harness.runtime.compaction(compaction.clone()).await.unwrap();
    harness.end("s1", EndReason::Reset).await.unwrap();
    let again = harness.runtime.compaction(compaction).await.unwrap();
    assert_eq!(again.how, Acceptance::DuplicateOp);
    assert!(harness.runtime.sessions().is_empty());
}

/// The runtime has a budget of an hour: whoever waits for its end waits too long.
#[tokio::test]
async fn a_drain_does_not_wait_for_a_journal_that_cannot_be_read() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let quota = TenantQuota { active_sessions: Some(1), ..TenantQuota::default() };
    let harness = Harness::builder()
        .plugin("prints", "prints")
        .journal(journal.clone())
        .quota(quota)
        .budget(Duration::from_secs(3600))
        .build();
    harness.start("s1").await.unwrap();
    journal.hold_reads();
    let mut one_more = StartRequest::new(harness.session("s2"));
    one_more.op_id = Some("s-2".into());
    let refused = harness.runtime.start_session(one_more);
    let report =
        tokio::time::timeout(Duration::from_secs(60), harness.drain()).await.expect("long before its budget ends");
    assert_eq!((report.delivered, report.timed_out), (1, false));
    assert_eq!(refused.await, Err(Refusal::Quota { what: QuotaKind::ActiveSessions, limit: 1 }));
    journal.release_reads();
}

#[tokio::test]
async fn nobody_who_asks_for_something_is_held_up_by_a_journal_that_is_being_read() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let quota = TenantQuota { active_sessions: Some(1), ..TenantQuota::default() };
    let harness = Harness::builder().plugin("prints", "prints").journal(journal.clone()).quota(quota).build();
    harness.start("s1").await.unwrap();
    journal.hold_reads();
    // There is no place for it, unless it is a line that is sent again; only the journal knows.
    let mut one_more = StartRequest::new(harness.session("s2"));
    one_more.op_id = Some("s-2".into());
    let refused = harness.runtime.start_session(one_more);
    harness.end("s1", EndReason::Reset).await.unwrap();
    harness.first_outcome(|o| o.session == "s1" && o.hook == Hook::SessionEnd).await.unwrap();
    journal.release_reads();
    assert_eq!(refused.await, Err(Refusal::Quota { what: QuotaKind::ActiveSessions, limit: 1 }));
}
