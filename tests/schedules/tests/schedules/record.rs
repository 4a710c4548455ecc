//! What is on record, by what the journal has been made to write: whatever is said, done and found later is compared with that.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::AddAssign as _;
use std::sync::{Arc, Mutex};

use lastword_events::{EventKey, Session};
use lastword_journal::{
    Appended, Changed, ChangedDelivery, Completion, DeliveryChange, DeliveryKey, DeliveryState, JournalError,
    JournalOp, Settlement,
};

use crate::changes::end_to_visitor;
use crate::owner::Generation;
use crate::trace::{name, trace};

/// The record of a journal. Of `std`: looking at it is no step of a schedule.
#[derive(Default)]
pub(crate) struct OnRecord(Mutex<Record>);

impl OnRecord {
    pub(crate) fn look<T>(&self, at: impl FnOnce(&Record) -> T) -> T {
        at(&self.0.lock().unwrap())
    }

    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Record) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }
}

/// What a journal has been made to write.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Sessions, by sequence number.
    pub(crate) sessions: BTreeMap<u64, Arc<Session>>,
    /// Sessions of which nothing but the end is known.
    pub(crate) without_start: HashSet<u64>,
    /// Sessions whose end is written down.
    pub(crate) ended: HashSet<u64>,
    /// Ends that were owed, as they were written down, to the plugin that comes and goes.
    pub(crate) owed_to_visitor: Vec<DeliveryKey>,
    /// Attempts that are.
    pub(crate) attempts: HashMap<DeliveryKey, Vec<(u32, Settlement)>>,
    /// How often deliveries were not dead any more that were given up: they are made again, or were let go.
    pub(crate) revived: HashMap<DeliveryKey, usize>,
    /// Deliveries that operators have let go.
    pub(crate) forgotten: HashSet<DeliveryKey>,
    /// Somebody has said that a drain begins. Nobody waits for that to be written.
    pub(crate) draining: bool,
}

/// What an operation is about to say of ends.
pub(crate) struct SaidOfEnds {
    /// The session that it ends.
    of: Option<u64>,
    without_start: bool,
}

impl SaidOfEnds {
    pub(crate) fn by(write: &JournalOp) -> Self {
        let ended = |write: &JournalOp| match write {
            JournalOp::End { sequence, .. } => Some(*sequence),
            _ => None,
        };
        let of = match write {
            JournalOp::Replace { end, .. } => ended(end),
            write => ended(write),
        };
        Self { of, without_start: matches!(write, JournalOp::EndWithoutStart { .. }) }
    }
}

impl Record {
    /// An operation was carried out. `is_owed` looks at the journal as it is now.
    pub(crate) fn written(
        &mut self,
        said: &SaidOfEnds,
        written: &Result<Appended, JournalError>,
        is_owed: impl Fn(&DeliveryKey) -> bool,
    ) {
        let mut ended = Vec::new();
        match written {
            Ok(Appended::Session { sequence, session }) => {
                ended.extend(self.begun(*sequence, session, said.without_start));
            }
            Ok(Appended::Done) => ended.extend(said.of),
            Ok(Appended::Replaced { end, start }) => {
                if **end == Appended::Done {
                    ended.extend(said.of);
                }
                for (part, without_start) in [(end, true), (start, false)] {
                    if let Appended::Session { sequence, session } = &**part {
                        ended.extend(self.begun(*sequence, session, without_start));
                    }
                }
            }
            _ => (),
        }
        self.owed_to_visitor.extend(ended.iter().copied().map(end_to_visitor).filter(is_owed));
        self.ended.extend(ended);
    }

    /// Gives its number if that is its end as well.
    fn begun(&mut self, sequence: u64, session: &Arc<Session>, without_start: bool) -> Option<u64> {
        self.sessions.insert(sequence, session.clone());
        let ended = without_start.then_some(sequence);
        self.without_start.extend(ended);
        ended
    }

    /// An end comes before what became of it.
    pub(crate) fn check_that_no_outcome_is_before(&self, write: &JournalOp) {
        if let JournalOp::End { sequence, .. } = write {
            let is_of_it = |one: &&DeliveryKey| one.sequence == *sequence && one.event == EventKey::End;
            let outcome = self.attempts.keys().find(is_of_it);
            assert_eq!(outcome, None, "its outcome is on record before the end itself");
        }
    }

    pub(crate) fn attempted(&mut self, Completion { delivery, attempt, settlement, .. }: &Completion) {
        trace!("on record: attempt {attempt} of {}: {settlement:?}", name(delivery));
        self.attempts.entry(delivery.clone()).or_default().push((*attempt, settlement.clone()));
    }

    /// Operators have changed deliveries: what was given up is not any more, and what is forgotten will not be made. Of each it is said whether
    /// it was late before.
    pub(crate) fn changed(
        &mut self,
        change: DeliveryChange,
        deliveries: Vec<(DeliveryKey, bool)>,
        changed: &[ChangedDelivery],
    ) {
        for ((delivery, late), changed) in deliveries.into_iter().zip(changed) {
            trace!("on record: {change:?} of {}: {:?}", name(&delivery), changed.changed);
            if changed.changed != Changed::Done {
                continue;
            }
            if changed.was == Some(DeliveryState::Dead) {
                self.revived.entry(delivery.clone()).or_default().add_assign(1);
            }
            if change == DeliveryChange::Forget {
                if changed.was == Some(DeliveryState::Owed) && !late {
                    let newer = self.newer_than(&delivery);
                    assert_eq!(newer, None, "{delivery:?} has not stepped aside, and is forgotten only now");
                }
                self.forgotten.insert(delivery);
            }
        }
    }

    /// The session's identity, and its generation.
    pub(crate) fn generation(&self, sequence: u64) -> Generation {
        let session = &self.sessions[&sequence];
        (session.identity.clone(), session.generation)
    }

    /// Whether a plugin may hear of this event of a session, from a run that ends it in any case or not.
    pub(crate) fn may_be_told(&self, sequence: u64, event: EventKey, is_ended: bool) -> bool {
        let is_registered = self.sessions.contains_key(&sequence);
        is_registered && (event != EventKey::End || is_ended || self.draining || self.ended.contains(&sequence))
    }

    /// The number of this generation of a session, if it is on record.
    pub(crate) fn sequence(&self, (identity, generation): &Generation) -> Option<u64> {
        let is_it = |session: &Session| session.identity == *identity && session.generation == *generation;
        self.sessions.iter().find(|(_, session)| is_it(session)).map(|(sequence, _)| *sequence)
    }

    /// Whether its end is on record: by itself, or in a drain with what came of it.
    pub(crate) fn has_ended(&self, sequence: u64) -> bool {
        let is_of_it = |one: &DeliveryKey| one.sequence == sequence && one.event == EventKey::End;
        self.ended.contains(&sequence) || self.attempts.keys().any(is_of_it)
    }

    pub(crate) fn has_attempt(&self, delivery: &DeliveryKey, number: u32) -> bool {
        self.attempts.get(delivery).is_some_and(|attempts| attempts.iter().any(|(attempt, _)| *attempt == number))
    }

    pub(crate) fn is_delivered(&self, delivery: &DeliveryKey) -> bool {
        self.count(delivery, |settlement| *settlement == Settlement::Delivered) > 0
    }

    pub(crate) fn is_dead(&self, delivery: &DeliveryKey) -> bool {
        self.count(delivery, |settlement| matches!(settlement, Settlement::Dead { .. })) > 0
    }

    /// A newer event of the session that the plugin has taken.
    fn newer_than(&self, delivery: &DeliveryKey) -> Option<&DeliveryKey> {
        let is_newer = |other: &&DeliveryKey| {
            (other.sequence, &other.plugin) == (delivery.sequence, &delivery.plugin) && other.event > delivery.event
        };
        self.attempts.keys().filter(is_newer).find(|newer| self.is_delivered(newer))
    }

    /// How often a delivery came to this.
    pub(crate) fn count(&self, delivery: &DeliveryKey, settlement: impl Fn(&Settlement) -> bool) -> usize {
        self.attempts.get(delivery).map_or(0, |attempts| attempts.iter().filter(|(_, s)| settlement(s)).count())
    }
}
