//! A runtime as drawn, with its disk, its plugins, its owners and whoever ends it.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lastword_events::{DeliveryId, EndReason, Event, Identity, Outcome, PluginName, Session, SessionStart};
use lastword_fakes::sandbox::{MemoryAccount, Sandbox};
use lastword_fakes::sync::{Time, begin};
use lastword_journal::{DeliveryKey, Journal, JournalOp, Settlement};
use lastword_on_shuttle::{BuildError, Observer, OutcomeRecord, RetryPolicy, Runtime, TenantQuota, Tenants};
use shuttle::future::block_on;
use shuttle::sync::mpsc::{Receiver, channel};
use shuttle::thread;

use crate::account::Account;
use crate::changes::{MEMORY, change_plugins, draw_version};
use crate::disk::{Disk, Health};
use crate::draw::{chance, one_of, up_to};
use crate::ending::{Ending, end};
use crate::guest::{Behavior, Calls, CallsOfAllRuns};
use crate::medium::Medium;
use crate::nats::Weather;
use crate::operator::operate;
use crate::over_nats::OverNats;
use crate::owner::{Answers, Line, speak};
use crate::record::OnRecord;
use crate::slots::change_slots;
use crate::trace::{name, trace};

/// How often to look whether something that nobody waits for is over.
const PATIENCE: usize = 10_000;
/// Among what may be left over.
const OWED: &str = "deliveries that tenants are owed";

pub(crate) const TENANTS: [&str; 2] = ["t0", "t1"];

/// What may be drawn.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) time: Time,
    /// Of the disk that has the journal.
    pub(crate) health: &'static [Health],
    /// Of the servers that have the journal, if any have it and not a disk.
    pub(crate) weather: &'static [Weather],
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
    let medium: Arc<dyn Medium> = match plan.weather {
        [] => Disk::new(one_of(plan.health)),
        weather => OverNats::new(one_of(weather)),
    };
    // Tenants of which a drain is the first to hear have their queues in the order of a hash map, which nobody draws.
    let tenants = if plan.recovered > 0 { &TENANTS[..1] } else { &TENANTS };
    let identities = draw_identities(tenants);
    medium.start_in_a_dead_run(identities.iter().take(up_to(plan.recovered)).map(started_before).collect());
    let on_record = medium.on_record().clone();
    let beside = thread::spawn({
        let medium = medium.clone();
        move || medium.run()
    });
    let (journal, may_fail) = (medium.clone().journal(), plan.weather.contains(&Weather::Bad));
    let opened = Opened { journal, on_record: on_record.clone(), calls: Arc::default(), ends_up_to: 0, may_fail };
    let harness = Harness::build(plan, opened, draw_plugins()).unwrap();
    let calls = harness.calls.clone();
    let account = harness.live(plan, &identities, || medium.recover_from_faults());
    medium.close();
    beside.join().unwrap();
    account.check(&medium.recovered(), &on_record, &calls);
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

/// A journal for a run.
pub(crate) struct Opened {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) on_record: Arc<OnRecord>,
    /// Of the runs before as well.
    pub(crate) calls: Arc<CallsOfAllRuns>,
    /// Sessions up to this number are ended as the run begins, without a record of their own: each is recorded with what comes of it.
    pub(crate) ends_up_to: u64,
    /// It may be out of reach, or another's.
    pub(crate) may_fail: bool,
}

/// Plugins that stay, with the tenants that they serve.
pub(crate) type Plugins = Vec<(PluginName, Tenants)>;

/// A run.
pub(crate) struct Harness {
    pub(crate) runtime: Runtime,
    /// Calls for which the sandbox has room.
    room: u32,
    plugins: Plugins,
    memory: MemoryAccount,
    pub(crate) calls: Arc<Calls>,
    told: Arc<Mutex<Vec<ObservedOutcome>>>,
    /// What was told and does not hold.
    wrong: Arc<Mutex<Vec<String>>>,
    pub(crate) answers: Arc<Answers>,
    on_record: Arc<OnRecord>,
    /// Sees its sender go when nothing of the runtime is left.
    gone: Receiver<()>,
    pub(crate) is_over_nats: bool,
    /// Its journal may be out of reach, or another's.
    pub(crate) journal_fails: bool,
}

impl Harness {
    pub(crate) fn build(plan: &Plan, opened: Opened, plugins: Plugins) -> Result<Self, BuildError> {
        let Opened { journal, on_record, calls, ends_up_to, may_fail: journal_fails } = opened;
        let quota = if plan.quotas { draw_quota() } else { TenantQuota::default() };
        let most_of_a_tenant = quota.concurrent_calls.map(|most| usize::try_from(most).unwrap());
        let calls = Arc::new(Calls::new(most_of_a_tenant, calls, ends_up_to));
        let told: Arc<Mutex<Vec<ObservedOutcome>>> = Arc::default();
        let wrong: Arc<Mutex<Vec<String>>> = Arc::default();
        let (witness, gone) = channel::<()>();
        let guest = calls.guest(&on_record, one_of(plan.behaviors));
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
            .journal(journal)
            .quota(quota)
            .retry(retry)
            .workers(NonZeroUsize::new(up_to(1) + 1).unwrap())
            .breaker_threshold(one_of(&[1, 2, 5]))
            .attach_grace(if plan.recovered > 0 { Duration::from_millis(10) } else { Duration::ZERO })
            .observer(Told { outcomes: told.clone(), on_record: on_record.clone(), wrong: wrong.clone() });
        let memory = MemoryAccount::new(MEMORY, 0);
        for (plugin, tenants) in &plugins {
            builder = builder.plugin(draw_version(plugin, &memory), tenants.clone());
        }
        let answers = Arc::new(Answers::new(on_record.clone(), journal_fails));
        let (runtime, is_over_nats) = (builder.build()?, !plan.weather.is_empty());
        Ok(Self {
            runtime,
            room,
            plugins,
            memory,
            calls,
            told,
            wrong,
            answers,
            on_record,
            gone,
            is_over_nats,
            journal_fails,
        })
    }

    /// Has owners and others do what they do, ends the run, and waits until nothing is left of it. `is_ended` is called once nobody waits
    /// for its end any more.
    pub(crate) fn live(self, plan: &Plan, identities: &[Identity], is_ended: impl FnOnce()) -> Account {
        let owners: Vec<_> = (0..=up_to(1))
            .map(|_| {
                let (runtime, identities, answers) = (self.runtime.clone(), identities.to_vec(), self.answers.clone());
                let lines = plan.lines;
                thread::spawn(move || speak(&runtime, &identities, lines, &answers))
            })
            .collect();
        let operator = plan.operators.then(|| {
            let runtime = self.runtime.clone();
            thread::spawn(move || operate(&runtime))
        });
        let changer = plan.changes.then(|| {
            let (runtime, memory, calls) = (self.runtime.clone(), self.memory.clone(), self.calls.clone());
            thread::spawn(move || change_plugins(&runtime, &memory, &calls))
        });
        let of_slots = plan.slots.then(|| {
            let (runtime, room, calls) = (self.runtime.clone(), self.room, self.calls.clone());
            thread::spawn(move || change_slots(&runtime, room, &calls))
        });
        let ending = one_of(plan.endings);
        let reports = end(&self, ending);
        is_ended();
        owners.into_iter().for_each(|owner| owner.join().unwrap());
        changer.into_iter().chain(of_slots).for_each(|changer| changer.join().unwrap());
        let mut waits = operator.map_or_else(Vec::new, |operator| operator.join().unwrap());

        let Self { runtime, plugins, calls, told, wrong, answers, on_record, gone, journal_fails, .. } = self;
        // The grace of an earlier run's sessions makes requests that nobody waits for.
        wait_while(|| runtime.held_resources().into_keys().any(of_requests));
        if ending == Ending::Settle {
            wait_while(|| runtime.held_resources().contains_key(OWED));
            assert!(!runtime.held_resources().contains_key(OWED), "nobody serves what is owed");
        }
        let time = plan.time;
        let mut account = Account { ending, time, journal_fails, plugins, reports, ..Account::default() };
        (account.accepted_before, account.ended_before) = answers.before_the_drain();
        if ending.drains() {
            block_on(runtime.settled());
            waits.drain(..).for_each(|wait| wait.comes(&on_record));
            account.undelivered = Some(runtime.undelivered_ends());
            if journal_fails {
                // What a drain had no time to wait for is answered in the end.
                wait_while(|| !runtime.held_resources().is_empty());
            }
            account.leftovers = runtime.held_resources();
        } else if !journal_fails {
            // A grace's request that a journal does not take is made again.
            account.leftovers = runtime.held_resources().into_iter().filter(|(held, _)| of_requests(held)).collect();
        }
        drop(runtime);
        waits.into_iter().for_each(|wait| wait.comes(&on_record));
        // Every worker and every task has let go of it.
        gone.recv().unwrap_err();
        assert!(calls.none_is_under_way());
        assert_eq!(*wrong.lock().unwrap(), Vec::<String>::new());
        account.told = std::mem::take(&mut *told.lock().unwrap());
        account
    }
}

/// An observer: it keeps outcomes, and looks whether what is said to be recorded is.
struct Told {
    outcomes: Arc<Mutex<Vec<ObservedOutcome>>>,
    on_record: Arc<OnRecord>,
    /// The runtime goes on when an observer panics, so what is wrong is kept.
    wrong: Arc<Mutex<Vec<String>>>,
}

impl Told {
    fn expect(&self, holds: bool, wrong: impl FnOnce() -> String) {
        if !holds {
            self.wrong.lock().unwrap().push(wrong());
        }
    }
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
        let recorded = self.on_record.look(|record| record.count(&delivery, |one| one == settlement));
        self.expect(recorded > 0, || format!("{delivery:?} is said to be recorded as {settlement:?}"));
        let outcomes = self.outcomes.lock().unwrap();
        let is_told =
            outcomes.iter().any(|one| one.delivery == delivery && !matches!(one.outcome, Outcome::Deferred(_)));
        self.expect(is_told, || format!("{delivery:?} is said to be recorded before its outcome is told"));
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

/// Some have the same id, in scopes of their own.
pub(crate) fn draw_identities(tenants: &[&str]) -> Vec<Identity> {
    let identity = |n| match chance(1, 4) {
        true => Identity::new(one_of(tenants), "main").in_scope(&format!("agent:{n}:main")),
        false => Identity::new(one_of(tenants), &format!("s{n}")),
    };
    (0..=up_to(2)).map(identity).collect()
}

/// One for everybody, and often one more.
pub(crate) fn draw_plugins() -> Plugins {
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
