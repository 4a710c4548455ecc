//! Counts running calls in a bounded number of bins of time.
//!
//! A drain's duration is not known before its end: a millisecond, or the whole budget. So the bins begin narrow, and
//! two bins become one whenever a call ends after the last bin.

use std::time::Duration;

/// Bins of one row: each is four pixels of a picture.
pub(super) const BINS: usize = 128;
/// The same number, for calculations.
const BINS_WIDE: u64 = 128;
/// How often bins can be joined: at first all bins together are a 1024th of the budget, at last all of it.
pub(super) const LEVELS: u32 = 10;

/// The division of a budget into bins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// In nanoseconds.
    budget: u64,
    /// The time of the narrowest bin, in nanoseconds.
    unit: u64,
}

impl Scale {
    pub(super) fn of(budget: Duration) -> Self {
        let budget = nanos(budget);
        Self { budget, unit: budget.div_ceil(BINS_WIDE << LEVELS).max(1) }
    }

    /// Returns the budget in nanoseconds, which is not 0.
    pub(super) fn budget(self) -> u64 {
        self.budget.max(1)
    }

    /// Returns the time of all bins together after so many joins, in nanoseconds, which is not 0.
    pub(super) fn span(self, level: u32) -> u64 {
        if level >= LEVELS { self.budget() } else { (self.unit * BINS_WIDE) << level }
    }

    /// Returns the time of one bin.
    pub(super) fn bin(self, level: u32) -> u64 {
        (self.span(level) / BINS_WIDE).max(1)
    }
}

/// Returns a time in nanoseconds; 584 years at most.
pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// How a call ended, as far as the picture has a colour for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Delivered,
    Failed,
    /// The call was running when the time was over.
    Cut,
}

/// The calls of one row.
#[derive(Clone, Debug, Default)]
pub(super) struct Bins {
    /// How often the bins were joined.
    level: u32,
    delivered: Spans,
    failed: Spans,
    cut: Spans,
}

/// Calls that were running in one bin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slice {
    pub(super) delivered: u64,
    pub(super) failed: u64,
    pub(super) cut: u64,
}

impl Slice {
    pub(super) fn all(self) -> u64 {
        self.delivered + self.failed + self.cut
    }
}

impl Bins {
    pub(super) fn level(&self) -> u32 {
        self.level
    }

    /// Adds a call that was running in this interval, in nanoseconds since the beginning.
    pub(super) fn add(&mut self, scale: Scale, ended: Ended, (from, until): (u64, u64)) {
        let (first, last) = (from / scale.unit, until.max(from) / scale.unit);
        while self.level < LEVELS && last >> self.level >= BINS_WIDE {
            self.join();
        }
        let level = self.level;
        let bin = |narrowest: u64| usize::try_from(narrowest >> level).unwrap_or(BINS).min(BINS - 1);
        let spans = match ended {
            Ended::Delivered => &mut self.delivered,
            Ended::Failed => &mut self.failed,
            Ended::Cut => &mut self.cut,
        };
        spans.add(bin(first), bin(last));
    }

    /// Adds the calls of another row.
    pub(super) fn merge(&mut self, mut other: Self) {
        self.join_to(other.level);
        other.join_to(self.level);
        let pairs =
            [(&mut self.delivered, &other.delivered), (&mut self.failed, &other.failed), (&mut self.cut, &other.cut)];
        for (spans, more) in pairs {
            spans.merge(more);
        }
    }

    /// Returns the running calls of each bin after so many joins, or after more if the bins are already wider.
    pub(super) fn slices(&self, level: u32) -> Vec<Slice> {
        let mut bins = self.clone();
        bins.join_to(level);
        let (failed, cut) = (bins.failed.under_way(), bins.cut.under_way());
        let all = bins.delivered.under_way().zip(failed).zip(cut);
        all.map(|((delivered, failed), cut)| Slice { delivered, failed, cut }).collect()
    }

    fn join_to(&mut self, level: u32) {
        while self.level < level {
            self.join();
        }
    }

    fn join(&mut self) {
        self.level += 1;
        for spans in [&mut self.delivered, &mut self.failed, &mut self.cut] {
            join(&mut spans.begun);
            join(&mut spans.over);
        }
    }
}

fn join(bins: &mut Vec<u32>) {
    if !bins.is_empty() {
        *bins = bins.chunks(2).map(|two| two.iter().sum()).collect();
        bins.resize(BINS, 0);
    }
}

/// The bins in which calls began, and those in which they ended. So a call costs two counts, whatever its duration.
/// Empty until there is a call.
#[derive(Clone, Debug, Default)]
struct Spans {
    begun: Vec<u32>,
    over: Vec<u32>,
}

impl Spans {
    fn add(&mut self, first: usize, last: usize) {
        for (bins, bin) in [(&mut self.begun, first), (&mut self.over, last)] {
            bins.resize(BINS, 0);
            if let Some(calls) = bins.get_mut(bin) {
                *calls = calls.saturating_add(1);
            }
        }
    }

    fn merge(&mut self, more: &Self) {
        for (bins, more) in [(&mut self.begun, &more.begun), (&mut self.over, &more.over)] {
            bins.resize(more.len().max(bins.len()), 0);
            for (calls, more) in bins.iter_mut().zip(more) {
                *calls = calls.saturating_add(*more);
            }
        }
    }

    fn under_way(&self) -> impl Iterator<Item = u64> {
        let mut calls = 0_u64;
        (0..BINS).map(move |bin| {
            let of = |bins: &[u32]| u64::from(bins.get(bin).copied().unwrap_or_default());
            calls += of(&self.begun);
            let here = calls;
            calls = calls.saturating_sub(of(&self.over));
            here
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The time of the narrowest bin.
    const NARROWEST: u64 = 8_000;

    fn scale() -> Scale {
        Scale::of(Duration::from_nanos((128 << 10) * NARROWEST))
    }

    /// A call from one of the narrowest bins to another.
    fn call(first: u64, last: u64) -> (u64, u64) {
        (first * NARROWEST, last * NARROWEST + 1)
    }

    fn delivered(bins: &Bins, level: u32) -> Vec<(usize, u64)> {
        let slices = bins.slices(level);
        assert_eq!(slices.len(), BINS);
        slices.iter().map(|slice| slice.delivered).enumerate().filter(|(_, calls)| *calls > 0).collect()
    }

    #[test]
    fn the_narrowest_bins_are_a_1024th_of_the_budget_and_the_widest_the_whole_of_it() {
        let spans = [0, 1, LEVELS].map(|level| scale().span(level) / NARROWEST);
        assert_eq!(spans, [128, 256, 131_072]);
        assert_eq!(scale().bin(LEVELS), 1_024 * NARROWEST);
    }

    #[test]
    fn bins_are_joined_when_a_call_is_over_behind_them_and_no_call_is_lost() {
        let mut bins = Bins::default();
        bins.add(scale(), Ended::Delivered, call(0, 0));
        assert_eq!((bins.level(), delivered(&bins, 0)), (0, vec![(0, 1)]));
        bins.add(scale(), Ended::Delivered, call(128, 512));
        assert_eq!(bins.level(), 3);
        let under_way = delivered(&bins, 3);
        assert_eq!(under_way.len(), 1 + 49);
        assert_eq!((under_way.first(), under_way.last()), (Some(&(0, 1)), Some(&(64, 1))));
        assert_eq!(delivered(&bins, LEVELS), [(0, 2)]);
    }

    #[test]
    fn a_call_is_under_way_from_its_first_bin_to_its_last_and_what_is_over_later_is_over_in_the_last_of_all() {
        let mut bins = Bins::default();
        bins.add(scale(), Ended::Delivered, call(2_048, 4_096));
        bins.add(scale(), Ended::Delivered, call(2_560, 10_000_000));
        assert_eq!(bins.level(), LEVELS);
        let under_way = delivered(&bins, LEVELS);
        assert_eq!(under_way.get(..4), Some(&[(2, 2), (3, 2), (4, 2), (5, 1)][..]));
        assert_eq!(under_way.last(), Some(&(BINS - 1, 1)));
    }

    #[test]
    fn rows_of_different_widths_are_one() {
        let (mut narrow, mut wide) = (Bins::default(), Bins::default());
        narrow.add(scale(), Ended::Failed, call(0, 1));
        wide.add(scale(), Ended::Cut, call(0, 100_000));
        narrow.merge(wide);
        let slices = narrow.slices(0);
        assert_eq!(slices.first(), Some(&Slice { delivered: 0, failed: 1, cut: 1 }));
        assert_eq!(slices.get(1), Some(&Slice { delivered: 0, failed: 0, cut: 1 }));
    }

    #[test]
    fn a_budget_of_nothing_is_drawn_as_well() {
        let scale = Scale::of(Duration::ZERO);
        let mut bins = Bins::default();
        bins.add(scale, Ended::Delivered, (0, u64::MAX));
        assert_eq!((bins.level(), scale.span(LEVELS), scale.bin(LEVELS)), (LEVELS, 1, 1));
    }
}
