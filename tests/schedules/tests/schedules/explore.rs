//! Runs a test under schedules that are drawn.
//!
//! The same ones each time, so that a change is judged by the change; outside of CI the first of them. `LASTWORD_SCHEDULES=20`
//! draws 20 times as many as CI, and others each time. A failing one tells its seed: `LASTWORD_SEED=…` runs that one again, and tells what happens in it.

use fastrand::Rng;
use shuttle::scheduler::{Scheduler, UncontrolledNondeterminismCheckScheduler};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};

use crate::scheduler::Drawn;
use crate::trace::seed;

/// What the usual schedules are drawn from.
const ALWAYS: u64 = 1;
/// One that has more steps does not come to an end.
const MOST_STEPS: usize = 300_000;
/// Bytes: futures are polled within futures here, in a build with little optimisation.
const STACK: usize = 512 * 1024;

/// Outside of CI this part of the schedules is run, for a newcomer's tests to be done in minutes.
const PART_FOR_PEOPLE: usize = 5;

/// What is run under a schedule.
pub(crate) trait Test: Fn() + Copy + Send + Sync + 'static {}

impl<T: Fn() + Copy + Send + Sync + 'static> Test for T {}

/// Runs `test` under so many schedules.
pub(crate) fn explore(schedules: usize, test: impl Test) {
    if let Some(seed) = seed() {
        return run(Drawn::again(seed), test);
    }
    match std::env::var("LASTWORD_SCHEDULES") {
        Ok(times) => {
            let times: usize = times.parse().expect("a number of times");
            run(Drawn::new(Rng::new(), schedules * times), test);
        }
        Err(_) => run(Drawn::new(Rng::with_seed(ALWAYS), usual(schedules)), test),
    }
}

/// Runs `test` twice under each of so many schedules, and checks that it takes the same steps.
pub(crate) fn run_each_twice(schedules: usize, test: impl Test) {
    run(UncontrolledNondeterminismCheckScheduler::new(Drawn::new(Rng::with_seed(ALWAYS), usual(schedules))), test);
}

fn usual(schedules: usize) -> usize {
    let in_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false");
    if in_ci { schedules } else { schedules / PART_FOR_PEOPLE }
}

fn run(scheduler: impl Scheduler + 'static, test: impl Test) {
    let mut config = Config::new();
    config.stack_size = STACK;
    config.max_steps = MaxSteps::FailAfter(MOST_STEPS);
    config.failure_persistence = FailurePersistence::None;
    Runner::new(scheduler, config).run(move || {
        // Whatever else draws numbers draws the same ones again.
        fastrand::seed(0);
        test();
    });
}
