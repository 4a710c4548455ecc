//! Plugins that do what is drawn, and note what they are called with: whether they may be, then and there.

use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use lastword_events::{Deferral, DeliveryId, EventKey, FailureCause, HookCall, Identity, Outcome, PluginName};
use lastword_fakes::sandbox::{Answer, CallReport, Guest, Memory, MemoryPart, Reservation};
use lastword_fakes::sync::pass;
use lastword_journal::DeliveryKey;

use crate::draw::{chance, linger_in_task, one_of, up_to};
use crate::owner::Generation;
use crate::record::OnRecord;
use crate::trace::{name, trace};

/// What plugins do, beside delivering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behavior {
    Deliver,
    /// They fail in every way there is.
    Fail,
    /// They fail, and some calls never come back.
    Hang,
}

/// All calls of a run.
pub(crate) struct Calls {
    /// Of `std`: looking at it is no step of a schedule.
    log: Mutex<Log>,
    of_all_runs: Arc<CallsOfAllRuns>,
    /// Calls at once that a tenant may have.
    most_of_a_tenant: Option<usize>,
    /// Calls at once that there may be.
    allowed: Mutex<u32>,
    /// The run drains: so it tells of ends that are on record only with what comes of them.
    drains: AtomicBool,
    /// The same holds for sessions of dead runs, whose numbers are up to this one.
    ends_up_to: u64,
}

#[derive(Default)]
struct Log {
    under_way: HashSet<(PluginName, Identity)>,
    at_once: u32,
    by_tenant: HashMap<Arc<str>, usize>,
    /// The newest event that a plugin has heard of a session id.
    newest: HashMap<(PluginName, Identity), (u64, EventKey)>,
    last_attempt: HashMap<DeliveryKey, u32>,
    answered_ok: HashMap<DeliveryKey, usize>,
}

/// All calls of the runs that had a journal, one after the other or, until the older one knows of it, at once.
#[derive(Default)]
pub(crate) struct CallsOfAllRuns(Mutex<LogOfAllRuns>);

#[derive(Default)]
struct LogOfAllRuns {
    /// Numbers of attempts.
    numbers: HashMap<DeliveryKey, HashSet<u32>>,
    /// Under which number each event of a session was told.
    ids: HashMap<(PluginName, Identity, u32, EventKey), u64>,
    answered_ok: HashMap<DeliveryKey, usize>,
}

impl CallsOfAllRuns {
    /// How often plugins have answered ok to this.
    pub(crate) fn answered_ok(&self, delivery: &DeliveryKey) -> usize {
        self.0.lock().unwrap().answered_ok.get(delivery).copied().unwrap_or(0)
    }

    fn begin(&self, delivery: &DeliveryKey, (identity, generation): &Generation, attempt: u32) {
        let DeliveryKey { sequence, event, plugin } = delivery;
        let log = &mut *self.0.lock().unwrap();
        let is_new = log.numbers.entry(delivery.clone()).or_default().insert(attempt);
        assert!(is_new, "{delivery:?} has two attempts with the number {attempt}");
        let told_as = *log.ids.entry((plugin.clone(), identity.clone(), *generation, *event)).or_insert(*sequence);
        assert_eq!(
            told_as, *sequence,
            "{plugin} hears of {event} of {identity:?}, generation {generation}, under two ids"
        );
    }

    /// It was no attempt.
    fn put_back(&self, delivery: &DeliveryKey, attempt: u32) {
        self.0.lock().unwrap().numbers.entry(delivery.clone()).or_default().remove(&attempt);
    }

    fn is_ok(&self, delivery: &DeliveryKey) {
        *self.0.lock().unwrap().answered_ok.entry(delivery.clone()).or_default() += 1;
    }
}

impl Calls {
    pub(crate) fn new(most_of_a_tenant: Option<usize>, of_all_runs: Arc<CallsOfAllRuns>, ends_up_to: u64) -> Self {
        let (drains, allowed) = (AtomicBool::new(false), Mutex::new(u32::MAX));
        Self { log: Mutex::default(), of_all_runs, most_of_a_tenant, allowed, drains, ends_up_to }
    }

    /// From now on there may be so many at once, given how many there might be until now.
    pub(crate) fn allow(&self, allowed: impl FnOnce(u32) -> u32) {
        let mut now = self.allowed.lock().unwrap();
        *now = allowed(*now);
    }

    /// The run is about to drain.
    pub(crate) fn a_drain_begins(&self) {
        self.drains.store(true, Ordering::Relaxed);
    }

    pub(crate) fn guest(self: &Arc<Self>, on_record: &Arc<OnRecord>, behavior: Behavior) -> Guest {
        let (calls, on_record) = (self.clone(), on_record.clone());
        Arc::new(move |plugin, call, reserved| -> Answer {
            let under_way = UnderWay::begin(&calls, &on_record, plugin.name(), &call);
            let memory = plugin.memory().clone();
            Box::pin(async move {
                let report = match grow(memory, reserved).await {
                    Ok(had) => CallReport { counted_memory: had.held(), ..act(behavior).await },
                    Err(report) => report,
                };
                under_way.end(&report.outcome);
                report
            })
        })
    }

    /// How often a plugin has answered ok to this.
    pub(crate) fn answered_ok(&self, delivery: &DeliveryKey) -> usize {
        self.log.lock().unwrap().answered_ok.get(delivery).copied().unwrap_or(0)
    }

    pub(crate) fn none_is_under_way(&self) -> bool {
        self.log.lock().unwrap().under_way.is_empty()
    }

    pub(crate) fn none_is_under_way_of(&self, plugin: &PluginName) -> bool {
        !self.log.lock().unwrap().under_way.iter().any(|(of, _)| of == plugin)
    }
}

/// A call from its beginning to its end, or to its cut.
struct UnderWay {
    calls: Arc<Calls>,
    delivery: DeliveryKey,
    lane: (PluginName, Identity),
    attempt: u32,
    /// The number of the attempt before it.
    last_attempt: Option<u32>,
}

impl UnderWay {
    fn begin(calls: &Arc<Calls>, on_record: &OnRecord, plugin: &PluginName, call: &HookCall) -> Self {
        let DeliveryId { sequence, event, .. } = call.delivery.id;
        let delivery = DeliveryKey { sequence, event, plugin: plugin.clone() };
        let lane = (plugin.clone(), call.session.identity.clone());
        trace!("call {} of {}, late: {}", call.delivery.attempt, name(&delivery), call.delivery.late);
        let attempt = call.delivery.attempt;
        let session = (call.session.identity.clone(), call.session.generation);
        let ends_all = calls.drains.load(Ordering::Relaxed) || sequence <= calls.ends_up_to;
        on_record.look(|record| {
            assert!(
                record.may_be_told(sequence, event, ends_all),
                "{plugin} hears of {event} of {sequence}, which is not recorded"
            );
            assert_eq!(record.generation(sequence), session, "another session is on record as {sequence}");
        });
        calls.of_all_runs.begin(&delivery, &session, attempt);
        let log = &mut *calls.log.lock().unwrap();
        let last_attempt = log.last_attempt.insert(delivery.clone(), attempt);
        if let Some(last) = last_attempt {
            assert_eq!(last + 1, attempt, "attempts of {delivery:?}");
            let is_recorded = on_record.look(|record| record.has_attempt(&delivery, last));
            assert!(is_recorded, "{delivery:?} is tried again before its failure is recorded");
        }
        let alone = log.under_way.insert(lane.clone());
        assert!(alone || call.delivery.late, "{lane:?} is told of two events at once");
        let newest = log.newest.entry(lane.clone()).or_insert((sequence, event));
        assert!(
            *newest <= (sequence, event) || call.delivery.late,
            "{lane:?}: {event} of {sequence} comes after {newest:?}, and does not say so"
        );
        *newest = (*newest).max((sequence, event));
        log.at_once += 1;
        let allowed = *calls.allowed.lock().unwrap();
        assert!(log.at_once <= allowed, "{} calls at once, of {allowed}", log.at_once);
        let at_once = log.by_tenant.entry(lane.1.tenant.clone()).or_default();
        *at_once += 1;
        assert!(
            calls.most_of_a_tenant.is_none_or(|most| *at_once <= most),
            "{at_once} calls of {} at once",
            lane.1.tenant
        );
        Self { calls: calls.clone(), delivery, lane, attempt, last_attempt }
    }

    fn end(self, outcome: &Outcome) {
        if let Outcome::Deferred(_) = outcome {
            // It was put back, and was no attempt: the next one has the same number.
            let log = &mut *self.calls.log.lock().unwrap();
            match self.last_attempt {
                Some(last) => log.last_attempt.insert(self.delivery.clone(), last),
                None => log.last_attempt.remove(&self.delivery),
            };
            self.calls.of_all_runs.put_back(&self.delivery, self.attempt);
        }
        if *outcome == Outcome::Delivered {
            let log = &mut *self.calls.log.lock().unwrap();
            let times = log.answered_ok.entry(self.delivery.clone()).or_default();
            *times += 1;
            assert_eq!(*times, 1, "{:?} is delivered again", self.delivery);
            self.calls.of_all_runs.is_ok(&self.delivery);
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let Ok(mut log) = self.calls.log.lock() else { return };
        log.under_way.remove(&self.lane);
        log.at_once -= 1;
        if let Some(at_once) = log.by_tenant.get_mut(&self.lane.1.tenant) {
            *at_once -= 1;
        }
    }
}

/// Takes memory in steps, beyond what was reserved for the call.
async fn grow(memory: Arc<MemoryPart>, reserved: Memory) -> Result<Reservation, CallReport> {
    let mut has = reserved.lock().unwrap().take().unwrap_or_else(|| memory.reserve_nothing());
    for _ in 0..up_to(2) {
        let to = (has.held() + one_of(&[10, 30])).min(memory.most());
        if poll_fn(|cx| has.poll_grow(to, chance(1, 4), cx)).await.is_err() {
            let gave_way = CallReport::new(Outcome::Deferred(Deferral::Memory));
            return Err(CallReport { counted_memory: to, ..gave_way });
        }
        if chance(1, 3) {
            wait_for_the_host().await;
        }
    }
    Ok(has)
}

async fn act(behavior: Behavior) -> CallReport {
    for _ in 0..up_to(2) {
        match up_to(3) {
            0 => yield_at_a_tick().await,
            1 => wait_for_the_host().await,
            _ => pass(Duration::from_micros(400)),
        }
    }
    if behavior == Behavior::Hang && chance(1, 6) {
        std::future::pending::<()>().await;
    }
    if chance(1, 6) {
        return CallReport::new(Outcome::Deferred(one_of(&[Deferral::Memory, Deferral::Turn])));
    }
    let mut report = CallReport::new(Outcome::Delivered);
    if behavior != Behavior::Deliver && chance(1, 3) {
        let trap = FailureCause::Trap("unreachable".into());
        let cause = [FailureCause::Retry, FailureCause::Retry, FailureCause::Fatal, FailureCause::Deadline, trap];
        report.outcome = Outcome::Failed { cause: cause[up_to(4)].clone(), message: "as drawn".into() };
    }
    report.fuel_used = one_of(&[1, 10, 600]);
    report
}

/// A guest that keeps the CPU, at the end of a tick.
async fn yield_at_a_tick() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        pass(Duration::from_millis(1));
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A guest that waits, and is woken from elsewhere.
async fn wait_for_the_host() {
    #[derive(Default)]
    struct Answer {
        is_there: bool,
        waits: Option<Waker>,
    }
    let answer = Arc::new(Mutex::new(Answer::default()));
    let host = answer.clone();
    drop(shuttle::future::spawn(async move {
        linger_in_task().await;
        let waits = {
            let mut answer = host.lock().unwrap();
            answer.is_there = true;
            answer.waits.take()
        };
        if let Some(guest) = waits {
            guest.wake();
        }
    }));
    poll_fn(|cx| {
        let mut answer = answer.lock().unwrap();
        if answer.is_there {
            return Poll::Ready(());
        }
        answer.waits = Some(cx.waker().clone());
        Poll::Pending
    })
    .await;
}
