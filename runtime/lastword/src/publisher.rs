//! Tells the embedder's observers and the log how deliveries go.

use std::time::Duration;

use lastword_events::{Deferral, Delivery, DeliveryId, Event, HookCall, JournalName, Outcome, PluginName, Timestamp};
use lastword_journal::Completion;

use crate::call_spans::CallSpans;
use crate::dispatch::FinishedCall;
use crate::installed::CalledPlugin;
use crate::observer::{CallStart, OutcomeRecord};
use crate::observers::Observers;
use crate::on_record::ToBeRecorded;
use crate::queued_delivery::QueuedDelivery;

/// Publishes calls and outcomes to the observers and to the log.
pub(crate) struct Publisher {
    observers: Observers,
    journal_name: JournalName,
}

impl Publisher {
    pub(crate) fn new(observers: Observers, journal_name: JournalName) -> Self {
        Self { observers, journal_name }
    }

    pub(crate) fn observers(&self) -> &Observers {
        &self.observers
    }

    /// A call begins. Gives the spans in which the call is to be polled.
    pub(crate) fn call(&self, call: &HookCall, draining: bool) -> CallSpans {
        let HookCall { session, delivery, event } = call;
        let &Delivery { ref id, attempt, remaining_ms, late } = delivery;
        let remaining = Duration::from_millis(remaining_ms.into());
        self.observers.call(&CallStart { id, session, event, attempt, late, remaining, draining })
    }

    /// What observers are to be told when these completions are on record. None if there are no observers.
    pub(crate) fn to_be_recorded(&self, completions: &[Completion]) -> Option<ToBeRecorded> {
        let is_told = !self.observers.is_empty() && !completions.is_empty();
        is_told.then(|| ToBeRecorded::new(self.observers.clone(), self.journal_name, completions))
    }

    /// An attempt has ended.
    pub(crate) fn finished(&self, plugin: CalledPlugin<'_>, call: &FinishedCall) {
        self.publish(plugin, &call.delivery, &call.outcome, Some(call), call.is_in_drain());
    }

    /// A delivery waits, and had no attempt.
    pub(crate) fn deferred(&self, plugin: CalledPlugin<'_>, delivery: &QueuedDelivery, why: Deferral, in_drain: bool) {
        self.publish(plugin, delivery, &Outcome::Deferred(why), None, in_drain);
    }

    fn publish(
        &self,
        CalledPlugin { name: plugin, is_scoped: scoped }: CalledPlugin<'_>,
        delivery: &QueuedDelivery,
        outcome: &Outcome,
        call: Option<&FinishedCall>,
        draining: bool,
    ) {
        let retry_at = call.and_then(FinishedCall::retry_at);
        let dead = call.is_some_and(FinishedCall::is_dead);
        log(plugin, delivery, outcome, retry_at, dead);
        if self.observers.is_empty() {
            return;
        }
        let id: DeliveryId = delivery.delivery_key(plugin).id(self.journal_name);
        let reason = match &*delivery.event {
            Event::End(end) => Some(&end.reason),
            _ => None,
        };
        self.observers.outcome(&OutcomeRecord {
            id: &id,
            scoped,
            version: call.map_or(0, |call| call.version.since),
            session: &delivery.session,
            event: &delivery.event,
            reason,
            attempt: delivery.attempt,
            late: delivery.late,
            outcome,
            failures: delivery.failures,
            retry_at,
            dead,
            report: call.and_then(|call| call.report.as_ref()),
            draining,
        });
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
