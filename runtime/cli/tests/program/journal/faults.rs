//! Operations on the journal's files fail, or are the last ones, under the whole program. Of one journal's short script
//! every operation is broken in `runtime/sqlite/tests/faults`; here it is a sample.

use lastword_faults::Kind;

use super::scenario::{Moment, Scenario};

/// Runs on one journal, each broken at another operation.
const RUNS: u64 = 25;

fn play(kind: Kind) {
    // The first one is shorter and makes the file, the second compiles nothing and goes on with what the first left.
    let mut scenario = Scenario::begin();
    scenario.undisturbed();
    let operations = scenario.undisturbed();
    assert!(operations > 20, "{operations} operations are no journal");
    for run in 0..RUNS {
        scenario.round(Moment::Fault(kind, 1 + run * operations / RUNS));
    }
    scenario.conclude();
}

#[test]
fn killed_before_an_operation_everything_accepted_is_delivered_after_the_next_start() {
    play(Kind::Kill);
}

#[test]
fn killed_in_the_middle_of_a_write_everything_accepted_is_delivered_after_the_next_start() {
    play(Kind::Tear);
}

#[test]
fn after_a_power_cut_everything_accepted_is_delivered_after_the_next_start() {
    play(Kind::Power);
}

#[test]
fn after_a_failed_operation_everything_accepted_is_delivered() {
    play(Kind::Fail);
}

#[test]
fn after_a_disk_that_works_no_more_everything_accepted_is_delivered() {
    play(Kind::FailFrom);
}

#[test]
fn after_a_full_disk_everything_accepted_is_delivered() {
    play(Kind::FullFrom);
}
