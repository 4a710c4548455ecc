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
    events: HashMap<EventId, RegisteredEvent>,
    deliveries: HashMap<DeliveryId, FollowedDelivery>,
}

/// An event. The journal is part of it, because the tracer observes the runtimes of all journals that the program has, and each journal
/// counts its sessions itself.
type EventId = (JournalName, u64, EventKey);

/// A requested event.
struct RegisteredEvent {
    road: Road,
    /// When it was on record.
    at: SystemTime,
    /// The plugins that are owed it still. Not a number: of one delivery it may be told several times that it is over, e.g. when it is
    /// dead and when an operator drops it.
    owed: Vec<PluginName>,
}

impl RegisteredEvent {
    /// The road of a delivery, and since when it waits. That is not known of one that was over, and that an operator has made owed again.
    fn delivery(&self, plugin: &PluginName) -> (Road, Option<SystemTime>) {
        (self.road.clone(), self.owed.contains(plugin).then_some(self.at))
    }
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
    fn unregistered(&self, id: &DeliveryId, event: &Event) -> Option<(Road, Option<SystemTime>)> {
        let requested_by = Requested::of(event);
        let road = Road::of(&event_name(event_id(id)), event.trace(), matches!(requested_by, Requested::ByOwner));
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
            state.events.get(&event_id(id)).map(|event| event.delivery(&id.plugin))
        };
        let delivery = registered.or_else(|| self.unregistered(id, record.event));
        // A wait that nobody knows the begin of is no span.
        let Some((road, Some(since))) = delivery else { return };
        let mut about = about_delivery(record.session, id);
        about.push(KeyValue::new("lastword.outcome", record.outcome.to_string()));
        self.0.spans.push([road.step(Step::new("wait", since, now, about))]);
    }

    /// A delivery is settled, or nobody makes it any more.
    fn is_over(state: &mut State, delivery: &DeliveryId) {
        state.deliveries.remove(delivery);
        let event = event_id(delivery);
        if let Some(registered) = state.events.get_mut(&event) {
            registered.owed.retain(|plugin| *plugin != delivery.plugin);
            if registered.owed.is_empty() {
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
        let id: EventId = (journal, sequence, key);
        let road = Road::of(&event_name(id), event.trace(), true);
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
        state.events.insert(id, RegisteredEvent { road, at: now, owed: plugins.to_vec() });
    }

    fn call(&self, call: &CallStart<'_>) -> Span {
        let now = SystemTime::now();
        let mut state = self.0.state.lock();
        if let Some(delivery) = state.deliveries.get_mut(call.id) {
            (delivery.attempt, delivery.late) = (call.attempt, call.late);
            (delivery.state, delivery.at) = (Attempt::Called { at: now }, now);
            return Span::none();
        }
        let registered = state.events.get(&event_id(call.id)).map(|event| event.delivery(&call.id.plugin));
        let delivery = registered.or_else(|| self.unregistered(call.id, call.event));
        let Some((road, waits_since)) = delivery else { return Span::none() };
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

/// The event of a delivery.
fn event_id(delivery: &DeliveryId) -> EventId {
    (delivery.journal, delivery.sequence, delivery.event)
}

/// The part of a delivery id that the deliveries of one event have in common.
fn event_name((journal, sequence, key): EventId) -> String {
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
    use std::sync::mpsc;

    use lastword_events::{Deferral, SessionEnd, Timestamp};
    use opentelemetry::trace::SpanId;
    use opentelemetry_sdk::error::OTelSdkResult;
    use opentelemetry_sdk::trace::SpanExporter;

    use super::super::client::Client;
    use super::super::exporter::{Exporter, Left};
    use super::*;

    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    /// Gives the spans away.
    #[derive(Debug)]
    struct Sink(mpsc::Sender<SpanData>);

    impl SpanExporter for Sink {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            for span in batch {
                self.0.send(span).ok();
            }
            Ok(())
        }
    }

    /// A tracer, and what it makes.
    struct Traced {
        tracer: Tracer,
        exporter: Exporter,
        sent: mpsc::Receiver<SpanData>,
    }

    impl Traced {
        fn new() -> Self {
            let (send, sent) = mpsc::channel();
            let exporter = Exporter::spawn(Sink(send), Client::new(Duration::from_secs(60))).unwrap();
            // The one that is used unless a variable names another.
            let sampler = Sampler::ParentBased(Box::new(Sampler::AlwaysOn));
            Self { tracer: Tracer::new(sampler, exporter.queue()), exporter, sent }
        }

        fn register(&self, id: &DeliveryId, event: &Event, plugins: &[PluginName]) {
            let mut registration = Registration::example();
            (registration.journal, registration.sequence, registration.key) = event_id(id);
            (registration.event, registration.plugins) = (event, plugins);
            self.tracer.registered(&registration);
        }

        /// A call that is delivered.
        fn deliver(&self, id: &DeliveryId, event: &Event) {
            let (mut call, mut record) = (CallStart::example(), OutcomeRecord::example());
            (call.id, call.event) = (id, event);
            (record.id, record.event) = (id, event);
            self.tracer.call(&call);
            self.tracer.outcome(&record);
            self.tracer.recorded(id, &Settlement::Delivered);
        }

        /// The end of a drain's budget, before a call.
        fn defer(&self, id: &DeliveryId, event: &Event) {
            let outcome = Outcome::Deferred(Deferral::Budget);
            let mut record = OutcomeRecord::example();
            (record.id, record.event, record.outcome, record.draining) = (id, event, &outcome, true);
            let Event::End(end) = event else { panic!("it is an end") };
            record.reason = Some(&end.reason);
            self.tracer.outcome(&record);
        }

        /// The spans since the last time.
        fn spans(&self) -> Vec<SpanData> {
            let left = self.exporter.flush(Instant::now() + Duration::from_secs(60));
            assert_eq!(left, Left { unsent: 0, dropped: 0 });
            self.sent.try_iter().collect()
        }
    }

    fn names<'a>(spans: impl IntoIterator<Item = &'a SpanData>) -> Vec<&'a str> {
        spans.into_iter().map(|span| &*span.name).collect()
    }

    fn delivery(journal: &str, plugin: &str) -> DeliveryId {
        format!("{journal}.1/session-end/{plugin}").parse().unwrap()
    }

    fn end(reason: EndReason, raw_reason: Option<&str>, trace: Option<&str>) -> Event {
        let mut end = SessionEnd::new(reason, Timestamp::from_millisecond(1_500));
        end.raw_reason = raw_reason.map(str::to_owned);
        end.attributes = trace.map(|trace| ("traceparent".to_owned(), trace.to_owned())).into_iter().collect();
        Event::End(end)
    }

    #[test]
    fn events_of_two_journals_with_one_number_are_two_events() {
        let traced = Traced::new();
        let ids = ["k3f9a2c1", "b7d2e4f6"].map(|journal| delivery(journal, "memory"));
        let event = end(EndReason::Reset, None, None);
        for id in &ids {
            traced.register(id, &event, std::slice::from_ref(&id.plugin));
        }
        for id in &ids {
            traced.deliver(id, &event);
        }
        let spans = traced.spans();
        for id in &ids {
            let step = Step::new("call", SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH, Vec::new());
            let trace = Road::of(&event_name(event_id(id)), None, true).step(step).span_context.trace_id();
            let road = names(spans.iter().filter(|span| span.span_context.trace_id() == trace));
            assert_eq!(road, ["session-end", "record", "wait", "call", "record outcome"], "{id}");
        }
        assert!(traced.tracer.0.state.lock().events.is_empty());
    }

    #[test]
    fn a_delivery_that_is_over_twice_takes_nothing_from_the_others() {
        let traced = Traced::new();
        let [first, other] = ["first", "other"].map(|plugin| delivery("k3f9a2c1", plugin));
        let event = end(EndReason::Reset, None, None);
        traced.register(&first, &event, &[first.plugin.clone(), other.plugin.clone()]);
        traced.deliver(&first, &event);
        traced.tracer.forgotten(&Identity::new("acme", "s1"), &first);
        assert_eq!(names(&traced.spans()), ["session-end", "record", "wait", "call", "record outcome"]);
        // An operator has it made again. Since when it waits for that is not known.
        traced.deliver(&first, &event);
        assert_eq!(names(&traced.spans()), ["call", "record outcome"]);
        traced.deliver(&other, &event);
        assert_eq!(names(&traced.spans()), ["wait", "call", "record outcome"]);
        assert!(traced.tracer.0.state.lock().events.is_empty());
    }

    #[test]
    fn an_event_that_is_not_sampled_has_no_spans_at_the_end_of_a_drain_either() {
        let traced = Traced::new();
        let id = delivery("k3f9a2c1", "memory");
        let unsampled = TRACE.replace("-01", "-00");
        for reason in [EndReason::Reset, EndReason::Shutdown] {
            let event = end(reason, None, Some(&unsampled));
            traced.register(&id, &event, std::slice::from_ref(&id.plugin));
            traced.defer(&id, &event);
            assert_eq!(names(&traced.spans()), [""; 0]);
        }
        // The runtime's own end has waited since then.
        let event = end(EndReason::Shutdown, None, None);
        traced.defer(&id, &event);
        let spans = traced.spans();
        assert_eq!(names(&spans), ["wait"]);
        assert_eq!(spans[0].parent_span_id, SpanId::INVALID);
        assert_eq!(spans[0].start_time, SystemTime::UNIX_EPOCH + Duration::from_millis(1_500));
        // That of an owner has a parent.
        let event = end(EndReason::Shutdown, None, Some(TRACE));
        traced.register(&id, &event, std::slice::from_ref(&id.plugin));
        traced.defer(&id, &event);
        let spans = traced.spans();
        assert_eq!(names(&spans), ["session-end", "record", "wait"]);
        assert_eq!(spans[2].parent_span_id, spans[0].span_context.span_id());
    }

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
        let of = |reason, raw_reason, trace| Requested::of(&end(reason, raw_reason, trace));
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_500);
        for reason in [EndReason::Shutdown, EndReason::Restart, EndReason::Crashed] {
            assert!(matches!(of(reason, None, None), Requested::ByNobody { ended_at } if ended_at == at));
        }
        for owners in [
            of(EndReason::Reset, None, None),
            of(EndReason::Shutdown, Some("shutdown"), None),
            of(EndReason::Shutdown, None, Some(TRACE)),
        ] {
            assert!(matches!(owners, Requested::ByOwner));
        }
    }
}
