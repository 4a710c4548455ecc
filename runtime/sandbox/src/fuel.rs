//! The fuel that goes with a deadline.

use std::time::Duration;

use crate::limits::{DEFAULT_DEADLINE, DEFAULT_FUEL};

/// The fuel of a plugin for which only a deadline was chosen: so much that the deadline cuts it, however long the deadline is.
#[must_use]
pub fn default_fuel(deadline: Duration) -> u64 {
    let times = deadline.as_millis().div_ceil(DEFAULT_DEADLINE.as_millis());
    DEFAULT_FUEL.saturating_mul(u64::try_from(times).unwrap_or(u64::MAX).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fuel_grows_with_the_deadline_and_is_never_less_than_the_default() {
        let fuel = |ms| default_fuel(Duration::from_millis(ms));
        assert_eq!((fuel(1), fuel(500), fuel(501)), (DEFAULT_FUEL, DEFAULT_FUEL, 2 * DEFAULT_FUEL));
        assert_eq!(fuel(3_600_000), 7200 * DEFAULT_FUEL);
        assert_eq!(default_fuel(Duration::MAX), u64::MAX);
    }
}
