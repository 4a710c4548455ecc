//! Parses owners' times: RFC 3339 and similar texts, seconds and milliseconds.

use jiff::civil::DateTime;
use jiff::fmt::temporal::Pieces;
use jiff::tz::Offset;
use lastword_events::Timestamp;
use serde_json::Value;

/// The smallest number of seconds, 2001-09-09; the largest is below [`END_OF_SECONDS`]. As milliseconds it would be in
/// January 1970, before any session.
const BEGIN_OF_SECONDS: f64 = 1e9;

/// The smallest number of milliseconds, 1973-03-03. As seconds it would be in the year 5138.
const END_OF_SECONDS: f64 = 1e11;

/// The end of the year 9999, in milliseconds since the Unix epoch. A larger number is no time.
const END_OF_TIME: f64 = 253_402_300_800_000.0;

/// The digits of a fraction that jiff reads. We keep three.
const MAX_FRACTION_DIGITS: usize = 9;

/// Returns the time of a value, if it is one.
pub(crate) fn of(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Number(number) => since_epoch(number.as_f64()?),
        Value::String(text) => of_text(text.trim()),
        _ => None,
    }
}

fn of_text(text: &str) -> Option<Timestamp> {
    let is_number =
        text.starts_with(|c: char| c.is_ascii_digit()) && !text.contains(|c: char| !matches!(c, '0'..='9' | '.'));
    if is_number { since_epoch(text.parse().ok()?) } else { written(text) }
}

/// Converts seconds or milliseconds since the Unix epoch. Their size distinguishes them.
#[expect(
    clippy::cast_possible_truncation,
    reason = "it is below the end of time, and a part of a millisecond is cut off"
)]
fn since_epoch(number: f64) -> Option<Timestamp> {
    let is_seconds = (BEGIN_OF_SECONDS..END_OF_SECONDS).contains(&number);
    let ms = if is_seconds { number * 1000.0 } else { number };
    (0.0..END_OF_TIME).contains(&ms).then(|| Timestamp::from_millisecond(ms as i64))
}

/// Parses a date and a time of day, with an offset or in UTC.
fn written(text: &str) -> Option<Timestamp> {
    // The correct form, which is nearly always used.
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    let text = without_long_fraction(text);
    let pieces = Pieces::parse(&text).ok()?;
    let time = DateTime::from_parts(pieces.date(), pieces.time()?);
    let offset = pieces.to_numeric_offset().unwrap_or(Offset::UTC);
    // jiff ends a day before the year 9999, so that every offset fits. Later times become the last possible moment.
    let last = || (time.year() == 9999).then_some(i64::MAX);
    let ms = offset.to_timestamp(time).map(jiff::Timestamp::as_millisecond).ok().or_else(last)?;
    Some(Timestamp::from_millisecond(ms))
}

fn without_long_fraction(text: &str) -> String {
    let Some((whole, fraction)) = text.split_once(['.', ',']) else { return text.to_owned() };
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    let kept = fraction.get(..digits.min(MAX_FRACTION_DIGITS)).unwrap_or_default();
    format!("{whole}.{kept}{}", fraction.get(digits..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: &Value) -> Option<String> {
        of(value).map(|time| time.to_string())
    }

    #[test]
    fn rfc_3339_and_what_people_take_for_it_are_times() {
        let table = [
            ("2026-11-20T10:00:05Z", "2026-11-20T10:00:05.000Z"),
            ("2026-11-20T10:00:05.123456", "2026-11-20T10:00:05.123Z"),
            ("2026-11-20 10:00:05+01:00", "2026-11-20T09:00:05.000Z"),
            ("2026-11-20t10:00:05.9z", "2026-11-20T10:00:05.900Z"),
            ("2026-11-20T10:00:05.123456789Z", "2026-11-20T10:00:05.123Z"),
            ("2026-11-20T10:00:05.1234567890123456789-00:30", "2026-11-20T10:30:05.123Z"),
            ("2026-11-20T10:00:05,5Z", "2026-11-20T10:00:05.500Z"),
            (" 2026-11-20T10:00Z ", "2026-11-20T10:00:00.000Z"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.000Z"),
            ("9999-12-30T10:00:00Z", "9999-12-30T10:00:00.000Z"),
            ("9999-12-31T23:59:59Z", "9999-12-30T22:00:00.999Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
        ];
        for (text, time) in table {
            assert_eq!(read(&json!(text)).as_deref(), Some(time), "{text}");
        }
    }

    #[test]
    fn a_number_counts_seconds_or_milliseconds_and_its_size_tells_which() {
        let table = [
            (json!(1_795_240_421), "2026-11-21T05:53:41.000Z"),
            (json!("1795240421"), "2026-11-21T05:53:41.000Z"),
            (json!(1_795_240_421.5), "2026-11-21T05:53:41.500Z"),
            (json!("1795240421.25"), "2026-11-21T05:53:41.250Z"),
            (json!(1_795_240_421_000_i64), "2026-11-21T05:53:41.000Z"),
            (json!(1_795_240_421_000.25), "2026-11-21T05:53:41.000Z"),
            (json!("1795240421000"), "2026-11-21T05:53:41.000Z"),
            (json!(999_999_999), "1970-01-12T13:46:39.999Z"),
            (json!(1_000_000_000), "2001-09-09T01:46:40.000Z"),
            (json!(99_999_999_999_i64), "5138-11-16T09:46:39.000Z"),
            (json!(100_000_000_000_i64), "1973-03-03T09:46:40.000Z"),
            (json!(0), "1970-01-01T00:00:00.000Z"),
        ];
        for (value, time) in table {
            assert_eq!(read(&value).as_deref(), Some(time), "{value}");
        }
    }

    #[test]
    fn an_impossible_time_is_none() {
        let texts = [
            "",
            "today",
            "2026-11-20",
            "10:00:05Z",
            "2026-13-20T10:00:05Z",
            "0000-00-00T00:00:00Z",
            "1.2.3",
            "-5",
            "1e9",
        ];
        for text in texts {
            assert_eq!(read(&json!(text)), None, "{text}");
        }
        for value in [
            json!(-1),
            json!(-62_135_596_800_001_i64),
            json!(i64::MAX),
            json!(u64::MAX),
            json!(1e300),
            json!(true),
            json!([1]),
        ] {
            assert_eq!(read(&value), None, "{value}");
        }
    }
}
