//! Who is told how things go: the trait that an embedder implements.

use std::time::{Duration, Instant};

use lastword_events::{
    DeliveryId, EndReason, Event, EventKey, Hook, Identity, JournalName, Outcome, PluginName, Session, Timestamp,
};
use lastword_journal::{Commit, Settlement};
use tracing::Span;

use crate::request::Refusal;
use crate::sandbox::CallReport;

/// Is told how things go, for metrics, traces and whoever waits for an outcome. Set observers with
/// [`Builder::observer`](crate::Builder::observer). There may be several: they are told in the order in which they were set. A function
/// that is not implemented does nothing.
///
/// The functions are called on threads that have other work, and must return at once. To do more, send what you need to a bounded channel,
/// and do not wait when the channel is full. A function that panics is logged, and the panic has no other effect.
///
/// Of an event that was requested, [`registered`](Self::registered) comes before all of these.
///
/// For one delivery, [`call`](Self::call) comes first, then [`outcome`](Self::outcome), then [`recorded`](Self::recorded). An outcome may
/// come before the [`Accepted`](crate::Accepted) of its request.
pub trait Observer: Send + Sync + 'static {
    /// A request's event is on record, and its deliveries are enqueued next. Ends that a drain or a start makes itself are not told of,
    /// because nobody has requested them. If a drain had the end already when the request was answered, its calls may have begun before.
    ///
    /// On a task of the tokio runtime, or on the thread that made the request.
    fn registered(&self, _registration: &Registration<'_>) {}

    /// A call of a plugin begins. The returned span is entered at each poll of the call, and when the call is dropped: so it contains what
    /// the guest prints (target `lastword::guest`). With several observers the span of each is inside the span of the one before. Logs of a
    /// guest's HTTP requests are not in the span, because these requests are tasks of their own.
    ///
    /// A call may be put back because it needs what other calls hold. Then it begins again with the same attempt, and this function is
    /// called again.
    ///
    /// On a worker's thread.
    fn call(&self, _call: &CallStart<'_>) -> Span {
        Span::none()
    }

    /// An attempt has ended; or a delivery has to wait for a quota or was put back, which is told once until its next attempt. The outcome
    /// need not be on record yet. A call that is under way at the end of a drain's budget is not told of any more.
    ///
    /// On a worker's thread. For deliveries that had no attempt in a drain, on a task of the drain.
    fn outcome(&self, _record: &OutcomeRecord<'_>) {}

    /// The outcome of an attempt is on record: with a journal on disk a crash does not forget it. A deferral is not told of, because it
    /// changes nothing. An outcome that could not be recorded is not told of either: its delivery will be made again.
    ///
    /// On a task of the tokio runtime. If the journal answers at once, as the one in memory does, on a worker's thread.
    fn recorded(&self, _delivery: &DeliveryId, _settlement: &Settlement) {}

    /// An operator has dropped a delivery that was not made, or its plugin was uninstalled with [`Leave::Dropped`](crate::Leave::Dropped).
    /// The delivery will not be made any more, and that is on record. The session's scope may be missing.
    ///
    /// On a task of the tokio runtime, or on the thread that dropped the delivery.
    fn forgotten(&self, _session: &Identity, _delivery: &DeliveryId) {}

    /// The journal has committed something, or could not. Only journals that commit tell of it: the one on disk does.
    ///
    /// On the thread that writes the journal: a slow observer makes all requests wait.
    fn journal(&self, _commit: &Commit<'_>) {}

    /// A drain calls this plugin no more for this tenant, because calls were cut at their deadline, or trapped, too often in a row. What
    /// the plugin is still owed is deferred. This holds until the run ends, since a drain is the end of a run.
    ///
    /// On a worker's thread, after the outcome.
    fn breaker_opened(&self, _tenant: &str, _plugin: &PluginName) {}

    /// A request was refused, and nothing of it is kept.
    ///
    /// On the thread that made the request, or on a task of the tokio runtime if the request had to wait.
    fn refused(&self, _session: &Identity, _hook: Hook, _refusal: &Refusal) {}
}

/// A request's event that is on record, see [`Observer::registered`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Registration<'a> {
    /// The journal that has the event.
    pub journal: JournalName,
    /// The session's number in that journal. With the journal, the key and a plugin it is the id of a delivery.
    pub sequence: u64,
    /// Identifies the event of the session.
    pub key: EventKey,
    /// The session of the event.
    pub session: &'a Session,
    /// The event.
    pub event: &'a Event,
    /// The plugins that are owed the event.
    pub plugins: &'a [PluginName],
    /// When the request was made, by the machine's clock. A request may wait for its turn in the order of its session.
    pub received_at: Instant,
    /// When the journal was handed the event, by the machine's clock.
    pub submitted_at: Instant,
}

#[cfg(all(feature = "test-util", not(shuttle)))]
impl Registration<'static> {
    /// An end for tests of observers, which was requested now and is owed to one plugin. Change its fields as you need.
    #[must_use]
    pub fn example() -> Self {
        let (id, session) = crate::testing::example_delivery();
        let (received_at, submitted_at) = (Instant::now(), Instant::now());
        Self {
            journal: id.journal,
            sequence: id.sequence,
            key: id.event,
            session,
            event: crate::testing::example_end(),
            plugins: std::slice::from_ref(&id.plugin),
            received_at,
            submitted_at,
        }
    }
}

/// A call that begins, see [`Observer::call`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CallStart<'a> {
    /// The delivery's id; it names the plugin and the event.
    pub id: &'a DeliveryId,
    /// The session of the event.
    pub session: &'a Session,
    /// The event.
    pub event: &'a Event,
    /// The attempt's number, from 1.
    pub attempt: u32,
    /// Whether newer events of the session id went ahead.
    pub late: bool,
    /// How long the call may run until it is cut: the plugin's deadline, or what a drain leaves of it.
    pub remaining: Duration,
    /// Whether the call begins in a drain.
    pub draining: bool,
}

#[cfg(all(feature = "test-util", not(shuttle)))]
impl CallStart<'static> {
    /// A call for tests of observers: the first attempt of an end, outside of a drain. Change its fields as you need.
    #[must_use]
    pub fn example() -> Self {
        let (id, session) = crate::testing::example_delivery();
        let remaining = crate::sandbox::limits::DEFAULT_DEADLINE;
        let event = crate::testing::example_end();
        Self { id, session, event, attempt: 1, late: false, remaining, draining: false }
    }
}

/// How one attempt ended, for an observer. See [`Observer::outcome`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct OutcomeRecord<'a> {
    /// The delivery's id; it names the plugin and the event.
    pub id: &'a DeliveryId,
    /// Whether the plugin is scoped: then only the session's tenant has it, and a plugin of the same name of another tenant is another
    /// plugin.
    pub scoped: bool,
    /// The version of the plugin that was called, as in [`PluginStats::version`](crate::PluginStats::version): another one may be
    /// installed by now. 0 if no call has ended.
    pub version: u32,
    /// The session of the event.
    pub session: &'a Session,
    /// The event.
    pub event: &'a Event,
    /// Why the session ended, if the event is an end.
    pub reason: Option<&'a EndReason>,
    /// The attempt's number. For a deferral without an attempt, the number of the last attempt.
    pub attempt: u32,
    /// Whether newer events of the session id went ahead.
    pub late: bool,
    /// How the attempt ended.
    pub outcome: &'a Outcome,
    /// Recorded failures of this delivery, this one included.
    pub failures: u32,
    /// When the delivery is tried again. None if it is not.
    pub retry_at: Option<Timestamp>,
    /// Whether the delivery failed for the last time.
    pub dead: bool,
    /// Fuel, memory and time of the call. None if there was no call or the budget cut the call.
    pub report: Option<&'a CallReport>,
    /// Whether the attempt was made in a drain.
    pub draining: bool,
}

#[cfg(all(feature = "test-util", not(shuttle)))]
impl OutcomeRecord<'static> {
    /// A record for tests of observers: an end that was delivered at the first attempt, outside of a drain. Change its fields as you need.
    #[must_use]
    pub fn example() -> Self {
        let (id, session) = crate::testing::example_delivery();
        Self {
            id,
            scoped: false,
            version: 1,
            session,
            event: crate::testing::example_end(),
            reason: Some(&EndReason::Reset),
            attempt: 1,
            late: false,
            outcome: &Outcome::Delivered,
            failures: 0,
            retry_at: None,
            dead: false,
            report: None,
            draining: false,
        }
    }
}

/// The observer that [`Builder::on_outcome`](crate::Builder::on_outcome) makes of a function.
pub(crate) struct OnOutcome<F>(pub(crate) F);

impl<F: Fn(&OutcomeRecord<'_>) + Send + Sync + 'static> Observer for OnOutcome<F> {
    fn outcome(&self, record: &OutcomeRecord<'_>) {
        (self.0)(record);
    }
}
