//! Deliveries in a journal: what is owed, what became of it, and what a drain leaves.

use lastword_events::{DrainReason, FailureCause, PluginName, Timestamp};

use super::runs::{NO_SEQUENCE, Runs, completion, owed_again, plugin, start_event};
use crate::{
    Appended, Changed, DeliveryChange, DeliveryFilter, DeliveryKey, DeliveryState, JournalOp, PageRequest,
    PendingDelivery, Settlement,
};

pub(super) async fn what_is_owed_is_found_by_the_next_run_until_it_is_delivered_or_dead(mut journal: Runs<'_>) {
    let (t, _) = journal.tenants();
    journal.next_run();
    let mut sequences = Vec::new();
    for id in ["delivered", "failed", "dead", "untried"] {
        let (sequence, session) = journal.start(id).await;
        journal.end(sequence, &session).await;
        sequences.push(sequence);
    }
    let failed = owed_again(true);
    let dead = Settlement::Dead { failures: 1, cause: FailureCause::Fatal, message: "never".into() };
    let done = [Settlement::Delivered, failed, dead];
    let completions = done.into_iter().zip(&sequences).map(|(s, n)| completion(*n, 1, s)).collect();
    journal.complete(&t, completions).pending.await.unwrap();
    journal.flush().await.unwrap();

    let owed = journal.next_run().deliveries;
    let owed: Vec<_> = owed.iter().map(|d| (&*d.session.identity.id, d.attempt, d.failures, d.late)).collect();
    // The dead run may have begun one more attempt of each delivery.
    assert_eq!(owed, [("failed", 2, 1, true), ("untried", 1, 0, false)]);
}

pub(super) async fn what_an_orphan_is_overtaken_by_is_remembered_until_its_plugin_is_back(mut journal: Runs<'_>) {
    journal.next_run();
    for id in ["overtaken", "alone"] {
        let (sequence, session) = journal.start(id).await;
        journal.end(sequence, &session).await;
    }
    let found = journal.next_run().deliveries;
    let orphaned = |d: &PendingDelivery| JournalOp::Orphaned {
        delivery: d.delivery.clone(),
        late: &*d.session.identity.id == "overtaken",
    };
    journal.append_decided(found.iter().map(orphaned).collect()).await.unwrap();
    let found = journal.next_run().deliveries;
    let found: Vec<_> = found.iter().map(|d| (&*d.session.identity.id, d.late)).collect();
    assert_eq!(found, [("overtaken", true), ("alone", false)]);
}

pub(super) async fn what_was_orphaned_is_owed_as_it_was_when_it_is_adopted(mut journal: Runs<'_>) {
    let (t, _) = journal.tenants();
    journal.next_run();
    let mut ends = Vec::new();
    for id in ["orphaned", "owed"] {
        let (sequence, session) = journal.start(id).await;
        journal.end(sequence, &session).await;
        ends.push(completion(sequence, 1, owed_again(true)));
    }
    let keys: Vec<DeliveryKey> = ends.iter().map(|end| end.delivery.clone()).collect();
    journal.complete(&t, ends).pending.await.unwrap();
    let orphan = JournalOp::Orphaned { delivery: keys[0].clone(), late: false };
    journal.append_decided(vec![JournalOp::PluginsChanged { plugins: vec![] }, orphan]).await.unwrap();
    let orphans = DeliveryFilter::in_state(DeliveryState::Orphaned).of_tenant(&t);
    let listed = |filter: &DeliveryFilter| journal.deliveries(filter, &PageRequest::default()).unwrap().rows.len();
    assert_eq!(listed(&orphans), 1);
    let back = JournalOp::PluginsChanged { plugins: vec![(plugin(), None)] };
    journal.append_decided(vec![back]).await.unwrap();
    assert_eq!(listed(&orphans), 1, "who is installed says nothing of it");
    let adopted = journal.change_deliveries(DeliveryChange::Adopt, keys.clone()).await.unwrap();
    let adopted: Vec<_> = adopted
        .iter()
        .map(|one| (one.changed, one.owed.as_ref().map(|owed| (owed.attempt, owed.failures, owed.late))))
        .collect();
    assert_eq!(adopted, [(Changed::Done, Some((1, 1, true))), (Changed::AlreadyOwed, None)]);
    assert_eq!(listed(&orphans), 0);
    assert_eq!(journal.next_run().deliveries.len(), 2);
}

pub(super) async fn a_drain_goes_by_who_is_installed_then_and_by_who_is_owed_the_end_for_the_start(
    mut journal: Runs<'_>,
) {
    journal.next_run();
    let installed = |names: &[&str]| names.iter().map(|name| (PluginName::new(name).unwrap(), None)).collect();
    let before = JournalOp::Installed { plugins: installed(&["memory", "audit"]), attaching: false };
    journal.append_decided(vec![before]).await.unwrap();
    let mut sequences = Vec::new();
    for id in ["kept", "dropped"] {
        let JournalOp::Start { session, op_id, .. } = journal.start_op(id) else { panic!("it is a start") };
        let start = JournalOp::Start { session, event: start_event(), owed: vec![plugin()], op_id };
        let Appended::Session { sequence, .. } = journal.append(start).await.unwrap() else { panic!("it is new") };
        sequences.push(sequence);
    }
    let at = Timestamp::from_millisecond(7);
    let dropped = JournalOp::EndNotOwed { sequence: sequences[1], plugin: plugin() };
    let nobodys = JournalOp::EndNotOwed { sequence: NO_SEQUENCE, plugin: plugin() };
    let draining = JournalOp::Draining { reason: DrainReason::Restart, at };
    let after = JournalOp::PluginsChanged { plugins: installed(&["audit", "late"]) };
    journal.append_decided(vec![dropped, nobodys, after, draining]).await.unwrap();
    let sessions = journal.next_run().sessions;
    let owed = |at: usize| {
        let then: &Option<Vec<PluginName>> = &sessions[at].drained().owed;
        let names = then.iter().flatten().chain(&sessions[at].started);
        names.map(PluginName::as_str).collect::<Vec<_>>()
    };
    assert_eq!((owed(0), owed(1)), (vec!["audit", "late", "memory"], vec!["audit", "late"]));
}

pub(super) async fn a_drain_needs_no_write_for_each_session_and_the_next_run_knows_what_is_settled(
    mut journal: Runs<'_>,
) {
    let (t, _) = journal.tenants();
    journal.next_run();
    let (delivered, _) = journal.start("delivered").await;
    let (failed, _) = journal.start("failed").await;
    journal.start("untried").await;
    let at = Timestamp::from_millisecond(7);
    journal.append(JournalOp::Draining { reason: DrainReason::Restart, at }).await.unwrap();
    journal.append(JournalOp::Draining { reason: DrainReason::Shutdown, at }).await.unwrap();
    let owed = owed_again(false);
    journal
        .complete(&t, vec![completion(delivered, 1, Settlement::Delivered), completion(failed, 1, owed)])
        .pending
        .await
        .unwrap();

    let sessions = journal.next_run().sessions;
    assert!(sessions.iter().all(|s| s.drained().drain == Some((DrainReason::Restart, at))), "the first cause wins");
    let settled: Vec<_> = sessions
        .iter()
        .map(|s| (&*s.session.identity.id, s.drained().settled.len(), s.drained().tried.len()))
        .collect();
    assert_eq!(settled, [("delivered", 1, 0), ("failed", 0, 1), ("untried", 0, 0)]);
    assert_eq!([0, 1, 2].map(|n| sessions[n].attempt_for(&plugin())), [1, 2, 1]);
    for session in sessions {
        journal.end(session.sequence, &session.session).await;
    }
    let owed = journal.next_run().deliveries;
    let ids: Vec<_> = owed.iter().map(|d| &*d.session.identity.id).collect();
    assert_eq!(ids, ["failed", "untried"]);
}
