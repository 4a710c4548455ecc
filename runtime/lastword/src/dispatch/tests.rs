//! The dispatcher without guests. Whatever the order in which calls end, quotas and shares hold, and nothing waits for ever.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use lastword_events::{
    DrainReason, EndReason, Event, EventKey, FailureCause, Outcome, PluginName, Session, SessionEnd, SessionStart,
    Timestamp,
};
use proptest::prelude::*;

use super::backlog::DrainContext;
use super::dispatcher::Dispatcher;
use super::drain_account::Progress;
use super::finished_call::FinishedCall;
use super::ids::{QueueId, TenantNumber};
use super::job::{Job, Taken};
use super::memory_admission::PluginMemory;
use super::plugin_gates::PluginGates;
use super::state::{State, plugins};
use super::worker_step::{ConcludedSlice, Slice, WorkerStep};
use crate::active_session::Unended;
use crate::installed::{InstalledPlugins, Version};
use crate::limits::{MAX_IDLE_TENANTS, MAX_UNWRITTEN_BYTES_OF_TENANT};
use crate::queued_delivery::QueuedDelivery;
use crate::quota::{Quotas, TenantQuota};
use crate::retry::NextAttempt;
use crate::sandbox::MemoryAccount;
use crate::time::Time;

/// Two plugins, number 0 and 1, that serve every tenant.
pub(super) fn dispatcher(slots: u32, workers: u32) -> Dispatcher {
    let (quotas, time) = (Arc::new(Quotas::default()), Time::of_machine().unwrap());
    let dispatcher = Dispatcher::new(InstalledPlugins::default(), (slots, workers), 5, quotas, time.clone());
    *dispatcher.state() = State::new((slots, workers), vec![PluginMemory::default(), PluginMemory::default()], time);
    dispatcher
}

pub(super) fn calls(limit: Option<u32>) -> TenantQuota {
    TenantQuota { concurrent_calls: limit, ..TenantQuota::default() }
}

/// Owes both plugins an event of `sessions` sessions.
pub(super) fn owe(dispatcher: &Dispatcher, tenant: &str, quota: &TenantQuota, sessions: u64) {
    let mut state = dispatcher.state();
    let queues = state.add_tenant(&tenant.into(), quota, &[0, 1], 5);
    for n in 0..sessions {
        let session = Arc::new(Session::new(tenant, &format!("s{n}")));
        let event = Arc::new(Event::Start(SessionStart::default()));
        for &(_, queue) in queues.iter() {
            state.push(queue, QueuedDelivery::new(n, EventKey::Start, &session, &event));
        }
    }
}

/// The slice that a worker makes of these calls.
pub(super) fn finish(jobs: Vec<Taken>, fail: bool) -> Vec<FinishedCall> {
    let finish = |taken: Taken| {
        let mut delivery = taken.job.delivery();
        delivery.begin();
        let outcome = if fail {
            Outcome::Failed { cause: FailureCause::Retry, message: String::new() }
        } else {
            Outcome::Delivered
        };
        let due = NextAttempt::Due { at: Instant::now(), timestamp: Timestamp::now() };
        let next = if fail { due } else { NextAttempt::Unplanned };
        FinishedCall { next, ..FinishedCall::new(delivery, taken.permit, outcome, None) }
    };
    jobs.into_iter().map(finish).collect()
}

pub(super) fn bring_back(dispatcher: &Dispatcher, queue: QueueId, jobs: Vec<Taken>, fail: bool) {
    let mut finished = finish(jobs, fail);
    assert!(dispatcher.account(queue, &mut finished));
    settle(dispatcher, queue, finished);
}

pub(super) fn settle(dispatcher: &Dispatcher, queue: QueueId, finished: Vec<FinishedCall>) {
    let (unstarted, without_hook) = (Vec::new(), Vec::new());
    dispatcher.take_back(ConcludedSlice { queue, time: Duration::from_micros(10), finished, unstarted, without_hook });
}

/// The number of a known tenant.
fn number_of(dispatcher: &Dispatcher, tenant: &str) -> TenantNumber {
    dispatcher.state().scheduler().tenants().number(tenant).unwrap()
}

fn tenant_of(dispatcher: &Dispatcher, queue: QueueId) -> TenantNumber {
    dispatcher.state().scheduler().tenant_of(queue).unwrap()
}

/// The queue of plugin 0.
pub(super) fn queue_of(dispatcher: &Dispatcher, tenant: &str) -> QueueId {
    dispatcher.state().scheduler().tenants().queues_of(tenant).unwrap()[0].1
}

pub(super) fn drain(cut_at: Instant) -> DrainContext {
    DrainContext { reason: DrainReason::Shutdown, ended_at: Timestamp::now(), cut_at }
}

#[test]
fn a_plugin_that_hangs_for_every_tenant_leaves_half_of_the_slots_to_the_others() {
    let dispatcher = dispatcher(16, 2);
    for n in 0..500 {
        owe(&dispatcher, &format!("t{n}"), &calls(None), 3);
    }
    let (mut hanging, mut served) = (VecDeque::new(), 0);
    while let WorkerStep::Serve(slice) = dispatcher.next(None, &[]) {
        if slice.plugin == 0 {
            hanging.push_back((slice.queue, slice.jobs));
        } else {
            served += slice.jobs.len();
            bring_back(&dispatcher, slice.queue, slice.jobs, false);
        }
        assert!(dispatcher.state().scheduler().slots().of_plugin(0) <= 8);
    }
    assert_eq!(served, 1_500, "the other plugin serves everyone");
    // Queues that hold a slot are skipped, no more than there are slots. The others are parked.
    assert!(
        dispatcher.state().scheduler().fair().ready_queues() <= 8,
        "queues that have to wait are not looked at again"
    );
    // The calls of the plugin end one after the other. Then it serves every tenant too.
    let mut late = 0;
    while let Some((queue, jobs)) = hanging.pop_front() {
        late += jobs.len();
        bring_back(&dispatcher, queue, jobs, false);
        while let WorkerStep::Serve(slice) = dispatcher.next(None, &[]) {
            hanging.push_back((slice.queue, slice.jobs));
        }
        assert!(dispatcher.state().scheduler().slots().of_plugin(0) <= 8);
    }
    assert_eq!(late, 1_500);
    assert!(dispatcher.state().is_quiet());
}

#[test]
fn a_plugin_that_hangs_for_one_tenant_has_slots_for_the_others() {
    let dispatcher = dispatcher(16, 2);
    owe(&dispatcher, "hangs", &calls(None), 1_000);
    owe(&dispatcher, "works", &calls(None), 0);
    let hangs = number_of(&dispatcher, "hangs");
    let mut hanging = Vec::new();
    while let WorkerStep::Serve(slice) = dispatcher.next(None, &[]) {
        hanging.push(slice);
    }
    assert!(hanging.iter().map(|slice| slice.jobs.len()).sum::<usize>() >= 8, "two plugins have a quarter each");
    owe(&dispatcher, "works", &calls(None), 100);
    let mut served = 0;
    while let WorkerStep::Serve(slice) = dispatcher.next(None, &[]) {
        if tenant_of(&dispatcher, slice.queue) == hangs {
            hanging.push(slice);
        } else {
            served += slice.jobs.len();
            bring_back(&dispatcher, slice.queue, slice.jobs, false);
        }
    }
    assert_eq!(served, 200, "both plugins serve the other tenant although none of those calls has come back");
}

#[test]
fn a_plugin_that_hangs_holds_its_share_of_the_slots_that_there_are_now() {
    let dispatcher = dispatcher(16, 2);
    for n in 0..500 {
        owe(&dispatcher, &format!("t{n}"), &calls(None), 3);
    }
    let (mut hanging, mut taken) = (VecDeque::new(), 0);
    let mut look = |hanging: &mut VecDeque<(QueueId, Taken)>| {
        while let WorkerStep::Serve(slice) = dispatcher.next(None, &[]) {
            taken += slice.jobs.len();
            if slice.plugin == 0 {
                hanging.extend(slice.jobs.into_iter().map(|job| (slice.queue, job)));
            } else {
                bring_back(&dispatcher, slice.queue, slice.jobs, false);
            }
        }
    };
    look(&mut hanging);
    assert_eq!(hanging.len(), 8);
    dispatcher.set_slots(64);
    // Those that hold one wait as well.
    let ready = dispatcher.state().scheduler().fair().ready_queues();
    assert_eq!(ready, 8 + 24, "what was parked is back: workers that sleep are woken for it, and no call has ended");
    look(&mut hanging);
    assert_eq!(hanging.len(), 32);
    dispatcher.set_slots(16);
    for still in (8..32).rev() {
        look(&mut hanging);
        assert_eq!(hanging.len(), still + 1, "none begins");
        let (queue, job) = hanging.pop_front().unwrap();
        bring_back(&dispatcher, queue, vec![job], false);
    }
    while let Some((queue, job)) = hanging.pop_front() {
        bring_back(&dispatcher, queue, vec![job], false);
        look(&mut hanging);
        assert!(hanging.len() <= 8);
    }
    assert_eq!(taken, 3_000);
    assert!(dispatcher.state().is_quiet());
}

#[test]
fn a_plugin_that_hangs_leaves_calls_of_its_tenant_to_its_siblings() {
    let dispatcher = dispatcher(16, 2);
    owe(&dispatcher, "t", &calls(Some(4)), 100);
    let (mut hanging, mut served) = (0, 0);
    while let WorkerStep::Serve(slice) = dispatcher.next(None, &[]) {
        if slice.plugin == 0 {
            hanging += slice.jobs.len();
        } else {
            served += slice.jobs.len();
            bring_back(&dispatcher, slice.queue, slice.jobs, false);
        }
    }
    assert_eq!((hanging, served), (4, 100), "half of the calls while the sibling wanted the others, then all of them");
}

#[test]
fn a_plugin_that_waits_for_its_last_call_has_its_part_of_the_tenants_calls_and_its_siblings_theirs() {
    let dispatcher = dispatcher(16, 2);
    owe(&dispatcher, "t", &calls(Some(4)), 1);
    let mut held = [0, 0];
    let mut take = || {
        for slice in take_all(&dispatcher) {
            held[slice.plugin] += slice.jobs.len();
        }
        held
    };
    assert_eq!(take(), [1, 1]);
    let sibling = dispatcher.state().scheduler().tenants().queues_of("t").unwrap()[1].1;
    let event = Arc::new(Event::Start(SessionStart::default()));
    for n in 1..20 {
        let session = Arc::new(Session::new("t", &format!("s{n}")));
        dispatcher.state().push(sibling, QueuedDelivery::new(n, EventKey::Start, &session, &event));
    }
    assert_eq!(take(), [1, 2], "half of the calls");
}

#[test]
fn as_many_workers_are_woken_as_there_are_batches_and_one_for_a_moment_a_notification_or_a_suspect() {
    let begin = |quota: &TenantQuota, sessions| {
        let dispatcher = dispatcher(16, 5);
        owe(&dispatcher, "t", quota, sessions);
        // They have woken, and found nothing.
        for _ in 0..5 {
            let gone = std::thread::spawn(|| ());
            dispatcher.state().idle_mut().add(gone.thread().clone());
            gone.join().unwrap();
        }
        dispatcher
    };
    let idle = |dispatcher: &Dispatcher| {
        dispatcher.state().wake();
        let mut state = dispatcher.state();
        state.idle_mut().all_look();
        state.idle_mut().len()
    };
    // Each session is owed to two plugins, and a batch is 16.
    assert_eq!([0, 1, 8, 9, 99].map(|sessions| idle(&begin(&calls(None), sessions))), [5, 4, 4, 3, 0]);

    let dispatcher = begin(&calls(None), 0);
    let (session, event) = (Arc::new(Session::new("t", "s")), Arc::new(Event::Start(SessionStart::default())));
    let start = QueuedDelivery::new(0, EventKey::Start, &session, &event);
    let queue = queue_of(&dispatcher, "t");
    dispatcher.state().push(queue, QueuedDelivery { suspect: true, ..start });
    assert_eq!(idle(&dispatcher), 4);
    let WorkerStep::Serve(suspect) = dispatcher.next(None, &[]) else { panic!("the suspect") };
    assert_eq!(idle(&dispatcher), 4, "it is under way");
    let mut failed = finish(suspect.jobs, true);
    let at = Instant::now() + Duration::from_secs(3_600);
    failed[0].next = NextAttempt::Due { at, timestamp: Timestamp::now() };
    assert!(dispatcher.account(queue, &mut failed));
    settle(&dispatcher, queue, failed);
    assert_eq!(dispatcher.state().idle_mut().len(), 3, "one sleeps until the retry");
    assert_eq!(idle(&dispatcher), 3, "and knows of it");
    assert!(matches!(dispatcher.next(None, &[]), WorkerStep::Idle(Some(until)) if until == at));
    dispatcher.state().look_at_timers(at);
    assert!(matches!(dispatcher.next(None, &[]), WorkerStep::Serve(_)));

    let dispatcher = begin(&TenantQuota { fuel_per_second: Some(1), ..TenantQuota::default() }, 3);
    let queue = queue_of(&dispatcher, "t");
    dispatcher.state().charge_fuel(queue, [9].into_iter());
    assert_eq!(idle(&dispatcher), 4, "nothing may begin before the observer is notified");
    assert_eq!(idle(&dispatcher), 3);
}

#[test]
fn a_worker_takes_what_it_brings_back_itself_and_looks_once_more_before_it_sleeps() {
    let dispatcher = dispatcher(16, 2);
    let sleeps = || {
        let gone = std::thread::spawn(|| ());
        dispatcher.state().idle_mut().add(gone.thread().clone());
        gone.join().unwrap();
    };
    let push = |queue, n| {
        let (session, event) = (Arc::new(Session::new("t", "s0")), Arc::new(Event::Start(SessionStart::default())));
        let mut state = dispatcher.state();
        state.push(queue, QueuedDelivery::new(n, EventKey::Start, &session, &event));
        state.wake();
    };
    let bring_back = |slice: Slice| {
        let (queue, time, finished) = (slice.queue, Duration::from_micros(10), finish(slice.jobs, false));
        let concluded = ConcludedSlice { queue, time, finished, unstarted: Vec::new(), without_hook: Vec::new() };
        dispatcher.next(Some(concluded), &[])
    };
    let sleeping = || dispatcher.state().idle_mut().len();

    owe(&dispatcher, "t", &calls(None), 1);
    sleeps();
    let WorkerStep::Serve(slice) = dispatcher.next(None, &[]) else { panic!("there are two") };
    assert_eq!(sleeping(), 0, "another one is woken for the other queue");
    let WorkerStep::Serve(_other) = dispatcher.next(None, &[]) else { panic!("there is one more") };
    dispatcher.state().idle_mut().all_look();
    sleeps();
    let queue = slice.queue;
    push(queue, 1);
    let WorkerStep::Serve(slice) = bring_back(slice) else { panic!("it waited behind the first") };
    assert_eq!((slice.queue, slice.jobs.len(), sleeping()), (queue, 1, 1), "nothing is left for another one");

    assert!(matches!(bring_back(slice), WorkerStep::Yield));
    push(queue, 2);
    assert_eq!(sleeping(), 1, "the first one looks once more");
    let WorkerStep::Serve(slice) = dispatcher.next(None, &[]) else { panic!("it has come meanwhile") };
    assert!(matches!(bring_back(slice), WorkerStep::Yield));
    assert!(matches!(dispatcher.next(None, &[]), WorkerStep::Idle(None)), "nothing has come");
    push(queue, 3);
    assert_eq!(sleeping(), 1, "of two that sleep one is woken");
    let WorkerStep::Serve(slice) = dispatcher.next(None, &[]) else { panic!("whoever it is") };
    assert!(matches!(bring_back(slice), WorkerStep::Idle(None)), "another one is awake, and looks");
}

#[test]
fn a_tenant_that_waits_costs_nothing_when_a_worker_looks_for_work() {
    let dispatcher = dispatcher(256, 2);
    for n in 0..50 {
        owe(&dispatcher, &format!("waits{n}"), &calls(Some(1)), 100);
    }
    let mut under_way = Vec::new();
    while let WorkerStep::Serve(slice) = dispatcher.next(None, &[]) {
        assert_eq!(slice.jobs.len(), 1);
        under_way.push(slice);
    }
    assert_eq!(under_way.len(), 50, "one of each");
    let state = dispatcher.state();
    let fair = state.scheduler().fair();
    assert_eq!((fair.ready_queues(), fair.ready_deliveries()), (0, 0), "of 100 queues and 9 950 deliveries");
    let looked_at = std::cell::Cell::new(0);
    fair.first(|_| {
        looked_at.set(looked_at.get() + 1);
        false
    });
    assert_eq!(looked_at.get(), 0);
}

#[test]
fn owners_can_make_up_tenants_for_ever_and_only_those_that_are_owed_something_are_kept() {
    let (dispatcher, _) = with_memory(16, 100, 0);
    owe(&dispatcher, "owed", &calls(None), 1);
    // All owed deliveries are with workers: only their permits keep the queues.
    owe(&dispatcher, "busy", &calls(None), 1);
    let (owed, busy) = (queue_of(&dispatcher, "owed"), queue_of(&dispatcher, "busy"));
    let owed_number = number_of(&dispatcher, "owed");
    throttle(&dispatcher, owed, true);
    let mut held = Vec::new();
    while let WorkerStep::Serve(slice) = dispatcher.next(None, &[]) {
        assert_ne!(tenant_of(&dispatcher, slice.queue), owed_number);
        held.extend(slice.jobs);
    }
    assert_eq!(held.len(), 2);
    let mut state = dispatcher.state();
    for n in 0..10 * MAX_IDLE_TENANTS {
        state.forget_idle_tenants();
        state.add_tenant(&format!("made-up-{n}").into(), &calls(None), &[0], 5);
    }
    let tenants = state.scheduler().tenants();
    assert!(tenants.len() <= 2 * MAX_IDLE_TENANTS, "{} tenants", tenants.len());
    assert!(state.queues().len() <= 2 * MAX_IDLE_TENANTS + 4, "{} queues", state.queues().len());
    for (tenant, queue) in [("owed", owed), ("busy", busy)] {
        assert_eq!(tenants.queues_of(tenant).unwrap()[0].1, queue);
        assert_eq!(*state.queues()[queue].tenant, *tenant, "its queue was given to nobody else");
    }
}

#[test]
fn a_tenant_is_not_forgotten_while_it_is_in_debt() {
    let (dispatcher, _) = with_memory(16, 100, 0);
    let mut state = dispatcher.state();
    let quota = TenantQuota { fuel_per_second: Some(1_000), ..TenantQuota::default() };
    let fill = |state: &mut State| {
        for n in 0..10 * MAX_IDLE_TENANTS {
            state.forget_idle_tenants();
            state.add_tenant(&format!("made-up-{n}").into(), &quota, &[0], 5);
        }
    };
    let queue = state.add_tenant(&"debtor".into(), &quota, &[0], 5)[0].1;
    state.charge_fuel(queue, [3_600_000].into_iter());
    fill(&mut state);
    let tenants = state.scheduler().tenants();
    assert!(tenants.number("debtor").is_some());
    assert!(tenants.len() <= 2 * MAX_IDLE_TENANTS, "and nobody else is kept: {}", tenants.len());
    // An hour later the tenant's debt is paid.
    let later = Instant::now() + Duration::from_secs(3_700);
    let tenant = tenants.number("debtor").unwrap();
    assert!(!state.scheduler().gates().get(tenant).unwrap().can_be_forgotten(Instant::now()));
    assert!(state.scheduler().gates().get(tenant).unwrap().can_be_forgotten(later));
}

#[test]
fn a_drain_that_begins_while_a_failed_end_is_on_its_way_to_the_journal_reports_it() {
    let dispatcher = dispatcher(16, 2);
    let (session, at) = (Arc::new(Session::new("t", "s")), Timestamp::now());
    let event = Arc::new(Event::End(SessionEnd::new(EndReason::Reset, at)));
    {
        let mut state = dispatcher.state();
        let queues = state.add_tenant(&"t".into(), &calls(None), &[0], 5);
        state.push(queues[0].1, QueuedDelivery::new(1, EventKey::End, &session, &event));
    }
    let WorkerStep::Serve(slice) = dispatcher.next(None, &[]) else { panic!("an end is owed") };
    let mut finished = finish(slice.jobs, true);
    assert!(dispatcher.account(slice.queue, &mut finished));

    // The worker stands still here as long as the drain lasts.
    dispatcher.begin_drain(drain(Instant::now()), HashMap::new());
    let closed = dispatcher.close_account();
    assert_eq!((closed.held, closed.queues[0].tally.deferred), (1, 1));

    settle(&dispatcher, slice.queue, finished);
    assert_eq!(dispatcher.state().queues()[0].ends_being_recorded, 0);
}

/// Owes plugin 0 of tenant `t` the ends of `sessions` sessions.
pub(super) fn owe_ends(dispatcher: &Dispatcher, sessions: u64) -> QueueId {
    let mut state = dispatcher.state();
    let queues = state.add_tenant(&"t".into(), &calls(None), &[0], 5);
    for n in 0..sessions {
        let session = Arc::new(Session::new("t", &format!("s{n}")));
        let event = Arc::new(Event::End(SessionEnd::new(EndReason::Reset, Timestamp::now())));
        state.push(queues[0].1, QueuedDelivery::new(n, EventKey::End, &session, &event));
    }
    queues[0].1
}

fn begin_drain(dispatcher: &Dispatcher) {
    dispatcher.begin_drain(drain(Instant::now()), HashMap::new());
}

#[test]
fn what_comes_of_an_id_in_a_drain_waits_for_the_end_that_the_drain_makes_of_it() {
    let dispatcher = dispatcher(16, 2);
    let queue = owe_ends(&dispatcher, 0);
    let session = Arc::new(Session::new("t", "s"));
    let found = Unended { sequence: 1, session: session.clone(), attempt: 0 };
    let cut_at = Instant::now() + Duration::from_secs(60);
    dispatcher.begin_drain(drain(cut_at), HashMap::from([("t".into(), vec![found])]));
    let sequence = |job: &Job| if let Job::Queued(one) = job { one.sequence } else { 1 };
    let next = || match dispatcher.next(None, &[]) {
        WorkerStep::Serve(slice) => Some((sequence(&slice.jobs[0].job), slice)),
        _ => None,
    };
    let end = |n| {
        let event = Arc::new(Event::End(SessionEnd::new(EndReason::Reset, Timestamp::now())));
        QueuedDelivery::new(n, EventKey::End, &session, &event)
    };
    let (first, made) = next().unwrap();
    dispatcher.state().push(queue, end(2));
    assert!(next().is_none(), "the end of the session that the drain found is under way");
    bring_back(&dispatcher, queue, made.jobs, false);
    let (second, made) = next().unwrap();
    dispatcher.state().push(queue, end(3));
    assert!(next().is_none(), "and one at a time goes on");
    bring_back(&dispatcher, queue, made.jobs, false);
    let (third, made) = next().unwrap();
    bring_back(&dispatcher, queue, made.jobs, false);
    assert_eq!([first, second, third], [1, 2, 3]);
    let state = dispatcher.state();
    assert!(state.is_quiet() && state.queues()[queue].lanes.is_empty());
}

#[test]
fn what_a_drain_passes_over_is_counted_once_and_never_looked_at_again() {
    const ENDS: u64 = 1_000;
    let dispatcher = dispatcher(16, 2);
    let queue = owe_ends(&dispatcher, ENDS);
    begin_drain(&dispatcher);
    let WorkerStep::Serve(slice) = dispatcher.next(None, &[]) else { panic!("ends are owed") };
    let held = u64::try_from(slice.jobs.len()).unwrap();
    dispatcher.cut();
    {
        let state = dispatcher.state();
        let q = &state.queues()[queue];
        assert_eq!(q.tally.deferred, ENDS - held);
        assert!(q.ready.is_empty() && q.lanes.is_empty(), "whatever comes now finds nothing of it");
        assert_eq!(state.drain().unwrap().deferred.len(), 1, "as it was in the queue");
    }
    // The workers' calls come back one by one, some of them failed.
    for (n, job) in slice.jobs.into_iter().enumerate() {
        bring_back(&dispatcher, queue, vec![job], n % 2 == 0);
    }
    assert_eq!(dispatcher.state().drain().unwrap().deferred.len(), 1);
    let closed = dispatcher.close_account();
    assert_eq!((closed.queues[0].tally.owed(), closed.held), (ENDS, 0));
    let [mut passed]: [_; 1] = closed.deferred.try_into().unwrap();
    let mut told: Vec<u64> = passed.unstarted.by_ref().take(10).map(|delivery| delivery.sequence).collect();
    assert_eq!(passed.unstarted.ends(), ENDS - held - 10, "what nobody was told of is known without a look at it");
    told.extend(passed.unstarted.map(|delivery| delivery.sequence));
    assert_eq!(told, (held..ENDS).collect::<Vec<_>>(), "in the order in which they were owed");
    let state = dispatcher.state();
    assert!(state.is_quiet() && state.scheduler().tenants().all_owed() == 0);
}

#[test]
fn what_a_drain_has_come_to_is_known_at_every_moment_and_does_not_change_when_it_is_closed() {
    const ENDS: u64 = 1_000;
    let dispatcher = dispatcher(16, 2);
    let queue = owe_ends(&dispatcher, ENDS);
    begin_drain(&dispatcher);
    let WorkerStep::Serve(slice) = dispatcher.next(None, &[]) else { panic!("ends are owed") };
    let progress = || dispatcher.progress().unwrap();
    assert_eq!((progress().deferred, progress().unnotified), (ENDS, ENDS), "as if nothing more were made");
    let mut jobs = slice.jobs.into_iter();
    bring_back(&dispatcher, queue, jobs.by_ref().take(2).collect(), false);
    let held = jobs.len();
    let delivered = Progress { delivered: 2, deferred: ENDS - 2, unnotified: ENDS - 2, ..Progress::default() };
    assert_eq!(progress(), delivered);
    dispatcher.cut();
    assert_eq!(progress(), delivered);
    let closed = dispatcher.close_account();
    assert_eq!(closed.held, held as u64);
    assert_eq!(progress(), delivered);
    closed.notified.store(ENDS / 2, Ordering::Relaxed);
    assert_eq!(progress(), Progress { unnotified: ENDS / 2 - 2, ..delivered });
    assert_eq!(progress().delivered + progress().failed + progress().deferred, closed.queues[0].tally.owed());
    let lock = dispatcher.state();
    assert_eq!(dispatcher.progress(), None, "whoever asks waits for nothing");
    drop(lock);
}

#[test]
fn a_drain_that_is_over_sets_no_memory_aside_for_its_next_call() {
    for stops in [false, true] {
        let (dispatcher, account) = with_memory(64, 100, 60);
        owe(&dispatcher, "a", &calls(None), 1);
        owe(&dispatcher, "b", &calls(None), 1);
        let _under_way = take_all(&dispatcher);
        assert!(dispatcher.state().scheduler().memory().has_next(), "for the one that found none");
        if stops {
            dispatcher.stop();
        } else {
            begin_drain(&dispatcher);
            dispatcher.cut();
            assert_eq!(dispatcher.state().scheduler().memory().waiting(), 0);
        }
        assert!(!dispatcher.state().scheduler().memory().has_next());
        drop(account);
    }
}

/// An end of plugin 0 has failed, and a drain begins while the failure is being written down.
fn fail_before_drain(dispatcher: &Dispatcher) -> (QueueId, Vec<FinishedCall>) {
    let queue = owe_ends(dispatcher, 1);
    let WorkerStep::Serve(slice) = dispatcher.next(None, &[]) else { panic!("an end is owed") };
    let mut finished = finish(slice.jobs, true);
    assert!(dispatcher.account(queue, &mut finished));
    dispatcher.free_slots(&mut finished);
    begin_drain(dispatcher);
    (queue, finished)
}

#[test]
fn a_failure_that_is_on_its_way_to_the_journal_when_its_queue_is_passed_over_is_passed_over_as_well() {
    let dispatcher = dispatcher(16, 2);
    let (queue, finished) = fail_before_drain(&dispatcher);
    dispatcher.cut();
    assert!(!dispatcher.state().is_quiet(), "a drain waits for it");
    settle(&dispatcher, queue, finished);
    assert!(dispatcher.state().is_quiet());
    let closed = dispatcher.close_account();
    assert_eq!((closed.queues[0].tally.deferred, closed.queues[0].tally.owed()), (1, 1));
    assert_eq!(closed.deferred.iter().map(|passed| passed.unstarted.ends()).sum::<u64>(), 1);
    assert!(dispatcher.state().scheduler().tenants().all_owed() == 0);
}

#[test]
fn in_a_drain_each_delivery_has_one_attempt_whenever_its_retry_is_due() {
    let dispatcher = dispatcher(16, 2);
    let queue = owe_ends(&dispatcher, 2);
    let WorkerStep::Serve(slice) = dispatcher.next(None, &[]) else { panic!("ends are owed") };
    let mut failed = finish(slice.jobs, true);
    for call in &mut failed {
        let at = Instant::now() + Duration::from_secs(3_600);
        call.next = NextAttempt::Due { at, timestamp: Timestamp::now() };
    }
    assert!(dispatcher.account(queue, &mut failed));
    settle(&dispatcher, queue, failed);
    assert!(take_all(&dispatcher).is_empty());
    begin_drain(&dispatcher);
    let mut attempts = 0;
    for slice in take_all(&dispatcher) {
        attempts += slice.jobs.len();
        bring_back(&dispatcher, slice.queue, slice.jobs, true);
    }
    assert_eq!((attempts, take_all(&dispatcher).len()), (2, 0));
    assert_eq!(dispatcher.progress(), Some(Progress { failed: 2, ..Progress::default() }));
    assert!(dispatcher.state().is_quiet() && dispatcher.state().scheduler().tenants().all_owed() == 0);
}

#[test]
fn only_an_end_whose_failure_is_being_written_down_counts_as_held_when_its_call_is_over() {
    for (is_end, fails) in [(true, true), (true, false), (false, true), (false, false)] {
        let dispatcher = dispatcher(16, 2);
        let queue = owe_ends(&dispatcher, u64::from(is_end));
        if !is_end {
            let event = Arc::new(Event::Start(SessionStart::default()));
            let start = QueuedDelivery::new(0, EventKey::Start, &Arc::new(Session::new("t", "s")), &event);
            dispatcher.state().push(queue, start);
        }
        let held = || dispatcher.state().queues()[queue].held_ends();
        let WorkerStep::Serve(slice) = dispatcher.next(None, &[]) else { panic!("something is owed") };
        assert_eq!(held(), u64::from(is_end));
        let mut finished = finish(slice.jobs, fails);
        assert!(dispatcher.account(queue, &mut finished));
        assert_eq!(held(), u64::from(is_end && fails));
        settle(&dispatcher, queue, finished);
        assert_eq!(held(), 0);
    }
}

#[test]
fn a_failure_whose_record_did_not_come_in_time_counts_in_the_drain_that_began_meanwhile() {
    let dispatcher = dispatcher(16, 2);
    let (queue, mut finished) = fail_before_drain(&dispatcher);
    assert!(finished[0].give_up_retry());
    settle(&dispatcher, queue, finished);
    assert_eq!(dispatcher.progress(), Some(Progress { failed: 1, ..Progress::default() }));
    let closed = dispatcher.close_account();
    assert_eq!((closed.queues[0].tally.owed(), closed.held), (1, 0));
}

#[test]
fn a_plugin_whose_calls_take_too_long_in_a_drain_is_given_up_once_and_its_other_ends_are_deferred() {
    let dispatcher = dispatcher(16, 2);
    let queue = owe_ends(&dispatcher, 20);
    begin_drain(&dispatcher);
    let WorkerStep::Serve(slice) = dispatcher.next(None, &[]) else { panic!("ends are owed") };
    let mut finished = finish(slice.jobs, true);
    assert!(finished.len() > 5 && finished.len() < 20);
    for call in &mut finished {
        call.outcome = Outcome::Failed { cause: FailureCause::Deadline, message: String::new() };
    }
    assert!(dispatcher.account(queue, &mut finished));
    let opens: Vec<bool> = finished.iter().map(FinishedCall::opens_breaker).collect();
    assert_eq!(opens.iter().position(|opens| *opens), Some(4));
    assert_eq!(opens.iter().filter(|opens| **opens).count(), 1);
    let failed = u64::try_from(finished.len()).unwrap();
    settle(&dispatcher, queue, finished);
    assert!(take_all(&dispatcher).is_empty());
    let state = dispatcher.state();
    let tally = &state.queues()[queue].tally;
    assert_eq!((tally.failed, tally.deferred, tally.broken, tally.timed_out), (failed, 20 - failed, true, false));
}

#[test]
fn a_call_that_ends_when_the_account_is_closed_counts_as_cut_whatever_came_of_it() {
    let dispatcher = dispatcher(16, 2);
    let queue = owe_ends(&dispatcher, 1);
    begin_drain(&dispatcher);
    let WorkerStep::Serve(slice) = dispatcher.next(None, &[]) else { panic!("an end is owed") };
    dispatcher.cut();
    let closed = dispatcher.close_account();
    assert_eq!((closed.held, closed.queues[0].tally.deferred, closed.queues[0].tally.timed_out), (1, 1, true));
    let mut finished = finish(slice.jobs, false);
    assert!(!dispatcher.account(queue, &mut finished));
    settle(&dispatcher, queue, finished);
    assert_eq!(dispatcher.progress(), Some(Progress { deferred: 1, unnotified: 1, ..Progress::default() }));
    assert_eq!(dispatcher.state().queues()[queue].tally.owed(), 0);
}

#[test]
fn who_has_had_least_of_the_workers_time_is_served_first() {
    let dispatcher = dispatcher(16, 2);
    for tenant in ["a", "b"] {
        dispatcher.state().add_tenant(&tenant.into(), &calls(None), &[0], 5);
    }
    for (tenant, millis) in [("a", 5), ("b", 2), ("b", 2), ("b", 2), ("a", 1)] {
        let queue = queue_of(&dispatcher, tenant);
        let event = Arc::new(Event::Start(SessionStart::default()));
        for tenant in ["a", "b"] {
            let start = QueuedDelivery::new(0, EventKey::Start, &Arc::new(Session::new(tenant, "s")), &event);
            let of_tenant = queue_of(&dispatcher, tenant);
            dispatcher.state().push(of_tenant, start);
        }
        let WorkerStep::Serve(slice) = dispatcher.next(None, &[]) else { panic!("starts are owed") };
        assert_eq!(slice.queue, queue);
        let mut finished = finish(slice.jobs, false);
        assert!(dispatcher.account(queue, &mut finished));
        let (time, unstarted, without_hook) = (Duration::from_millis(millis), Vec::new(), Vec::new());
        dispatcher.take_back(ConcludedSlice { queue, time, finished, unstarted, without_hook });
    }
}

fn take_back(dispatcher: &Dispatcher, queue: QueueId, unstarted: Vec<Taken>, without_hook: Vec<Taken>) {
    let (time, finished) = (Duration::ZERO, Vec::new());
    dispatcher.take_back(ConcludedSlice { queue, time, finished, unstarted, without_hook });
}

#[test]
fn what_a_worker_returns_unstarted_is_next_in_its_order_and_owed_as_before() {
    let dispatcher = dispatcher(16, 2);
    let queue = owe_ends(&dispatcher, 20);
    let next = || {
        let WorkerStep::Serve(slice) = dispatcher.next(None, &[]) else { panic!("ends are owed") };
        let sequence = |taken: &Taken| if let Job::Queued(one) = &taken.job { one.sequence } else { panic!() };
        (slice.jobs.iter().map(sequence).collect::<Vec<_>>(), slice.jobs)
    };
    let counts = || {
        let state = dispatcher.state();
        let q = &state.queues()[queue];
        let slots = state.scheduler().slots().taken();
        (q.held_ends(), q.unstarted.ends, slots, state.scheduler().tenants().all_owed())
    };
    let (first, jobs) = next();
    let taken = first.len();
    assert_eq!(counts(), (taken as u64, 20 - taken, u32::try_from(taken).unwrap(), 20));
    take_back(&dispatcher, queue, jobs, Vec::new());
    assert_eq!(counts(), (0, 20, 0, 20));
    let (again, jobs) = next();
    assert_eq!(again, first);
    // Its plugin is uninstalled meanwhile.
    let left = plugins::take_out(&mut dispatcher.state(), 0, &PluginName::new("first").unwrap());
    assert_eq!(left.into_iter().map(Iterator::count).sum::<usize>(), 20 - taken);
    take_back(&dispatcher, queue, jobs, Vec::new());
    assert_eq!(counts(), (0, 0, 0, 0));
}

#[test]
fn what_a_plugin_has_no_hook_for_any_more_is_owed_no_more_and_its_session_goes_on() {
    let dispatcher = dispatcher(16, 2);
    owe(&dispatcher, "t", &calls(None), 1);
    let WorkerStep::Serve(slice) = dispatcher.next(None, &[]) else { panic!("a start is owed") };
    let event = Arc::new(Event::End(SessionEnd::new(EndReason::Reset, Timestamp::now())));
    let end = QueuedDelivery::new(0, EventKey::End, &Arc::new(Session::new("t", "s0")), &event);
    dispatcher.state().push(slice.queue, end);
    take_back(&dispatcher, slice.queue, Vec::new(), slice.jobs);
    let taken = take_all(&dispatcher);
    let of_queue = taken.iter().find(|one| one.queue == slice.queue).unwrap();
    assert!(of_queue.jobs.len() == 1 && of_queue.jobs[0].job.is_end());
    let counts = dispatcher.state().scheduler().counts_of(slice.plugin);
    assert_eq!((counts.ready, counts.running, counts.waiting), (0, 1, 0));
}

fn check_counts(state: &State) {
    let (mut by_tenant, mut by_plugin): (HashMap<usize, u32>, [u32; 2]) = (HashMap::new(), [0, 0]);
    let (slots, gates) = (state.scheduler().slots(), state.scheduler().gates());
    for entry in state.scheduler().queues() {
        let taken = slots.of_queue(entry.holder.queue);
        *by_tenant.entry(entry.holder.tenant).or_default() += taken;
        by_plugin[entry.holder.plugin] += taken;
    }
    for (tenant, taken) in by_tenant {
        assert_eq!(slots.of_tenant(tenant), taken);
        let gate = gates.get(tenant).unwrap();
        assert!(gate.max_calls().is_some() == gate.is_limited(), "a limited tenant counts");
    }
    assert_eq!([slots.of_plugin(0), slots.of_plugin(1)], by_plugin);
    assert_eq!(slots.taken(), by_plugin.iter().sum::<u32>());
}

proptest! {
    #[test]
    fn quotas_and_shares_hold_and_nothing_waits_for_ever(
        tenants in prop::collection::vec((prop::option::of(1u32..4), 1u64..12), 1..8),
        first_slots in 1u32..24,
        workers in 1u32..5,
        ends in prop::collection::vec((any::<prop::sample::Index>(), 0u8..4, prop::option::weighted(0.2, 1u32..24)), 1..40),
    ) {
        let dispatcher = dispatcher(first_slots, workers);
        let mut slots = first_slots;
        let mut delivery = 0;
        for (n, (limit, sessions)) in tenants.iter().enumerate() {
            owe(&dispatcher, &format!("t{n}"), &calls(*limit), *sessions);
            delivery += 2 * usize::try_from(*sessions).unwrap();
        }
        let mut under_way = Vec::new();
        let (mut delivered, mut failures) = (0, 0);
        for (which, what, changed) in ends.iter().cycle() {
            if let Some(changed) = *changed {
                slots = changed;
                dispatcher.set_slots(slots);
            }
            let taken_before = dispatcher.state().scheduler().slots().taken();
            // A worker looks, and finds something or not. Now and then two look before a call ends.
            for _ in 0..=(*what % 2) {
                match dispatcher.next(None, &[]) {
                    WorkerStep::Serve(slice) => under_way.push(slice),
                    WorkerStep::Idle(_) => break,
                    _ => return Err(TestCaseError::fail("nobody drains, and there is nothing to tell")),
                }
            }
            {
                let state = dispatcher.state();
                check_counts(&state);
                let held = state.scheduler().slots();
                // More only where there were more, and their calls have not ended.
                prop_assert!(held.taken() <= (slots - slots / 4).max(1).max(taken_before));
                for (n, (limit, _)) in tenants.iter().enumerate() {
                    let tenant = state.scheduler().tenants().number(&format!("t{n}")).unwrap();
                    prop_assert!(limit.is_none_or(|limit| held.of_tenant(tenant) <= limit));
                }
            }
            if under_way.is_empty() {
                break;
            }
            let slice = under_way.swap_remove(which.index(under_way.len()));
            let fail = *what == 3 && failures < 50;
            failures += usize::from(fail);
            delivered += if fail { 0 } else { slice.jobs.len() };
            bring_back(&dispatcher, slice.queue, slice.jobs, fail);
        }
        let state = dispatcher.state();
        prop_assert_eq!(delivered, delivery, "everything was served although nothing but calls that end lets others begin");
        prop_assert!(state.is_quiet());
        prop_assert!(state.scheduler().tenants().all_owed() == 0);
    }
}

/// One plugin, number 0, whose calls share memory and reserve at least `least`.
fn with_memory(slots: u32, memory: u64, least: u64) -> (Dispatcher, MemoryAccount) {
    let account = MemoryAccount::new(memory, 0);
    let (quotas, time) = (Arc::new(Quotas::default()), Time::of_machine().unwrap());
    let dispatcher = Dispatcher::new(InstalledPlugins::default(), (slots, 2), 5, quotas, time.clone());
    let of = |least| PluginMemory::of(account.part(memory), least);
    *dispatcher.state() = State::new((slots, 2), vec![of(least), of(0)], time);
    (dispatcher, account)
}

/// Makes the queue's tenant wait for the journal, or lets it go on.
fn throttle(dispatcher: &Dispatcher, queue: QueueId, waits: bool) {
    let unwritten = if waits { MAX_UNWRITTEN_BYTES_OF_TENANT } else { 0 };
    dispatcher.state().scheduler_mut().change_unwritten(queue, |_| unwritten);
}

/// Takes all that can be taken, a slice at a time.
pub(super) fn take_all(dispatcher: &Dispatcher) -> VecDeque<Slice> {
    let mut taken = VecDeque::new();
    while let WorkerStep::Serve(slice) = dispatcher.next(None, &[]) {
        taken.push_back(slice);
    }
    taken
}

#[test]
fn a_call_begins_only_with_its_memory_and_the_others_wait_in_turn_and_cost_nothing() {
    let (dispatcher, account) = with_memory(512, 100, 20);
    for n in 0..50 {
        owe(&dispatcher, &format!("t{n}"), &calls(None), 2);
    }
    let mut under_way = take_all(&dispatcher);
    let of_plugin = |taken: &VecDeque<Slice>, plugin| -> usize {
        taken.iter().filter(|slice| slice.plugin == plugin).map(|slice| slice.jobs.len()).sum()
    };
    assert_eq!((of_plugin(&under_way, 0), account.used()), (5, 100));
    assert!(of_plugin(&under_way, 1) >= 8, "who needs no memory does not wait for it");
    // Calls with memory hold a slot each. No other queue is looked at.
    assert!(dispatcher.state().scheduler().memory().waiting() >= 45);
    let mut served = Vec::new();
    let mut ended = 0;
    while let Some(slice) = under_way.pop_front() {
        ended += slice.jobs.len();
        if slice.plugin == 0 {
            served.push(tenant_of(&dispatcher, slice.queue));
        }
        bring_back(&dispatcher, slice.queue, slice.jobs, false);
        assert!(account.used() <= 100);
        under_way.extend(take_all(&dispatcher));
    }
    assert_eq!((ended, account.used()), (200, 0));
    let first: HashSet<_> = served.iter().take(50).collect();
    assert!(first.len() >= 45, "each has its turn before another has its second: {served:?}");
    let state = dispatcher.state();
    let memory = (0..50).map(|tenant| state.scheduler().slots().memory_of_tenant(tenant)).sum::<u64>();
    assert!(state.is_quiet() && memory == 0);
    assert!(state.scheduler().memory().waiting() == 0 && !state.scheduler().memory().has_next());
}

#[test]
fn one_large_call_is_not_starved_by_small_ones_and_does_not_hold_them_up() {
    let (dispatcher, account) = with_memory(64, 100, 10);
    owe(&dispatcher, "large", &calls(None), 1);
    let large = queue_of(&dispatcher, "large");
    if let Some(Job::Queued(delivery)) = dispatcher.state().queue_mut(large).ready.front_mut() {
        delivery.put_back(90);
    }
    dispatcher.state().update_ready(large);
    throttle(&dispatcher, large, true);
    for n in 0..20 {
        owe(&dispatcher, &format!("small{n}"), &calls(None), 20);
    }
    let mut under_way = take_all(&dispatcher);
    throttle(&dispatcher, large, false);
    let (mut small_before, mut has_begun) = (0, false);
    while let Some(slice) = under_way.pop_front() {
        has_begun |= slice.queue == large;
        small_before += usize::from(slice.plugin == 0 && !has_begun);
        bring_back(&dispatcher, slice.queue, slice.jobs, false);
        under_way.extend(take_all(&dispatcher));
    }
    assert!(has_begun && account.used() == 0);
    assert!((10..60).contains(&small_before), "{small_before} small calls of 400 were served before it");
}

#[test]
fn nobody_waits_for_memory_behind_a_tenant_that_is_throttled() {
    let (dispatcher, account) = with_memory(64, 100, 60);
    owe(&dispatcher, "runs", &calls(None), 1);
    let mut under_way = take_all(&dispatcher);
    owe(&dispatcher, "held", &calls(None), 1);
    owe(&dispatcher, "goes-on", &calls(None), 1);
    under_way.extend(take_all(&dispatcher));
    let (held, goes_on) = (queue_of(&dispatcher, "held"), queue_of(&dispatcher, "goes-on"));
    assert_eq!(dispatcher.state().scheduler().memory().waiting(), 2);
    throttle(&dispatcher, held, true);
    let mut served = Vec::new();
    while let Some(slice) = under_way.pop_front() {
        served.push(slice.queue);
        bring_back(&dispatcher, slice.queue, slice.jobs, false);
        under_way.extend(take_all(&dispatcher));
    }
    assert!(served.contains(&goes_on) && !served.contains(&held));
    assert_eq!(account.used(), 0);
    throttle(&dispatcher, held, false);
    assert!(take_all(&dispatcher).iter().any(|slice| slice.queue == held), "it waits for nobody to bring it back");
}

#[test]
fn of_those_that_wait_for_memory_no_more_come_back_than_find_some() {
    let (dispatcher, account) = with_memory(64, 100, 60);
    let waiting = || dispatcher.state().scheduler().memory().waiting();
    for tenant in ["a", "b", "c", "d"] {
        owe(&dispatcher, tenant, &calls(None), 1);
    }
    let mut under_way = take_all(&dispatcher);
    assert_eq!((waiting(), account.used()), (3, 60));
    // The other plugin's calls need no memory.
    under_way.make_contiguous().sort_by_key(|slice| slice.plugin == 0);
    for left in [2, 1, 0, 0] {
        for slice in under_way {
            bring_back(&dispatcher, slice.queue, slice.jobs, false);
        }
        assert_eq!(waiting(), left, "although nothing is under way");
        under_way = take_all(&dispatcher);
    }
    assert!(dispatcher.state().is_quiet());
}

#[test]
fn what_is_set_aside_for_a_tenant_is_the_others_once_that_tenant_may_begin_nothing() {
    let (dispatcher, _account) = with_memory(64, 100, 60);
    let has_next = || dispatcher.state().scheduler().memory().has_next();
    owe(&dispatcher, "runs", &calls(None), 1);
    let _under_way = take_all(&dispatcher);
    owe(&dispatcher, "next", &calls(None), 1);
    owe(&dispatcher, "other", &calls(None), 0);
    let _of_other_plugin = take_all(&dispatcher);
    assert!(has_next());
    throttle(&dispatcher, queue_of(&dispatcher, "other"), true);
    assert!(has_next());
    throttle(&dispatcher, queue_of(&dispatcher, "next"), true);
    assert!(!has_next());
}

#[test]
fn of_a_paused_plugin_nobody_waits_for_memory_and_nothing_is_set_aside() {
    let (dispatcher, _account) = with_memory(64, 100, 60);
    for tenant in ["a", "b", "c"] {
        owe(&dispatcher, tenant, &calls(None), 1);
    }
    let _under_way = take_all(&dispatcher);
    let change = |change: fn(&mut PluginGates)| {
        let mut state = dispatcher.state();
        change(state.scheduler_mut().plugin_gates_mut());
        state.apply_plugin_gate(0);
        (state.scheduler().memory().waiting(), state.scheduler().memory().has_next())
    };
    assert_eq!(dispatcher.state().scheduler().memory().waiting(), 2);
    assert_eq!(change(|gates| gates.pause(0)), (0, false));
    assert!(take_all(&dispatcher).is_empty());
    assert_eq!(change(|gates| gates.resume(0)), (0, false));
    assert!(take_all(&dispatcher).is_empty());
    assert_eq!(dispatcher.state().scheduler().memory().waiting(), 2, "as before");
}

#[test]
fn a_call_that_lacked_memory_of_the_host_begins_beside_others_if_its_plugin_has_some() {
    let (dispatcher, _account) = with_memory(64, 100, 1);
    owe(&dispatcher, "a", &calls(None), 1);
    owe(&dispatcher, "b", &calls(None), 1);
    let lacked = queue_of(&dispatcher, "b");
    if let Some(Job::Queued(delivery)) = dispatcher.state().queue_mut(lacked).ready.front_mut() {
        delivery.wanted_host_memory = 5;
    }
    dispatcher.state().update_ready(lacked);
    let taken = take_all(&dispatcher);
    assert!(taken.len() == 4 && taken.iter().any(|slice| slice.queue == lacked));
}

#[test]
fn calls_of_a_plugin_that_is_added_reserve_their_memory_too() {
    let (dispatcher, account) = with_memory(64, 100, 0);
    owe(&dispatcher, "t", &calls(None), 0);
    let mut state = dispatcher.state();
    plugins::add(&mut state, 2, PluginMemory::of(account.part(100), 30), false, |_| true, 5);
    let &(plugin, queue) = state.scheduler().tenants().queues_of("t").unwrap().last().unwrap();
    assert_eq!(plugin, 2);
    let event = Arc::new(Event::Start(SessionStart::default()));
    state.push(queue, QueuedDelivery::new(1, EventKey::Start, &Arc::new(Session::new("t", "s")), &event));
    drop(state);
    let _taken = take_all(&dispatcher);
    assert_eq!(account.used(), 30);
}

#[test]
fn the_observer_is_notified_of_all_that_begins_to_wait_for_fuel_whatever_it_was_notified_of_before() {
    let dispatcher = dispatcher(8, 1);
    owe(&dispatcher, "t", &calls(None), 3);
    let queue = queue_of(&dispatcher, "t");
    let mut state = dispatcher.state();
    for at in [0, 2] {
        assert!(state.queue_mut(queue).ready[at].defer().is_some());
    }
    state.defer_ready(queue);
    assert_eq!(state.scheduler().gates().get(0).unwrap().unnotified(), 1, "the one in the middle");
}

#[test]
fn what_calls_took_is_reserved_for_the_next_and_a_tenant_has_its_part() {
    let (dispatcher, account) = with_memory(64, 100, 1);
    owe(&dispatcher, "a", &calls(None), 40);
    owe(&dispatcher, "b", &calls(None), 0);
    let queue = queue_of(&dispatcher, "a");
    dispatcher.state().scheduler_mut().call_had(queue, Version::default(), 20);
    let taken: usize = take_all(&dispatcher).iter().filter(|s| s.plugin == 0).map(|s| s.jobs.len()).sum();
    assert_eq!(
        (taken, account.used()),
        (2, 0),
        "half of the memory at most: and what is taken and dropped is given back"
    );
}

#[test]
fn who_holds_no_slot_finds_one_although_calls_that_hang_hold_the_others() {
    let dispatcher = dispatcher(32, 2);
    for n in 0..2 {
        owe(&dispatcher, &format!("hangs{n}"), &calls(None), 100);
    }
    let hanging = take_all(&dispatcher);
    let held: usize = hanging.iter().map(|slice| slice.jobs.len()).sum();
    // Of the 24 slots for ordinary calls, two are for queues that hold none. One of these four slots was such a one.
    assert_eq!(held, 23);
    owe(&dispatcher, "new", &calls(None), 100);
    let new = number_of(&dispatcher, "new");
    let taken = take_all(&dispatcher);
    assert_eq!(taken.len(), 1);
    assert_eq!((tenant_of(&dispatcher, taken[0].queue), taken[0].jobs.len()), (new, 1));
}
