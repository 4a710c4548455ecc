//! The numbers that the runtime gives: ids, and attempts that count up.

use std::collections::BTreeMap;

use lastword::events::{DeliveryId, JournalName};

use super::case::Who;
use super::delivery::Delivery;
use super::subject::Attempt;

/// The numbers that the runtime gives, over all runs.
#[derive(Default)]
pub(super) struct Numbers {
    pub(super) run: u32,
    journal: Option<JournalName>,
    /// Of each session: (whose, generation).
    sequences: BTreeMap<u64, (Who, u32)>,
    /// The last attempt, and the run that made it.
    attempts: BTreeMap<Delivery, (u32, u32)>,
}

impl Numbers {
    pub(super) fn check(&mut self, attempt: &Attempt) -> Result<(), &'static str> {
        let delivery = attempt.delivery;
        self.journal.get_or_insert(attempt.id.journal);
        self.sequences.entry(attempt.id.sequence).or_insert((delivery.who, delivery.generation));
        self.check_id(delivery, &attempt.id)?;
        let last = self.attempts.insert(delivery, (attempt.number, self.run));
        match last {
            Some((last, _)) if attempt.number <= last => Err("no two attempts have the same number"),
            Some((last, run)) if run == self.run && attempt.number > last + 1 => Err("it skips a number"),
            _ => Ok(()),
        }
    }

    /// An id that was told is the same for ever.
    pub(super) fn check_id(&self, delivery: Delivery, id: &DeliveryId) -> Result<(), &'static str> {
        let session = (delivery.who, delivery.generation);
        let known = self.sequences.iter().find(|(sequence, known)| **sequence == id.sequence || **known == session);
        let is_same = known.is_none_or(|(sequence, known)| (*sequence, *known) == (id.sequence, session));
        let is_here = self.journal.is_none_or(|journal| journal == id.journal);
        if is_same && is_here { Ok(()) } else { Err("its id has changed") }
    }
}
