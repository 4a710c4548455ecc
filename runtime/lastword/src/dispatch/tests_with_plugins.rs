//! The dispatcher with plugins that are installed, none of which is called.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use lastword_events::{
    EndReason, Event, EventKey, Hook, Outcome, PluginName, Session, SessionEnd, SessionStart, Timestamp,
};
use lastword_journal::{DeliveryKey, PendingDelivery};

use super::dispatcher::Dispatcher;
use super::plugin_change::PluginChange;
use super::tests::{bring_back, drain, take_all};
use super::worker_step::WorkerStep;
use crate::install_error::InstallError;
use crate::installed::{InstalledPlugins, Leave};
use crate::queued_delivery::QueuedDelivery;
use crate::quota::Quotas;
use crate::sandbox::Plugin;
use crate::tenants::Tenants;
use crate::time::Time;

fn name(name: &str) -> PluginName {
    PluginName::new(name).unwrap()
}

fn plugin(plugin: &str, hooks: &[Hook]) -> Plugin {
    Plugin::native(name(plugin), hooks.iter().copied().collect(), |_| Outcome::Delivered).unwrap()
}

/// Plugin 0 has the hooks for starts and ends, plugin 1 that for ends.
fn dispatcher() -> Dispatcher {
    let plugins = vec![
        (plugin("both", &[Hook::SessionStart, Hook::SessionEnd]), Tenants::Every),
        (plugin("ends", &[Hook::SessionEnd]), Tenants::Every),
    ];
    let installed = InstalledPlugins::new(plugins).unwrap();
    Dispatcher::new(installed, (16, 2), 5, Arc::new(Quotas::default()), Time::of_machine().unwrap())
}

fn begin_drain(dispatcher: &Dispatcher) {
    dispatcher.begin_drain(drain(Instant::now()), HashMap::new());
}

fn delivery(sequence: u64, key: EventKey) -> QueuedDelivery {
    let event = match key {
        EventKey::End => Event::End(SessionEnd::new(EndReason::Reset, Timestamp::now())),
        _ => Event::Start(SessionStart::default()),
    };
    QueuedDelivery::new(sequence, key, &Arc::new(Session::new("t", &format!("s{sequence}"))), &Arc::new(event))
}

fn pending(sequence: u64, key: EventKey, plugin: &str) -> PendingDelivery {
    let QueuedDelivery { session, event, .. } = delivery(sequence, key);
    let delivery = DeliveryKey { sequence, event: key, plugin: name(plugin) };
    PendingDelivery { delivery, session, event, attempt: 1, failures: 1, late: false, suspect: false }
}

fn owed(dispatcher: &Dispatcher) -> [u64; 2] {
    let plugins = dispatcher.counts().plugins;
    [0, 1].map(|at| plugins[at].1.ready + plugins[at].1.running + plugins[at].1.waiting)
}

#[test]
fn an_event_is_owed_to_those_of_its_plugins_that_have_its_hook_and_the_others_are_said() {
    let dispatcher = dispatcher();
    let names = [name("ends"), name("gone"), name("both")];
    assert_eq!(dispatcher.enqueue(&delivery(1, EventKey::End), &names), [name("gone")]);
    assert_eq!(owed(&dispatcher), [1, 1]);
    assert_eq!(dispatcher.enqueue(&delivery(2, EventKey::Start), &names), [name("ends"), name("gone")]);
    assert_eq!((owed(&dispatcher), dispatcher.owed_by("t")), ([2, 1], 3));
    assert_eq!(dispatcher.enqueue(&delivery(3, EventKey::End), &[name("both"), name("ends")]), []);
    assert_eq!(owed(&dispatcher), [3, 2]);
    assert_eq!(dispatcher.undelivered_ends(), 4);
}

#[test]
fn what_a_dead_run_owed_is_owed_again_if_its_plugin_has_the_hook() {
    let dispatcher = dispatcher();
    assert!(dispatcher.enqueue_recovered(&pending(1, EventKey::End, "ends")));
    assert!(dispatcher.enqueue_recovered(&pending(2, EventKey::Start, "both")));
    assert!(!dispatcher.enqueue_recovered(&pending(3, EventKey::Start, "ends")));
    assert!(!dispatcher.enqueue_recovered(&pending(4, EventKey::End, "gone")));
    assert_eq!((owed(&dispatcher), dispatcher.undelivered_ends()), ([1, 1], 1));
}

#[test]
fn what_was_given_up_is_made_again_at_once_and_in_a_drain_it_is_left_to_the_next_start() {
    let dispatcher = dispatcher();
    assert!(!dispatcher.enqueue_redelivered(&pending(1, EventKey::End, "gone")));
    assert!(dispatcher.enqueue_redelivered(&pending(1, EventKey::End, "ends")));
    assert_eq!((owed(&dispatcher), dispatcher.undelivered_ends()), ([0, 1], 1));
    begin_drain(&dispatcher);
    assert!(dispatcher.enqueue_redelivered(&pending(2, EventKey::End, "ends")));
    assert_eq!((owed(&dispatcher), dispatcher.undelivered_ends()), ([0, 1], 2));
}

#[test]
fn a_paused_plugin_begins_nothing_until_it_is_resumed_and_who_waits_for_its_calls_sees_when_there_are_none() {
    let dispatcher = dispatcher();
    let both = dispatcher.installed().get(0).unwrap().plugin.key();
    let names = [name("both"), name("ends")];
    dispatcher.enqueue(&delivery(1, EventKey::End), &names);
    let taken = take_all(&dispatcher);
    let mut told = dispatcher.watch_calls();
    let (number, id) = dispatcher.pause(&both).unwrap();
    assert_eq!((number, dispatcher.plugin_changes()), (0, 1), "what workers were given to begin goes back");
    assert!(told.has_changed().unwrap() && !dispatcher.has_no_calls(number, id));
    let other = dispatcher.installed().get(1).unwrap().id;
    assert!(dispatcher.has_no_calls(number, other), "it is not the one that has the number");
    told.mark_unchanged();
    for slice in taken {
        bring_back(&dispatcher, slice.queue, slice.jobs, false);
    }
    assert!(told.has_changed().unwrap() && dispatcher.has_no_calls(number, id));
    dispatcher.enqueue(&delivery(2, EventKey::End), &names);
    let taken = take_all(&dispatcher);
    assert_eq!(taken.iter().map(|slice| slice.plugin).collect::<Vec<_>>(), [1]);
    dispatcher.resume(number, other);
    assert!(take_all(&dispatcher).is_empty());
    dispatcher.resume(number, id);
    let taken = take_all(&dispatcher);
    assert_eq!(taken.iter().map(|slice| slice.plugin).collect::<Vec<_>>(), [0]);
    assert!(!dispatcher.has_no_calls(number, id));
    dispatcher.stop();
    assert!(dispatcher.has_no_calls(number, id), "when the runtime has stopped no call is under way");
    let key = plugin("gone", &[Hook::SessionEnd]).key();
    assert!(dispatcher.pause(&key).is_none());
}

#[test]
fn a_plugin_that_is_installed_is_owed_what_comes_then_and_one_that_is_uninstalled_nothing_more() {
    let dispatcher = dispatcher();
    dispatcher.enqueue(&delivery(1, EventKey::End), &[name("both"), name("ends")]);
    let begin = || PluginChange::begin(&dispatcher).unwrap();
    let put_in = begin().install(plugin("third", &[Hook::SessionEnd]), Tenants::Every, false).unwrap();
    assert_eq!((put_in.number, put_in.reads_orphans, dispatcher.plugin_changes()), (2, false, 1));
    assert_eq!(dispatcher.enqueue(&delivery(2, EventKey::End), &[name("third")]), []);
    assert_eq!(dispatcher.enqueue(&delivery(3, EventKey::Start), &[name("third")]), [name("third")]);

    let key = put_in.installed.plugin.key();
    assert_eq!(begin().find(&key).map(|(number, _)| number), Some(2));
    begin().replace(2, plugin("third", &[Hook::SessionStart, Hook::SessionEnd]), true);
    assert_eq!(dispatcher.plugin_changes(), 2);
    assert_eq!(dispatcher.enqueue(&delivery(3, EventKey::Start), &[name("third")]), []);
    let reads_orphans = || dispatcher.state().scheduler().plugin_gates().reads_orphans(2);
    assert!(reads_orphans());
    dispatcher.end_orphans(2, false);
    assert!(!reads_orphans());

    let taken_out = begin().uninstall(&key, Leave::Orphaned).unwrap();
    assert_eq!((taken_out.number, dispatcher.plugin_changes()), (2, 3));
    assert_eq!(taken_out.unstarted.into_iter().map(Iterator::count).sum::<usize>(), 2);
    assert_eq!(dispatcher.enqueue(&delivery(4, EventKey::End), &[name("third")]), [name("third")]);
    assert!(matches!(begin().uninstall(&key, Leave::Orphaned), Err(InstallError::NotInstalled(_))));
    let again = begin().install(plugin("third", &[Hook::SessionEnd]), Tenants::Every, false).unwrap();
    assert_eq!((again.number, again.reads_orphans), (3, true), "what is left of the first one may be orphaned");
    begin_drain(&dispatcher);
    assert!(matches!(PluginChange::begin(&dispatcher), Err(InstallError::Draining)));
}

#[test]
fn an_operator_withdraws_what_a_plugin_is_owed_and_nothing_in_a_drain() {
    let dispatcher = dispatcher();
    dispatcher.enqueue(&delivery(1, EventKey::End), &[name("both"), name("ends")]);
    let wanted = || HashMap::from([((1, EventKey::End), "s1".into())]);
    assert!(dispatcher.withdraw("t", &name("gone"), wanted()).is_none());
    assert!(dispatcher.withdraw("u", &name("ends"), wanted()).is_none());
    let withdrawal = dispatcher.withdraw("t", &name("ends"), wanted()).unwrap();
    assert_eq!(withdrawal.withdrawn().collect::<Vec<_>>(), [(1, EventKey::End)]);
    assert_eq!((owed(&dispatcher), dispatcher.undelivered_ends()), ([1, 0], 1));
    dispatcher.advance_lanes(&withdrawal);
    dispatcher.end_withdrawal(withdrawal, |_| true);
    assert_eq!((owed(&dispatcher), dispatcher.undelivered_ends()), ([1, 1], 2), "the journal could not forget it");
    let WorkerStep::Serve(_slice) = dispatcher.next(None, &[]) else { panic!() };
    begin_drain(&dispatcher);
    assert!(dispatcher.withdraw("t", &name("ends"), wanted()).is_none());
}
