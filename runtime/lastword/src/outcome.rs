//! Who hears how deliveries go: the embedder's observer, and the log.

use std::panic::{AssertUnwindSafe, catch_unwind};

use lastword_events::{Deferral, DeliveryId, EndReason, Event, JournalName, Outcome, PluginName, Session, Timestamp};

use crate::dispatch::FinishedCall;
use crate::queued_delivery::QueuedDelivery;
use crate::sandbox::CallReport;

/// How one attempt ended, for an observer. See [`Builder::on_outcome`](crate::Builder::on_outcome).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct OutcomeRecord<'a> {
    /// The delivery's id; it names the plugin and the event.
    pub id: &'a DeliveryId,
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

/// A function that is told of outcomes.
pub(crate) type Observer = Box<dyn Fn(&OutcomeRecord<'_>) + Send + Sync>;

/// Publishes outcomes to the observer and to the log.
pub(crate) struct Publisher {
    observer: Option<Observer>,
    journal_name: JournalName,
}

impl Publisher {
    pub(crate) fn new(observer: Option<Observer>, journal_name: JournalName) -> Self {
        Self { observer, journal_name }
    }

    /// An attempt has ended.
    pub(crate) fn finished(&self, plugin: &PluginName, call: &FinishedCall) {
        self.publish(plugin, &call.delivery, &call.outcome, Some(call), call.in_drain);
    }

    /// A delivery waits, and had no attempt.
    pub(crate) fn deferred(&self, plugin: &PluginName, delivery: &QueuedDelivery, why: Deferral, in_drain: bool) {
        self.publish(plugin, delivery, &Outcome::Deferred(why), None, in_drain);
    }

    fn publish(
        &self,
        plugin: &PluginName,
        delivery: &QueuedDelivery,
        outcome: &Outcome,
        call: Option<&FinishedCall>,
        draining: bool,
    ) {
        let retry_at = call.and_then(|call| call.retry).map(|(_, at)| at);
        let dead = call.is_some_and(|call| call.dead);
        log(plugin, delivery, outcome, retry_at, dead);
        let Some(observer) = &self.observer else { return };
        let id: DeliveryId = delivery.delivery_key(plugin).id(self.journal_name);
        let reason = match &*delivery.event {
            Event::End(end) => Some(&end.reason),
            _ => None,
        };
        let record = OutcomeRecord {
            id: &id,
            session: &delivery.session,
            reason,
            attempt: delivery.attempt,
            late: delivery.late,
            outcome,
            failures: delivery.failures,
            retry_at,
            dead,
            report: call.and_then(|call| call.report.as_ref()),
            draining,
        };
        // A worker that unwinds would take the calls that it holds along.
        if catch_unwind(AssertUnwindSafe(|| observer(&record))).is_err() {
            tracing::error!(delivery = %id, "on_outcome panicked; the outcome itself is recorded");
        }
    }
}

fn log(plugin: &PluginName, delivery: &QueuedDelivery, outcome: &Outcome, retry_at: Option<Timestamp>, dead: bool) {
    let hook = delivery.key.hook();
    let identity = &delivery.session.identity;
    let (tenant, session, attempt) = (&*identity.tenant, &*identity.id, delivery.attempt);
    match outcome {
        Outcome::Delivered => tracing::debug!(%plugin, %hook, tenant, session, attempt, "delivered"),
        Outcome::Deferred(why) => tracing::debug!(%plugin, %hook, tenant, session, attempt, %why, "deferred"),
        Outcome::Failed { cause, message } => {
            let next = match retry_at {
                Some(at) => format!("next attempt at {at}"),
                None if dead => "given up".to_owned(),
                None => "still owed".to_owned(),
            };
            tracing::warn!(%plugin, %hook, tenant, session, attempt, %cause, detail = message, next, "failed");
        }
    }
}
