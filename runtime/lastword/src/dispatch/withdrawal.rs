//! Deliveries that are taken out of a queue because an operator forgets them.
//!
//! A delivery that waits is found in its lane. A ready delivery may be anywhere in a queue of a million, so the queue is searched in
//! pieces, and the lock is released between them. A worker may take the delivery meanwhile: then it is under way, and is not withdrawn.
//!
//! Nothing newer of the sessions begins before [`Dispatcher::advance_lanes`](super::Dispatcher::advance_lanes). By then the journal has
//! been told what is forgotten. The sessions do not wait for the journal's answer: on a full disk that may take any time, and a newer end
//! must not wait for it. A delivery that the journal could not forget is [restored](super::Dispatcher::end_withdrawal). Until then its
//! lane, or the list that held it, keeps its place, and the lane notes whether anything newer went ahead.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use lastword_events::EventKey;

use super::ids::{QueueId, QueueStamp};
use crate::queued_delivery::QueuedDelivery;

/// How many ready deliveries are searched at once under the lock: 0.1 ms.
pub(super) const LOOKED_AT_ONCE: usize = 4_096;

/// An event of a session, as a queue knows it.
pub(crate) type EventOfSession = (u64, EventKey);

/// What is searched for in a queue, and what has been found.
#[derive(Debug)]
pub(crate) struct Withdrawal {
    pub(super) queue: QueueId,
    /// The queue that had this number when the withdrawal began.
    pub(super) stamp: QueueStamp,
    /// Deliveries that were not found yet, with the ids of their sessions.
    pub(super) missing: HashMap<EventOfSession, Arc<str>>,
    /// Deliveries that were taken out of the queue.
    pub(super) withdrawn: Vec<Withdrawn>,
    /// Lanes from which a waiting delivery was taken: nothing of these lanes begins.
    pub(super) shortened: Vec<Arc<str>>,
    /// Lanes from which a ready delivery was taken: such a lane still has a delivery in progress.
    pub(super) stopped: Vec<Arc<str>>,
}

impl Withdrawal {
    pub(super) fn new(queue: QueueId, stamp: QueueStamp, wanted: HashMap<EventOfSession, Arc<str>>) -> Self {
        Self { queue, stamp, missing: wanted, withdrawn: Vec::new(), shortened: Vec::new(), stopped: Vec::new() }
    }

    /// Gives the deliveries that were taken out of the queue.
    pub(crate) fn withdrawn(&self) -> impl Iterator<Item = EventOfSession> {
        self.withdrawn.iter().map(Withdrawn::event)
    }
}

/// A delivery that was taken out of its queue, as it was there.
#[derive(Clone, Debug)]
pub(crate) struct Withdrawn {
    pub(super) delivery: QueuedDelivery,
    /// When the delivery's retry is due, if it has failed.
    pub(super) due: Option<Instant>,
}

impl Withdrawn {
    pub(super) fn new(delivery: QueuedDelivery, due: Option<Instant>) -> Self {
        Self { delivery, due }
    }

    pub(super) fn event(&self) -> EventOfSession {
        (self.delivery.sequence, self.delivery.key)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lastword_events::{
        CompactionPhase, EndReason, Event, PluginName, Session, SessionCompaction, SessionEnd, SessionStart, Timestamp,
    };

    use super::super::dispatcher::Dispatcher;
    use super::super::job::{Job, Taken};
    use super::super::state::{plugins, withdraw};
    use super::super::tests::{bring_back, calls, dispatcher, owe, queue_of};
    use super::super::uninstalling::UninstallStep;
    use super::super::worker_step::{Slice, WorkerStep};
    use super::*;
    use crate::limits::MAX_IDLE_TENANTS;
    use crate::queued_delivery::QueuedDelivery;
    use crate::sync::now;

    const START: EventKey = EventKey::Start;

    fn withdraw(dispatcher: &Dispatcher, wanted: &[(u64, EventKey)]) -> Withdrawal {
        let wanted = wanted.iter().map(|&(n, key)| ((n, key), Arc::from(format!("s{n}")))).collect();
        let queue = queue_of(dispatcher, "t");
        let stamp = dispatcher.state().queues()[queue].stamp;
        let mut withdrawal = Withdrawal::new(queue, stamp, wanted);
        let mut from = None;
        loop {
            from = withdraw::ready(&mut dispatcher.state(), &mut withdrawal, from);
            if from.is_none() {
                break;
            }
        }
        withdraw::waiting(&mut dispatcher.state(), &mut withdrawal);
        withdrawal.withdrawn.sort_unstable_by_key(Withdrawn::event);
        withdrawal
    }

    fn release(dispatcher: &Dispatcher, withdrawal: &Withdrawal) {
        withdraw::advance_lanes(&mut dispatcher.state(), withdrawal, now());
    }

    /// The journal has answered, and could not forget those of which `stays` says so.
    fn end_withdrawal(dispatcher: &Dispatcher, withdrawal: Withdrawal, stays: impl Fn(EventOfSession) -> bool) {
        withdraw::end(&mut dispatcher.state(), withdrawal, stays, now());
    }

    #[track_caller]
    fn assert_no_lanes(dispatcher: &Dispatcher) {
        assert!(dispatcher.state().queues().iter().all(|queue| queue.lanes.is_empty()), "nothing is kept of it");
    }

    fn events(withdrawal: &Withdrawal) -> Vec<EventOfSession> {
        withdrawal.withdrawn().collect()
    }

    /// The deliveries that plugin 0 is called with next.
    fn serve(dispatcher: &Dispatcher) -> (Vec<(u64, EventKey)>, Slice) {
        loop {
            let WorkerStep::Serve(slice) = dispatcher.next(None, &[]) else { panic!("nothing is served") };
            if slice.plugin == 1 {
                bring_back(dispatcher, slice.queue, slice.jobs, false);
                continue;
            }
            let event = |job: &Job| if let Job::Queued(one) = job { (one.sequence, one.key) } else { panic!("an end") };
            return (slice.jobs.iter().map(|taken| event(&taken.job)).collect(), slice);
        }
    }

    /// The same, which is made at once.
    fn make(dispatcher: &Dispatcher) -> Vec<(u64, EventKey)> {
        let (events, slice) = serve(dispatcher);
        bring_back(dispatcher, slice.queue, slice.jobs, false);
        events
    }

    /// Whether plugin 0 is called with anything.
    fn serves_more(dispatcher: &Dispatcher) -> bool {
        while let WorkerStep::Serve(slice) = dispatcher.next(None, &[]) {
            if slice.plugin == 0 {
                return true;
            }
            bring_back(dispatcher, slice.queue, slice.jobs, false);
        }
        false
    }

    fn end(dispatcher: &Dispatcher, n: u64) {
        push(dispatcher, n, EventKey::End, Event::End(SessionEnd::new(EndReason::Reset, Timestamp::now())));
    }

    fn push(dispatcher: &Dispatcher, n: u64, key: EventKey, event: Event) {
        let (session, event) = (Arc::new(Session::new("t", &format!("s{n}"))), Arc::new(event));
        let queue = queue_of(dispatcher, "t");
        dispatcher.state().push(queue, QueuedDelivery::new(n, key, &session, &event));
    }

    #[test]
    fn nothing_newer_of_a_session_begins_before_what_was_withdrawn_is_released() {
        let dispatcher = dispatcher(16, 2);
        owe(&dispatcher, "t", &calls(None), 3);
        end(&dispatcher, 0);
        let withdrawal = withdraw(&dispatcher, &[(0, START), (2, START), (9, START)]);
        assert_eq!(events(&withdrawal), [(0, START), (2, START)]);
        let (served, slice) = serve(&dispatcher);
        assert_eq!(served, [(1, START)]);
        assert_eq!(events(&withdraw(&dispatcher, &[(1, START)])), []);
        bring_back(&dispatcher, slice.queue, slice.jobs, false);
        assert!(!serves_more(&dispatcher), "the end waits");
        release(&dispatcher, &withdrawal);
        assert_eq!(make(&dispatcher), [(0, EventKey::End)]);
        assert!(!serves_more(&dispatcher));
        end_withdrawal(&dispatcher, withdrawal, |_| false);
        assert_no_lanes(&dispatcher);
        let state = dispatcher.state();
        assert_eq!((state.is_quiet(), state.undelivered_ends(), state.scheduler().tenants().all_owed()), (true, 0, 0));
    }

    /// The older delivery is with a worker when the newer ones are withdrawn. It returns before the journal is told.
    #[test]
    fn nothing_newer_begins_before_what_was_withdrawn_behind_something_is_released() {
        let (compaction, phase) =
            (EventKey::Compaction { n: 1, phase: CompactionPhase::After }, CompactionPhase::After);
        let dispatcher = dispatcher(16, 2);
        owe(&dispatcher, "t", &calls(None), 1);
        push(&dispatcher, 0, compaction, Event::Compaction(SessionCompaction::new(phase)));
        end(&dispatcher, 0);
        let (served, slice) = serve(&dispatcher);
        assert_eq!(served, [(0, START)]);
        let withdrawal = withdraw(&dispatcher, &[(0, compaction)]);
        assert_eq!(events(&withdrawal), [(0, compaction)]);
        bring_back(&dispatcher, slice.queue, slice.jobs, false);
        assert!(!serves_more(&dispatcher), "the end waits");
        release(&dispatcher, &withdrawal);
        assert_eq!(make(&dispatcher), [(0, EventKey::End)]);
        end_withdrawal(&dispatcher, withdrawal, |_| false);
        assert_no_lanes(&dispatcher);
    }

    #[test]
    fn what_waits_behind_something_is_withdrawn_and_what_is_looked_for_is_found_anywhere() {
        let dispatcher = dispatcher(16, 2);
        let many = 2 * u64::try_from(LOOKED_AT_ONCE).unwrap() + 10;
        owe(&dispatcher, "t", &calls(None), many);
        end(&dispatcher, 5);
        let some = [(5, EventKey::End), (0, START), (many / 2, START), (many - 1, START)];
        let withdrawal = withdraw(&dispatcher, &some);
        assert_eq!(events(&withdrawal).len(), 4);
        release(&dispatcher, &withdrawal);
        let counts = dispatcher.state().scheduler().counts_of(0);
        assert_eq!((counts.ready, counts.running, counts.waiting), (many - 3, 0, 0));
        let (events, _slice) = serve(&dispatcher);
        assert_eq!(events.first(), Some(&(1, START)));
    }

    #[test]
    fn what_workers_take_between_two_pieces_of_a_search_is_no_reason_to_miss_what_is_behind_it() {
        let dispatcher = dispatcher(16, 2);
        let looked_at = u64::try_from(LOOKED_AT_ONCE).unwrap();
        owe(&dispatcher, "t", &calls(None), looked_at + 10);
        let queue = queue_of(&dispatcher, "t");
        let stamp = dispatcher.state().queues()[queue].stamp;
        let wanted = HashMap::from([((looked_at, START), format!("s{looked_at}").into())]);
        let mut withdrawal = Withdrawal::new(queue, stamp, wanted);
        let from = withdraw::ready(&mut dispatcher.state(), &mut withdrawal, None);
        assert!(from.is_some() && withdrawal.withdrawn.is_empty());
        let (_, _slice) = serve(&dispatcher);
        assert_eq!(withdraw::ready(&mut dispatcher.state(), &mut withdrawal, from), None);
        assert_eq!(events(&withdrawal), [(looked_at, START)]);
    }

    #[test]
    fn what_is_restored_is_owed_and_begins_as_before() {
        let dispatcher = dispatcher(16, 2);
        owe(&dispatcher, "t", &calls(None), 3);
        end(&dispatcher, 0);
        let counted = || {
            let state = dispatcher.state();
            let counts = state.scheduler().counts_of(0);
            (counts.ready, counts.waiting, state.undelivered_ends(), state.scheduler().tenants().all_owed())
        };
        let before = counted();
        // The first delivery is ready, the second waits behind it, and the third is forgotten.
        let withdrawal = withdraw(&dispatcher, &[(0, START), (0, EventKey::End), (2, START)]);
        release(&dispatcher, &withdrawal);
        end_withdrawal(&dispatcher, withdrawal, |(n, _)| n == 0);
        let (ready, waiting, ends, owed) = counted();
        assert_eq!((ready, waiting, ends, owed), (before.0 - 1, before.1, before.2, before.3 - 1));
        let mut served = Vec::new();
        while served.len() < 3 {
            served.extend(make(&dispatcher));
        }
        let place = |event| served.iter().position(|one| *one == event);
        assert!(place((0, START)) < place((0, EventKey::End)));
        served.sort_unstable();
        assert_eq!(served, [(0, START), (0, EventKey::End), (1, START)]);
        assert!(!serves_more(&dispatcher));
        assert_no_lanes(&dispatcher);
    }
    /// For each delivery that plugin 0 is called with next, whether it is late.
    fn serve_late(dispatcher: &Dispatcher) -> Vec<(u64, EventKey, bool)> {
        let (_, slice) = serve(dispatcher);
        let late = |taken: &Taken| {
            if let Job::Queued(one) = &taken.job { (one.sequence, one.key, one.late) } else { panic!() }
        };
        let served = slice.jobs.iter().map(late).collect();
        bring_back(dispatcher, slice.queue, slice.jobs, false);
        served
    }

    #[test]
    fn what_is_restored_after_a_newer_one_that_came_and_was_made_meanwhile_is_late() {
        let dispatcher = dispatcher(16, 2);
        owe(&dispatcher, "t", &calls(None), 1);
        let withdrawal = withdraw(&dispatcher, &[(0, START)]);
        release(&dispatcher, &withdrawal);
        // The journal has not answered.
        end(&dispatcher, 0);
        assert_eq!(serve_late(&dispatcher), [(0, EventKey::End, false)], "a newer one does not wait for its answer");
        end_withdrawal(&dispatcher, withdrawal, |_| true);
        assert_eq!(serve_late(&dispatcher), [(0, START, true)]);
        assert!(!serves_more(&dispatcher));
        assert_no_lanes(&dispatcher);
    }

    #[test]
    fn a_suspect_that_is_withdrawn_holds_up_nothing_and_is_made_after_all_when_it_is_restored() {
        for stays in [false, true] {
            let dispatcher = dispatcher(16, 2);
            owe(&dispatcher, "t", &calls(None), 0);
            let (session, event) = (Arc::new(Session::new("t", "s0")), Arc::new(Event::Start(SessionStart::default())));
            let suspect = QueuedDelivery { suspect: true, ..QueuedDelivery::new(0, START, &session, &event) };
            let queue = queue_of(&dispatcher, "t");
            dispatcher.state().push(queue, suspect);
            end(&dispatcher, 0);
            let withdrawal = withdraw(&dispatcher, &[(0, START)]);
            assert_eq!(events(&withdrawal), [(0, START)]);
            assert!(dispatcher.state().suspects_mut().is_empty() && !serves_more(&dispatcher));
            release(&dispatcher, &withdrawal);
            end_withdrawal(&dispatcher, withdrawal, |_| stays);
            assert_eq!(make(&dispatcher), [(0, EventKey::End)]);
            if stays {
                assert_eq!(make(&dispatcher), [(0, START)]);
            }
            assert_no_lanes(&dispatcher);
            assert_eq!(dispatcher.state().queues()[queue].unstarted.all, 0);
        }
    }

    /// An end is held: plugin 0 is called with nothing until its orphans are read.
    fn held_for_orphans() -> Dispatcher {
        let dispatcher = dispatcher(16, 2);
        owe(&dispatcher, "t", &calls(None), 0);
        let mut state = dispatcher.state();
        state.scheduler_mut().plugin_gates_mut().begin_orphans(0, true);
        state.apply_plugin_gate(0);
        drop(state);
        end(&dispatcher, 0);
        assert!(dispatcher.state().queues().iter().any(|queue| !queue.is_idle()), "its tenant is not forgotten");
        dispatcher
    }

    fn orphan(dispatcher: &Dispatcher, n: u64) {
        let session = Arc::new(Session::new("t", &format!("s{n}")));
        let event = Arc::new(Event::Start(SessionStart::default()));
        let queue = queue_of(dispatcher, "t");
        dispatcher.state().push_orphan(queue, QueuedDelivery::new(n, START, &session, &event));
    }

    #[test]
    fn what_is_held_for_orphans_and_restored_is_held_again_and_none_goes_ahead_of_them() {
        for answered_while_they_are_read in [true, false] {
            let dispatcher = held_for_orphans();
            let counts = || dispatcher.state().scheduler().tenants().all_owed();
            let before = counts();
            let withdrawal = withdraw(&dispatcher, &[(0, EventKey::End)]);
            assert_eq!(events(&withdrawal), [(0, EventKey::End)]);
            assert_eq!(events(&withdraw(&dispatcher, &[(0, EventKey::End)])), [], "it is withdrawn once");
            release(&dispatcher, &withdrawal);
            if answered_while_they_are_read {
                end_withdrawal(&dispatcher, withdrawal, |_| true);
                orphan(&dispatcher, 0);
                dispatcher.end_orphans(0, true);
            } else {
                orphan(&dispatcher, 0);
                dispatcher.end_orphans(0, true);
                end_withdrawal(&dispatcher, withdrawal, |_| true);
            }
            assert_eq!(counts(), before + 1, "the orphan as well");
            assert_eq!(serve_late(&dispatcher), [(0, START, false)]);
            assert_eq!(serve_late(&dispatcher), [(0, EventKey::End, false)]);
            let state = dispatcher.state();
            assert!(
                state.queues().iter().all(|queue| queue.is_idle() && queue.unstarted.all == 0),
                "nothing is kept of it"
            );
        }
    }

    #[test]
    fn of_what_is_held_for_orphans_and_forgotten_nothing_is_made_or_kept() {
        for answered_while_they_are_read in [true, false] {
            let dispatcher = held_for_orphans();
            let withdrawal = withdraw(&dispatcher, &[(0, EventKey::End)]);
            release(&dispatcher, &withdrawal);
            if answered_while_they_are_read {
                end_withdrawal(&dispatcher, withdrawal, |_| false);
                dispatcher.end_orphans(0, true);
            } else {
                dispatcher.end_orphans(0, true);
                end_withdrawal(&dispatcher, withdrawal, |_| false);
            }
            assert!(!serves_more(&dispatcher));
            let state = dispatcher.state();
            assert!(state.queues().iter().all(|queue| queue.is_idle() && queue.unstarted.all == 0));
            assert_eq!((state.undelivered_ends(), state.scheduler().tenants().all_owed()), (0, 0));
        }
    }

    #[test]
    fn what_is_held_for_orphans_goes_with_its_plugin_unless_it_is_withdrawn() {
        for is_withdrawn in [false, true] {
            let dispatcher = held_for_orphans();
            let wanted: &[_] = if is_withdrawn { &[(0, EventKey::End)] } else { &[] };
            let _withdrawal = withdraw(&dispatcher, wanted);
            let left = plugins::take_out(&mut dispatcher.state(), 0, &PluginName::new("first").unwrap());
            assert_eq!(left.into_iter().map(Iterator::count).sum::<usize>(), usize::from(!is_withdrawn));
        }
    }

    #[test]
    fn a_tenant_is_not_forgotten_while_what_was_withdrawn_of_it_may_come_back() {
        let dispatcher = dispatcher(16, 2);
        dispatcher.state().add_tenant(&"t".into(), &calls(None), &[0], 5);
        end(&dispatcher, 0);
        let withdrawal = withdraw(&dispatcher, &[(0, EventKey::End)]);
        release(&dispatcher, &withdrawal);
        let forget = || {
            let mut state = dispatcher.state();
            for n in 0..4 * MAX_IDLE_TENANTS {
                state.forget_idle_tenants();
                state.add_tenant(&format!("made-up-{n}").into(), &calls(None), &[0], 5);
            }
            state.scheduler().tenants().number("t")
        };
        assert_eq!(forget(), Some(0));
        end_withdrawal(&dispatcher, withdrawal, |_| true);
        assert_eq!(make(&dispatcher), [(0, EventKey::End)]);
        assert_eq!(forget(), None);
    }

    #[test]
    fn what_is_restored_of_a_plugin_that_goes_is_kept_for_its_uninstalling_and_of_one_that_is_out_counts_nowhere() {
        for is_out in [false, true] {
            let dispatcher = dispatcher(16, 2);
            owe(&dispatcher, "t", &calls(None), 0);
            end(&dispatcher, 0);
            let withdrawal = withdraw(&dispatcher, &[(0, EventKey::End)]);
            release(&dispatcher, &withdrawal);
            let name = PluginName::new("first").unwrap();
            assert!(plugins::take_out(&mut dispatcher.state(), 0, &name).is_empty());
            if is_out {
                assert!(plugins::remove(&mut dispatcher.state(), 0));
            }
            end_withdrawal(&dispatcher, withdrawal, |_| true);
            let mut state = dispatcher.state();
            assert_eq!((state.undelivered_ends(), state.scheduler().tenants().all_owed()), (1, 0));
            let left = match plugins::uninstall_step(&mut state, 0) {
                UninstallStep::BroughtBack(left) => left.len(),
                UninstallStep::Over => 0,
                UninstallStep::Waits => panic!("it has no calls"),
            };
            assert_eq!(left, usize::from(!is_out));
        }
    }
}
