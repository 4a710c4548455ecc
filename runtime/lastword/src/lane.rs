//! The order of events for one (plugin, session id).
//!
//! At most one delivery of a lane is in progress. A delivery that failed waits for its retry in front of the others as long as nothing
//! newer comes. When something newer comes, the failed delivery gets one attempt at once. If that fails too the delivery becomes late: the
//! newer one goes ahead, and the late one keeps its own retries. So the order is kept as long as it can be, and an end never waits for
//! something that keeps failing.

use std::collections::VecDeque;
use std::time::Instant;

use lastword_events::EventKey;

use crate::queued_delivery::QueuedDelivery;

/// The rank of a delivery that came into its lane late: newer events had begun before.
const NO_RANK: u32 = 0;

#[derive(Debug, Default)]
pub(crate) struct Lane {
    /// A delivery of this lane is with a queue or a worker.
    in_progress: bool,
    /// Events that have come into the lane since it was empty.
    arrivals: u32,
    /// The session whose end waits in the drain's backlog. That end comes after everything in the lane.
    end_to_come: Option<u64>,
    /// What waits behind the delivery in progress. None for most lanes, of which there may be a million.
    waiting: Option<Box<WaitingEvents>>,
}

/// When a delivery failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailedIn {
    OrdinaryWork,
    /// A drain has begun since the failure: the delivery gets an attempt in it.
    WorkBeforeDrain,
    /// This was the one attempt that the delivery gets in a drain. The delivery leaves the lane.
    Drain,
}

/// The waiting deliveries of a lane.
#[derive(Debug, Default)]
struct WaitingEvents {
    /// The deliveries that are not late, in the order in which their events happened.
    in_order: VecDeque<QueuedDelivery>,
    /// When the retry of the first of `in_order` is due, if that has failed.
    head_due: Option<Instant>,
    /// The late deliveries, each with the time of its next attempt.
    late: Vec<(Instant, QueuedDelivery)>,
    /// The time for which a look at this lane is scheduled.
    scheduled: Option<Instant>,
    /// How many withdrawals have taken deliveries out before the journal has been told. Nothing begins meanwhile.
    withdrawals: u32,
    /// Withdrawn events for which the journal has not answered: they may come back.
    away: Vec<AwayEvent>,
}

/// A withdrawn event, and whether anything newer has gone ahead of it since.
#[derive(Debug)]
struct AwayEvent {
    delivery: QueuedDelivery,
    is_overtaken: bool,
}

impl WaitingEvents {
    fn is_empty(&self) -> bool {
        self.withdrawals == 0 && self.in_order.is_empty() && self.late.is_empty() && self.away.is_empty()
    }

    /// Takes what may begin at `now`.
    fn next(&mut self, now: Instant) -> Option<QueuedDelivery> {
        if self.withdrawals > 0 {
            return None;
        }
        let next = self.take_next(now)?;
        for away in self.away.iter_mut().filter(|away| is_newer(&next, &away.delivery)) {
            away.is_overtaken = true;
        }
        Some(next)
    }

    fn take_next(&mut self, now: Instant) -> Option<QueuedDelivery> {
        if self.head_waits(now) || self.in_order.is_empty() {
            let due = self.late.iter().position(|(due, _)| *due <= now)?;
            return Some(self.late.swap_remove(due).1);
        }
        self.head_due = None;
        self.in_order.pop_front()
    }

    /// Whether the first of `in_order` waits for its retry, because nothing in the lane is newer.
    fn head_waits(&self, now: Instant) -> bool {
        let has_newer = |head| self.in_order.len() > 1 || self.late.iter().any(|(_, late)| is_newer(late, head));
        self.head_due.is_some_and(|due| due > now) && self.in_order.front().is_some_and(|head| !has_newer(head))
    }

    /// When the first delivery of the lane is due.
    fn due(&self) -> Option<Instant> {
        self.late.iter().map(|(due, _)| *due).chain(self.head_due).min()
    }
}

/// Whether one event is newer than another of the lane. Events that came into the lane late have no rank: those of different sessions go
/// by the order in which the sessions began.
fn is_newer(delivery: &QueuedDelivery, than: &QueuedDelivery) -> bool {
    match delivery.sequence == than.sequence {
        true => delivery.key > than.key,
        false if delivery.rank == NO_RANK || than.rank == NO_RANK => delivery.sequence > than.sequence,
        false => delivery.rank > than.rank,
    }
}

impl Lane {
    /// A lane with a delivery in progress.
    pub(crate) fn in_progress() -> Self {
        Self { in_progress: true, ..Self::default() }
    }

    /// Takes the newest event. Gives what is ready.
    pub(crate) fn push(&mut self, mut delivery: QueuedDelivery, now: Instant) -> Option<QueuedDelivery> {
        self.arrivals = self.arrivals.saturating_add(1);
        delivery.rank = self.arrivals;
        self.push_end(delivery, now)
    }

    /// Takes an event that newer ones overtook long ago. None of the newer events fails because of it, and none waits for it. An older
    /// delivery that waits for its retry has its attempt first. Gives what is ready.
    pub(crate) fn push_late(&mut self, delivery: QueuedDelivery, now: Instant) -> Option<QueuedDelivery> {
        self.waiting_events().late.push((now, QueuedDelivery { rank: NO_RANK, ..delivery }));
        self.make_ready(now)
    }

    /// Takes an end of a drain's backlog. None of the sessions that a drain ends is newer than another.
    pub(crate) fn push_end(&mut self, delivery: QueuedDelivery, now: Instant) -> Option<QueuedDelivery> {
        if self.is_empty() {
            self.in_progress = true;
            return Some(delivery);
        }
        self.waiting_events().in_order.push_back(delivery);
        self.make_ready(now)
    }

    /// The delivery in progress is delivered, dead or deferred.
    pub(crate) fn done(&mut self, now: Instant) -> Option<QueuedDelivery> {
        self.in_progress = false;
        self.make_ready(now)
    }

    /// The delivery in progress has failed and is due again at `due`. Whether it is late was decided when its failure was written down.
    pub(crate) fn failed(
        &mut self,
        delivery: QueuedDelivery,
        due: Instant,
        now: Instant,
        failed_in: FailedIn,
    ) -> Option<QueuedDelivery> {
        self.in_progress = false;
        match failed_in {
            FailedIn::Drain => (),
            FailedIn::WorkBeforeDrain => self.waiting_events().in_order.push_front(delivery),
            FailedIn::OrdinaryWork if delivery.late => self.waiting_events().late.push((due, delivery)),
            FailedIn::OrdinaryWork => {
                let waiting = self.waiting_events();
                waiting.in_order.push_front(delivery);
                waiting.head_due = Some(due);
            }
        }
        self.make_ready(now)
    }

    /// Whether something newer waits behind the delivery in progress. (In a drain, overtaken deliveries are in order again, and older.)
    pub(crate) fn has_newer(&self, than: &QueuedDelivery) -> bool {
        let end_to_come = self.end_to_come.is_some_and(|sequence| match sequence == than.sequence {
            true => EventKey::End > than.key,
            // Ends of a backlog have no order among them.
            false => than.rank < u32::MAX,
        });
        end_to_come || self.waiting().any(|delivery| is_newer(delivery, than))
    }

    /// Notes that the end of the session `sequence` waits in the drain's backlog.
    pub(crate) fn expect_end(&mut self, sequence: u64) {
        self.end_to_come = Some(sequence);
    }

    fn waiting_events(&mut self) -> &mut WaitingEvents {
        self.waiting.get_or_insert_default()
    }

    /// Takes what may begin at `now`.
    fn make_ready(&mut self, now: Instant) -> Option<QueuedDelivery> {
        if self.in_progress {
            return None;
        }
        let next = self.waiting.as_mut()?.next(now);
        self.in_progress = next.is_some();
        next
    }

    /// When a look at this lane is needed, if none is scheduled yet: the caller schedules it. None while a delivery is in progress or
    /// withdrawn: then the lane is looked at when the delivery returns, or the lane is advanced.
    pub(crate) fn schedule(&mut self) -> Option<Instant> {
        let waiting = self.waiting.as_mut().filter(|waiting| !self.in_progress && waiting.withdrawals == 0)?;
        let next = waiting.due()?;
        if waiting.scheduled.is_some_and(|scheduled| scheduled <= next) {
            return None;
        }
        waiting.scheduled = Some(next);
        Some(next)
    }

    /// Looks at the lane, at the scheduled time. Gives what is ready.
    pub(crate) fn look(&mut self, now: Instant) -> Option<QueuedDelivery> {
        if let Some(waiting) = &mut self.waiting
            && waiting.scheduled.is_some_and(|scheduled| scheduled <= now)
        {
            waiting.scheduled = None;
        }
        self.make_ready(now)
    }

    /// From now on every delivery gets one attempt, in order, and retry times do not count. Nothing changes if nothing waits.
    pub(crate) fn begin_drain(&mut self, now: Instant) -> Option<QueuedDelivery> {
        let waiting = self.waiting.as_mut()?;
        waiting.head_due = None;
        let late = std::mem::take(&mut waiting.late).into_iter().map(|(_, delivery)| delivery);
        let (mut came_back, mut overtaken): (Vec<_>, Vec<_>) = late.partition(|delivery| delivery.rank == NO_RANK);
        // Overtaken deliveries are older than those in order. The returned ones get their places in one pass, because there may be many.
        overtaken.sort_by_key(|delivery| delivery.rank);
        came_back.sort_by_key(|delivery| (delivery.sequence, delivery.key));
        let in_order = std::mem::take(&mut waiting.in_order);
        let mut came_back = came_back.into_iter().peekable();
        for delivery in overtaken.into_iter().chain(in_order) {
            while let Some(older) = came_back.next_if(|one| is_newer(&delivery, one)) {
                waiting.in_order.push_back(older);
            }
            waiting.in_order.push_back(delivery);
        }
        waiting.in_order.extend(came_back);
        self.make_ready(now)
    }

    /// Takes the wanted deliveries out of what waits, each with the time of its retry. If there is any, nothing of the lane begins until
    /// the lane [is advanced](Self::advance). What is taken out [may come back](Self::expect_back).
    pub(crate) fn withdraw(
        &mut self,
        is_wanted: impl Fn((u64, EventKey)) -> bool,
    ) -> Vec<(QueuedDelivery, Option<Instant>)> {
        let Some(waiting) = &mut self.waiting else { return Vec::new() };
        let wanted = |delivery: &QueuedDelivery| is_wanted((delivery.sequence, delivery.key));
        let mut gone = Vec::new();
        let mut head_due = waiting.head_due;
        if waiting.in_order.front().is_some_and(wanted) {
            // The time was that of the delivery that is taken out.
            waiting.head_due = None;
        } else {
            head_due = None;
        }
        waiting.in_order.retain(|delivery| {
            let is_gone = wanted(delivery);
            if is_gone {
                gone.push((delivery.clone(), head_due.take()));
            }
            !is_gone
        });
        waiting.late.retain(|(due, delivery)| {
            let is_gone = wanted(delivery);
            if is_gone {
                gone.push((delivery.clone(), Some(*due)));
            }
            !is_gone
        });
        waiting.withdrawals += u32::from(!gone.is_empty());
        let away = |(delivery, _): &(QueuedDelivery, _)| AwayEvent { delivery: delivery.clone(), is_overtaken: false };
        waiting.away.extend(gone.iter().map(away));
        gone
    }

    /// Notes that a delivery of this lane was withdrawn and may come back. Once the journal has answered the delivery is
    /// [restored](Self::restore) or [forgotten](Self::forget). Until then the lane notes whether anything newer goes ahead of it, and keeps
    /// its place.
    pub(crate) fn expect_back(&mut self, delivery: QueuedDelivery) {
        self.waiting_events().away.push(AwayEvent { delivery, is_overtaken: false });
    }

    /// Takes a new event that is withdrawn already and [may come back](Self::expect_back). What is in the lane is older than the event, and
    /// what comes later is newer.
    pub(crate) fn push_away(&mut self, mut delivery: QueuedDelivery) {
        self.arrivals = self.arrivals.saturating_add(1);
        delivery.rank = self.arrivals;
        self.expect_back(delivery);
    }

    /// Takes back a delivery that was [withdrawn](Self::withdraw) and is still owed, with the time of its retry. The delivery has its place
    /// again, unless something newer has gone ahead of it meanwhile. Nothing begins by that: once all that comes back is restored, somebody
    /// has to [look](Self::look).
    pub(crate) fn restore(&mut self, delivery: QueuedDelivery, due: Option<Instant>, now: Instant) {
        // For a delivery that the lane does not know it cannot say that nothing has gone ahead.
        let away = self.take_away((delivery.sequence, delivery.key));
        let AwayEvent { delivery, is_overtaken } = away.unwrap_or(AwayEvent { delivery, is_overtaken: true });
        let waiting = self.waiting_events();
        let newer = waiting.in_order.iter().position(|other| is_newer(other, &delivery));
        // A waiting first delivery that is older has had its attempt before this one, and keeps its time.
        let is_overtaken = is_overtaken || (newer == Some(0) && waiting.head_due.is_some());
        if delivery.late || is_overtaken {
            waiting.late.push((due.unwrap_or(now), QueuedDelivery { late: true, ..delivery }));
            return;
        }
        let place = newer.unwrap_or(waiting.in_order.len());
        if place == 0 {
            waiting.head_due = due;
        }
        waiting.in_order.insert(place, delivery);
    }

    /// Forgets a delivery that was [withdrawn](Self::withdraw).
    pub(crate) fn forget(&mut self, event: (u64, EventKey)) {
        self.take_away(event);
    }

    fn take_away(&mut self, event: (u64, EventKey)) -> Option<AwayEvent> {
        let away = &mut self.waiting.as_mut()?.away;
        let place = away.iter().position(|one| (one.delivery.sequence, one.delivery.key) == event)?;
        Some(away.remove(place))
    }

    /// Lets the lane go on: the journal was told of what was [withdrawn](Self::withdraw). Gives what is ready.
    pub(crate) fn advance(&mut self, now: Instant) -> Option<QueuedDelivery> {
        if let Some(waiting) = &mut self.waiting {
            waiting.withdrawals = waiting.withdrawals.saturating_sub(1);
        }
        self.make_ready(now)
    }

    /// All deliveries that are not in progress.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &QueuedDelivery> {
        self.waiting
            .iter()
            .flat_map(|waiting| waiting.in_order.iter().chain(waiting.late.iter().map(|(_, delivery)| delivery)))
    }

    /// Takes all deliveries that are not in progress.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = QueuedDelivery> + use<> {
        let waiting = self.waiting.take().map(|waiting| *waiting).unwrap_or_default();
        waiting.in_order.into_iter().chain(waiting.late.into_iter().map(|(_, delivery)| delivery))
    }

    /// Whether nothing is in progress, nothing waits, and no withdrawn delivery may come back.
    pub(crate) fn is_empty(&self) -> bool {
        !self.in_progress && self.waiting.as_ref().is_none_or(|waiting| waiting.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use lastword_events::{CompactionPhase, Event, Session, SessionStart};

    use super::*;

    const RETRY: Duration = Duration::from_secs(1);

    /// The lane does not look at what an event says. A number tells the events apart.
    fn delivery(n: u64) -> QueuedDelivery {
        let event = Arc::new(Event::Start(SessionStart::default()));
        QueuedDelivery::new(n, EventKey::Start, &Arc::new(Session::new("t", "s")), &event)
    }

    /// A failure as it happens in ordinary work: written down, and late if something newer waits at that moment.
    fn fail(lane: &mut Lane, mut delivery: QueuedDelivery, due: Instant, now: Instant) -> Option<QueuedDelivery> {
        delivery.late |= lane.has_newer(&delivery);
        lane.failed(delivery, due, now, FailedIn::OrdinaryWork)
    }

    /// Withdraws deliveries. Whether the journal can forget them is not known yet.
    fn withdraw(lane: &mut Lane, is_wanted: impl Fn((u64, EventKey)) -> bool) -> Vec<(u64, EventKey)> {
        lane.withdraw(is_wanted).into_iter().map(|(gone, _due)| (gone.sequence, gone.key)).collect()
    }

    /// Withdraws deliveries. None of them comes back.
    fn forget(lane: &mut Lane, is_wanted: impl Fn((u64, EventKey)) -> bool) -> Vec<(u64, EventKey)> {
        let gone = withdraw(lane, is_wanted);
        gone.iter().for_each(|event| lane.forget(*event));
        gone
    }

    fn number(delivery: Option<QueuedDelivery>) -> Option<(u64, bool)> {
        delivery.map(|o| (o.sequence, o.late))
    }

    #[test]
    fn one_at_a_time_and_in_order() {
        let now = Instant::now();
        let mut lane = Lane::default();
        assert_eq!(number(lane.push(delivery(1), now)), Some((1, false)));
        assert_eq!(number(lane.push(delivery(2), now)), None);
        assert_eq!(number(lane.push(delivery(3), now)), None);
        assert_eq!(number(lane.done(now)), Some((2, false)));
        assert_eq!(number(lane.done(now)), Some((3, false)));
        assert_eq!(number(lane.done(now)), None);
        assert!(lane.is_empty());
    }

    #[test]
    fn a_failure_with_nothing_behind_it_waits_for_its_time() {
        let now = Instant::now();
        let mut lane = Lane::default();
        let first = lane.push(delivery(1), now).unwrap();
        assert_eq!(number(fail(&mut lane, first, now + RETRY, now)), None);
        assert_eq!(lane.schedule(), Some(now + RETRY));
        assert_eq!(lane.schedule(), None, "once is enough");
        assert_eq!(number(lane.look(now)), None);
        assert_eq!(number(lane.look(now + RETRY)), Some((1, false)));
    }

    #[test]
    fn a_newer_event_gives_the_older_one_attempt_at_once_and_then_overtakes_it() {
        let now = Instant::now();
        let mut lane = Lane::default();
        let first = lane.push(delivery(1), now).unwrap();
        fail(&mut lane, first, now + RETRY, now);
        let courtesy = lane.push(delivery(2), now).expect("the older one goes out at once");
        assert_eq!((courtesy.sequence, courtesy.late), (1, false));
        assert_eq!(number(fail(&mut lane, courtesy, now + RETRY, now)), Some((2, false)), "the newer goes ahead");
        assert_eq!(number(lane.done(now)), None);
        assert_eq!(number(lane.look(now + RETRY)), Some((1, true)), "late from then on");
    }

    #[test]
    fn a_failure_while_something_newer_waits_steps_aside_at_once() {
        let now = Instant::now();
        let mut lane = Lane::default();
        let first = lane.push(delivery(1), now).unwrap();
        lane.push(delivery(2), now);
        assert_eq!(number(fail(&mut lane, first, now + RETRY, now)), Some((2, false)));
    }

    #[test]
    fn something_newer_that_comes_between_a_failure_and_its_settling_lets_it_try_once_more() {
        let now = Instant::now();
        let mut lane = Lane::default();
        let first = lane.push(delivery(1), now).unwrap();
        // Written down as failed and not late. Then event 2 happens.
        lane.push(delivery(2), now);
        assert_eq!(number(lane.failed(first, now + RETRY, now, FailedIn::OrdinaryWork)), Some((1, false)));
    }

    #[test]
    fn a_failure_that_was_settled_after_the_drain_began_still_gets_the_drains_attempt() {
        let now = Instant::now();
        let mut lane = Lane::default();
        let first = lane.push(delivery(1), now).unwrap();
        assert_eq!(number(lane.begin_drain(now)), None, "it is in progress");
        let again = lane.failed(first, now + RETRY, now, FailedIn::WorkBeforeDrain).unwrap();
        assert_eq!(again.sequence, 1);
        assert_eq!(number(lane.failed(again, now + RETRY, now, FailedIn::Drain)), None);
        assert!(lane.is_empty());
    }

    #[test]
    fn what_is_newer_than_everything_in_its_lane_is_not_late() {
        let now = Instant::now();
        let mut lane = Lane::default();
        let first = lane.push(delivery(1), now).unwrap();
        lane.push(delivery(2), now);
        let second = fail(&mut lane, first, now + RETRY, now).unwrap();
        assert_eq!(number(lane.begin_drain(now)), None, "2 is in progress");
        assert!(!lane.has_newer(&second), "1 is in the line again, and is older");
        lane.expect_end(3);
        assert!(lane.has_newer(&second));
        assert!(lane.has_newer(&delivery(3)), "the end that is to come is newer than its own session's start");
        let of_another = QueuedDelivery { key: EventKey::End, ..delivery(4) };
        assert!(!lane.has_newer(&of_another), "the drain ends it as well");
        let end = QueuedDelivery { key: EventKey::End, ..delivery(3) };
        assert!(!lane.has_newer(&end), "it has come");
    }

    #[test]
    fn of_the_ends_that_a_drain_makes_of_one_id_none_is_newer_than_another() {
        let now = Instant::now();
        let mut lane = Lane::default();
        let end = |n| QueuedDelivery { key: EventKey::End, ..delivery(n) };
        let first = lane.push_end(end(1), now).unwrap();
        assert_eq!(number(lane.push_end(end(2), now)), None);
        assert!(!lane.has_newer(&first));
    }

    /// Two sessions of one id may be active at once.
    #[test]
    fn the_end_of_an_older_session_goes_ahead_of_a_newer_ones_start_that_keeps_failing() {
        let now = Instant::now();
        let mut lane = Lane::default();
        lane.push(delivery(1), now);
        lane.push(delivery(2), now);
        let start_of_2 = lane.done(now).unwrap();
        fail(&mut lane, start_of_2, now + RETRY, now);
        let again = lane.push(QueuedDelivery { key: EventKey::End, ..delivery(1) }, now).expect("one attempt at once");
        assert_eq!((again.sequence, again.late), (2, false));
        assert_eq!(number(fail(&mut lane, again, now + RETRY, now)), Some((1, false)), "and then the end");
        assert_eq!(number(lane.done(now)), None);
        assert_eq!(number(lane.look(now + RETRY)), Some((2, true)));
    }

    #[test]
    fn a_lane_is_not_looked_at_while_one_of_it_is_out() {
        let now = Instant::now();
        let mut lane = Lane::default();
        let first = lane.push(delivery(1), now).unwrap();
        lane.push(delivery(2), now);
        fail(&mut lane, first, now, now).expect("2 goes ahead");
        assert_eq!((number(lane.look(now)), lane.schedule()), (None, None), "1 is due, and 2 is in progress");
        assert_eq!(number(lane.done(now)), Some((1, true)));
    }

    #[test]
    fn what_is_made_again_long_after_brings_about_no_attempt_of_what_is_newer() {
        let now = Instant::now();
        let mut lane = Lane::default();
        let newer = lane.push(delivery(2), now).unwrap();
        assert_eq!(number(fail(&mut lane, newer, now + RETRY, now)), None);
        let again = lane.push_late(QueuedDelivery { late: true, ..delivery(1) }, now).expect("at once");
        assert_eq!((again.sequence, again.late), (1, true));
        assert!(lane.has_newer(&again));
        assert_eq!(number(fail(&mut lane, again, now + 2 * RETRY, now)), None);
        assert_eq!(number(lane.look(now + RETRY)), Some((2, false)), "it was not overtaken by it");
    }

    #[test]
    fn what_comes_back_late_waits_for_one_attempt_of_what_is_older_than_it() {
        let now = Instant::now();
        let compaction = |n| QueuedDelivery {
            key: EventKey::Compaction { n: 1, phase: CompactionPhase::Before },
            late: true,
            ..delivery(n)
        };
        for newer in [compaction(1), compaction(2)] {
            // The delivery waits for its retry, or has left the lane.
            let mut lane = Lane::default();
            let start = lane.push(delivery(1), now).unwrap();
            fail(&mut lane, start, now + RETRY, now);
            let again = lane.push_late(newer.clone(), now).expect("one attempt at once");
            assert_eq!((again.key, again.late), (EventKey::Start, false));
            assert_eq!(number(fail(&mut lane, again, now + RETRY, now)), Some((newer.sequence, true)));
            assert_eq!(number(lane.done(now)), None);
            assert_eq!(number(lane.look(now + RETRY)), Some((1, true)));

            let mut lane = Lane::default();
            let start = lane.push(delivery(1), now).unwrap();
            assert_eq!(number(lane.push_late(newer.clone(), now)), None);
            assert_eq!(number(fail(&mut lane, start, now + RETRY, now)), Some((newer.sequence, true)));
            assert_eq!(number(lane.done(now)), None);
            assert_eq!(number(lane.look(now + RETRY)), Some((1, true)));

            // In a drain it comes after the other one, too.
            let mut lane = Lane::default();
            lane.push(delivery(0), now);
            lane.push(delivery(1), now);
            lane.push(delivery(3), now);
            lane.push_late(newer.clone(), now);
            lane.begin_drain(now);
            let order: Vec<u64> = lane.waiting().map(|one| one.sequence).collect();
            assert_eq!(order, [1, newer.sequence, 3]);
            assert_eq!(lane.waiting().map(|one| one.late).collect::<Vec<_>>(), [false, true, false]);
        }
    }

    #[test]
    fn what_is_withdrawn_holds_up_nothing_any_more() {
        let now = Instant::now();
        let mut lane = Lane::default();
        let first = lane.push(delivery(1), now).unwrap();
        fail(&mut lane, first, now + RETRY, now);
        assert_eq!(forget(&mut lane, |(sequence, _)| sequence == 1), [(1, EventKey::Start)]);
        assert_eq!((number(lane.advance(now)), lane.is_empty()), (None, true));
        let second = lane.push(delivery(2), now).unwrap();
        lane.push(delivery(3), now);
        lane.push(delivery(4), now);
        assert_eq!(forget(&mut lane, |(sequence, _)| sequence != 4), [(3, EventKey::Start)], "2 is in progress");
        assert_eq!(number(lane.advance(now)), None);
        assert_eq!(number(fail(&mut lane, second, now + RETRY, now)), Some((4, false)));
        assert_eq!(forget(&mut lane, |_| true), [(2, EventKey::Start)], "it was overtaken");
        assert_eq!(number(lane.advance(now)), None);
        assert_eq!((number(lane.done(now)), lane.is_empty()), (None, true));
    }

    #[test]
    fn nothing_begins_between_a_withdrawal_and_its_record() {
        let now = Instant::now();
        let mut lane = Lane::default();
        lane.push(delivery(1), now);
        lane.push(delivery(2), now);
        lane.push(delivery(3), now);
        assert_eq!(withdraw(&mut lane, |(sequence, _)| sequence == 2), [(2, EventKey::Start)]);
        assert_eq!(withdraw(&mut lane, |(sequence, _)| sequence == 2), [], "it is gone: this holds up nothing");
        assert_eq!(number(lane.done(now)), None, "1 was in progress, and 3 waits");
        assert_eq!(number(lane.look(now)), None);
        let third = lane.advance(now).expect("the journal was told");
        assert_eq!(third.sequence, 3);
        // The delivery that waits for its retry is alone, so nothing is left of the lane.
        assert_eq!(number(fail(&mut lane, third, now + RETRY, now)), None);
        assert_eq!(lane.schedule(), Some(now + RETRY));
        assert_eq!(withdraw(&mut lane, |_| true), [(3, EventKey::Start)]);
        assert!(!lane.is_empty());
        assert_eq!(number(lane.push(delivery(4), now)), None, "what comes then waits as well");
        assert_eq!((number(lane.look(now + RETRY)), lane.schedule()), (None, None));
        assert_eq!(withdraw(&mut lane, |_| true), [(4, EventKey::Start)]);
        assert_eq!(number(lane.push_late(delivery(3), now)), None, "and what is made again");
        assert_eq!(number(lane.advance(now)), None, "of the second the journal was not told");
        assert_eq!(number(lane.advance(now)), Some((3, false)));
    }

    /// All deliveries are to come back, in whatever order.
    fn restore(lane: &mut Lane, gone: Vec<(QueuedDelivery, Option<Instant>)>, now: Instant) -> Option<(u64, bool)> {
        gone.into_iter().for_each(|(gone, due)| lane.restore(gone, due, now));
        number(lane.look(now))
    }

    #[test]
    fn what_was_withdrawn_and_is_restored_has_its_place_and_its_retry_again() {
        let now = Instant::now();
        let mut lane = Lane::default();
        let first = lane.push(delivery(1), now).unwrap();
        fail(&mut lane, first, now + RETRY, now);
        let gone = lane.withdraw(|_| true);
        assert_eq!(gone.iter().map(|(gone, due)| (gone.sequence, *due)).collect::<Vec<_>>(), [(1, Some(now + RETRY))]);
        lane.advance(now);
        assert_eq!(restore(&mut lane, gone, now), None);
        assert_eq!(lane.schedule(), Some(now + RETRY));
        assert_eq!(number(lane.look(now + RETRY)), Some((1, false)));

        let mut lane = Lane::default();
        lane.push(delivery(1), now).unwrap();
        lane.push(delivery(2), now);
        lane.push(delivery(3), now);
        let gone = lane.withdraw(|(sequence, _)| sequence == 2);
        assert_eq!(gone[0].1, None);
        lane.advance(now);
        assert_eq!(restore(&mut lane, gone, now), None, "1 is in progress");
        assert_eq!(number(lane.done(now)), Some((2, false)));
        assert_eq!(number(lane.done(now)), Some((3, false)));
    }

    #[test]
    fn what_is_restored_when_something_newer_has_gone_ahead_is_late() {
        let now = Instant::now();
        let mut lane = Lane::default();
        lane.push(delivery(1), now).unwrap();
        lane.push(delivery(2), now);
        lane.push(delivery(3), now);
        let gone = lane.withdraw(|(sequence, _)| sequence == 2);
        lane.advance(now);
        assert_eq!(number(lane.done(now)), Some((3, false)));
        assert_eq!(restore(&mut lane, gone, now), None);
        assert_eq!(number(lane.done(now)), Some((2, true)));
        assert_eq!((number(lane.done(now)), lane.is_empty()), (None, true));
    }

    /// The journal may take its time to answer.
    #[test]
    fn what_is_restored_is_late_also_when_the_newer_one_came_only_after_the_withdrawal_and_is_made_by_now() {
        let now = Instant::now();
        let mut lane = Lane::default();
        let start = lane.push(delivery(1), now).unwrap();
        fail(&mut lane, start, now + RETRY, now);
        let gone = lane.withdraw(|_| true);
        lane.advance(now);
        let end = QueuedDelivery { key: EventKey::End, ..delivery(1) };
        assert_eq!(number(lane.push(end, now)), Some((1, false)), "nothing holds it up");
        assert_eq!(number(lane.done(now)), None);
        assert!(!lane.is_empty(), "the start may come back");
        assert_eq!(restore(&mut lane, gone, now), None);
        assert_eq!(number(lane.look(now + RETRY)), Some((1, true)));
        assert_eq!((number(lane.done(now)), lane.is_empty()), (None, true));
    }

    #[test]
    fn what_is_restored_when_something_newer_only_waits_goes_first() {
        let now = Instant::now();
        let mut lane = Lane::default();
        lane.push(delivery(0), now).unwrap();
        lane.push(delivery(1), now);
        let gone = lane.withdraw(|_| true);
        lane.advance(now);
        lane.push(delivery(2), now);
        assert_eq!(restore(&mut lane, gone, now), None, "0 is in progress");
        assert_eq!(number(lane.done(now)), Some((1, false)));
        assert_eq!(number(lane.done(now)), Some((2, false)));
    }

    #[test]
    fn what_is_restored_keeps_its_place_among_sessions_that_are_active_at_once() {
        let now = Instant::now();
        let mut lane = Lane::default();
        lane.push(delivery(1), now).unwrap();
        lane.push(delivery(2), now);
        lane.push(QueuedDelivery { key: EventKey::End, ..delivery(1) }, now);
        let gone = lane.withdraw(|event| event == (1, EventKey::End));
        lane.advance(now);
        assert_eq!(restore(&mut lane, gone, now), None);
        let order: Vec<_> = lane.waiting().map(|one| (one.sequence, one.key)).collect();
        assert_eq!(order, [(2, EventKey::Start), (1, EventKey::End)], "the end came after the other's start");
    }

    #[test]
    fn of_several_that_are_restored_none_goes_ahead_of_an_older_one() {
        let now = Instant::now();
        let mut lane = Lane::default();
        lane.push(delivery(1), now).unwrap();
        lane.push(delivery(2), now);
        lane.push(delivery(3), now);
        lane.done(now).unwrap();
        let mut gone = lane.withdraw(|_| true);
        lane.expect_back(QueuedDelivery { rank: 2, ..delivery(2) });
        gone.push((delivery(2), None));
        lane.advance(now);
        // The delivery was ready.
        lane.done(now);
        assert_eq!(restore(&mut lane, gone, now), Some((2, false)));
        assert_eq!(number(lane.done(now)), Some((3, false)));
    }

    #[test]
    fn a_head_that_waits_for_its_retry_keeps_its_time_when_something_older_is_restored() {
        let now = Instant::now();
        let mut lane = Lane::default();
        lane.push(delivery(1), now).unwrap();
        lane.push(delivery(2), now);
        let gone = vec![(delivery(1), Some(now + RETRY))];
        let second = lane.done(now).unwrap();
        fail(&mut lane, second, now + 2 * RETRY, now);
        lane.expect_back(QueuedDelivery { rank: 1, ..delivery(1) });
        assert_eq!(restore(&mut lane, gone, now), None, "it is no reason to try the other one at once");
        assert_eq!(number(lane.look(now + RETRY)), Some((1, true)));
        assert_eq!(number(lane.done(now + RETRY)), None);
        assert_eq!(number(lane.look(now + 2 * RETRY)), Some((2, false)));
    }

    #[test]
    fn of_what_is_forgotten_for_good_the_lane_keeps_nothing() {
        let now = Instant::now();
        let mut lane = Lane::default();
        let first = lane.push(delivery(1), now).unwrap();
        fail(&mut lane, first, now + RETRY, now);
        assert_eq!(withdraw(&mut lane, |_| true), [(1, EventKey::Start)]);
        assert_eq!((number(lane.advance(now)), lane.is_empty()), (None, false));
        lane.forget((1, EventKey::Start));
        assert!(lane.is_empty());
    }

    #[test]
    fn a_late_one_never_holds_up_a_newer_one() {
        let now = Instant::now();
        let mut lane = Lane::default();
        let first = lane.push(delivery(1), now).unwrap();
        lane.push(delivery(2), now);
        fail(&mut lane, first, now, now);
        lane.push(delivery(3), now);
        assert_eq!(number(lane.done(now)), Some((3, false)), "although 1 is due as well");
        assert_eq!(number(lane.done(now)), Some((1, true)));
    }

    #[test]
    fn in_a_drain_everything_gets_one_attempt_in_order_whatever_its_retry_time() {
        let now = Instant::now();
        let mut lane = Lane::default();
        let first = lane.push(delivery(1), now).unwrap();
        lane.push(delivery(2), now);
        let second = fail(&mut lane, first, now + RETRY, now).unwrap();
        fail(&mut lane, second, now + RETRY, now);
        let one = lane.begin_drain(now).unwrap();
        assert_eq!((one.sequence, one.late), (1, true));
        assert_eq!(number(lane.push(delivery(3), now)), None);
        let two = lane.failed(one, now + RETRY, now, FailedIn::Drain).unwrap();
        assert_eq!(two.sequence, 2);
        assert_eq!(number(lane.failed(two, now + RETRY, now, FailedIn::Drain)), Some((3, false)));
        assert_eq!(number(lane.done(now)), None);
        assert!(lane.is_empty(), "what failed in a drain is the journal's from here on");
    }
}
