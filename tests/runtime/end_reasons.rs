//! An owner ends a session, and before the disk has taken that a drain begins: the end keeps its owner's reason.

use std::sync::Arc;

use lastword::events::{CompactionPhase, DrainReason, EndReason, Hook, Outcome};
use lastword::{Acceptance, CompactionRequest, EndRequest, Journal, Refusal, StartRequest};
use lastword_harness::{Harness, ObservedOutcome};
use lastword_journal::testing::FaultyJournal;

/// A session that nobody ends: when the drain has told of it, it has taken its snapshot.
const OTHER: &str = "other";

async fn with_sessions(ids: &[&str]) -> (Harness, Arc<FaultyJournal>) {
    let journal = Arc::new(FaultyJournal::in_memory());
    let harness = Harness::builder().plugin("prints", "prints").journal(journal.clone()).build();
    for id in [OTHER].iter().chain(ids) {
        harness.start(id).await.unwrap();
    }
    harness.runtime.settled().await;
    (harness, journal)
}

fn reset(harness: &Harness, id: &str) -> EndRequest {
    EndRequest::new(harness.session(id), EndReason::Reset)
}

async fn end_of(harness: &Harness, id: &str) -> ObservedOutcome {
    harness.first_outcome(|o| o.hook == Hook::SessionEnd && o.session == id).await.unwrap()
}

/// Both ends are delivered, with these reasons, and the next run finds nothing to do.
async fn assert_kept(harness: Harness, journal: Arc<FaultyJournal>, id: &str) {
    assert_eq!(end_of(&harness, OTHER).await.reason, Some(EndReason::Shutdown));
    let ends = harness.outcomes_of("prints", Hook::SessionEnd);
    let told: Vec<_> = ends.iter().filter(|end| end.session == id).collect();
    let [end] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((&end.reason, &end.outcome), (&Some(EndReason::Reset), &Outcome::Delivered));
    assert_eq!(harness.runtime.undelivered_ends(), 0);
    drop(harness);
    let next = journal.recover().unwrap();
    assert!(next.sessions.iter().all(|left| left.drained().settled.len() == 1), "{next:?}");
    let of_id = next.sessions.iter().filter(|left| &*left.session.identity.id == id);
    assert_eq!((of_id.count(), next.deliveries.len()), (0, 0), "its end is on record, and made");
}

#[tokio::test]
async fn an_end_that_the_disk_has_not_taken_when_a_drain_begins_keeps_its_own_reason() {
    let (harness, journal) = with_sessions(&["s1"]).await;
    journal.hold();
    let end = harness.runtime.end_session(reset(&harness, "s1"));
    let drain = harness.runtime.drain(DrainReason::Shutdown);
    assert_eq!(end_of(&harness, "s1").await.reason, Some(EndReason::Reset), "before the disk has it");
    journal.commit().await;
    assert_eq!(end.await.unwrap().how, Acceptance::Registered);
    let report = drain.await;
    assert_eq!((report.sessions, report.delivered, report.owed()), (1, 2, 2), "the drain has ended one");
    assert_kept(harness, journal, "s1").await;
}

#[tokio::test]
async fn an_end_that_waits_for_its_start_keeps_its_own_reason_in_a_drain() {
    let (harness, journal) = with_sessions(&[]).await;
    journal.hold();
    let start = harness.runtime.start_session(StartRequest::new(harness.session("s1")));
    let end = harness.runtime.end_session(reset(&harness, "s1"));
    let drain = harness.runtime.drain(DrainReason::Shutdown);
    end_of(&harness, OTHER).await;
    journal.commit().await;
    assert_eq!((start.await.unwrap().how, end.await.unwrap().how), (Acceptance::Registered, Acceptance::Registered));
    let report = drain.await;
    assert_eq!((report.sessions, report.delivered, report.owed()), (1, 2, 2));
    assert_kept(harness, journal, "s1").await;
}

#[tokio::test]
async fn an_end_that_waits_for_a_compaction_keeps_its_own_reason_in_a_drain() {
    let (harness, journal) = with_sessions(&["s1"]).await;
    journal.hold();
    let compaction = harness.runtime.compaction(CompactionRequest::new(harness.session("s1"), CompactionPhase::After));
    let end = harness.runtime.end_session(reset(&harness, "s1"));
    let again = harness.runtime.end_session(EndRequest::new(harness.session("s1"), EndReason::Deleted));
    let drain = harness.runtime.drain(DrainReason::Shutdown);
    assert_eq!(end_of(&harness, "s1").await.reason, Some(EndReason::Reset), "the first one's");
    journal.commit().await;
    compaction.await.unwrap();
    assert_eq!((end.await.unwrap().how, again.await.unwrap().how), (Acceptance::Registered, Acceptance::DuplicateEnd));
    drain.await;
    assert_kept(harness, journal, "s1").await;
}

#[tokio::test]
async fn closing_without_a_drain_writes_down_what_owners_have_said_before() {
    let (harness, journal) = with_sessions(&[]).await;
    journal.hold();
    drop(harness.runtime.start_session(StartRequest::new(harness.session("s1"))));
    drop(harness.runtime.end_session(reset(&harness, "s1")));
    let close = harness.runtime.close(DrainReason::Shutdown);
    journal.commit().await;
    close.await;
    let next = journal.recover().unwrap();
    let left: Vec<_> = next.sessions.iter().map(|left| &*left.session.identity.id).collect();
    assert_eq!(left, [OTHER], "the other one has its end on record");
}

/// The disk refuses an end that the drain has delivered already. Its owner is told so; as far as the journal knows, the
/// session was active when the drain came.
#[tokio::test]
async fn an_end_that_is_refused_after_a_drain_has_delivered_it_goes_to_the_others_with_the_drains_reason() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let harness =
        Harness::builder().plugin("prints", "prints").plugin("busy", "retry").journal(journal.clone()).build();
    harness.start("s1").await.unwrap();
    harness.runtime.settled().await;
    journal.hold();
    let end = harness.runtime.end_session(reset(&harness, "s1"));
    let drain = harness.runtime.drain(DrainReason::Restart);
    assert_eq!(end_of(&harness, "s1").await.reason, Some(EndReason::Reset));
    harness.first_outcome(|o| o.plugin == "busy").await.expect("it is asked as well");
    journal.refuse_writes().await;
    assert!(matches!(end.await, Err(Refusal::Journal(_))));
    assert_eq!(drain.await.delivered, 1);
    let (tenant, told) = (harness.tenant.clone(), harness.outcomes_of("prints", Hook::SessionEnd));
    drop(harness);

    let next = Harness::builder().plugin("prints", "prints").plugin("busy", "prints").journal(journal);
    let next = next.tenant(&tenant).build();
    next.runtime.settled().await;
    assert!(next.outcomes_of("prints", Hook::SessionEnd).is_empty(), "it was told");
    let ends = next.outcomes_of("busy", Hook::SessionEnd);
    let [end] = ends.as_slice() else { panic!("{ends:?}") };
    assert_eq!((&end.reason, &end.outcome), (&Some(EndReason::Restart), &Outcome::Delivered));
    assert_eq!(end.id.sequence, told[0].id.sequence, "the same end");
}
