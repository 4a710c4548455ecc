//! What operators see and change beside a running runtime: the same with a journal in memory and with one on disk.

use std::sync::Arc;
use std::time::Duration;

use lastword::EndRequest;
use lastword::events::{
    DeliveryId, DrainReason, EndReason, Event, EventKey, FailureCause, Hook, HookCall, Outcome, PluginName,
};
use lastword::{
    Changed, DeliveryFilter, DeliveryPage, DeliveryState, Journal, JournalErrorKind, MemoryJournal, PageRequest,
    Plugin, Refusal, Settled, SqliteJournal, TenantQuota,
};
use lastword_harness::{Harness, HarnessBuilder, NEVER};
use lastword_journal::testing::FaultyJournal;
use tempfile::TempDir;

/// A journal of each kind, and where its file is.
fn journals() -> Vec<(Arc<dyn Journal>, Option<TempDir>)> {
    let home = tempfile::tempdir().unwrap();
    let file = SqliteJournal::open(&home.path().join("journal.db")).unwrap();
    vec![(Arc::new(MemoryJournal::new()), None), (Arc::new(file), Some(home))]
}

async fn page(harness: &Harness, filter: &DeliveryFilter) -> DeliveryPage {
    harness.runtime.deliveries(filter, &PageRequest::default()).await.unwrap()
}

fn dead() -> DeliveryFilter {
    DeliveryFilter::in_state(DeliveryState::Dead)
}

fn ids(page: &DeliveryPage) -> Vec<DeliveryId> {
    page.rows.iter().map(|row| row.delivery.clone()).collect()
}

/// Its one end, which is given up.
async fn given_up(harness: &Harness, session: &str) -> DeliveryId {
    let id = harness.end(session, EndReason::Reset).await.unwrap().deliveries.remove(0);
    assert!(matches!(harness.runtime.settled_of(&id).await, Ok(Settled::Dead { .. })));
    id
}

fn gives_up() -> HarnessBuilder {
    Harness::builder().plugin("fatal", "fatal").retry(NEVER, 8)
}

fn fails() -> HarnessBuilder {
    Harness::builder().plugin("retry", "retry").retry(NEVER, 8)
}

#[tokio::test]
async fn what_was_given_up_is_listed_and_called_again_without_a_restart() {
    for (journal, _home) in journals() {
        let harness = gives_up().journal(journal).build();
        let id = given_up(&harness, "s1").await;
        let listed = page(&harness, &dead()).await;
        assert_eq!((ids(&listed), listed.next), (vec![id.clone()], None));
        let row = &listed.rows[0];
        assert_eq!((&*row.tenant, &*row.session, row.generation), (&*harness.tenant, "s1", 1));
        assert_eq!((row.reason.as_deref(), row.attempt, row.failures), (Some("reset"), 1, 1));
        assert_eq!(row.cause.as_deref(), Some("fatal"));
        let stats = harness.runtime.stats();
        assert_eq!((stats.plugins[0].dead, harness.runtime.undelivered_ends()), (1, 1));

        let changed = harness.runtime.redeliver(vec![id.clone()]).await.unwrap();
        assert_eq!(changed, [Changed::Done]);
        let again = harness.first_outcome(|o| o.attempt == 2).await.expect("it is called without a restart");
        assert_eq!((again.id.clone(), again.late, again.failures), (id.clone(), true, 1));
        assert!(matches!(harness.runtime.settled_of(&id).await, Ok(Settled::Dead { failures: 1, .. })));
        assert_eq!((harness.runtime.stats().plugins[0].dead, harness.runtime.undelivered_ends()), (1, 1));
    }
}

#[tokio::test]
async fn what_is_owed_already_and_what_nobody_knows_is_left_as_it_is() {
    for (journal, _home) in journals() {
        let harness = fails().journal(journal).build();
        let id = harness.end("s1", EndReason::Reset).await.unwrap().deliveries.remove(0);
        harness.runtime.settled().await;
        let unknown = DeliveryId { sequence: 99, ..id.clone() };
        let of_another = DeliveryId { journal: MemoryJournal::new().name(), ..id.clone() };
        let asked = vec![id, unknown.clone(), of_another.clone()];
        let changed = harness.runtime.redeliver(asked).await.unwrap();
        assert_eq!(changed, [Changed::AlreadyOwed, Changed::Unknown, Changed::Unknown]);
        let changed = harness.runtime.forget(vec![unknown.clone(), of_another.clone()]).await.unwrap();
        assert_eq!(changed, [Changed::Unknown; 2]);
        for id in [unknown, of_another] {
            assert_eq!(harness.runtime.settled_of(&id).await, Ok(Settled::NotOwed));
        }
        assert_eq!(harness.runtime.undelivered_ends(), 1);
    }
}

#[tokio::test]
async fn what_waits_for_its_retry_can_be_forgotten_and_what_is_newer_goes_on() {
    for (journal, _home) in journals() {
        let harness = fails().journal(journal).build();
        let first = harness.end("s1", EndReason::Reset).await.unwrap().deliveries.remove(0);
        // An observer is told before the failure is on record, and until then the call is under way.
        harness.runtime.settled().await;
        let waits = harness.runtime.settled_of(&first);
        assert_eq!(harness.runtime.forget(vec![first.clone()]).await, Ok(vec![Changed::Done]));
        assert_eq!(waits.await, Ok(Settled::Forgotten));
        assert_eq!(
            (page(&harness, &DeliveryFilter::default()).await.rows, harness.runtime.undelivered_ends()),
            (vec![], 0)
        );
        let stats = harness.runtime.stats();
        assert_eq!([stats.plugins[0].ready, stats.plugins[0].running, stats.plugins[0].waiting], [0; 3]);
        // It would have been tried once more before this.
        harness.start("s1").await.unwrap();
        let second = harness.end("s1", EndReason::Reset).await.unwrap().deliveries.remove(0);
        let next = harness.first_outcome(|o| o.id == second).await.expect("the next end is called");
        assert_eq!((next.attempt, next.late), (1, false));
        assert_eq!(harness.outcomes().iter().filter(|o| o.id == first).count(), 1);
    }
}

/// A tenant without calls is owed everything, and nothing of it begins.
#[tokio::test]
async fn what_is_ready_can_be_forgotten_before_it_is_called() {
    for (journal, _home) in journals() {
        let quota = TenantQuota { concurrent_calls: Some(1), ..TenantQuota::default() };
        let harness =
            Harness::builder().with_deadline("spin", Duration::from_secs(600)).quota(quota).journal(journal).build();
        let spins = harness.end("first", EndReason::Reset).await.unwrap().deliveries.remove(0);
        let mut ready = Vec::new();
        for n in 0..1_000 {
            ready.extend(harness.end(&format!("s{n}"), EndReason::Reset).await.unwrap().deliveries);
        }
        until(&harness, |stats| stats.plugins[0].running == 1).await;
        // One from the middle, the first and the last, and what is under way.
        let some = vec![ready[500].clone(), ready[0].clone(), ready[999].clone(), spins.clone()];
        let changed = harness.runtime.forget(some).await.unwrap();
        assert_eq!(changed, [Changed::Done, Changed::Done, Changed::Done, Changed::UnderWay]);
        assert_eq!((harness.runtime.stats().plugins[0].ready, harness.runtime.undelivered_ends()), (997, 998));
        let rest = DeliveryFilter::default().of_tenant(&harness.tenant);
        assert_eq!(harness.runtime.forget_all(&rest).await, Ok(997));
        assert_eq!((harness.runtime.stats().plugins[0].ready, harness.runtime.undelivered_ends()), (0, 1));
        assert_eq!(ids(&page(&harness, &rest).await), [spins]);
    }
}

/// The disk has two ends, and nobody was told: the runtime has not enqueued them.
#[tokio::test]
async fn what_is_owed_and_in_no_queue_is_not_forgotten_and_the_next_start_makes_it() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let harness = Harness::builder().plugin("good", "good").journal(journal.clone()).build();
    harness.start("active").await.unwrap();
    journal.hold();
    let ended = ["active", "unknown"].map(|id| {
        let end = EndRequest::new(harness.session(id), EndReason::Reset);
        harness.runtime.end_session(end)
    });
    journal.until_held(2).await;
    journal.lose_answers().await;
    for answer in ended {
        assert_eq!(answer.await.unwrap_err().journal_error(), Some(JournalErrorKind::Closed));
    }
    let owed = ids(&page(&harness, &DeliveryFilter::default()).await);
    assert_eq!(owed.len(), 2);
    assert_eq!(harness.runtime.forget(owed.clone()).await, Ok(vec![Changed::UnderWay; 2]));
    assert_eq!(harness.runtime.forget_all(&DeliveryFilter::default()).await, Ok(0));
    assert_eq!(ids(&page(&harness, &DeliveryFilter::default()).await), owed, "they are owed as before");
    assert_eq!(harness.runtime.undelivered_ends(), 1, "that of the session which goes on here");

    let tenant = harness.tenant.clone();
    drop(harness);
    let next = Harness::builder().plugin("good", "good").journal(journal).tenant(&tenant).build();
    for id in owed {
        let made = next.first_outcome(|o| o.id == id).await.expect("it is called");
        assert_eq!(made.outcome, Outcome::Delivered);
    }
}

/// It is in its queue as before: whether it waited for its retry, or was ready.
#[tokio::test]
async fn what_cannot_be_forgotten_is_owed_as_before_and_is_made_without_a_restart() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let harness = fails().journal(journal.clone()).build();
    let waits = harness.end("s1", EndReason::Reset).await.unwrap().deliveries.remove(0);
    harness.runtime.settled().await;
    let paused = harness.runtime.pause(&waits.plugin.clone().into()).unwrap();
    let ready = harness.end("s2", EndReason::Reset).await.unwrap().deliveries.remove(0);
    journal.spoil_changes(true);
    let both = vec![waits.clone(), ready.clone()];
    assert_eq!(harness.runtime.forget(both.clone()).await, Ok(vec![Changed::Unwritable; 2]));
    let stats = harness.runtime.stats();
    assert_eq!((stats.plugins[0].waiting, stats.plugins[0].ready, harness.runtime.undelivered_ends()), (1, 1, 2));
    drop(paused);
    let made = harness.first_outcome(|o| o.id == ready).await.expect("it is called");
    assert_eq!((made.attempt, made.late), (1, false));
    harness.runtime.settled().await;
    assert_eq!(harness.outcomes().iter().filter(|o| o.id == waits).count(), 1, "its retry is not due");
    journal.spoil_changes(false);
    assert_eq!(harness.runtime.forget(both).await, Ok(vec![Changed::Done; 2]), "both are in the queue");
    assert_eq!(harness.runtime.undelivered_ends(), 0);
}

/// The disk takes its time, and then it is full. The plugin never takes the start.
#[tokio::test]
async fn what_cannot_be_forgotten_is_late_when_a_newer_event_came_and_was_made_meanwhile() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let hook = |call: &HookCall| match &*call.event {
        Event::Start(_) => Outcome::Failed { cause: FailureCause::Retry, message: "busy".to_owned() },
        Event::Compaction(_) | Event::End(_) => Outcome::Delivered,
    };
    let plugin = Plugin::native(PluginName::new("memory").unwrap(), Hook::ALL.into_iter().collect(), hook).unwrap();
    let builder = Harness::builder().loaded(plugin).retry(NEVER, 8).budget(Duration::from_secs(20));
    let harness = builder.journal(journal.clone()).build();
    let start = harness.start("s1").await.unwrap().deliveries.remove(0);
    harness.runtime.settled().await;
    journal.hold_changes();
    let forgotten = harness.runtime.forget(vec![start.clone()]);
    journal.until_held(1).await;
    let end = harness.end("s1", EndReason::Reset).await.unwrap().deliveries.remove(0);
    let made = harness.first_outcome(|o| o.id == end).await.expect("it waits for no answer of the disk");
    assert_eq!((made.outcome, made.late), (Outcome::Delivered, false));
    journal.fail();
    assert_eq!(forgotten.await.unwrap_err().journal_error(), Some(JournalErrorKind::Full));
    harness.runtime.settled().await;
    harness.drain().await;
    let again = harness.first_outcome(|o| o.id == start && o.attempt == 2).await.expect("a drain tries it once more");
    assert!(again.late, "the end went ahead");
}

/// Of more than are changed at once, too.
#[tokio::test]
async fn an_id_that_is_named_twice_is_changed_once_and_answered_twice() {
    for (journal, _home) in journals() {
        let harness = gives_up().journal(journal).build();
        for n in 0..300 {
            harness.end(&format!("s{n}"), EndReason::Reset).await.unwrap();
        }
        harness.runtime.settled().await;
        let mut named = ids(&page(&harness, &dead()).await);
        assert_eq!(named.len(), 300);
        named.extend([named[0].clone(), named[1].clone()]);
        named.insert(0, named[1].clone());
        assert_eq!(harness.runtime.redeliver(named.clone()).await, Ok(vec![Changed::Done; 303]));
        harness.runtime.settled().await;
        let attempts = |id: &DeliveryId| harness.outcomes().iter().filter(|o| o.id == *id).count();
        assert!(named.iter().all(|id| attempts(id) == 2), "each was made again once");
        assert_eq!((harness.runtime.stats().plugins[0].dead, harness.runtime.undelivered_ends()), (300, 300));

        assert_eq!(harness.runtime.forget(named.clone()).await, Ok(vec![Changed::Done; 303]));
        assert_eq!((harness.runtime.stats().plugins[0].dead, harness.runtime.undelivered_ends()), (0, 0));
        assert_eq!(harness.runtime.forget(named).await, Ok(vec![Changed::Unknown; 303]));
    }
}

/// Nobody who lists by the page, with whatever limit, does so for ever or overlooks any.
#[tokio::test]
async fn a_page_with_a_limit_of_0_has_one_row_and_the_last_says_that_it_is() {
    for (journal, _home) in journals() {
        let harness = gives_up().budget(Duration::from_secs(20)).journal(journal).build();
        harness.start_many("active", 3).await.unwrap();
        let mut after = None;
        for n in 0..3 {
            let page = harness.runtime.sessions_of(&harness.tenant, after, 0);
            let found: Vec<_> = page.sessions.iter().map(|one| one.identity.id.to_string()).collect();
            assert_eq!((found, page.next.is_some()), (vec![format!("active{n}")], n < 2));
            after = page.next;
        }
        let given_up = [given_up(&harness, "s1").await, given_up(&harness, "s2").await];
        assert_eq!(one_by_one(&harness, 2).await, given_up);
        // Those of a drain are in another table.
        harness.drain().await;
        assert_eq!(one_by_one(&harness, 5).await.len(), 5);
    }
}

/// All that was not made, by pages of no rows.
async fn one_by_one(harness: &Harness, there_are: usize) -> Vec<DeliveryId> {
    let mut found = Vec::new();
    let mut next = PageRequest::first(0);
    for _ in 0..=there_are {
        let page = harness.runtime.deliveries(&DeliveryFilter::default(), &next).await.unwrap();
        assert!(page.rows.len() <= 1);
        found.extend(ids(&page));
        next.after = page.next;
        if next.after.is_none() {
            return found;
        }
    }
    panic!("there are {there_are}, and after {} pages it is not over: {found:?}", there_are + 1)
}

async fn until(harness: &Harness, is_so: impl Fn(&lastword::Stats) -> bool) {
    while !is_so(&harness.runtime.stats()) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn all_that_was_given_up_is_made_again_by_the_page() {
    for (journal, _home) in journals() {
        let harness = gives_up().plugin("good", "good").journal(journal).build();
        for n in 0..600 {
            harness.end(&format!("s{n}"), EndReason::Reset).await.unwrap();
        }
        harness.runtime.settled().await;
        let mut found = Vec::new();
        let mut next = PageRequest::first(250);
        loop {
            let page = harness.runtime.deliveries(&dead(), &next).await.unwrap();
            assert!(page.rows.len() <= 250);
            found.extend(ids(&page));
            next.after = page.next;
            if next.after.is_none() {
                break;
            }
        }
        assert_eq!(found.len(), 600);
        assert!(found.is_sorted_by(|a, b| a.sequence < b.sequence));
        let other = dead().of_plugin(PluginName::new("good").unwrap());
        assert_eq!(harness.runtime.redeliver_all(&other).await, Ok(0));
        assert_eq!(harness.runtime.redeliver_all(&DeliveryFilter::default()).await, Ok(600));
        harness.runtime.settled().await;
        let attempts = harness.outcomes().into_iter().filter(|o| o.plugin == "fatal").map(|o| o.attempt);
        assert_eq!(
            attempts.fold((0, 0), |(one, two), n| (one + u32::from(n == 1), two + u32::from(n == 2))),
            (600, 600)
        );
        assert_eq!(harness.runtime.stats().plugins[0].dead, 600);
    }
}

/// It takes an end at the second attempt, which something newer brings about.
#[tokio::test]
async fn a_delivery_is_settled_when_that_is_on_record() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let harness =
        Harness::builder().plugin("second", "answers-by-event").retry(NEVER, 8).journal(journal.clone()).build();
    let id = harness.end("s1", EndReason::Reset).await.unwrap().deliveries.remove(0);
    harness.first_outcome(|o| o.attempt == 1).await.expect("it fails");
    harness.runtime.settled().await;
    let mut settled = Box::pin(harness.runtime.settled_of(&id));
    assert!(poll_once(&mut settled).await.is_none(), "it is owed");
    journal.hold_outcomes();
    let newer = EndRequest::new(harness.session("s1"), EndReason::Reset).with_op_id("2");
    harness.runtime.end_session(newer).await.unwrap();
    harness.first_outcome(|o| o.id == id && o.outcome == Outcome::Delivered).await.expect("it is told before");
    journal.until_held(1).await;
    assert!(poll_once(&mut settled).await.is_none(), "it is not on record");
    journal.commit().await;
    assert_eq!(settled.await, Ok(Settled::Delivered));
    assert_eq!(harness.runtime.settled_of(&id).await, Ok(Settled::NotOwed), "nothing is kept of it");
}

async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(cx) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test]
async fn who_waits_for_a_delivery_is_told_of_it_and_of_no_other() {
    for (journal, _home) in journals() {
        let harness = Harness::builder()
            .plugin("good", "good")
            .plugin("retry", "retry")
            .retry(NEVER, 8)
            .budget(Duration::from_secs(20))
            .journal(journal)
            .build();
        let deliveries = harness.end("s1", EndReason::Reset).await.unwrap().deliveries;
        assert_eq!(deliveries.iter().map(|id| id.plugin.as_str()).collect::<Vec<_>>(), ["good", "retry"]);
        assert!(deliveries.iter().all(|id| id.event == EventKey::End && id.journal == harness.runtime.journal_name()));
        let [good, retry] = [0, 1].map(|at| harness.runtime.settled_of(&deliveries[at]));
        assert!(matches!(good.await, Ok(Settled::Delivered | Settled::NotOwed)));
        harness.runtime.settled().await;
        let mut retry = Box::pin(retry);
        assert!(poll_once(&mut retry).await.is_none(), "it is owed");
        harness.drain().await;
        assert_eq!(retry.await, Ok(Settled::Deferred), "nobody is called any more");
    }
}

#[tokio::test]
async fn in_a_drain_nothing_is_changed_and_everything_is_seen() {
    for (journal, _home) in journals() {
        let harness = fails().budget(Duration::from_secs(20)).journal(journal).build();
        let id = harness.end("s1", EndReason::Reset).await.unwrap().deliveries.remove(0);
        harness.start("s2").await.unwrap();
        harness.drain().await;
        assert_eq!(harness.runtime.redeliver(vec![id.clone()]).await, Err(Refusal::Draining));
        assert_eq!(harness.runtime.forget(vec![id]).await, Err(Refusal::Draining));
        let listed = page(&harness, &DeliveryFilter::default()).await;
        let of_session: Vec<_> = listed.rows.iter().map(|row| (&*row.session, row.reason.as_deref())).collect();
        assert_eq!(of_session, [("s1", Some("reset")), ("s2", Some("shutdown"))]);
    }
}

#[tokio::test]
async fn on_a_full_disk_operators_are_refused_and_nothing_is_taken_out() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let harness = fails().journal(journal.clone()).build();
    let id = harness.end("s1", EndReason::Reset).await.unwrap().deliveries.remove(0);
    harness.runtime.settled().await;
    assert!(harness.runtime.probe().await.is_ok());
    journal.fill();
    let refused = harness.runtime.forget(vec![id.clone()]).await.unwrap_err();
    assert_eq!(refused.journal_error(), Some(JournalErrorKind::Full));
    assert_eq!(harness.runtime.probe().await.unwrap_err().kind(), JournalErrorKind::Full);
    let listed = ids(&page(&harness, &DeliveryFilter::default()).await);
    assert_eq!(listed, std::slice::from_ref(&id), "what is on it is seen");
    assert_eq!(harness.runtime.stats().plugins[0].waiting, 1);
    journal.commit().await;
    assert_eq!(harness.runtime.forget(vec![id]).await, Ok(vec![Changed::Done]));
}

#[tokio::test]
async fn sessions_of_a_tenant_are_found_by_name_and_by_the_page() {
    let harness = Harness::with(&["good"]);
    harness.start_many("s", 5).await.unwrap();
    harness.start_for("other", "o").await.unwrap();
    let found = harness.runtime.session(&harness.session("s3").identity).expect("it is active");
    assert_eq!((&*found.identity.id, found.generation), ("s3", 1));
    assert_eq!(harness.runtime.session(&harness.session("o").identity), None);
    let first = harness.runtime.sessions_of(&harness.tenant, None, 3);
    harness.end("s1", EndReason::Reset).await.unwrap();
    harness.end("s4", EndReason::Reset).await.unwrap();
    let second = harness.runtime.sessions_of(&harness.tenant, first.next, 3);
    let names =
        |page: &lastword::SessionPage| page.sessions.iter().map(|one| one.identity.id.to_string()).collect::<Vec<_>>();
    assert_eq!(
        (names(&first), names(&second), second.next),
        (vec!["s0".into(), "s1".into(), "s2".into()], vec!["s3".into()], None)
    );
    assert_eq!((harness.runtime.stats().sessions, harness.runtime.active_sessions()), (4, 4));
}

#[tokio::test]
async fn the_next_run_counts_what_was_given_up_and_what_has_no_plugin() {
    for (journal, _home) in journals() {
        let Some(home) = _home else { continue };
        let tenant = {
            let harness = gives_up().plugin("retry", "retry").journal(journal).build();
            given_up_by(&harness, "s1").await;
            harness.runtime.detach().await.unwrap();
            harness.tenant.clone()
        };
        let journal = open_again(&home).await;
        let harness = Harness::builder().tenant(&tenant).plugin("good", "good").journal(journal).build();
        harness.runtime.settled().await;
        let stats = harness.runtime.stats();
        let left: Vec<_> =
            stats.plugins.iter().map(|one| (one.plugin.as_str(), one.is_installed, one.dead, one.orphaned)).collect();
        assert_eq!(left, [("good", true, 0, 0), ("fatal", false, 1, 0), ("retry", false, 0, 1)]);
        let orphan = page(&harness, &DeliveryFilter::in_state(DeliveryState::Orphaned)).await;
        let dead = page(&harness, &dead()).await;
        assert_eq!(harness.runtime.redeliver(ids(&dead)).await, Ok(vec![Changed::Done]));
        assert_eq!(harness.runtime.forget(ids(&orphan)).await, Ok(vec![Changed::Done]));
        let stats = harness.runtime.stats();
        let left: Vec<_> = stats.plugins.iter().map(|one| (one.plugin.as_str(), one.dead, one.orphaned)).collect();
        assert_eq!(left, [("good", 0, 0), ("fatal", 0, 1)], "it is owed to a plugin that is gone");
        assert_eq!(harness.runtime.undelivered_ends(), 1);
    }
}

async fn given_up_by(harness: &Harness, session: &str) {
    let deliveries = harness.end(session, EndReason::Reset).await.unwrap().deliveries;
    assert!(matches!(harness.runtime.settled_of(&deliveries[0]).await, Ok(Settled::Dead { .. })));
    harness.first_outcome(|o| o.plugin == "retry").await.unwrap();
    harness.runtime.settled().await;
}

/// The workers of the run before may still hold it.
async fn open_again(home: &TempDir) -> Arc<dyn Journal> {
    loop {
        match SqliteJournal::open(&home.path().join("journal.db")) {
            Ok(journal) => return Arc::new(journal),
            Err(lastword::OpenError::Locked { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn a_closed_runtime_refuses_operators() {
    let harness = fails().build();
    let id = harness.end("s1", EndReason::Reset).await.unwrap().deliveries.remove(0);
    harness.runtime.close(DrainReason::Shutdown).await;
    assert_eq!(harness.runtime.redeliver(vec![id]).await, Err(Refusal::Draining));
}

#[tokio::test]
async fn a_list_that_hangs_holds_one_thread_however_often_it_is_asked_for() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let harness = Harness::builder().plugin("good", "good").journal(journal.clone()).build();
    journal.hold_reads();
    for _ in 0..3 {
        let asked = harness.runtime.deliveries(&dead(), &PageRequest::default());
        assert!(tokio::time::timeout(Duration::from_millis(200), asked).await.is_err());
    }
    let hang = journal.lists_begun();
    // First: the test's runtime waits for its threads.
    journal.release_reads();
    assert!(hang <= 1, "{hang} reads hang");
    assert!(page(&harness, &dead()).await.rows.is_empty());
}
