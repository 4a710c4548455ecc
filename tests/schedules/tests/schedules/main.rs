//! The runtime under schedules that are drawn: owners that start, compact and end sessions, a disk that answers when it
//! likes, workers, drains and closings, all at once, in a hundred thousand orders in CI, and in a part of them elsewhere.
//! `explore.rs` says how one is run again.
//!
//! Everything between the owners' functions and the plugins' calls is the runtime's own; `account.rs` says what has to come
//! of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails loudly, its helper functions too"
)]

mod account;
mod changes;
mod disk;
mod draw;
mod ending;
mod explore;
mod guest;
mod harness;
mod medium;
mod nats;
mod nodes;
mod operator;
mod over_nats;
mod owner;
mod record;
mod scheduler;
mod shadow;
mod slots;
mod trace;

use lastword_fakes::sync::Time;

use crate::disk::Health;
use crate::draw::{chance, one_of};
use crate::ending::Ending;
use crate::explore::{explore, run_each_twice};
use crate::guest::Behavior;
use crate::harness::{Plan, play};
use crate::nats::Weather;
use crate::nodes::take_turns;
use crate::owner::Line;
use crate::slots::wait_for_more_slots;

/// For each test, in CI. All of them take half a minute on two cores that nobody else uses.
const SCHEDULES: usize = 15_000;

/// Nothing out of the ordinary.
const PLAN: Plan = Plan {
    time: Time::Still,
    health: &[Health::AtOnce, Health::Good],
    weather: &[],
    behaviors: &[Behavior::Deliver, Behavior::Fail],
    quotas: false,
    recovered: 0,
    lines: &[Line::Start, Line::Compaction, Line::End, Line::End, Line::Replace],
    operators: false,
    changes: false,
    slots: false,
    endings: &[Ending::Drain, Ending::TwoDrains],
};

/// No timer goes off, so whoever waits has to be woken.
#[test]
fn a_drain_serves_every_end_once_whatever_it_meets() {
    explore(SCHEDULES, || play(&PLAN));
}

#[test]
fn a_budget_that_ends_at_any_moment_loses_no_end() {
    let health = &[Health::AtOnce, Health::Good, Health::Refuses, Health::Freezes];
    let behaviors = &[Behavior::Deliver, Behavior::Fail, Behavior::Hang];
    explore(SCHEDULES, || play(&Plan { time: Time::Passes, health, behaviors, ..PLAN }));
}

#[test]
fn a_disk_that_refuses_leaves_nothing_half_done() {
    explore(SCHEDULES, || play(&Plan { health: &[Health::Refuses], quotas: chance(1, 2), ..PLAN }));
}

#[test]
fn what_a_quota_counts_is_given_back() {
    explore(SCHEDULES, || play(&Plan { quotas: true, ..PLAN }));
}

#[test]
fn sessions_of_a_dead_run_end_once_whether_or_not_their_owner_comes_back() {
    explore(SCHEDULES, || play(&Plan { time: one_of(&[Time::Still, Time::Passes]), recovered: 3, ..PLAN }));
}

/// `record_now` of the disk looks: so a crash at any moment finds an end that has no outcome, and never an outcome of a session
/// that is active.
#[test]
fn a_drain_in_a_grace_has_the_ends_on_record_before_any_outcome_of_them() {
    explore(SCHEDULES / 10, || play(&Plan { recovered: 3, ..PLAN }));
}

/// Each waits for its turn in several ids at once.
#[test]
fn the_end_of_a_grace_and_the_replacement_of_its_sessions_do_not_wait_for_each_other() {
    explore(SCHEDULES / 10, || play(&Plan { time: Time::Passes, recovered: 3, lines: &[Line::Replace], ..PLAN }));
}

#[test]
fn a_run_that_is_closed_or_dropped_loses_no_end() {
    let endings = &[Ending::Close, Ending::Drop, Ending::DrainAndClose];
    let health = &[Health::AtOnce, Health::Good, Health::Refuses];
    explore(SCHEDULES, || play(&Plan { time: one_of(&[Time::Still, Time::Passes]), health, endings, ..PLAN }));
}

/// No timer goes off: who waits for workers, requests or the disk as it ends is woken.
#[test]
fn a_run_that_is_shut_down_or_detached_loses_no_end_and_leaves_its_journal_to_the_next() {
    let endings = &[Ending::TwoShutdowns, Ending::DrainAndShutdown, Ending::Detach, Ending::DetachAndShutdown];
    let health = &[Health::AtOnce, Health::Good, Health::Refuses];
    explore(SCHEDULES, || {
        let (quotas, recovered, operators) = (chance(1, 3), one_of(&[0, 0, 2]), chance(1, 3));
        play(&Plan { health, quotas, recovered, operators, endings, ..PLAN });
    });
}

/// Whatever it was about to do, nothing is written once nothing is left of it: the disk looks.
#[test]
fn a_runtime_that_is_dropped_in_any_phase_writes_nothing_afterwards() {
    let health = &[Health::AtOnce, Health::Good, Health::Refuses];
    explore(SCHEDULES / 3, || {
        play(&Plan { health, recovered: one_of(&[0, 2]), endings: &[Ending::Abandon, Ending::Drop], ..PLAN });
    });
}

#[test]
fn what_is_owed_goes_out_by_itself() {
    let endings = &[Ending::Settle];
    explore(SCHEDULES, || play(&Plan { time: Time::Passes, quotas: chance(1, 2), endings, ..PLAN }));
}

/// Deliveries are given up, made again, let go and waited for, whatever workers do with them meanwhile.
#[test]
fn what_operators_do_beside_a_run_adds_up_and_whoever_waits_is_told() {
    let endings = &[Ending::Drain, Ending::TwoDrains, Ending::Close, Ending::Drop];
    let (behaviors, health) = (&[Behavior::Fail][..], &[Health::AtOnce, Health::Good, Health::Refuses][..]);
    explore(SCHEDULES, || {
        let time = one_of(&[Time::Still, Time::Passes]);
        play(&Plan { time, health, behaviors, quotas: chance(1, 3), operators: true, endings, ..PLAN });
    });
}

/// A plugin is installed, replaced, held back and uninstalled, whatever owners, workers and a drain do meanwhile.
#[test]
fn plugins_that_come_and_go_are_told_what_they_are_owed_and_nothing_else() {
    let endings = &[Ending::Drain, Ending::TwoDrains, Ending::Close, Ending::Drop];
    let (behaviors, health) = (&[Behavior::Fail][..], &[Health::AtOnce, Health::Good, Health::Refuses][..]);
    explore(SCHEDULES, || {
        let time = one_of(&[Time::Still, Time::Passes]);
        play(&Plan { time, health, behaviors, quotas: chance(1, 3), changes: true, endings, ..PLAN });
    });
}

/// The journal is on NATS servers that answer whatever they are asked. No timer of the runtime goes off.
#[test]
fn over_servers_that_answer_everything_is_as_over_a_disk() {
    let endings =
        &[Ending::Drain, Ending::TwoDrains, Ending::Close, Ending::Drop, Ending::TwoShutdowns, Ending::Detach];
    explore(SCHEDULES / 10, || {
        let (operators, changes, recovered) = (true, chance(1, 4), one_of(&[0, 2]));
        play(&Plan { weather: &[Weather::Good], operators, changes, recovered, endings, ..PLAN });
    });
}

/// Requests, acknowledgements, leaders and the quorum are lost, and come back.
#[test]
fn servers_that_lose_acknowledgements_and_leaders_lose_no_end() {
    let endings =
        &[Ending::Drain, Ending::TwoDrains, Ending::Close, Ending::Drop, Ending::TwoShutdowns, Ending::Detach];
    explore(SCHEDULES / 10, || {
        let (time, recovered) = (one_of(&[Time::Still, Time::Passes]), one_of(&[0, 2]));
        play(&Plan { time, weather: &[Weather::Bad], recovered, endings, ..PLAN });
    });
}

/// Whatever was acknowledged is there, no id and no number of an attempt is used twice, nothing is stored behind a fence, and in the end
/// every end was delivered.
#[test]
fn whoever_takes_a_journal_over_at_any_moment_finds_what_was_acknowledged_and_makes_what_is_owed() {
    let endings = &[Ending::Drain, Ending::Close, Ending::Drop, Ending::TwoShutdowns, Ending::Detach, Ending::Abandon];
    let weather = &[Weather::Good, Weather::Bad];
    explore(SCHEDULES / 5, || {
        take_turns(&Plan { time: one_of(&[Time::Still, Time::Passes]), weather, endings, ..PLAN });
    });
}

/// How many calls may be under way changes, whatever calls, workers and the end of the run do meanwhile.
#[test]
fn no_call_begins_beyond_the_slots_that_there_are_then_and_nothing_is_lost() {
    let beside_changes = &[Ending::Drain, Ending::TwoDrains, Ending::Close, Ending::Drop][..];
    let endings =
        &[Ending::Drain, Ending::TwoDrains, Ending::TwoShutdowns, Ending::Detach, Ending::Close, Ending::Drop];
    explore(SCHEDULES, move || {
        let (quotas, changes) = (chance(1, 3), chance(1, 4));
        let endings = if changes { beside_changes } else { endings };
        play(&Plan { quotas, changes, slots: true, endings, ..PLAN });
    });
}

/// No call ends, so nobody else wakes the workers.
#[test]
fn calls_that_wait_for_a_slot_begin_when_there_are_more() {
    explore(SCHEDULES / 3, wait_for_more_slots);
}

#[test]
fn a_schedule_that_failed_fails_again() {
    let behaviors = &[Behavior::Deliver, Behavior::Fail, Behavior::Hang];
    run_each_twice(SCHEDULES / 10, || {
        play(&Plan { time: Time::Passes, behaviors, quotas: true, recovered: 2, ..PLAN });
    });
}
