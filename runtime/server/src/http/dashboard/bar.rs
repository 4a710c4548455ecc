//! The picture of a drain: its budget, its time, and the outcomes of its ends. All pictures have one scale, so that
//! they form one timeline.

use std::time::Duration;

use crate::observer::EndCounts;
use crate::units::as_f64;

/// The width of the whole scale, in the picture's own unit.
const WIDTH: f64 = 1000.0;

/// The least width of a part, so that a short one is visible.
const LEAST: f64 = 6.0;

/// A drain, from its beginning at 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bar {
    /// The width of its budget.
    pub(super) budget: String,
    /// The outcomes of its ends, next to each other within the drain's time.
    pub(super) parts: Vec<Part>,
}

/// A part of a bar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The CSS class, which names the outcome.
    pub(super) class: &'static str,
    pub(super) x: String,
    pub(super) width: String,
}

/// Returns the time that the picture's full width stands for: no drain took longer or had a larger budget.
pub(super) fn scale(drains: impl Iterator<Item = (Duration, Duration)>) -> Duration {
    drains.map(|(budget, elapsed)| budget.max(elapsed)).max().unwrap_or_default()
}

impl Bar {
    pub(super) fn new(scale: Duration, budget: Duration, elapsed: Duration, counts: EndCounts) -> Self {
        let scale = scale.as_secs_f64();
        let of_scale = |time: Duration| if scale > 0.0 { time.as_secs_f64() / scale * WIDTH } else { WIDTH };
        let EndCounts { delivered, failed, deferred } = counts;
        let all = as_f64(delivered + failed + deferred);
        let elapsed = of_scale(elapsed).clamp(LEAST, WIDTH);
        let mut parts = Vec::new();
        let mut x = 0.0;
        for (class, count) in [("delivered", delivered), ("failed", failed), ("deferred", deferred)] {
            if count > 0 {
                let width = elapsed * as_f64(count) / all;
                parts.push(Part { class, x: number(x), width: number(width) });
                x += width;
            }
        }
        if parts.is_empty() {
            parts.push(Part { class: "idle", x: number(0.0), width: number(LEAST) });
        }
        Self { budget: number(of_scale(budget).min(WIDTH)), parts }
    }
}

fn number(number: f64) -> String {
    format!("{number:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_as_wide_as_their_share_of_the_time_that_it_took() {
        let second = Duration::from_secs(1);
        let scale = scale([(2 * second, second), (second, Duration::ZERO)].into_iter());
        assert_eq!(scale, 2 * second);
        let bar = Bar::new(scale, 2 * second, second, EndCounts { delivered: 3, failed: 0, deferred: 1 });
        let parts: Vec<(&str, &str, &str)> =
            bar.parts.iter().map(|part| (part.class, part.x.as_str(), part.width.as_str())).collect();
        assert_eq!(bar.budget, "1000.0");
        assert_eq!(parts, [("delivered", "0.0", "375.0"), ("deferred", "375.0", "125.0")]);
        let empty = Bar::new(scale, second, Duration::ZERO, EndCounts::default());
        assert_eq!((empty.budget.as_str(), empty.parts[0].class, empty.parts.len()), ("500.0", "idle", 1));
    }

    #[test]
    fn a_drain_without_any_time_has_a_picture_as_well() {
        let bar = Bar::new(
            Duration::ZERO,
            Duration::ZERO,
            Duration::ZERO,
            EndCounts { delivered: 1, ..EndCounts::default() },
        );
        assert_eq!((bar.budget.as_str(), bar.parts[0].width.as_str()), ("1000.0", "1000.0"));
    }
}
