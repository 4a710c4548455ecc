//! What a dead run left in the journal goes out when the next one begins.

use std::sync::Arc;
use std::time::Duration;

use lastword::events::{EndReason, Hook, Outcome};
use lastword::{Acceptance, MemoryJournal};
use lastword_harness::Harness;

#[tokio::test]
async fn sessions_of_a_dead_run_are_ended_as_crashed() {
    let journal = Arc::new(MemoryJournal::new());
    let dead = Harness::builder().plugin("prints", "prints").journal(journal.clone()).build();
    dead.start_many("s", 3).await.unwrap();
    dead.end("s0", EndReason::Reset).await.unwrap();
    dead.runtime.settled().await;
    let tenant = dead.tenant.clone();
    drop(dead);

    let next = Harness::builder().plugin("prints", "prints").journal(journal).tenant(&tenant).build();
    assert_eq!(next.runtime.recovered().sessions, 2);
    next.runtime.settled().await;
    let mut ends = next.outcomes_of("prints", Hook::SessionEnd);
    ends.sort_by(|a, b| a.session.cmp(&b.session));
    let ends: Vec<_> = ends.iter().map(|e| (e.session.as_str(), e.reason.clone().unwrap(), e.attempt)).collect();
    assert_eq!(ends, [("s1", EndReason::Crashed, 2), ("s2", EndReason::Crashed, 2)]);
    assert!(next.runtime.sessions().is_empty());
    let again = next.start("s1").await.unwrap();
    assert_eq!((again.how, again.generation), (Acceptance::Registered, 2));
}

#[tokio::test]
async fn what_a_drain_could_not_deliver_is_owed_again_with_the_drains_reason() {
    let journal = Arc::new(MemoryJournal::new());
    let first = Harness::builder()
        .component(
            "memory",
            lastword_test_guests::component("sleep"),
            lastword::Limits { deadline: Duration::from_secs(60), ..lastword::Limits::default() },
        )
        .budget(Duration::from_millis(200))
        .journal(journal.clone())
        .build();
    first.start_many("s", 3).await.unwrap();
    let report = first.drain().await;
    assert_eq!((report.delivered, report.deferred), (0, 3));
    let owed: Vec<_> = first.outcomes().iter().map(|o| o.id.clone()).collect();
    let tenant = first.tenant.clone();
    drop(first);

    let second = Harness::builder().plugin("memory", "prints").journal(journal).tenant(&tenant).build();
    second.runtime.settled().await;
    let ends = second.outcomes_of("memory", Hook::SessionEnd);
    assert_eq!(ends.len(), 3);
    // A call that was cut at the very end of the budget may not have been told of.
    let told_of = ends.iter().filter(|end| owed.contains(&end.id)).count();
    assert_eq!(told_of + usize::try_from(report.unreported).unwrap(), 3, "the same delivery ids: {ends:?}, {owed:?}");
    for end in ends {
        assert_eq!((&end.outcome, end.reason.clone()), (&Outcome::Delivered, Some(EndReason::Shutdown)));
        assert!(end.attempt > 1, "and a new attempt");
    }
    assert_eq!(second.runtime.undelivered_ends(), 0);
}

/// A session that a dead run has left, in a run from which one of the plugins that were told of its start is gone.
async fn left_to_a_run_without_one_of_its_plugins() -> Harness {
    let journal = Arc::new(MemoryJournal::new());
    let dead = Harness::builder().plugin("gone", "good-all").journal(journal.clone()).build();
    dead.start("s1").await.unwrap();
    let tenant = dead.tenant.clone();
    drop(dead);
    let grace = Duration::from_secs(600);
    Harness::builder().plugin("prints", "prints").journal(journal).tenant(&tenant).attach_grace(grace).build()
}

#[tokio::test]
async fn an_end_that_is_owed_to_a_plugin_which_is_gone_is_undelivered_whoever_ends_the_session() {
    let by_its_owner = left_to_a_run_without_one_of_its_plugins().await;
    assert_eq!(by_its_owner.start("s1").await.unwrap().how, Acceptance::Updated);
    assert_eq!(by_its_owner.runtime.undelivered_ends(), 2, "both will be owed it");
    by_its_owner.end("s1", EndReason::Reset).await.unwrap();
    by_its_owner.runtime.settled().await;

    let by_a_drain = left_to_a_run_without_one_of_its_plugins().await;
    by_a_drain.start("s1").await.unwrap();
    by_a_drain.drain().await;

    let nobody_came_back = left_to_a_run_without_one_of_its_plugins().await;
    nobody_came_back.drain().await;

    for harness in [by_its_owner, by_a_drain, nobody_came_back] {
        assert_eq!(harness.outcomes_of("prints", Hook::SessionEnd).len(), 1);
        assert_eq!(harness.runtime.undelivered_ends(), 1);
    }
}

#[tokio::test]
async fn what_a_plugin_has_lost_the_hook_for_is_late_when_it_has_it_again() {
    let journal = Arc::new(MemoryJournal::new());
    let first = Harness::builder().plugin("p", "start-fails").journal(journal.clone()).build();
    first.start("s1").await.unwrap();
    first.runtime.settled().await;
    let tenant = first.tenant.clone();
    drop(first);
    let without = Harness::builder().plugin("p", "good").journal(journal.clone()).tenant(&tenant).build();
    without.runtime.settled().await;
    assert_eq!(without.outcomes_of("p", Hook::SessionEnd).len(), 1, "its end goes ahead");
    drop(without);
    let again = Harness::builder().plugin("p", "prints-late").journal(journal).tenant(&tenant).build();
    again.runtime.settled().await;
    assert_eq!(again.printed("p"), ["session-start s1 attempt=4 late"]);
}
