//! The most that the last calls took.

use std::collections::VecDeque;

use crate::limits::REMEMBERED_CALLS;

/// The most that the last calls took of something.
#[derive(Debug, Default)]
pub(super) struct HighWater {
    calls: u64,
    /// The amounts that no later call exceeded, each with the number of its call. The highest, which is the oldest, is in front.
    peaks: VecDeque<(u64, u64)>,
}

impl HighWater {
    /// A call has taken so much.
    pub(super) fn add(&mut self, took: u64) {
        self.calls += 1;
        if took > 0 {
            while self.peaks.back().is_some_and(|(_, earlier)| *earlier <= took) {
                self.peaks.pop_back();
            }
            self.peaks.push_back((self.calls, took));
        }
        while self.peaks.front().is_some_and(|(call, _)| call + REMEMBERED_CALLS <= self.calls) {
            self.peaks.pop_front();
        }
    }

    pub(super) fn most(&self) -> u64 {
        self.peaks.front().map_or(0, |(_, took)| *took)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_most_of_the_last_calls_and_of_no_earlier_one(
            took in prop::collection::vec(prop_oneof![Just(0), 0u64..10], 0..400),
        ) {
            let mut high_water = HighWater::default();
            for (at, bytes) in took.iter().enumerate() {
                high_water.add(*bytes);
                let last = &took[(at + 1).saturating_sub(usize::try_from(REMEMBERED_CALLS).unwrap())..=at];
                prop_assert_eq!(high_water.most(), last.iter().copied().max().unwrap_or(0));
            }
        }
    }
}
