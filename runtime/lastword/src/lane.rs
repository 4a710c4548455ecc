//! The order of events for one (plugin, session id).
//!
//! At most one delivery of a lane is out at a time. What failed waits for its retry at the head of the line as long as
//! nothing newer wants out; when something does, the head gets one attempt at once, and if that fails too it steps
//! aside: from then on it is `late` and keeps its own retries, and the newer one goes ahead. So order is kept as long as
//! it can be, and an end never waits for something that keeps failing.

use std::collections::VecDeque;
use std::time::Instant;

use crate::owed::Owed;

#[derive(Debug, Default)]
pub(crate) struct Lane {
    /// One of this lane's deliveries is with a queue or a worker.
    out: bool,
    /// In the order in which they happened.
    line: VecDeque<Owed>,
    /// When the head of the line, which has failed, is due again.
    head_due: Option<Instant>,
    /// Overtaken, each with the time of its next attempt.
    late: Vec<(Instant, Owed)>,
    /// In a drain everything gets one attempt, whatever its retry time, and what fails leaves the lane.
    draining: bool,
}

impl Lane {
    /// Takes the newest event, and gives back what is to be launched, if anything.
    pub(crate) fn push(&mut self, owed: Owed, now: Instant) -> Option<Owed> {
        self.line.push_back(owed);
        self.launch(now)
    }

    /// The delivery that was out is delivered, dead or deferred.
    pub(crate) fn settled(&mut self, now: Instant) -> Option<Owed> {
        self.out = false;
        self.launch(now)
    }

    /// The delivery that was out has failed and is due again at `due`.
    pub(crate) fn failed(&mut self, mut owed: Owed, due: Instant, now: Instant) -> Option<Owed> {
        self.out = false;
        if self.draining {
            return self.launch(now);
        }
        owed.late |= self.has_newer();
        if owed.late {
            self.late.push((due, owed));
        } else {
            self.line.push_front(owed);
            self.head_due = Some(due);
        }
        self.launch(now)
    }

    /// Something waits behind the delivery that is out.
    pub(crate) fn has_newer(&self) -> bool {
        !self.line.is_empty()
    }

    /// What may go out at `now`.
    pub(crate) fn launch(&mut self, now: Instant) -> Option<Owed> {
        if self.out {
            return None;
        }
        let head_waits = self.head_due.is_some_and(|due| due > now) && self.line.len() == 1;
        let next = if head_waits || self.line.is_empty() { self.take_late(now) } else { self.take_head() };
        self.out = next.is_some();
        next
    }

    fn take_head(&mut self) -> Option<Owed> {
        self.head_due = None;
        self.line.pop_front()
    }

    fn take_late(&mut self, now: Instant) -> Option<Owed> {
        let due = self.late.iter().position(|(due, _)| *due <= now)?;
        Some(self.late.swap_remove(due).1)
    }

    /// When this lane wants to be looked at again, if nothing of it is out.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.late.iter().map(|(due, _)| *due).chain(self.head_due).min()
    }

    /// From now on everything gets one attempt, in order, and retry times do not count.
    pub(crate) fn begin_drain(&mut self, now: Instant) -> Option<Owed> {
        self.draining = true;
        self.head_due = None;
        let mut overtaken: Vec<Owed> = self.late.drain(..).map(|(_, owed)| owed).collect();
        overtaken.sort_by_key(|owed| (owed.sequence, owed.key));
        for owed in overtaken.into_iter().rev() {
            self.line.push_front(owed);
        }
        self.launch(now)
    }

    /// Takes everything that is not out.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = Owed> + '_ {
        self.head_due = None;
        self.line.drain(..).chain(self.late.drain(..).map(|(_, owed)| owed))
    }

    /// Nothing is out and nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        !self.out && self.line.is_empty() && self.late.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use lastword_events::{Event, EventKey, Session, SessionStart};

    use super::*;

    const RETRY: Duration = Duration::from_secs(1);

    /// The lane does not look at what an event says: a number tells them apart.
    fn owed(n: u64) -> Owed {
        let event = Arc::new(Event::Start(SessionStart::default()));
        Owed::new(n, EventKey::Start, &Arc::new(Session::new("t", "s")), &event)
    }

    fn number(owed: Option<Owed>) -> Option<(u64, bool)> {
        owed.map(|o| (o.sequence, o.late))
    }

    #[test]
    fn one_at_a_time_and_in_order() {
        let now = Instant::now();
        let mut lane = Lane::default();
        assert_eq!(number(lane.push(owed(1), now)), Some((1, false)));
        assert_eq!(number(lane.push(owed(2), now)), None);
        assert_eq!(number(lane.push(owed(3), now)), None);
        assert_eq!(number(lane.settled(now)), Some((2, false)));
        assert_eq!(number(lane.settled(now)), Some((3, false)));
        assert_eq!(number(lane.settled(now)), None);
        assert!(lane.is_empty());
    }

    #[test]
    fn a_failure_with_nothing_behind_it_waits_for_its_time() {
        let now = Instant::now();
        let mut lane = Lane::default();
        let first = lane.push(owed(1), now).unwrap();
        assert_eq!(number(lane.failed(first, now + RETRY, now)), None);
        assert_eq!(lane.next_due(), Some(now + RETRY));
        assert_eq!(number(lane.launch(now)), None);
        assert_eq!(number(lane.launch(now + RETRY)), Some((1, false)));
    }

    #[test]
    fn a_newer_event_gives_the_older_one_attempt_at_once_and_then_overtakes_it() {
        let now = Instant::now();
        let mut lane = Lane::default();
        let first = lane.push(owed(1), now).unwrap();
        lane.failed(first, now + RETRY, now);
        let courtesy = lane.push(owed(2), now).expect("the older one goes out at once");
        assert_eq!((courtesy.sequence, courtesy.late), (1, false));
        assert_eq!(number(lane.failed(courtesy, now + RETRY, now)), Some((2, false)), "the newer goes ahead");
        assert_eq!(number(lane.settled(now)), None);
        assert_eq!(number(lane.launch(now + RETRY)), Some((1, true)), "late from then on");
    }

    #[test]
    fn a_failure_while_something_newer_waits_steps_aside_at_once() {
        let now = Instant::now();
        let mut lane = Lane::default();
        let first = lane.push(owed(1), now).unwrap();
        lane.push(owed(2), now);
        assert_eq!(number(lane.failed(first, now + RETRY, now)), Some((2, false)));
    }

    #[test]
    fn a_late_one_never_holds_up_a_newer_one() {
        let now = Instant::now();
        let mut lane = Lane::default();
        let first = lane.push(owed(1), now).unwrap();
        lane.push(owed(2), now);
        lane.failed(first, now, now);
        lane.push(owed(3), now);
        assert_eq!(number(lane.settled(now)), Some((3, false)), "although 1 is due as well");
        assert_eq!(number(lane.settled(now)), Some((1, true)));
    }

    #[test]
    fn in_a_drain_everything_gets_one_attempt_in_order_whatever_its_retry_time() {
        let now = Instant::now();
        let mut lane = Lane::default();
        let first = lane.push(owed(1), now).unwrap();
        lane.push(owed(2), now);
        let second = lane.failed(first, now + RETRY, now).unwrap();
        lane.failed(second, now + RETRY, now);
        let one = lane.begin_drain(now).unwrap();
        assert_eq!((one.sequence, one.late), (1, true));
        assert_eq!(number(lane.push(owed(3), now)), None);
        let two = lane.failed(one, now + RETRY, now).unwrap();
        assert_eq!(two.sequence, 2);
        assert_eq!(number(lane.failed(two, now + RETRY, now)), Some((3, false)));
        assert_eq!(number(lane.settled(now)), None);
        assert!(lane.is_empty(), "what failed in a drain is the journal's from here on");
    }
}
