//! A tenant's fuel.

use std::time::{Duration, Instant};

/// How much of its rate a tenant can save up.
const SAVINGS: Duration = Duration::from_secs(1);
/// The level must be above 0, not at it.
const ABOVE_ZERO: Duration = Duration::from_nanos(1);

/// A tenant's fuel for the next moments. The bucket fills at a rate, holds what flows in within a second, and can be in debt.
///
/// The bucket is kept as the moment at which it will be full. Taking fuel out moves that moment on, and nobody has to fill the bucket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    per_second: u64,
    full_at: Instant,
}

impl Bucket {
    pub(super) fn new(per_second: u64, now: Instant) -> Self {
        Self { per_second: per_second.max(1), full_at: now }
    }

    /// The same bucket at another rate from now on. As much fuel is missing as before.
    pub(super) fn at_rate(self, per_second: u64, now: Instant) -> Self {
        let missing = self.full_at.saturating_duration_since(now).as_nanos().saturating_mul(self.per_second.into());
        let mut bucket = Self::new(per_second, now);
        let nanos = missing / u128::from(bucket.per_second);
        let wait = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        bucket.full_at = now.checked_add(wait).unwrap_or(self.full_at);
        bucket
    }

    /// Takes fuel out, whether or not there is so much.
    pub(super) fn take(&mut self, fuel: u64, now: Instant) {
        let nanos = (u128::from(fuel) * 1_000_000_000).div_ceil(u128::from(self.per_second));
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let full_at = self.full_at.max(now);
        // A debt of centuries, which no clock can say, grows no more.
        self.full_at = full_at.checked_add(cost).unwrap_or(full_at);
    }

    /// When there is fuel again, if there is none now.
    pub(super) fn usable_at(&self, now: Instant) -> Option<Instant> {
        let debt = self.full_at.saturating_duration_since(now).checked_sub(SAVINGS)?;
        now.checked_add(debt + ABOVE_ZERO)
    }

    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.full_at <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn millis(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn it_holds_what_flows_in_within_a_second_and_no_more() {
        let now = Instant::now();
        let mut bucket = Bucket::new(1_000, now);
        bucket.take(999, now);
        assert_eq!(bucket.usable_at(now), None, "one unit is left");
        bucket.take(1, now);
        assert_eq!(bucket.usable_at(now), Some(now + ABOVE_ZERO), "0 is nothing");
        // After an hour it is full, and not fuller.
        let later = now + Duration::from_secs(3_600);
        assert!(bucket.is_full(later));
        bucket.take(1_000, later);
        assert_eq!(bucket.usable_at(later), Some(later + ABOVE_ZERO));
    }

    #[test]
    fn a_debt_is_paid_at_the_rate() {
        let now = Instant::now();
        let mut bucket = Bucket::new(1_000, now);
        bucket.take(1_500, now);
        assert_eq!(bucket.usable_at(now), Some(now + millis(500) + ABOVE_ZERO));
        assert_eq!(bucket.usable_at(now + millis(400)), Some(now + millis(500) + ABOVE_ZERO));
        assert_eq!(bucket.usable_at(now + millis(501)), None);
        assert!(!bucket.is_full(now + millis(1_499)) && bucket.is_full(now + millis(1_500)));
    }

    #[test]
    fn what_is_missing_at_one_rate_is_missing_at_another() {
        let now = Instant::now();
        let mut bucket = Bucket::new(1_000, now);
        bucket.take(4_000, now);
        assert_eq!(bucket.at_rate(2_000, now).usable_at(now), Some(now + millis(1_000) + ABOVE_ZERO));
        assert_eq!(bucket.at_rate(10_000, now).usable_at(now), None, "it holds more");
        assert!(bucket.at_rate(500, now).is_full(now + millis(8_000)));
        assert!(!bucket.at_rate(500, now).is_full(now + millis(7_999)));
        assert!(Bucket::new(1_000, now).at_rate(1, now).is_full(now));
    }

    #[test]
    fn no_number_breaks_it() {
        let now = Instant::now();
        for per_second in [0, 1, u64::MAX] {
            let mut bucket = Bucket::new(per_second, now);
            for _ in 0..3 {
                bucket.take(u64::MAX, now);
            }
            bucket.usable_at(now);
            for other in [0, 1, u64::MAX] {
                bucket.at_rate(other, now).usable_at(now);
            }
        }
    }

    proptest! {
        #[test]
        fn what_went_through_is_never_more_than_a_second_saved_and_the_rate_and_one_call(
            calls in prop::collection::vec((0u64..3_000, 0u64..400), 1..200),
        ) {
            let began = Instant::now();
            let (mut bucket, mut now, mut used) = (Bucket::new(1_000, began), began, 0);
            for (fuel, pause) in calls {
                now += millis(pause);
                if bucket.usable_at(now).is_none() {
                    bucket.take(fuel, now);
                    used += fuel;
                    let elapsed = u64::try_from((now - began).as_millis()).unwrap();
                    prop_assert!(used <= 1_000 + elapsed + 3_000, "{used} after {elapsed} ms");
                }
            }
        }
    }
}
