//! Formats times and sizes for people.

use std::time::Duration;

use lastword::events::Timestamp;

/// Bytes of each unit, and its name.
const SIZES: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];

/// Seconds of each unit, and its name.
const AGES: [(u64, &str); 3] = [(86_400, "d"), (3_600, "h"), (60, "min")];

/// `85 µs`, `14.2 ms`, `1.53 s`.
pub(crate) fn time(time: Duration) -> String {
    let micros = time.as_micros();
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{:.1} ms", time.as_secs_f64() * 1e3),
        _ => format!("{:.2} s", time.as_secs_f64()),
    }
}

/// `512 B`, `1.4 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    match SIZES.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", as_f64(bytes) / as_f64(unit)),
        None => format!("{bytes} B"),
    }
}

/// `12 s`, `3 min`, `2 d`.
pub(crate) fn long_time(seconds: u64) -> String {
    match AGES.into_iter().find(|(unit, _)| seconds >= *unit) {
        Some((unit, name)) => format!("{} {name}", seconds / unit),
        None => format!("{seconds} s"),
    }
}

/// `just now`, `12 s ago`, `3 min ago`; `in 5 s`.
pub(crate) fn ago(at: Timestamp, now: Timestamp) -> String {
    let millis = now.as_millisecond().saturating_sub(at.as_millisecond());
    let seconds = millis.unsigned_abs() / 1000;
    let long = long_time(seconds);
    match (seconds, millis < 0) {
        (0..2, _) => "just now".to_owned(),
        (_, true) => format!("in {long}"),
        (_, false) => format!("{long} ago"),
    }
}

/// `1 session`, `3 sessions`.
pub(crate) fn many(count: u64, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// A count as a number for pictures. No count here exceeds the 53 bits of a float.
pub(crate) fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_have_the_unit_that_fits() {
        let times = [85, 14_240, 1_530_000].map(|micros| time(Duration::from_micros(micros)));
        assert_eq!(times, ["85 µs", "14.2 ms", "1.53 s"]);
        assert_eq!([0, 1023, 1_468_006, 5 << 30].map(size), ["0 B", "1023 B", "1.4 MiB", "5.0 GiB"]);
        let now = Timestamp::from_millisecond(1_000_000_000);
        let after = |millis: i64| ago(Timestamp::from_millisecond(1_000_000_000 - millis), now);
        assert_eq!(
            [1_999, 12_000, 200_000, 7_200_000, 200_000_000, -5_000].map(after),
            ["just now", "12 s ago", "3 min ago", "2 h ago", "2 d ago", "in 5 s"]
        );
        assert_eq!((many(1, "session"), many(0, "session")), ("1 session".into(), "0 sessions".into()));
    }
}
