//! Who is told how things go: the trait that an embedder implements.

use std::time::Duration;

use lastword_events::{DeliveryId, EndReason, Event, Hook, Identity, Outcome, PluginName, Session, Timestamp};
use lastword_journal::{Commit, Settlement};
use tracing::Span;

use crate::request::Refusal;
use crate::sandbox::CallReport;

/// Is told how things go, for metrics, traces and whoever waits for an outcome. Set with
/// [`Builder::observer`](crate::Builder::observer), as many as one likes: they are told in the order in which they were set. Every
/// function does nothing unless it is implemented.
///
/// The functions are called on threads that have other work, and must return at once. To do more, send what you need to a bounded
/// channel, and do not wait when it is full. One that panics is logged, and nothing else comes of it.
///
/// Of one delivery, [`call`](Self::call) comes first, then [`outcome`](Self::outcome), then [`recorded`](Self::recorded). An outcome
/// may come before the [`Accepted`](crate::Accepted) of the request that it is of.
pub trait Observer: Send + Sync + 'static {
    /// A call of a plugin begins. The span is entered at each poll of the call, and when it is dropped: what the guest prints is in it
    /// (target `lastword::guest`). With several observers each one's span is in the one before. What a guest's HTTP requests log is
    /// not in it: they are tasks of their own.
    ///
    /// A call that is put back, for want of what others hold, begins again with the same attempt, and this is called again.
    ///
    /// On a worker's thread.
    fn call(&self, _call: &CallStart<'_>) -> Span {
        Span::none()
    }

    /// An attempt has ended; or a delivery has to wait for a quota or was put back, which is told once until its next attempt. It is
    /// not on record yet. After the end of a drain's budget nothing more is told of a call that was under way.
    ///
    /// On a worker's thread; of deliveries that had no attempt in a drain, on a task of the drain.
    fn outcome(&self, _record: &OutcomeRecord<'_>) {}

    /// The outcome of an attempt is on record: with a journal on disk a crash forgets it no more. Not told of a deferral, which
    /// changes nothing, and of an outcome that could not be recorded: that delivery will be made again.
    ///
    /// On a task of the tokio runtime; on a worker's thread where the journal answers at once, as the one in memory does.
    fn recorded(&self, _delivery: &DeliveryId, _settlement: &Settlement) {}

    /// An operator has dropped a delivery that was not made, or its plugin was uninstalled with [`Leave::Dropped`](crate::Leave::Dropped):
    /// it will not be made any more, and that is on record. Of the session the scope may be missing.
    ///
    /// On a task of the tokio runtime, or on the thread that asked for it.
    fn forgotten(&self, _session: &Identity, _delivery: &DeliveryId) {}

    /// The journal has committed something, or could not. Only journals that commit say so: the one on disk does.
    ///
    /// On the thread that writes the journal: whoever is slow here makes all requests wait.
    fn journal(&self, _commit: &Commit<'_>) {}

    /// A drain calls this plugin no more for this tenant: it was cut at its deadline, or trapped, too often in a row. What it is
    /// still owed is deferred. There is no way back within the run, since a drain is its end.
    ///
    /// On a worker's thread, after the outcome.
    fn breaker_opened(&self, _tenant: &str, _plugin: &PluginName) {}

    /// A request was refused, and nothing of it is kept.
    ///
    /// On the thread that made the request, or on a task of the tokio runtime if it had to wait.
    fn refused(&self, _session: &Identity, _hook: Hook, _refusal: &Refusal) {}
}

/// A call that begins, see [`Observer::call`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CallStart<'a> {
    /// The delivery's id; it names the plugin and the event.
    pub id: &'a DeliveryId,
    /// The session of which the event is.
    pub session: &'a Session,
    /// What happened.
    pub event: &'a Event,
    /// The attempt's number, from 1.
    pub attempt: u32,
    /// Newer events of the session id went ahead.
    pub late: bool,
    /// What the plugin has at most until it is cut: its deadline, or what a drain leaves of it.
    pub remaining: Duration,
    /// It begins in a drain.
    pub draining: bool,
}

#[cfg(all(feature = "test-util", not(shuttle)))]
impl CallStart<'static> {
    /// A call for tests of observers: the first attempt of an end, outside of a drain. Change its fields.
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
    /// The plugin is a scoped one: the session's tenant has it to itself, and another tenant's of the same name is another.
    pub scoped: bool,
    /// The session of which the event is.
    pub session: &'a Session,
    /// Why the session ended, if the event is an end.
    pub reason: Option<&'a EndReason>,
    /// The attempt's number; of a deferral without an attempt, the last one's.
    pub attempt: u32,
    /// Newer events of the session id went ahead.
    pub late: bool,
    /// How it ended.
    pub outcome: &'a Outcome,
    /// Recorded failures of this delivery, this one included.
    pub failures: u32,
    /// When it is tried again, if it failed and is.
    pub retry_at: Option<Timestamp>,
    /// It failed for the last time.
    pub dead: bool,
    /// Fuel, memory and time of the call; none when there was no call or the budget cut it.
    pub report: Option<&'a CallReport>,
    /// It happened in a drain.
    pub draining: bool,
}

#[cfg(all(feature = "test-util", not(shuttle)))]
impl OutcomeRecord<'static> {
    /// A record for tests of observers: an end that was delivered at the first attempt, outside of a drain. Change its fields.
    #[must_use]
    pub fn example() -> Self {
        let (id, session) = crate::testing::example_delivery();
        Self {
            id,
            scoped: false,
            session,
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
