//! Moments in UTC, to the millisecond.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A moment in UTC with millisecond precision, written as RFC 3339: `2026-11-21T07:00:00.000Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(jiff::Timestamp);

impl Timestamp {
    /// Returns the wall clock, cut to milliseconds.
    #[must_use]
    pub fn now() -> Self {
        Self::from_millisecond(jiff::Timestamp::now().as_millisecond())
    }

    /// Converts milliseconds since the Unix epoch. A moment outside the years −9999 to 9999 becomes the nearest end of
    /// that range.
    #[must_use]
    pub fn from_millisecond(ms: i64) -> Self {
        let nearest = if ms < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
        Self(jiff::Timestamp::from_millisecond(ms).unwrap_or(nearest))
    }

    /// Returns milliseconds since the Unix epoch.
    #[must_use]
    pub fn as_millisecond(self) -> i64 {
        self.0.as_millisecond()
    }

    /// Returns the milliseconds from `earlier` until `self`; 0 if the clock went backwards, and at most about 49 days.
    #[must_use]
    pub fn millis_since(self, earlier: Self) -> u32 {
        let ms = self.as_millisecond().saturating_sub(earlier.as_millisecond()).max(0);
        u32::try_from(ms).unwrap_or(u32::MAX)
    }

    /// Returns the moment `by` after this one, saturating.
    #[must_use]
    pub fn plus(self, by: std::time::Duration) -> Self {
        let ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        Self::from_millisecond(self.as_millisecond().saturating_add(ms))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

impl FromStr for Timestamp {
    type Err = jiff::Error;

    /// Parses any RFC 3339 time with an offset, and cuts it to milliseconds.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed: jiff::Timestamp = text.parse()?;
        Ok(Self::from_millisecond(parsed.as_millisecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(|e| {
            de::Error::custom(format!("{text:?} is not an RFC 3339 time such as 2026-11-21T07:00:00.000Z: {e}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_in_utc_with_milliseconds() {
        let t: Timestamp = "2026-11-21T09:00:00.123456+02:00".parse().unwrap();
        assert_eq!(t.to_string(), "2026-11-21T07:00:00.123Z");
        assert_eq!(Timestamp::from_millisecond(1_795_240_416_000).to_string(), "2026-11-21T05:53:36.000Z");
    }

    #[test]
    fn a_clock_that_jumps_back_gives_no_negative_duration() {
        let t = Timestamp::from_millisecond(1_000);
        assert_eq!(t.millis_since(Timestamp::from_millisecond(5_000)), 0);
        assert_eq!(Timestamp::from_millisecond(i64::MAX).millis_since(t), u32::MAX);
    }
}
