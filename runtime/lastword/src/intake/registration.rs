//! Tells observers of an event that is on record.

use std::time::Instant;

use lastword_events::Session;

use super::register::OwedEvent;
use crate::core::Core;
use crate::observer::Registration;
use crate::sync::now;

/// When a request came, and when the journal was handed its event. Both are by the machine's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct HandedOver {
    received_at: Instant,
    submitted_at: Instant,
}

impl HandedOver {
    /// The journal is handed the event now. The clock is asked for observers only.
    pub(super) fn now(core: &Core, received_at: Instant) -> Self {
        let is_observed = !core.publisher().observers().is_empty();
        Self { received_at, submitted_at: if is_observed { now() } else { received_at } }
    }

    /// The event is on record. Call this before its deliveries are enqueued, and without a lock.
    pub(super) fn on_record(self, core: &Core, sequence: u64, session: &Session, registered: OwedEvent<'_>) {
        let observers = core.publisher().observers();
        if observers.is_empty() {
            return;
        }
        let Self { received_at, submitted_at } = self;
        let OwedEvent { key, event, owed } = registered;
        let (journal, plugins) = (core.journal_name(), &*owed.plugins);
        observers.registered(&Registration {
            journal,
            sequence,
            key,
            session,
            event,
            plugins,
            received_at,
            submitted_at,
        });
    }
}
