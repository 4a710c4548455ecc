//! Suspects: deliveries that may take the process down, see [`PendingDelivery::suspect`](lastword_journal::PendingDelivery::suspect). A
//! suspect is called when nothing else is ready or under way, so that a further crash shows whether the suspect was the cause. Everything
//! else is delivered before. A drain does not wait for a suspect.

use std::collections::VecDeque;
use std::time::Instant;

use super::ids::QueueId;
use super::withdrawal::{Withdrawal, Withdrawn};
use crate::limits::{MAX_SUSPECT_ALONE, MAX_SUSPECT_WAIT};
use crate::queued_delivery::QueuedDelivery;

/// The suspects that wait, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    waiting: VecDeque<(QueueId, QueuedDelivery)>,
    /// Suspects of plugins of which nothing may begin: nobody waits for these suspects.
    held_back: VecDeque<(QueueId, QueuedDelivery)>,
    /// When the first suspect began to wait for other calls.
    since: Option<Instant>,
    /// When the call of the suspect that is under way began.
    began: Option<Instant>,
}

impl Suspects {
    pub(super) fn push(&mut self, queue: QueueId, delivery: QueuedDelivery, may_begin: bool, now: Instant) {
        if may_begin {
            self.waiting.push_back((queue, delivery));
            self.since.get_or_insert(now);
        } else {
            self.held_back.push_back((queue, delivery));
        }
    }

    /// Sorts the suspects anew: those of closed queues may not begin.
    pub(super) fn hold_back(&mut self, is_closed: impl Fn(QueueId) -> bool, now: Instant) {
        let all = std::mem::take(&mut self.held_back).into_iter().chain(std::mem::take(&mut self.waiting));
        (self.held_back, self.waiting) = all.partition(|(queue, _)| is_closed(*queue));
        if self.waiting.is_empty() {
            self.since = None;
        } else {
            self.since.get_or_insert(now);
        }
    }

    /// Whether no suspect waits or is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.began.is_none()
    }

    /// Whether a suspect may begin as soon as nothing else is under way.
    pub(super) fn want_turn(&self) -> bool {
        !self.waiting.is_empty() && self.began.is_none()
    }

    /// Until when other calls may not begin, because a suspect is under way or has waited long enough. Other calls wait for a bounded time
    /// only, whatever a guest does. A crash after that time proves nothing about the suspect.
    pub(super) fn hold_others_until(&mut self, now: Instant) -> Option<Instant> {
        if let Some(began) = self.began {
            return Some(began + MAX_SUSPECT_ALONE).filter(|until| now < *until);
        }
        let hold = self.since.filter(|_| !self.waiting.is_empty())? + MAX_SUSPECT_WAIT;
        let until = hold + MAX_SUSPECT_ALONE;
        if now >= until {
            // Another call has not ended meanwhile.
            self.since = Some(now);
        }
        (hold <= now && now < until).then_some(until)
    }

    /// Takes the waiting suspects of a queue, to be deferred.
    pub(super) fn take_of(&mut self, queue: QueueId) -> Vec<QueuedDelivery> {
        let mut taken = Vec::new();
        for list in [&mut self.waiting, &mut self.held_back] {
            let (of_queue, others) = std::mem::take(list).into_iter().partition(|(of, _)| *of == queue);
            *list = others;
            let of_queue: VecDeque<(QueueId, QueuedDelivery)> = of_queue;
            taken.extend(of_queue.into_iter().map(|(_, delivery)| delivery));
        }
        taken
    }

    /// Withdraws waiting suspects of a queue.
    pub(super) fn withdraw(&mut self, withdrawal: &mut Withdrawal) {
        let Withdrawal { queue, missing, withdrawn, stopped, .. } = withdrawal;
        for list in [&mut self.waiting, &mut self.held_back] {
            list.retain(|(of, delivery)| {
                let is_gone = of == queue && missing.remove(&(delivery.sequence, delivery.key)).is_some();
                if is_gone {
                    withdrawn.push(Withdrawn::new(delivery.clone(), None));
                    stopped.push(delivery.session.identity.id.clone());
                }
                !is_gone
            });
        }
        if self.waiting.is_empty() {
            self.since = None;
        }
    }

    /// The suspect that was under way is back, or was not begun after all. The other calls of the process have a turn before the next
    /// suspect.
    fn over(&mut self, now: Instant) {
        self.began = None;
        self.since = (!self.waiting.is_empty()).then_some(now);
    }

    /// The next suspect, for which the caller has a slot. Nothing else is under way.
    pub(super) fn take(&mut self, now: Instant) -> Option<(QueueId, QueuedDelivery)> {
        if self.began.is_some() {
            return None;
        }
        let suspect = self.waiting.pop_front()?;
        self.began = Some(now);
        Some(suspect)
    }

    /// A worker brings back a suspect that has begun: the process has survived the call.
    pub(super) fn clear(&mut self, delivery: &mut QueuedDelivery, now: Instant) {
        if std::mem::take(&mut delivery.suspect) {
            self.over(now);
        }
    }

    /// A worker returns a suspect that it has not begun. It is the next suspect again.
    pub(super) fn return_unstarted(&mut self, queue: QueueId, delivery: QueuedDelivery, may_begin: bool, now: Instant) {
        self.over(now);
        if may_begin {
            self.waiting.push_front((queue, delivery));
            self.since.get_or_insert(now);
        } else {
            self.held_back.push_front((queue, delivery));
        }
    }

    #[cfg(shuttle)]
    pub(super) fn held(&self) -> usize {
        self.waiting.len() + self.held_back.len() + usize::from(self.began.is_some())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;
    use std::time::Duration;

    use lastword_events::{Event, EventKey, Session, SessionStart};

    use super::super::dispatcher::Dispatcher;
    use super::super::job::{Job, Taken};
    use super::super::tests::{bring_back, calls, dispatcher, drain, owe};
    use super::super::worker_step::WorkerStep;
    use super::*;

    /// Of three sessions' deliveries, those of the second session are suspect, for both plugins.
    fn with_two_suspects() -> Dispatcher {
        let dispatcher = dispatcher(16, 2);
        owe(&dispatcher, "t", &calls(None), 3);
        let mut state = dispatcher.state();
        for queue in 0..state.queues().len() {
            let ready = &mut state.queue_mut(queue).ready;
            let at = ready.iter().position(|job| matches!(job, Job::Queued(delivery) if delivery.sequence == 1));
            let Some(Job::Queued(mut delivery)) = at.and_then(|at| ready.remove(at)) else { panic!() };
            delivery.suspect = true;
            state.update_ready(queue);
            state.make_ready(queue, Some(delivery));
        }
        drop(state);
        dispatcher
    }

    fn sequences(jobs: &[Taken]) -> Vec<u64> {
        let sequence =
            |taken: &Taken| if let Job::Queued(delivery) = &taken.job { delivery.sequence } else { u64::MAX };
        jobs.iter().map(sequence).collect()
    }

    #[test]
    fn suspects_are_made_one_at_a_time_after_everything_else() {
        let dispatcher = with_two_suspects();
        let mut others = Vec::new();
        for _ in 0..2 {
            let WorkerStep::Serve(slice) = dispatcher.next(None, &[]) else { panic!("the others") };
            assert_eq!(sequences(&slice.jobs), [0, 2]);
            others.push(slice);
        }
        assert!(matches!(dispatcher.next(None, &[]), WorkerStep::Idle(_)), "as long as anything else is under way");
        let last = others.pop().unwrap();
        for slice in others {
            bring_back(&dispatcher, slice.queue, slice.jobs, false);
        }
        assert!(matches!(dispatcher.next(None, &[]), WorkerStep::Idle(_)));
        bring_back(&dispatcher, last.queue, last.jobs, false);
        for fails in [true, false] {
            let WorkerStep::Serve(slice) = dispatcher.next(None, &[]) else { panic!("a suspect") };
            assert_eq!(sequences(&slice.jobs), [1]);
            owe(&dispatcher, if fails { "u" } else { "v" }, &calls(None), 1);
            assert!(matches!(dispatcher.next(None, &[]), WorkerStep::Idle(_)), "nothing begins beside it");
            assert!(!dispatcher.state().is_quiet());
            bring_back(&dispatcher, slice.queue, slice.jobs, fails);
            // Other calls have a turn before the next suspect. A delivery that has failed is no suspect any more.
            while dispatcher.state().scheduler().fair().ready_deliveries() > 0 {
                let WorkerStep::Serve(slice) = dispatcher.next(None, &[]) else { panic!("another one") };
                bring_back(&dispatcher, slice.queue, slice.jobs, false);
            }
        }
        assert!(dispatcher.state().suspects_mut().is_empty());
    }

    #[test]
    fn on_a_busy_gateway_others_wait_for_one_suspect_after_a_while() {
        let dispatcher = with_two_suspects();
        let WorkerStep::Serve(busy) = dispatcher.next(None, &[]) else { panic!() };
        dispatcher.state().suspects_mut().since = Instant::now().checked_sub(MAX_SUSPECT_WAIT);
        assert!(matches!(dispatcher.next(None, &[]), WorkerStep::Idle(_)), "nothing new begins");
        bring_back(&dispatcher, busy.queue, busy.jobs, false);
        let WorkerStep::Serve(suspect) = dispatcher.next(None, &[]) else { panic!() };
        assert_eq!(sequences(&suspect.jobs), [1]);
        bring_back(&dispatcher, suspect.queue, suspect.jobs, false);
        let WorkerStep::Serve(others) = dispatcher.next(None, &[]) else { panic!() };
        assert_eq!(sequences(&others.jobs), [0, 2], "then it is their turn again");
    }

    #[test]
    fn in_a_drain_nobody_waits_for_a_suspect_that_is_under_way() {
        let dispatcher = with_two_suspects();
        for _ in 0..2 {
            let WorkerStep::Serve(slice) = dispatcher.next(None, &[]) else { panic!() };
            bring_back(&dispatcher, slice.queue, slice.jobs, false);
        }
        let WorkerStep::Serve(suspect) = dispatcher.next(None, &[]) else { panic!() };
        owe(&dispatcher, "u", &calls(None), 1);
        assert!(matches!(dispatcher.next(None, &[]), WorkerStep::Idle(Some(_))), "and it is looked again in time");
        dispatcher.begin_drain(drain(Instant::now() + MAX_SUSPECT_WAIT), HashMap::new());
        let WorkerStep::Serve(other) = dispatcher.next(None, &[]) else { panic!("another one") };
        assert_ne!(other.queue, suspect.queue);
    }

    fn suspect(n: u64) -> QueuedDelivery {
        let (session, event) = (Arc::new(Session::new("t", &format!("s{n}"))), Event::Start(SessionStart::default()));
        QueuedDelivery { suspect: true, ..QueuedDelivery::new(n, EventKey::Start, &session, &Arc::new(event)) }
    }

    fn number(taken: Option<(QueueId, QueuedDelivery)>) -> Option<(QueueId, u64)> {
        taken.map(|(queue, delivery)| (queue, delivery.sequence))
    }

    #[test]
    fn others_are_held_from_the_end_of_the_wait_until_the_suspect_was_alone_for_long_enough() {
        let (mut suspects, began) = (Suspects::default(), Instant::now());
        assert_eq!(suspects.hold_others_until(began), None);
        suspects.push(0, suspect(1), true, began);
        suspects.push(0, suspect(2), true, began + MAX_SUSPECT_ALONE);
        let (hold, until) = (began + MAX_SUSPECT_WAIT, began + MAX_SUSPECT_WAIT + MAX_SUSPECT_ALONE);
        let moment = Duration::from_nanos(1);
        assert_eq!(suspects.hold_others_until(hold - moment), None);
        assert_eq!(suspects.hold_others_until(hold), Some(until));
        assert_eq!(suspects.hold_others_until(until - moment), Some(until));
        assert_eq!(suspects.hold_others_until(until), None, "another call has not ended");
        assert_eq!(
            suspects.hold_others_until(until + MAX_SUSPECT_WAIT),
            Some(until + MAX_SUSPECT_WAIT + MAX_SUSPECT_ALONE)
        );

        assert_eq!(number(suspects.take(began)), Some((0, 1)));
        assert_eq!(number(suspects.take(began)), None, "one at a time");
        assert!(!suspects.want_turn() && !suspects.is_empty());
        let alone = began + MAX_SUSPECT_ALONE;
        assert_eq!(suspects.hold_others_until(alone - moment), Some(alone));
        assert_eq!(suspects.hold_others_until(alone), None);
        // It is back: the others have their turn before the next one.
        suspects.clear(&mut suspect(1), alone);
        assert!(suspects.want_turn());
        assert_eq!(suspects.hold_others_until(alone + MAX_SUSPECT_WAIT - moment), None);
        assert!(suspects.hold_others_until(alone + MAX_SUSPECT_WAIT).is_some());
        assert_eq!(number(suspects.take(alone)), Some((0, 2)));
        suspects.clear(&mut suspect(2), alone);
        assert!(suspects.is_empty() && !suspects.want_turn());
        assert_eq!(suspects.hold_others_until(alone + MAX_SUSPECT_WAIT), None);
    }

    #[test]
    fn a_suspect_that_was_not_begun_is_the_next_again_unless_its_queue_is_closed() {
        for may_begin in [true, false] {
            let (mut suspects, now) = (Suspects::default(), Instant::now());
            suspects.push(0, suspect(1), true, now);
            suspects.push(1, suspect(2), true, now);
            let (queue, taken) = suspects.take(now).unwrap();
            suspects.return_unstarted(queue, taken, may_begin, now);
            assert_eq!(number(suspects.take(now)), Some(if may_begin { (0, 1) } else { (1, 2) }));
            suspects.clear(&mut suspect(0), now);
            suspects.hold_back(|_| false, now);
            assert_eq!(number(suspects.take(now)), Some(if may_begin { (1, 2) } else { (0, 1) }));
        }
    }

    #[test]
    fn only_what_is_wanted_of_a_queue_is_withdrawn_and_all_of_a_queue_is_taken() {
        let (mut suspects, now) = (Suspects::default(), Instant::now());
        for (queue, n, may_begin) in [(0, 1, true), (0, 2, false), (1, 1, true), (0, 3, true), (0, 4, false)] {
            suspects.push(queue, suspect(n), may_begin, now);
        }
        let wanted = [1, 2, 9].map(|n| ((n, EventKey::Start), Arc::from(format!("s{n}"))));
        let mut withdrawal = Withdrawal::new(0, 0, HashMap::from(wanted));
        suspects.withdraw(&mut withdrawal);
        assert_eq!(withdrawal.withdrawn().map(|(n, _)| n).collect::<Vec<_>>(), [1, 2]);
        assert_eq!((withdrawal.stopped.len(), withdrawal.missing.len()), (2, 1));
        let taken =
            |suspects: &mut Suspects, queue| suspects.take_of(queue).iter().map(|one| one.sequence).collect::<Vec<_>>();
        assert_eq!(taken(&mut suspects, 0), [3, 4]);
        assert!(!suspects.is_empty());
        assert_eq!(taken(&mut suspects, 1), [1]);
        assert!(suspects.is_empty());
        suspects.push(0, suspect(5), true, now);
        let mut withdrawal = Withdrawal::new(0, 0, HashMap::from([((5, EventKey::Start), Arc::from("s5"))]));
        suspects.withdraw(&mut withdrawal);
        suspects.push(0, suspect(6), true, now + MAX_SUSPECT_WAIT);
        assert_eq!(suspects.hold_others_until(now + MAX_SUSPECT_WAIT), None, "that one has not waited");
    }

    #[test]
    fn a_suspect_that_has_had_no_turn_when_the_budget_ends_is_deferred() {
        let dispatcher = with_two_suspects();
        dispatcher.begin_drain(drain(Instant::now()), HashMap::new());
        dispatcher.cut();
        let deferred = dispatcher.close_account().deferred;
        assert_eq!(deferred.iter().map(|one| one.unstarted.len()).collect::<Vec<_>>(), [3, 3]);
        assert!(dispatcher.state().suspects_mut().is_empty() && dispatcher.state().is_quiet());
    }

    #[test]
    fn others_wait_for_a_while_only() {
        let dispatcher = with_two_suspects();
        let WorkerStep::Serve(busy) = dispatcher.next(None, &[]) else { panic!() };
        // The guest that is under way never returns.
        dispatcher.state().suspects_mut().since = Instant::now().checked_sub(MAX_SUSPECT_WAIT + MAX_SUSPECT_ALONE);
        let WorkerStep::Serve(other) = dispatcher.next(None, &[]) else { panic!("others go on") };
        for slice in [busy, other] {
            bring_back(&dispatcher, slice.queue, slice.jobs, false);
        }
        let WorkerStep::Serve(_hangs) = dispatcher.next(None, &[]) else { panic!("a suspect") };
        owe(&dispatcher, "u", &calls(None), 1);
        assert!(matches!(dispatcher.next(None, &[]), WorkerStep::Idle(Some(_))));
        dispatcher.state().suspects_mut().began = Instant::now().checked_sub(MAX_SUSPECT_ALONE);
        assert!(matches!(dispatcher.next(None, &[]), WorkerStep::Serve(_)), "and go on beside one that hangs");
    }
}
