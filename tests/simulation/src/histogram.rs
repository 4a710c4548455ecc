//! Times, counted by their size.

use std::time::Duration;

/// Counts of times, each rounded up by 2 ‰ at most.
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    /// By the logarithm of the milliseconds.
    counts: Vec<u64>,
    total: u64,
    most: Duration,
}

/// Two neighbouring counts are so far apart.
const STEP: f64 = 1.002;

impl Histogram {
    /// Counts a time.
    pub fn add(&mut self, time: Duration) {
        let place = (time.as_secs_f64() * 1_000.0 + 1.0).ln() / STEP.ln();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is positive, and a year is less than 13 000"
        )]
        let place = place.ceil() as usize;
        if self.counts.len() <= place {
            self.counts.resize(place + 1, 0);
        }
        self.counts[place] += 1;
        self.total += 1;
        self.most = self.most.max(time);
    }

    /// How many were counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The longest of them.
    #[must_use]
    pub fn most(&self) -> Duration {
        self.most
    }

    /// The time that this part of them did not exceed; zero when there are none.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Duration {
        #[expect(clippy::cast_precision_loss, reason = "a quantile of that many needs no more")]
        let before = self.total as f64 * part;
        let mut seen = 0;
        for (place, count) in self.counts.iter().enumerate() {
            seen += count;
            #[expect(clippy::cast_precision_loss, reason = "as above")]
            if *count > 0 && seen as f64 >= before {
                let milliseconds = STEP.powf(place as f64) - 1.0;
                return Duration::from_secs_f64(milliseconds / 1_000.0).min(self.most);
            }
        }
        self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_no_less_than_it_should_be_and_two_per_mille_more_at_most() {
        let mut histogram = Histogram::default();
        for milliseconds in 1..=1_000 {
            histogram.add(Duration::from_millis(milliseconds));
        }
        for (part, exact) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1_000.0)] {
            let found = histogram.quantile(part).as_secs_f64() * 1_000.0;
            assert!(found >= exact && found <= exact * 1.003 + 1.0, "{part}: {found}");
        }
        assert_eq!(Histogram::default().quantile(0.5), Duration::ZERO);
    }
}
