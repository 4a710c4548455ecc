//! When failed deliveries are tried again.

use std::time::{Duration, Instant};

use lastword_events::{FailureCause, Timestamp};

use crate::limits::{DEFAULT_FIRST_RETRY, DEFAULT_MAX_FAILURES, DEFAULT_MAX_RETRY};
use crate::time::Time;

/// When a failed delivery is tried again, and when it is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct RetryPolicy {
    /// Pause after the first failure. It doubles with each further one. In JSON `first_ms`.
    #[cfg_attr(feature = "serde", serde(rename = "first_ms", with = "lastword_events::millis"))]
    pub first: Duration,
    /// The longest pause. In JSON `max_ms`.
    #[cfg_attr(feature = "serde", serde(rename = "max_ms", with = "lastword_events::millis"))]
    pub max: Duration,
    /// Recorded failures after which a delivery is dead.
    pub max_failures: u32,
}

/// Whether a delivery is tried again after an attempt.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum NextAttempt {
    /// Not in this run: the delivery is made or deferred, or the next start makes it.
    #[default]
    Unplanned,
    /// At this moment, in both clocks.
    Due { at: Instant, timestamp: Timestamp },
    /// Never: the delivery is dead.
    Never,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { first: DEFAULT_FIRST_RETRY, max: DEFAULT_MAX_RETRY, max_failures: DEFAULT_MAX_FAILURES }
    }
}

impl RetryPolicy {
    /// Whether a delivery with so many failures is tried again. `cause` is that of the last failure.
    pub(crate) fn decide(&self, cause: &FailureCause, failures: u32, time: &Time) -> NextAttempt {
        if *cause == FailureCause::Fatal || failures >= self.max_failures {
            return NextAttempt::Never;
        }
        let pause = self.pause(failures, fastrand::f64());
        NextAttempt::Due { at: time.now() + pause, timestamp: time.timestamp().plus(pause) }
    }

    /// The pause after failure number `failures`: a part of the upper half of the full pause, so that deliveries that failed together are
    /// not tried again together. `random` is uniform in 0..1.
    fn pause(&self, failures: u32, random: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let full = self.first.saturating_mul(1 << doublings).min(self.max);
        full.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_one() {
        let policy = RetryPolicy::default();
        let full = |failures| policy.pause(failures, 1.0);
        assert_eq!(full(1), Duration::from_secs(1));
        assert_eq!(full(2), Duration::from_secs(2));
        assert_eq!(full(5), Duration::from_secs(16));
        assert_eq!(full(12), Duration::from_secs(300));
        assert_eq!(full(u32::MAX), Duration::from_secs(300));
        assert_eq!(policy.pause(1, 0.0), Duration::from_millis(500));
    }
}
