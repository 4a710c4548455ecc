//! Observes the runtime, and makes the spans of each event's road.
//!
//! | span | from | to |
//! |---|---|---|
//! | `session-end` and the other hooks | the request came | its event is on record |
//! | `record` | the journal was handed the event | the event is on record |
//! | `wait` | the event is on record, or the last attempt is | the call begins |
//! | `call` | the call begins | it has an outcome |
//! | `record outcome` | it has an outcome | the outcome is on record |
//!
//! The last three are made for each attempt. Of an event that is not sampled nothing is remembered.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use lastword::{CallStart, Observer, OutcomeRecord, Registration, Settlement};
use lastword_events::{
    DeliveryId, EndReason, Event, EventKey, Hook, Identity, JournalName, Outcome, PluginName, Session,
};
use opentelemetry::KeyValue;
use opentelemetry::trace::Status;
use opentelemetry_sdk::trace::{Sampler, SpanData};
use parking_lot::Mutex;
use tracing::Span;

use super::exporter::SpanQueue;
use super::road::{Road, Step};

/// Events that wait for their first call, and deliveries that are under way or are tried again: some 20 MiB of each. Beyond that the
/// older half is forgotten, has fewer spans, and is counted. That also removes those of which nothing is told any more, because their
/// plugin is gone.
const MAX_FOLLOWED: usize = 65_536;

/// Makes the spans of one run. Cheap to clone.
#[derive(Clone)]
pub(super) struct Tracer(Arc<Shared>);

struct Shared {
    sampler: Sampler,
    spans: SpanQueue,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    events: HashMap<(u64, EventKey), RegisteredEvent>,
    deliveries: HashMap<DeliveryId, FollowedDelivery>,
}

/// A requested event.
struct RegisteredEvent {
    road: Road,
    /// When it was on record.
    at: SystemTime,
    /// The plugins that are owed it still.
    owed: usize,
}

/// A delivery that had a call in this run.
struct FollowedDelivery {
    road: Road,
    about: Vec<KeyValue>,
    attempt: u32,
    late: bool,
    /// Since when it has waited for the attempt, if that is known.
    waits_since: Option<SystemTime>,
    state: Attempt,
    /// When its last attempt began.
    at: SystemTime,
}

/// How far the last attempt is.
#[derive(Clone, Copy)]
enum Attempt {
    Called {
        at: SystemTime,
    },
    /// The call was put back, and begins again.
    PutBack,
    /// It has an outcome.
    Ended {
        at: SystemTime,
    },
}

impl Tracer {
    /// Makes a tracer whose spans go into this queue.
    pub(super) fn new(sampler: Sampler, spans: SpanQueue) -> Self {
        Self(Arc::new(Shared { sampler, spans, state: Mutex::default() }))
    }

    /// Makes the spans of calls that are under way. They are cut, because the program leaves.
    pub(super) fn finish(&self) {
        let deliveries = std::mem::take(&mut self.0.state.lock().deliveries);
        let now = SystemTime::now();
        for delivery in deliveries.into_values() {
            if let Attempt::Called { at } = delivery.state {
                let more = vec![KeyValue::new("lastword.outcome", "cut")];
                let status = Status::error("the program left before the call ended");
                self.0.spans.push(delivery.spans_of_call(at, now, more, status));
            }
        }
    }

    /// The road of an event that was registered by an earlier run, or that nobody requested; and since when it waits. `None`: it is not
    /// sampled.
    fn unregistered(&self, call: &CallStart<'_>) -> Option<(Road, Option<SystemTime>)> {
        let requested_by = Requested::of(call.event);
        let name = event_name(call.id.journal, call.id.sequence, call.id.event);
        let road = Road::of(&name, call.event.trace(), matches!(requested_by, Requested::ByOwner));
        let since = match requested_by {
            Requested::ByOwner => None,
            Requested::ByNobody { ended_at } => Some(ended_at),
        };
        road.is_sampled(&self.0.sampler).then_some((road, since))
    }

    /// Makes room for one more, and counts what is forgotten for it.
    fn make_room<K: Eq + Hash, V>(&self, followed: &mut HashMap<K, V>, at: impl Fn(&V) -> SystemTime) {
        let forgotten = forget_older_half(followed, MAX_FOLLOWED, at);
        if forgotten > 0 {
            self.0.spans.count_lost(u64::try_from(forgotten).unwrap_or(u64::MAX));
        }
    }

    /// A delivery waits, and had no call. Only at the end of a drain that is how it ends.
    fn deferred(&self, record: &OutcomeRecord<'_>, now: SystemTime) {
        if !record.draining || !matches!(record.outcome, Outcome::Deferred(_)) {
            return;
        }
        let id = record.id;
        let registered = {
            let state = self.0.state.lock();
            state.events.get(&(id.sequence, id.event)).map(|event| (event.road.clone(), event.at))
        };
        let (road, since) = match registered {
            Some(registered) => registered,
            None if record.reason.is_some_and(is_of_runtime) => {
                let road = Road::of(&event_name(id.journal, id.sequence, id.event), None, false);
                if !road.is_sampled(&self.0.sampler) {
                    return;
                }
                (road, now)
            }
            None => return,
        };
        let mut about = about_delivery(record.session, id);
        about.push(KeyValue::new("lastword.outcome", record.outcome.to_string()));
        self.0.spans.push([road.step(Step::new("wait", since, now, about))]);
    }

    /// A delivery is settled, or nobody makes it any more.
    fn is_over(state: &mut State, delivery: &DeliveryId) {
        state.deliveries.remove(delivery);
        let event = (delivery.sequence, delivery.event);
        if let Some(registered) = state.events.get_mut(&event) {
            registered.owed = registered.owed.saturating_sub(1);
            if registered.owed == 0 {
                state.events.remove(&event);
            }
        }
    }
}

impl FollowedDelivery {
    /// The wait for a call, if it is known since when, and the call.
    fn spans_of_call(
        &self,
        began: SystemTime,
        ended: SystemTime,
        more: Vec<KeyValue>,
        status: Status,
    ) -> Vec<SpanData> {
        let mut about = self.about.clone();
        about.push(KeyValue::new("lastword.attempt", i64::from(self.attempt)));
        let wait =
            self.waits_since.map(|since| self.road.step(Step::new("wait", since.min(began), began, about.clone())));
        about.push(KeyValue::new("lastword.late", self.late));
        about.extend(more);
        let call = self.road.step(Step { status, ..Step::new("call", began, ended, about) });
        wait.into_iter().chain([call]).collect()
    }
}

/// The functions take microseconds, and wait for nobody but each other.
impl Observer for Tracer {
    fn registered(&self, registration: &Registration<'_>) {
        let Registration { journal, sequence, key, session, event, plugins, received_at, submitted_at, .. } =
            *registration;
        let road = Road::of(&event_name(journal, sequence, key), event.trace(), true);
        if !road.is_sampled(&self.0.sampler) {
            return;
        }
        let (now, instant) = (SystemTime::now(), Instant::now());
        let at = |moment: Instant| before(now, instant.saturating_duration_since(moment));
        let about = about_session(session, key);
        let request = road.request(Step::new(key.hook().as_str(), at(received_at), now, about.clone()));
        let record = road.step(Step::new("record", at(submitted_at), now, about));
        self.0.spans.push([request, record]);
        if plugins.is_empty() {
            return;
        }
        let mut state = self.0.state.lock();
        self.make_room(&mut state.events, |event| event.at);
        state.events.insert((sequence, key), RegisteredEvent { road, at: now, owed: plugins.len() });
    }

    fn call(&self, call: &CallStart<'_>) -> Span {
        let now = SystemTime::now();
        let mut state = self.0.state.lock();
        if let Some(delivery) = state.deliveries.get_mut(call.id) {
            (delivery.attempt, delivery.late) = (call.attempt, call.late);
            (delivery.state, delivery.at) = (Attempt::Called { at: now }, now);
            return Span::none();
        }
        let registered = state.events.get(&(call.id.sequence, call.id.event));
        let registered = registered.map(|event| (event.road.clone(), Some(event.at)));
        let Some((road, waits_since)) = registered.or_else(|| self.unregistered(call)) else { return Span::none() };
        self.make_room(&mut state.deliveries, |delivery| delivery.at);
        let (about, attempt, late) = (about_delivery(call.session, call.id), call.attempt, call.late);
        let called = Attempt::Called { at: now };
        let delivery = FollowedDelivery { road, about, attempt, late, waits_since, state: called, at: now };
        state.deliveries.insert(call.id.clone(), delivery);
        Span::none()
    }

    fn outcome(&self, record: &OutcomeRecord<'_>) {
        let now = SystemTime::now();
        let mut state = self.0.state.lock();
        let Some(delivery) = state.deliveries.get_mut(record.id) else {
            drop(state);
            return self.deferred(record, now);
        };
        let Attempt::Called { at: began } = delivery.state else { return };
        if !record.draining && matches!(record.outcome, Outcome::Deferred(_)) {
            delivery.state = Attempt::PutBack;
            return;
        }
        delivery.state = Attempt::Ended { at: now };
        let status = match record.outcome {
            // A guest's message stays in the log.
            Outcome::Failed { cause, .. } => Status::error(cause.to_string()),
            _ => Status::Unset,
        };
        let spans = delivery.spans_of_call(began, now, about_outcome(record), status);
        drop(state);
        self.0.spans.push(spans);
    }

    fn recorded(&self, id: &DeliveryId, settlement: &Settlement) {
        let now = SystemTime::now();
        let mut state = self.0.state.lock();
        let span = state.deliveries.get_mut(id).and_then(|delivery| {
            let Attempt::Ended { at } = delivery.state else { return None };
            // It waits for the next attempt from now on, if there is one.
            delivery.waits_since = Some(now);
            let mut about = delivery.about.clone();
            about.push(KeyValue::new("lastword.attempt", i64::from(delivery.attempt)));
            about.push(KeyValue::new("lastword.settlement", settlement_word(settlement)));
            Some(delivery.road.step(Step::new("record outcome", at, now, about)))
        });
        if !matches!(settlement, Settlement::Owed { .. }) {
            Self::is_over(&mut state, id);
        }
        drop(state);
        self.0.spans.push(span);
    }

    fn forgotten(&self, _: &Identity, delivery: &DeliveryId) {
        Self::is_over(&mut self.0.state.lock(), delivery);
    }
}

/// Forgets the older half if there are so many, and says how many that are.
fn forget_older_half<K: Eq + Hash, V>(
    followed: &mut HashMap<K, V>,
    most: usize,
    at: impl Fn(&V) -> SystemTime,
) -> usize {
    let before = followed.len();
    if before < most {
        return 0;
    }
    let mut times: Vec<SystemTime> = followed.values().map(&at).collect();
    let (_, median, _) = times.select_nth_unstable(before / 2);
    let median = *median;
    followed.retain(|_, one| at(one) > median);
    before - followed.len()
}

/// Whose request an event is.
enum Requested {
    ByOwner,
    /// A drain's or a start's own end.
    ByNobody {
        ended_at: SystemTime,
    },
}

impl Requested {
    /// What the record says: ends that the runtime makes have no word of an owner.
    fn of(event: &Event) -> Self {
        match event {
            Event::End(end) if is_of_runtime(&end.reason) && end.raw_reason.is_none() && event.trace().is_none() => {
                let since_epoch = u64::try_from(end.ended_at.as_millisecond()).unwrap_or(0);
                Self::ByNobody { ended_at: SystemTime::UNIX_EPOCH + Duration::from_millis(since_epoch) }
            }
            _ => Self::ByOwner,
        }
    }
}

/// Whether the runtime ends sessions for this reason.
fn is_of_runtime(reason: &EndReason) -> bool {
    matches!(reason, EndReason::Shutdown | EndReason::Restart | EndReason::Crashed)
}

/// The part of a delivery id that the deliveries of one event have in common.
fn event_name(journal: JournalName, sequence: u64, key: EventKey) -> String {
    format!("{journal}.{sequence}/{key}")
}

fn before(now: SystemTime, by: Duration) -> SystemTime {
    now.checked_sub(by).unwrap_or(SystemTime::UNIX_EPOCH)
}

fn about_session(session: &Session, key: EventKey) -> Vec<KeyValue> {
    let Identity { tenant, id, .. } = &session.identity;
    let hook: Hook = key.hook();
    vec![
        KeyValue::new("lastword.tenant", tenant.clone()),
        KeyValue::new("lastword.session", id.clone()),
        KeyValue::new("lastword.generation", i64::from(session.generation)),
        KeyValue::new("lastword.hook", hook.as_str()),
    ]
}

fn about_delivery(session: &Session, delivery: &DeliveryId) -> Vec<KeyValue> {
    let plugin: &PluginName = &delivery.plugin;
    let mut about = about_session(session, delivery.event);
    about.push(KeyValue::new("lastword.plugin", plugin.to_string()));
    about.push(KeyValue::new("lastword.delivery", delivery.to_string()));
    about
}

fn about_outcome(record: &OutcomeRecord<'_>) -> Vec<KeyValue> {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let mut about = vec![
        KeyValue::new("lastword.outcome", record.outcome.to_string()),
        KeyValue::new("lastword.draining", record.draining),
        KeyValue::new("lastword.dead", record.dead),
    ];
    if let Some(report) = record.report {
        about.push(KeyValue::new("lastword.fuel", number(report.fuel_used)));
        about.push(KeyValue::new("lastword.peak_memory_bytes", number(report.peak_memory)));
        about.push(KeyValue::new("lastword.wall_us", i64::try_from(report.wall.as_micros()).unwrap_or(i64::MAX)));
    }
    if let Some(at) = record.retry_at {
        about.push(KeyValue::new("lastword.retry_at", at.to_string()));
    }
    about
}

fn settlement_word(settlement: &Settlement) -> &'static str {
    match settlement {
        Settlement::Delivered => "delivered",
        Settlement::Owed { .. } => "owed",
        Settlement::Dead { .. } => "dead",
    }
}

#[cfg(test)]
mod tests {
    use lastword_events::{SessionEnd, Timestamp};

    use super::*;

    #[test]
    fn of_too_many_the_older_half_is_forgotten() {
        let at = |second: &u64| SystemTime::UNIX_EPOCH + Duration::from_secs(*second);
        let mut followed: HashMap<u64, u64> = (0..5).map(|n| (n, n)).collect();
        assert_eq!((forget_older_half(&mut followed, 6, at), followed.len()), (0, 5));
        assert_eq!(forget_older_half(&mut followed, 5, at), 3);
        let mut left: Vec<u64> = followed.into_keys().collect();
        left.sort_unstable();
        assert_eq!(left, [3, 4]);
    }

    #[test]
    fn an_end_without_an_owners_word_or_trace_is_the_runtimes_own() {
        let end = |reason, raw_reason: Option<&str>, trace: Option<&str>| {
            let mut end = SessionEnd::new(reason, Timestamp::from_millisecond(1_500));
            end.raw_reason = raw_reason.map(str::to_owned);
            end.attributes = trace.map(|trace| ("traceparent".to_owned(), trace.to_owned())).into_iter().collect();
            Requested::of(&Event::End(end))
        };
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_500);
        for reason in [EndReason::Shutdown, EndReason::Restart, EndReason::Crashed] {
            assert!(matches!(end(reason, None, None), Requested::ByNobody { ended_at } if ended_at == at));
        }
        let trace = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        for owners in [
            end(EndReason::Reset, None, None),
            end(EndReason::Shutdown, Some("shutdown"), None),
            end(EndReason::Shutdown, None, trace),
        ] {
            assert!(matches!(owners, Requested::ByOwner));
        }
    }
}
