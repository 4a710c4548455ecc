//! Plugins that a drain calls no more.

use lastword_events::{FailureCause, Outcome};

/// Notices a plugin that only uses up the time of its calls in a drain.
#[derive(Debug)]
pub(crate) struct Breaker {
    threshold: u32,
    strikes: u32,
}

impl Breaker {
    pub(crate) fn new(threshold: u32) -> Self {
        Self { threshold, strikes: 0 }
    }

    /// Counts an outcome. A deadline or a trap is a strike. An answer of any kind ends the row of strikes. A deferral says nothing about
    /// the plugin.
    pub(crate) fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Failed { cause: FailureCause::Deadline | FailureCause::Trap(_), .. } => self.strikes += 1,
            Outcome::Deferred(_) => (),
            Outcome::Delivered | Outcome::Failed { .. } => self.strikes = 0,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.strikes >= self.threshold
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lastword_events::Deferral;

    fn failed(cause: FailureCause) -> Outcome {
        Outcome::Failed { cause, message: String::new() }
    }

    #[test]
    fn opens_after_its_threshold_of_strikes_in_a_row_and_not_before() {
        let mut breaker = Breaker::new(2);
        breaker.count(&failed(FailureCause::Deadline));
        breaker.count(&Outcome::Delivered);
        breaker.count(&failed(FailureCause::Trap("unreachable".into())));
        assert!(!breaker.is_open(), "a delivery between two strikes forgives the first");
        breaker.count(&Outcome::Deferred(Deferral::Budget));
        assert!(!breaker.is_open(), "being cut by the budget is no strike");
        breaker.count(&failed(FailureCause::Deadline));
        assert!(breaker.is_open());
    }

    #[test]
    fn answers_are_no_strikes() {
        let mut breaker = Breaker::new(1);
        for cause in
            [FailureCause::Retry, FailureCause::Fatal, FailureCause::Memory, FailureCause::Host, FailureCause::Fuel]
        {
            breaker.count(&failed(cause));
            assert!(!breaker.is_open());
        }
    }
}
