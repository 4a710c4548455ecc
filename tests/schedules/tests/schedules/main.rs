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
mod disk;
mod draw;
mod explore;
mod guest;
mod harness;
mod owner;
mod scheduler;
mod trace;

use lastword_fakes::sync::Time;

use crate::disk::Health;
use crate::draw::{chance, one_of};
use crate::explore::{explore, run_each_twice};
use crate::guest::Behavior;
use crate::harness::{Ending, Plan, play};

/// For each test, in CI. All of them take half a minute on two cores that nobody else uses.
const SCHEDULES: usize = 15_000;

/// Nothing out of the ordinary.
const PLAN: Plan = Plan {
    time: Time::Still,
    health: &[Health::AtOnce, Health::Good],
    behaviors: &[Behavior::Deliver, Behavior::Fail],
    quotas: false,
    recovered: 0,
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

#[test]
fn a_run_that_is_closed_or_dropped_loses_no_end() {
    let endings = &[Ending::Close, Ending::Drop, Ending::DrainAndClose];
    let health = &[Health::AtOnce, Health::Good, Health::Refuses];
    explore(SCHEDULES, || play(&Plan { time: one_of(&[Time::Still, Time::Passes]), health, endings, ..PLAN }));
}

#[test]
fn what_is_owed_goes_out_by_itself() {
    let endings = &[Ending::Settle];
    explore(SCHEDULES, || play(&Plan { time: Time::Passes, quotas: chance(1, 2), endings, ..PLAN }));
}

#[test]
fn a_schedule_that_failed_fails_again() {
    let behaviors = &[Behavior::Deliver, Behavior::Fail, Behavior::Hang];
    run_each_twice(SCHEDULES / 10, || {
        play(&Plan { time: Time::Passes, behaviors, quotas: true, recovered: 2, ..PLAN });
    });
}
