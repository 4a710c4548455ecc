//! Runs a test under schedules that are drawn.
//!
//! A failing one tells its seed. `LASTWORD_SEED=…` runs that one again, and tells what happens in it;
//! `LASTWORD_SCHEDULES=20` runs 20 times as many as usual.

use shuttle::scheduler::{Scheduler, UncontrolledNondeterminismCheckScheduler};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};

use crate::scheduler::Drawn;
use crate::story::seed;

/// One that has more steps does not come to an end.
const MOST_STEPS: usize = 300_000;
/// Bytes: futures are polled within futures here, in a build with little optimisation.
const STACK: usize = 512 * 1024;

/// What is run under a schedule.
pub(crate) trait Test: Fn() + Copy + Send + Sync + 'static {}

impl<T: Fn() + Copy + Send + Sync + 'static> Test for T {}

/// Runs `test` under so many schedules.
pub(crate) fn explore(schedules: usize, test: impl Test) {
    if let Some(seed) = seed() {
        return run(Drawn::again(seed), test);
    }
    let times = std::env::var("LASTWORD_SCHEDULES").map_or(1, |times| times.parse().expect("a number of times"));
    run(Drawn::new(schedules * times), test);
}

/// Runs `test` twice under each of so many schedules, and checks that it takes the same steps.
pub(crate) fn run_each_twice(schedules: usize, test: impl Test) {
    run(UncontrolledNondeterminismCheckScheduler::new(Drawn::new(schedules)), test);
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
