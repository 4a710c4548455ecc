//! Runs that ended cleanly: a delivery that such a run did not call has had no attempt in it.

/// Runs that have all of their calls on record. Any other run may have made one attempt of each delivery without a trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CleanRuns {
    /// The numbers of these runs, in order.
    runs: Vec<u32>,
}

impl CleanRuns {
    /// The runs with these numbers, in any order.
    #[must_use]
    pub fn new(mut runs: Vec<u32>) -> Self {
        runs.sort_unstable();
        runs.dedup();
        Self { runs }
    }

    /// This run has ended cleanly.
    pub fn insert(&mut self, run: u32) {
        if let Err(at) = self.runs.binary_search(&run) {
            self.runs.insert(at, run);
        }
    }

    /// Whether this run has ended cleanly.
    #[must_use]
    pub fn contains(&self, run: u32) -> bool {
        self.runs.binary_search(&run).is_ok()
    }

    /// How many runs, from run `first` on and before run `run`, may have made an attempt without a trace.
    #[must_use]
    pub fn untraced(&self, first: u32, run: u32) -> u32 {
        let clean = self.before(run).saturating_sub(self.before(first));
        run.saturating_sub(first).saturating_sub(clean)
    }

    /// The highest attempt that may have been made before run `run`, if `attempt` was right in run `in_run`.
    #[must_use]
    pub fn attempt_in_run(&self, attempt: u32, in_run: u32, run: u32) -> u32 {
        attempt.saturating_add(self.untraced(in_run, run))
    }

    /// How many of these runs were before this run.
    fn before(&self, run: u32) -> u32 {
        u32::try_from(self.runs.partition_point(|clean| *clean < run)).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_counts_one_attempt_but_those_that_ended_cleanly() {
        let mut clean = CleanRuns::new(vec![5, 2]);
        clean.insert(3);
        clean.insert(3);
        assert_eq!(
            [(1, 2), (1, 3), (1, 6), (2, 4), (4, 6), (6, 9)].map(|(first, run)| clean.untraced(first, run)),
            [1, 1, 2, 0, 1, 3]
        );
        assert_eq!((clean.attempt_in_run(7, 1, 6), clean.attempt_in_run(7, 6, 1)), (9, 7));
    }
}
