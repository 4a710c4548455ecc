//! Tells observers and waiters when something is on record.

use lastword_events::JournalName;
use lastword_journal::{Completion, DeliveryKey, JournalError, RefusedCompletion, Settlement};

use crate::observers::Observers;
use crate::waiters::{Awaited, Waiters};

/// The observers and the waiters to be told when completions are on record. The journal was handed the completions.
pub(crate) struct OnRecord {
    pub(crate) observed: Option<ToBeRecorded>,
    /// The deliveries that somebody waits for.
    pub(crate) awaited: Awaited,
}

impl OnRecord {
    /// The journal has answered.
    pub(crate) fn tell(self, waiters: &Waiters, answer: Result<(), &JournalError>) {
        if let Some(observed) = self.observed {
            observed.tell(answer);
        }
        if self.awaited.is_empty() {
            return;
        }
        let (on_record, others): (Awaited, Awaited) =
            self.awaited.into_iter().partition(|(delivery, _)| is_on_record(delivery, answer));
        waiters.tell(on_record, &Ok(()));
        if let Err(error) = answer {
            waiters.tell(others, &Err(error.clone()));
        }
    }
}

/// Whether the outcome of this delivery is on record, if the journal has answered so for all that were handed over together.
fn is_on_record(delivery: &DeliveryKey, answer: Result<(), &JournalError>) -> bool {
    match answer {
        Ok(()) => true,
        Err(JournalError::UnwritableOutcomes { deliveries, .. }) => !deliveries.contains(delivery),
        Err(_) => false,
    }
}

/// Completions that the journal was handed, for observers. Of the runtime it keeps only the observers.
pub(crate) struct ToBeRecorded {
    observers: Observers,
    journal_name: JournalName,
    settlements: Vec<(DeliveryKey, Settlement)>,
}

impl ToBeRecorded {
    pub(crate) fn new(observers: Observers, journal_name: JournalName, completions: &[Completion]) -> Self {
        let settlements = completions.iter().map(|one| (one.delivery.clone(), one.settlement.clone())).collect();
        Self { observers, journal_name, settlements }
    }

    /// The journal has refused these completions.
    pub(crate) fn remove(&mut self, refused: &[RefusedCompletion]) {
        for one in refused.iter().rev() {
            // They are removed from the last to the first, so that the places of the earlier ones stay the same.
            if one.at < self.settlements.len() {
                self.settlements.remove(one.at);
            }
        }
    }

    /// The journal has answered.
    pub(crate) fn tell(self, answer: Result<(), &JournalError>) {
        for (delivery, settlement) in self.settlements.iter().filter(|(delivery, _)| is_on_record(delivery, answer)) {
            self.observers.recorded(&delivery.id(self.journal_name), settlement);
        }
    }
}
