//! The outcomes that a runtime told its observer of.

use std::time::Duration;

use lastword::OutcomeRecord;
use lastword::events::{DeliveryId, EndReason, Hook, Outcome, Timestamp};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// An outcome as an embedder is told of it.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "as in OutcomeRecord")]
pub struct ObservedOutcome {
    pub id: DeliveryId,
    pub plugin: String,
    pub tenant: String,
    pub hook: Hook,
    pub session: String,
    pub generation: u32,
    pub reason: Option<EndReason>,
    pub attempt: u32,
    pub failures: u32,
    pub late: bool,
    pub outcome: Outcome,
    pub retry_at: Option<Timestamp>,
    pub dead: bool,
    pub draining: bool,
    pub fuel: Option<u64>,
    pub wall: Option<Duration>,
}

/// All outcomes so far, in order.
#[derive(Default)]
pub(crate) struct Outcomes {
    seen: Mutex<Vec<ObservedOutcome>>,
    added: Notify,
}

impl ObservedOutcome {
    fn new(record: &OutcomeRecord<'_>) -> Self {
        Self {
            id: record.id.clone(),
            plugin: record.id.plugin.to_string(),
            tenant: record.session.identity.tenant.to_string(),
            hook: record.id.event.hook(),
            session: record.session.identity.id.to_string(),
            generation: record.session.generation,
            reason: record.reason.cloned(),
            attempt: record.attempt,
            failures: record.failures,
            late: record.late,
            outcome: record.outcome.clone(),
            retry_at: record.retry_at,
            dead: record.dead,
            draining: record.draining,
            fuel: record.report.map(|report| report.fuel_used),
            wall: record.report.map(|report| report.wall),
        }
    }
}

impl Outcomes {
    pub(crate) fn add(&self, record: &OutcomeRecord<'_>) {
        self.seen.lock().push(ObservedOutcome::new(record));
        self.added.notify_waiters();
    }

    pub(crate) fn all(&self) -> Vec<ObservedOutcome> {
        self.seen.lock().clone()
    }

    /// Resolves when this holds for all that there are.
    pub(crate) async fn until(&self, is_enough: impl Fn(&[ObservedOutcome]) -> bool) {
        loop {
            let added = self.added.notified();
            tokio::pin!(added);
            added.as_mut().enable();
            if is_enough(&self.seen.lock()) {
                return;
            }
            added.await;
        }
    }

    /// Resolves when there is one for which `is_it` holds.
    pub(crate) async fn first(&self, is_it: impl Fn(&ObservedOutcome) -> bool) -> ObservedOutcome {
        loop {
            let added = self.added.notified();
            tokio::pin!(added);
            added.as_mut().enable();
            if let Some(seen) = self.seen.lock().iter().find(|seen| is_it(seen)) {
                return seen.clone();
            }
            added.await;
        }
    }
}
