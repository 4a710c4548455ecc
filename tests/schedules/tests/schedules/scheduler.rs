//! Who goes on at each step. shuttle's own schedulers learn from one schedule for the next, so that no number of one brings
//! it back; these are the same in short, and draw everything from a schedule's own seed.

use std::thread;

use fastrand::Rng;
use shuttle::scheduler::{Schedule, Scheduler, Task, TaskId};

/// Half of the schedules are drawn step by step. In the other half threads have priorities, and at most so many times the
/// one that is running loses its own (Burckhardt and others, *A randomized scheduler with probabilistic guarantees of finding
/// bugs*): a thread can be left behind for long, and few such moments make a defect.
const MOST_CHANGES: usize = 8;
/// They are within the first power of two of steps up to this one. Most schedules have some hundred steps, few thousands.
const LONGEST: u32 = 12;

/// Schedules, each from a seed of its own.
pub(crate) struct Drawn {
    seeds: Box<dyn Iterator<Item = u64>>,
    seed: Option<u64>,
    rng: Rng,
    priorities: Option<Priorities>,
}

impl Drawn {
    /// So many, whose seeds are drawn from `seeds`.
    pub(crate) fn new(mut seeds: Rng, schedules: usize) -> Self {
        Self::from_seeds(std::iter::repeat_with(move || seeds.u64(..)).take(schedules))
    }

    /// One schedule.
    pub(crate) fn again(seed: u64) -> Self {
        Self::from_seeds(std::iter::once(seed))
    }

    fn from_seeds(seeds: impl Iterator<Item = u64> + 'static) -> Self {
        Self { seeds: Box::new(seeds), seed: None, rng: Rng::with_seed(0), priorities: None }
    }
}

impl Scheduler for Drawn {
    fn new_execution(&mut self) -> Option<Schedule> {
        self.seed = self.seeds.next();
        let seed = self.seed?;
        self.rng = Rng::with_seed(seed);
        self.priorities = self.rng.bool().then(|| Priorities::draw(&mut self.rng));
        Some(Schedule::new(seed))
    }

    fn next_task(&mut self, runnable: &[&Task], current: Option<TaskId>, yields: bool) -> Option<TaskId> {
        match &mut self.priorities {
            Some(priorities) => priorities.next(&mut self.rng, runnable, current, yields),
            None => self.rng.choice(runnable).map(|task| task.id()),
        }
    }

    fn next_u64(&mut self) -> u64 {
        self.rng.u64(..)
    }
}

impl Drop for Drawn {
    fn drop(&mut self) {
        if let Some(seed) = self.seed
            && thread::panicking()
        {
            eprintln!("--- LASTWORD_SEED={seed}");
        }
    }
}

#[derive(Default)]
struct Priorities {
    /// By number of the task; the highest goes on.
    of_tasks: Vec<u32>,
    /// Steps at which the one that is running gets the lowest.
    changes: Vec<usize>,
    step: usize,
    lowest: u32,
}

impl Priorities {
    fn draw(rng: &mut Rng) -> Self {
        let steps = 1usize << rng.u32(4..=LONGEST);
        let changes = (0..rng.usize(1..=MOST_CHANGES)).map(|_| rng.usize(0..steps)).collect();
        Self { changes, lowest: u32::MAX / 2, ..Self::default() }
    }

    fn next(&mut self, rng: &mut Rng, runnable: &[&Task], current: Option<TaskId>, yields: bool) -> Option<TaskId> {
        if runnable.len() > 1 {
            self.step += 1;
            if yields || self.changes.contains(&self.step) {
                self.lowest -= 1;
                *self.of(current?, rng) = self.lowest;
            }
        }
        runnable.iter().map(|task| task.id()).max_by_key(|&task| *self.of(task, rng))
    }

    fn of(&mut self, task: TaskId, rng: &mut Rng) -> &mut u32 {
        let number = usize::from(task);
        while self.of_tasks.len() <= number {
            self.of_tasks.push(rng.u32(u32::MAX / 2..));
        }
        &mut self.of_tasks[number]
    }
}
