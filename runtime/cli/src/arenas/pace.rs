//! The pace of returning memory: often while the process works, seldom while it idles, so that an idle process costs
//! nothing.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::limits::{GIVE_BACK_MEMORY, GIVE_BACK_MEMORY_IDLE, IDLE_CPU, IDLE_ROUNDS};

/// Counts the rounds in which the process was idle.
#[derive(Default)]
pub(super) struct Pace {
    idle_rounds: u32,
    /// CPU time of the process at the last round.
    used: Duration,
}

impl Pace {
    /// Returns the wait until the next round.
    pub(super) fn next(&mut self) -> Duration {
        let now = clock_gettime(ClockId::ProcessCPUTime);
        self.after(Duration::new(now.tv_sec.try_into().unwrap_or(0), now.tv_nsec.try_into().unwrap_or(0)))
    }

    /// Returns the wait, given the process's CPU time since its start.
    fn after(&mut self, used: Duration) -> Duration {
        let idle = used.saturating_sub(self.used) <= IDLE_CPU;
        self.idle_rounds = if idle { self.idle_rounds.saturating_add(1) } else { 0 };
        self.used = used;
        if self.idle_rounds < IDLE_ROUNDS { GIVE_BACK_MEMORY } else { GIVE_BACK_MEMORY_IDLE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_given_back_seldom_once_everything_was_given_back_and_often_again_after_work() {
        let mut pace = Pace::default();
        let mut used = Duration::from_secs(1);
        for _ in 0..2 {
            assert_eq!(pace.after(used), GIVE_BACK_MEMORY, "the process has worked");
            for round in 1..IDLE_ROUNDS {
                used += IDLE_CPU;
                assert_eq!(pace.after(used), GIVE_BACK_MEMORY, "idle round {round}");
            }
            used += IDLE_CPU;
            assert_eq!(pace.after(used), GIVE_BACK_MEMORY_IDLE);
            used += 2 * IDLE_CPU;
        }
    }

    #[test]
    fn what_was_freed_last_is_old_enough_before_the_rounds_become_seldom() {
        let decay = Duration::from_secs(10);
        assert!(GIVE_BACK_MEMORY * (IDLE_ROUNDS - 1) >= decay, "jemalloc's `dirty_decay_ms`");
    }

    #[test]
    fn the_clock_is_that_of_the_process() {
        let mut pace = Pace::default();
        pace.next();
        assert!(pace.used > Duration::ZERO);
    }
}
