//! A runtime as drawn, with its disk, its plugins, its owners and whoever ends it.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lastword_events::{
    DeliveryId, DrainReason, DrainReport, EndReason, Event, Identity, Outcome, PluginName, Session, SessionStart,
};
use lastword_fakes::sandbox::{MemoryAccount, Sandbox};
use lastword_fakes::sync::{Time, begin};
use lastword_journal::{DeliveryKey, JournalOp, Settlement};
use lastword_on_shuttle::{Observer, OutcomeRecord, RetryPolicy, Runtime, TenantQuota, Tenants};
use shuttle::future::block_on;
use shuttle::sync::mpsc::{Receiver, channel};
use shuttle::thread;

use crate::account::Account;
use crate::changes::{MEMORY, change_plugins, draw_version};
use crate::disk::{Disk, Health};
use crate::draw::{chance, linger, one_of, up_to};
use crate::guest::{Behavior, Calls};
use crate::operator::operate;
use crate::owner::{Answers, Line, speak};
use crate::slots::change_slots;
use crate::trace::{name, trace};

/// How often to look whether something that nobody waits for is over.
const PATIENCE: usize = 10_000;
/// Among what may be left over.
const OWED: &str = "deliveries that tenants are owed";

const TENANTS: [&str; 2] = ["t0", "t1"];

/// What may be drawn.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) time: Time,
    pub(crate) health: &'static [Health],
    pub(crate) behaviors: &'static [Behavior],
    pub(crate) quotas: bool,
    /// Sessions of a run that is over, whose owners may come back.
    pub(crate) recovered: usize,
    /// What owners say.
    pub(crate) lines: &'static [Line],
    /// Somebody looks after what was given up.
    pub(crate) operators: bool,
    /// Somebody installs, replaces and uninstalls plugins.
    pub(crate) changes: bool,
    /// Somebody changes how many calls may be under way at once.
    pub(crate) slots: bool,
    pub(crate) endings: &'static [Ending],
}

/// How a run ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ending {
    Drain,
    TwoDrains,
    DrainAndClose,
    Close,
    TwoShutdowns,
    DrainAndShutdown,
    Detach,
    DetachAndShutdown,
    /// Its end is begun in one way or another, nobody waits for that, and the last handle is dropped.
    Abandon,
    /// The last handle is dropped.
    #[default]
    Drop,
    /// The last handle is dropped when nothing is owed any more.
    Settle,
}

impl Ending {
    /// Whether it is certain that a drain has taken place.
    pub(crate) fn drains(self) -> bool {
        matches!(self, Self::Drain | Self::TwoDrains | Self::TwoShutdowns | Self::DrainAndShutdown)
    }
}

/// What an observer was told of a delivery.
#[derive(Clone, Debug)]
pub(crate) struct ObservedOutcome {
    pub(crate) delivery: DeliveryKey,
    pub(crate) outcome: Outcome,
    pub(crate) draining: bool,
    pub(crate) reason: Option<EndReason>,
}

/// Runs a harness from its beginning to its end, and checks that everything adds up.
pub(crate) fn play(plan: &Plan) {
    begin(plan.time);
    let disk = Disk::new(one_of(plan.health));
    // Tenants of which a drain is the first to hear have their queues in the order of a hash map, which nobody draws.
    let tenants = if plan.recovered > 0 { &TENANTS[..1] } else { &TENANTS };
    // Some have the same id, in scopes of their own.
    let identity = |n| match chance(1, 4) {
        true => Identity::new(one_of(tenants), "main").in_scope(&format!("agent:{n}:main")),
        false => Identity::new(one_of(tenants), &format!("s{n}")),
    };
    let identities: Vec<Identity> = (0..=up_to(2)).map(identity).collect();
    disk.start_in_a_dead_run(identities.iter().take(up_to(plan.recovered)).map(started_before).collect());
    let writer = thread::spawn({
        let disk = disk.clone();
        move || disk.run()
    });
    let (harness, gone) = Harness::build(plan, &disk);
    let owners: Vec<_> = (0..=up_to(1))
        .map(|_| {
            let (runtime, identities, answers) = (harness.runtime.clone(), identities.clone(), harness.answers.clone());
            let lines = plan.lines;
            thread::spawn(move || speak(&runtime, &identities, lines, &answers))
        })
        .collect();
    let operator = plan.operators.then(|| {
        let runtime = harness.runtime.clone();
        thread::spawn(move || operate(&runtime))
    });
    let changer = plan.changes.then(|| {
        let (runtime, memory, calls) = (harness.runtime.clone(), harness.memory.clone(), harness.calls.clone());
        thread::spawn(move || change_plugins(&runtime, &memory, &calls))
    });
    let of_slots = plan.slots.then(|| {
        let (runtime, room, calls) = (harness.runtime.clone(), harness.room, harness.calls.clone());
        thread::spawn(move || change_slots(&runtime, room, &calls))
    });
    let ending = one_of(plan.endings);
    let reports = end(&harness, ending);
    disk.thaw();
    owners.into_iter().for_each(|owner| owner.join().unwrap());
    changer.into_iter().chain(of_slots).for_each(|changer| changer.join().unwrap());
    let mut waits = operator.map_or_else(Vec::new, |operator| operator.join().unwrap());

    let Harness { runtime, room: _, plugins, memory: _, calls, told, answers } = harness;
    let (accepted_before, ended_before) = answers.before_the_drain();
    // The grace of an earlier run's sessions makes requests that nobody waits for.
    wait_while(|| runtime.held_resources().into_keys().any(of_requests));
    if ending == Ending::Settle {
        wait_while(|| runtime.held_resources().contains_key(OWED));
        assert!(!runtime.held_resources().contains_key(OWED), "nobody serves what is owed");
    }
    let time = plan.time;
    let mut account = Account { ending, time, plugins, reports, accepted_before, ended_before, ..Account::default() };
    if ending.drains() {
        block_on(runtime.settled());
        waits.drain(..).for_each(|wait| wait.comes(&disk));
        account.undelivered = Some(runtime.undelivered_ends());
        account.leftovers = runtime.held_resources();
    } else {
        account.leftovers = runtime.held_resources().into_iter().filter(|(held, _)| of_requests(held)).collect();
    }
    drop(runtime);
    waits.into_iter().for_each(|wait| wait.comes(&disk));
    // Every worker and every task has let go of it.
    gone.recv().unwrap_err();
    assert!(calls.none_is_under_way());
    disk.close();
    writer.join().unwrap();
    account.told = std::mem::take(&mut *told.lock().unwrap());
    account.check(&disk, &calls);
}

fn wait_while(goes_on: impl Fn() -> bool) {
    let mut looks = 0;
    while looks < PATIENCE && goes_on() {
        thread::yield_now();
        looks += 1;
    }
}

/// What requests hold, not deliveries.
fn of_requests(held: &str) -> bool {
    ["reserved", "ends being recorded", "turns in a session's order"].contains(&held)
}

fn started_before(identity: &Identity) -> JournalOp {
    let session = Arc::new(Session::of(identity.clone()));
    JournalOp::Start { session, event: Arc::new(Event::Start(SessionStart::default())), owed: Vec::new(), op_id: None }
}

/// Ends the run from threads of its own, each after a while. Gives what its drain has said, if anybody waited for it.
fn end(harness: &Harness, ending: Ending) -> Vec<DrainReport> {
    let drain = |reason| {
        let (runtime, answers) = (harness.runtime.clone(), harness.answers.clone());
        thread::spawn(move || {
            linger();
            answers.a_drain_begins();
            trace!("drain begins: {reason:?}");
            let report = block_on(runtime.drain(reason));
            trace!("drain is over: {report:?}");
            Some(report)
        })
    };
    let close = || {
        let runtime = harness.runtime.clone();
        thread::spawn(move || {
            linger();
            trace!("the runtime is closed");
            block_on(runtime.close(DrainReason::Restart));
            None
        })
    };
    let shutdown = |reason| {
        let (runtime, answers) = (harness.runtime.clone(), harness.answers.clone());
        thread::spawn(move || {
            linger();
            answers.a_drain_begins();
            answers.the_journal_closes();
            trace!("shutdown begins: {reason:?}");
            let report = block_on(runtime.shutdown(reason));
            trace!("shutdown is over: {report:?}");
            Some(Arc::unwrap_or_clone(report))
        })
    };
    let detach = || {
        let (runtime, answers) = (harness.runtime.clone(), harness.answers.clone());
        thread::spawn(move || {
            linger();
            answers.the_journal_closes();
            trace!("the runtime detaches");
            let detached = block_on(runtime.detach());
            trace!("it is detached: {detached:?}");
            assert!(detached.is_ok(), "{detached:?}");
            None
        })
    };
    let enders = match ending {
        Ending::Drain => vec![drain(DrainReason::Shutdown)],
        Ending::TwoDrains => vec![drain(DrainReason::Shutdown), drain(DrainReason::Restart)],
        Ending::DrainAndClose => vec![drain(DrainReason::Shutdown), close()],
        Ending::Close => vec![close()],
        Ending::TwoShutdowns => vec![shutdown(DrainReason::Shutdown), shutdown(DrainReason::Restart)],
        Ending::DrainAndShutdown => vec![drain(DrainReason::Shutdown), shutdown(DrainReason::Restart)],
        Ending::Detach => vec![detach()],
        Ending::DetachAndShutdown => vec![detach(), shutdown(DrainReason::Shutdown)],
        Ending::Abandon => {
            abandon(harness);
            Vec::new()
        }
        Ending::Drop | Ending::Settle => Vec::new(),
    };
    let mut reports: Vec<DrainReport> = enders.into_iter().filter_map(|ender| ender.join().unwrap()).collect();
    // A shutdown may have something to say of what came after the drain.
    reports.iter_mut().for_each(|report| report.warnings.clear());
    reports.dedup();
    assert!(reports.len() <= 1, "whoever asked for a drain has the same report: {reports:?}");
    reports
}

/// Begins to end the run, and waits for nothing.
fn abandon(harness: &Harness) {
    linger();
    harness.answers.a_drain_begins();
    harness.answers.the_journal_closes();
    let runtime = &harness.runtime;
    match up_to(3) {
        0 => drop(runtime.drain(DrainReason::Shutdown)),
        1 => drop(runtime.shutdown(DrainReason::Shutdown)),
        2 => drop(runtime.detach()),
        _ => drop(runtime.close(DrainReason::Shutdown)),
    }
    linger();
}

struct Harness {
    runtime: Runtime,
    /// Calls for which the sandbox has room.
    room: u32,
    /// Those that stay.
    plugins: Vec<(PluginName, Tenants)>,
    memory: MemoryAccount,
    calls: Arc<Calls>,
    told: Arc<Mutex<Vec<ObservedOutcome>>>,
    answers: Arc<Answers>,
}

impl Harness {
    /// The receiver sees its sender go when nothing of the runtime is left.
    fn build(plan: &Plan, disk: &Arc<Disk>) -> (Self, Receiver<()>) {
        let quota = if plan.quotas { draw_quota() } else { TenantQuota::default() };
        let most_of_a_tenant = quota.concurrent_calls.map(|most| usize::try_from(most).unwrap());
        let calls = Arc::new(Calls::new(most_of_a_tenant));
        let plugins = draw_plugins();
        let told: Arc<Mutex<Vec<ObservedOutcome>>> = Arc::default();
        let (witness, gone) = channel::<()>();
        let guest = calls.guest(disk, one_of(plan.behaviors));
        let room = one_of(&[1, 2, 8]);
        calls.allow(|_| room);
        let sandbox = Sandbox::scripted(
            room,
            Arc::new(move |plugin, call, memory| {
                let _held = &witness;
                guest(plugin, call, memory)
            }),
        );
        let retry = RetryPolicy {
            first: Duration::from_millis(2),
            max: Duration::from_millis(4),
            max_failures: one_of(&[2, 8]),
        };
        let mut builder = Runtime::builder()
            .sandbox(sandbox)
            .journal(disk.clone())
            .quota(quota)
            .retry(retry)
            .workers(NonZeroUsize::new(up_to(1) + 1).unwrap())
            .breaker_threshold(one_of(&[1, 2, 5]))
            .attach_grace(if plan.recovered > 0 { Duration::from_millis(10) } else { Duration::ZERO })
            .observer(Told { outcomes: told.clone(), disk: disk.clone() });
        let memory = MemoryAccount::new(MEMORY, 0);
        for (plugin, tenants) in &plugins {
            builder = builder.plugin(draw_version(plugin, &memory), tenants.clone());
        }
        let runtime = builder.build().unwrap();
        (Self { runtime, room, plugins, memory, calls, told, answers: Arc::default() }, gone)
    }
}

/// An observer: it keeps outcomes, and looks whether what is said to be recorded is.
struct Told {
    outcomes: Arc<Mutex<Vec<ObservedOutcome>>>,
    disk: Arc<Disk>,
}

impl Observer for Told {
    fn outcome(&self, record: &OutcomeRecord<'_>) {
        let one = ObservedOutcome::new(record);
        trace!("told: {}: {}, draining: {}", name(&one.delivery), one.outcome, one.draining);
        self.outcomes.lock().unwrap().push(one);
    }

    fn recorded(&self, id: &DeliveryId, settlement: &Settlement) {
        let delivery = key_of(id);
        trace!("recorded: {}: {settlement:?}", name(&delivery));
        let on_disk = self.disk.look(|record| record.count(&delivery, |one| one == settlement));
        assert!(on_disk > 0, "{delivery:?} is said to be recorded as {settlement:?}");
        let outcomes = self.outcomes.lock().unwrap();
        let is_told =
            outcomes.iter().any(|one| one.delivery == delivery && !matches!(one.outcome, Outcome::Deferred(_)));
        assert!(is_told, "{delivery:?} is said to be recorded before its outcome is told");
    }
}

fn key_of(id: &DeliveryId) -> DeliveryKey {
    DeliveryKey { sequence: id.sequence, event: id.event, plugin: id.plugin.clone() }
}

impl ObservedOutcome {
    fn new(record: &OutcomeRecord<'_>) -> Self {
        let OutcomeRecord { id, outcome, draining, reason, .. } = *record;
        Self { delivery: key_of(id), outcome: outcome.clone(), draining, reason: reason.cloned() }
    }
}

/// One for everybody, and often one more.
fn draw_plugins() -> Vec<(PluginName, Tenants)> {
    let mut plugins = vec![(PluginName::new("p0").unwrap(), Tenants::Every)];
    if chance(1, 2) {
        let tenants = if chance(1, 2) { Tenants::Every } else { Tenants::Only(vec![TENANTS[0].into()]) };
        plugins.push((PluginName::new("p1").unwrap(), tenants));
    }
    plugins
}

fn draw_quota() -> TenantQuota {
    TenantQuota {
        concurrent_calls: one_of(&[None, Some(1), Some(2)]),
        fuel_per_second: one_of(&[None, None, Some(1_000)]),
        key_value_bytes: None,
        active_sessions: one_of(&[None, Some(1), Some(2)]),
        owed_deliveries: one_of(&[None, None, Some(2)]),
    }
}
