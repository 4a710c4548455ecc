//! Ends that owners have reported in the last seconds.

use std::collections::{HashMap, VecDeque};

use lastword_events::{Identity, Timestamp};

use super::rows::Row;
use crate::{DUPLICATE_WITHIN, RETAINED_RECENT_ENDS, RecentEnd};

/// The newest places in which a sequence is looked for one by one. An owner that goes on with a session does so at once.
const NEAR: usize = 64;

/// Ends that owners have reported, the newest ones.
#[derive(Clone, Debug, Default)]
pub(super) struct RecentEnds {
    /// The ends in the order of the reports.
    places: VecDeque<Place>,
    /// How many places before them are gone. A place has the same number as long as it exists.
    gone: usize,
    /// The number of the place that has the last end of an identity.
    last: HashMap<Identity, usize>,
    /// Made when an end is to be forgotten that is not among the newest. Most ends are never forgotten so, and have no entry in another
    /// map for it.
    by_sequence: Option<BySequence>,
}

/// The number of the place of each sequence.
#[derive(Clone, Debug)]
struct BySequence {
    numbers: HashMap<u64, usize>,
    /// The first place after those that it was made of. When they are gone it goes too.
    until: usize,
}

/// The place of an end in the order of the reports. An end that is forgotten has its place all the same: the places are counted.
#[derive(Clone, Debug)]
struct Place {
    sequence: u64,
    end: Option<RecentEnd>,
}

impl RecentEnds {
    pub(super) fn add(&mut self, end: RecentEnd) {
        self.restore(end.sequence, Some(end));
        if self.places.len() > RETAINED_RECENT_ENDS
            && let Some(oldest) = self.places.pop_front()
        {
            self.gone += 1;
            self.forget_last(oldest.end, self.gone - 1);
            self.by_sequence.take_if(|by_sequence| by_sequence.until <= self.gone);
            if let Some(by_sequence) = &mut self.by_sequence {
                by_sequence.numbers.remove(&oldest.sequence);
            }
        }
    }

    pub(super) fn forget(&mut self, sequence: u64) {
        let Some(number) = self.number_of(sequence) else { return };
        let end = self.place_mut(number).and_then(|place| place.end.take());
        self.forget_last(end, number);
    }

    /// The number of the place of a sequence. One session may have tens of thousands of ends, in as many scopes, that are forgotten at once.
    fn number_of(&mut self, sequence: u64) -> Option<usize> {
        let far = self.places.len().saturating_sub(NEAR);
        let near = self.places.range(far..).rposition(|place| place.sequence == sequence);
        near.map(|at| self.gone + far + at).or_else(|| {
            let (places, gone) = (&self.places, self.gone);
            let by_sequence = self.by_sequence.get_or_insert_with(|| BySequence {
                numbers: (gone..).zip(places).map(|(number, place)| (place.sequence, number)).collect(),
                until: gone + places.len(),
            });
            by_sequence.numbers.get(&sequence).copied()
        })
    }

    /// A newer session of this identity begins.
    pub(super) fn remove_last(&mut self, identity: &Identity) {
        if let Some(number) = self.last.remove(identity) {
            self.clear(number);
        }
    }

    /// The ends that may be reported again, in the order of the reports.
    pub(super) fn within(&self, now: Timestamp) -> Vec<RecentEnd> {
        let is_recent = |end: &&RecentEnd| {
            let at = end.received.at;
            at <= now && now <= at.plus(DUPLICATE_WITHIN)
        };
        self.places.iter().filter_map(|place| place.end.as_ref()).filter(is_recent).cloned().collect()
    }

    /// All places, in the order of the reports.
    pub(super) fn into_rows(self) -> impl Iterator<Item = Row> + Send {
        self.places.into_iter().map(|Place { sequence, end }| Row::RecentEnd { sequence, end })
    }

    pub(super) fn restore(&mut self, sequence: u64, end: Option<RecentEnd>) {
        let number = self.gone + self.places.len();
        let before = end.as_ref().and_then(|end| self.last.insert(end.identity.clone(), number));
        if let Some(by_sequence) = &mut self.by_sequence {
            by_sequence.numbers.insert(sequence, number);
        }
        self.places.push_back(Place { sequence, end });
        if let Some(before) = before {
            self.clear(before);
        }
    }

    /// An end is forgotten that was in this place. It may have been its identity's last.
    fn forget_last(&mut self, end: Option<RecentEnd>, number: usize) {
        if let Some(end) = end
            && self.last.get(&end.identity) == Some(&number)
        {
            self.last.remove(&end.identity);
        }
    }

    fn clear(&mut self, number: usize) {
        if let Some(place) = self.place_mut(number) {
            place.end = None;
        }
    }

    fn place_mut(&mut self, number: usize) -> Option<&mut Place> {
        number.checked_sub(self.gone).and_then(|at| self.places.get_mut(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Receipt;

    fn now() -> Timestamp {
        Timestamp::from_millisecond(1_000)
    }

    fn end(sequence: u64, id: &str) -> RecentEnd {
        let (identity, received) = (Identity::new("t", id), Receipt { at: now(), said: 0 });
        RecentEnd { sequence, identity, generation: 1, agent_id: None, ended_at: now(), received }
    }

    fn sequences(ends: &RecentEnds) -> Vec<u64> {
        ends.within(now()).iter().map(|end| end.sequence).collect()
    }

    /// As they come back from their rows.
    fn restored(ends: RecentEnds) -> RecentEnds {
        let mut restored = RecentEnds::default();
        for row in ends.into_rows() {
            let Row::RecentEnd { sequence, end } = row else { panic!("another row") };
            restored.restore(sequence, end);
        }
        restored
    }

    #[test]
    fn of_an_identity_the_last_end_counts_until_it_is_forgotten() {
        let mut ends = RecentEnds::default();
        [end(1, "a"), end(2, "b"), end(3, "a"), end(4, "c")].into_iter().for_each(|end| ends.add(end));
        assert_eq!(sequences(&ends), [2, 3, 4]);
        ends.forget(1);
        ends.forget(4);
        assert_eq!(sequences(&ends), [2, 3], "that of session 1 was forgotten before");
        ends.remove_last(&Identity::new("t", "a"));
        assert_eq!(sequences(&ends), [2]);
        ends.add(end(5, "a"));
        assert_eq!(sequences(&ends), [2, 5], "a later end is another");
        assert_eq!(sequences(&restored(ends.clone())), [2, 5]);
        ends.forget(2);
        ends.remove_last(&Identity::new("t", "c"));
        assert_eq!(sequences(&ends), [5], "of session 4 nothing is left to forget");
        assert_eq!(ends.last.len(), 1, "nothing is kept of the others");
    }

    #[test]
    fn an_end_that_is_not_among_the_newest_is_found_without_a_look_at_each() {
        let mut ends = RecentEnds::default();
        let most = u64::try_from(RETAINED_RECENT_ENDS).unwrap();
        (0..most).for_each(|n| ends.add(end(n, &n.to_string())));
        ends.forget(most - 1);
        assert!(ends.by_sequence.is_none(), "the newest is found at once");
        ends.forget(0);
        ends.forget(2);
        assert_eq!(sequences(&ends)[..3], [1, 3, 4]);
        let sizes = |ends: &RecentEnds| ends.by_sequence.as_ref().map(|made| made.numbers.len());
        assert_eq!(sizes(&ends), Some(RETAINED_RECENT_ENDS), "each of the next has one look");
        // Ends that come later are found like those before, and the oldest leave the map too.
        (most..most + 100).for_each(|n| ends.add(end(n, &n.to_string())));
        ends.forget(most + 1);
        ends.forget(99);
        assert_eq!(sequences(&ends).len(), RETAINED_RECENT_ENDS - 2);
        assert_eq!(sizes(&ends), Some(RETAINED_RECENT_ENDS));
        assert!(!sequences(&ends).contains(&(most + 1)));
        (most + 100..2 * most).for_each(|n| ends.add(end(n, &n.to_string())));
        assert_eq!(sizes(&ends), None, "none of those is left that it was made of");
    }

    #[test]
    fn the_number_of_places_is_bounded_and_a_place_keeps_its_number() {
        let mut ends = RecentEnds::default();
        let most = u64::try_from(RETAINED_RECENT_ENDS).unwrap();
        (0..most + 2).for_each(|n| ends.add(end(n, &n.to_string())));
        let count = |ends: &RecentEnds| (ends.places.len(), ends.last.len());
        assert_eq!(count(&ends), (RETAINED_RECENT_ENDS, RETAINED_RECENT_ENDS));
        ends.forget(1);
        ends.remove_last(&Identity::new("t", "0"));
        assert_eq!(sequences(&ends).first(), Some(&2), "the two oldest are gone");
        ends.remove_last(&Identity::new("t", "3"));
        ends.add(end(most + 2, "4"));
        assert_eq!(sequences(&ends).first(), Some(&5));
        assert_eq!(count(&ends), (RETAINED_RECENT_ENDS, RETAINED_RECENT_ENDS - 2));
        let again = restored(ends.clone());
        assert_eq!((count(&again), sequences(&again)), (count(&ends), sequences(&ends)));
    }
}
