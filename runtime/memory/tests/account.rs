//! The account of the memory that calls share: its sums are right whatever happens, and somebody can always go on.

#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use lastword_memory::{GivesWay, MemoryAccount, MemoryPart, Reservation};
use proptest::prelude::*;

fn idle() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn one(limit: u64) -> Arc<MemoryPart> {
    MemoryAccount::new(limit, 0).part(limit)
}

/// One that has begun with so much.
fn running(part: &Arc<MemoryPart>, bytes: u64) -> Reservation {
    let mut call = part.reserve(bytes, false).unwrap();
    call.run().unwrap();
    call
}

fn grow(call: &mut Reservation, to: u64) -> Poll<Result<(), GivesWay>> {
    call.poll_grow(to, false, &idle())
}

const GROWN: Poll<Result<(), GivesWay>> = Poll::Ready(Ok(()));
const CUT: Poll<Result<(), GivesWay>> = Poll::Ready(Err(GivesWay));

#[derive(Default)]
struct Flag(AtomicU32);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn of_calls_that_wait_for_each_other_the_youngest_gives_way_and_the_oldest_goes_on() {
    let part = one(100);
    let (mut first, mut second, mut third) = (running(&part, 30), running(&part, 30), running(&part, 30));
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(flag.clone());
    assert!(first.poll_grow(60, false, &Context::from_waker(&waker)).is_pending());
    assert!(grow(&mut third, 60).is_pending(), "the second runs, and may give its memory back");
    assert_eq!(grow(&mut second, 90), Poll::Pending);
    assert_eq!(grow(&mut third, 60), CUT, "it began last");
    assert_eq!(flag.0.load(Ordering::Relaxed), 0);
    drop(third);
    assert_eq!(flag.0.load(Ordering::Relaxed), 1, "it is woken");
    assert_eq!((grow(&mut first, 60), first.held()), (GROWN, 60));
    assert!(grow(&mut second, 90).is_pending());
    drop(first);
    assert_eq!((grow(&mut second, 90), part.used()), (GROWN, 90));
    drop(second);
    assert_eq!(part.used(), 0);
}

#[test]
fn one_that_has_sent_something_gives_way_after_those_that_have_not() {
    let part = one(100);
    let (mut oldest, mut quiet, mut sent) = (running(&part, 30), running(&part, 30), running(&part, 40));
    assert!(oldest.poll_grow(40, true, &idle()).is_pending() && grow(&mut quiet, 40).is_pending());
    assert!(sent.poll_grow(50, true, &idle()).is_pending());
    assert_eq!(grow(&mut quiet, 40), CUT);
    drop(quiet);
    assert_eq!((oldest.poll_grow(40, true, &idle()), sent.poll_grow(50, true, &idle())), (GROWN, GROWN));
}

#[test]
fn one_that_waits_for_a_slot_gives_way_before_one_that_runs() {
    let part = one(100);
    let mut runs = running(&part, 60);
    let mut waits = part.reserve(40, false).unwrap();
    assert_eq!(waits.queue(&idle()), Ok(()));
    assert!(grow(&mut runs, 100).is_pending());
    assert_eq!((waits.queue(&idle()), waits.run()), (Err(GivesWay), Err(GivesWay)));
    drop(waits);
    assert_eq!(grow(&mut runs, 100), GROWN);
}

#[test]
fn calls_of_one_plugin_that_wait_for_each_other_do_not_wait_for_the_others() {
    let account = MemoryAccount::new(1_000, 0);
    let (part, other) = (account.part(100), account.part(1_000));
    let _runs = running(&other, 10);
    let (mut first, mut second) = (running(&part, 50), running(&part, 50));
    assert!(grow(&mut first, 60).is_pending());
    assert_eq!(grow(&mut second, 60), CUT);
    assert!(other.reserve(500, false).is_some(), "and the others go on");
    assert!(part.reserve(0, false).is_none(), "whoever grows is first");
}

#[test]
fn a_large_call_that_is_next_in_turn_has_its_turn_while_small_ones_go_on() {
    let part = one(100);
    let mut small: Vec<Reservation> = (0..10).map(|_| running(&part, 10)).collect();
    part.reserve_for_next(60);
    let (mut ended, mut begun) = (0, 0);
    let large = loop {
        small.remove(0);
        ended += 1;
        if let Some(large) = part.reserve(60, true) {
            break large;
        }
        while let Some(more) = part.reserve(10, false) {
            small.push(more);
            begun += 1;
        }
        assert!(ended < 100, "it is starved");
    };
    assert!(begun >= 3, "small ones went on: {begun}");
    assert_eq!(large.held(), 60);
    drop(large);
    assert!(part.reserve(10, false).is_some(), "nothing is reserved for the next any more");
}

#[test]
fn what_the_pool_has_not_reset_counts_until_others_end_or_nobody_is_left() {
    let account = MemoryAccount::new(100, 1);
    let part = account.part(100);
    let (first, second, third) = (running(&part, 30), running(&part, 30), running(&part, 30));
    drop(first);
    assert_eq!((part.used(), account.used()), (60, 90), "its slot has the memory");
    drop(second);
    assert_eq!(account.used(), 60, "the first is reset");
    let unbegun = part.reserve(10, false).unwrap();
    drop(unbegun);
    assert_eq!(account.used(), 60, "it has had no slot");
    drop(third);
    assert_eq!(account.used(), 0);
}

#[test]
fn little_counts_of_what_the_pool_has_not_reset() {
    let account = MemoryAccount::new(100, 7).with_max_unflushed_bytes(12);
    let part = account.part(100);
    let _goes_on = running(&part, 1);
    drop(running(&part, 10));
    assert_eq!(account.used(), 11);
    drop(running(&part, 2));
    assert_eq!(account.used(), 13);
    drop(running(&part, 5));
    assert_eq!(account.used(), 8, "the oldest is reset");
    drop(running(&part, 60));
    assert_eq!(account.used(), 1);
}

#[test]
fn several_plugins_have_half_each_and_one_that_grows_keeps_nobody_waiting() {
    let account = MemoryAccount::new(100, 0);
    let part = account.part_of_calls(100, 20);
    let mut calls: Vec<_> = (0..4).map(|_| running(&part, 20)).collect();
    assert_eq!((part.used(), part.most()), (80, 20), "it is alone");
    calls.truncate(2);
    let other = account.part_of_calls(100, 20);
    let mut third = part.reserve_nothing();
    third.run().unwrap();
    assert!(grow(&mut third, 20).is_pending(), "40 and 20 are more than half");
    let others = other.reserve(20, false).expect("it does not wait for those that grow elsewhere");
    drop((calls, others, other));
    let [one, two, three] = [(); 3].map(|()| running(&part, 20));
    assert_eq!(part.used(), 80, "it is alone again");
    drop((one, two, three));
}

#[test]
fn a_part_has_what_one_call_can_have_whatever_others_there_are() {
    let account = MemoryAccount::new(100, 0);
    let (large, small) = (account.part_of_calls(100, 80), account.part_of_calls(100, 10));
    let call = running(&large, 80);
    assert!(large.reserve(1, false).is_none() && small.reserve(10, false).is_some());
    drop(call);
}

#[test]
fn dropping_one_that_waits_gives_everything_back() {
    let account = MemoryAccount::new(100, 0);
    let part = account.part(80);
    let mut first = running(&part, 50);
    let mut second = part.reserve_nothing();
    assert!(grow(&mut second, 60).is_pending());
    drop(second);
    assert_eq!(grow(&mut first, 80), GROWN);
    drop((first, part));
    let again = account.part(90);
    assert_eq!((again.used(), account.used(), again.most()), (0, 0, 90), "of a plugin that is gone nothing is left");
}

/// What is done to the account.
#[derive(Clone, Copy, Debug)]
enum Step {
    Reserve { part: usize, bytes: u64, is_next: bool },
    Run(usize),
    Queue(usize),
    Grow { call: usize, more: u64, sent: bool },
    Drop(usize),
    ReserveForNext { part: usize, bytes: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let call = 0usize..12;
    prop_oneof![
        3 => (0usize..3, 0u64..60, any::<bool>())
            .prop_map(|(part, bytes, is_next)| Step::Reserve { part, bytes, is_next }),
        2 => call.clone().prop_map(Step::Run),
        1 => call.clone().prop_map(Step::Queue),
        4 => (call.clone(), 0u64..50, any::<bool>()).prop_map(|(call, more, sent)| Step::Grow { call, more, sent }),
        2 => call.prop_map(Step::Drop),
        1 => (0usize..3, 0u64..60).prop_map(|(part, bytes)| Step::ReserveForNext { part, bytes }),
    ]
}

struct Held {
    call: Reservation,
    part: usize,
    /// It waits until it has so much.
    grows: Option<(u64, bool)>,
    queued: bool,
}

/// Whoever can go on goes on, and whoever has to give way is gone.
fn settle(calls: &mut Vec<Held>) {
    // The last one may have to make way for the first, which is told when it is asked again.
    let mut unchanged = 0;
    while unchanged < 2 {
        let mut changed = false;
        calls.retain_mut(|held| {
            let gives_way = if held.queued {
                held.call.queue(&idle()).is_err()
            } else if let Some((to, sent)) = held.grows {
                match held.call.poll_grow(to, sent, &idle()) {
                    Poll::Pending => false,
                    Poll::Ready(Ok(())) => {
                        assert!(held.call.held() >= to);
                        held.grows = None;
                        changed = true;
                        false
                    }
                    Poll::Ready(Err(GivesWay)) => true,
                }
            } else {
                false
            };
            changed |= gives_way;
            !gives_way
        });
        unchanged = if changed { 0 } else { unchanged + 1 };
    }
}

proptest! {
    #[test]
    fn sums_are_right_and_within_their_bounds_and_somebody_can_always_go_on(
        steps in prop::collection::vec(step(), 0..150),
    ) {
        let account = MemoryAccount::new(100, 0);
        let parts = [account.part(40), account.part(90), account.part(u64::MAX)];
        let mut calls: Vec<Held> = Vec::new();
        for step in steps {
            match step {
                Step::Reserve { part, bytes, is_next } => {
                    if let Some(call) = parts[part].reserve(bytes, is_next) {
                        calls.push(Held { call, part, grows: None, queued: false });
                    }
                }
                Step::Run(at) => if let Some(held) = calls.get_mut(at) && held.grows.is_none() {
                    held.queued = held.call.run().is_err();
                },
                Step::Queue(at) => if let Some(held) = calls.get_mut(at) && held.grows.is_none() {
                    held.queued = held.call.queue(&idle()).is_ok();
                },
                Step::Grow { call, more, sent } => if let Some(held) = calls.get_mut(call) && held.grows.is_none() {
                    let to = (held.call.held() + more).min(parts[held.part].most());
                    held.grows = Some((to, sent));
                    held.queued = false;
                },
                Step::Drop(at) => if at < calls.len() { calls.remove(at); },
                Step::ReserveForNext { part, bytes } => parts[part].reserve_for_next(bytes),
            }
            settle(&mut calls);
            let sum = |part: usize| -> u64 {
                calls.iter().filter(|held| held.part == part).map(|held| held.call.held()).sum()
            };
            for (number, part) in parts.iter().enumerate() {
                prop_assert_eq!(part.used(), sum(number));
                prop_assert!(part.used() <= part.most());
            }
            prop_assert_eq!(account.used(), (0..3).map(sum).sum::<u64>());
            prop_assert!(account.used() <= account.limit());
            let grow = calls.iter().filter(|held| held.grows.is_some()).count();
            let moves = calls.iter().any(|held| held.grows.is_none() && !held.queued);
            prop_assert!(grow == 0 || moves, "{} wait for each other", grow);
        }
        drop(calls);
        prop_assert_eq!(account.used(), 0);
    }
}
