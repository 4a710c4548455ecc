//! Durations and sizes as text: "500ms", "2s", "64MiB".

use std::time::Duration;

use bytesize::ByteSize;
use jiff::fmt::friendly::SpanParser;
use thiserror::Error;

use crate::limits::{MAX_DURATION, MAX_LONG_DURATION, MIN_DURATION, Sizes};
use lastword_protocol::suggest;

/// A text that is no quantity. The message ends with the remedy.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct UnitError(String);

const TIME_UNITS: [&str; 4] = ["ms", "s", "m", "h"];
const SIZE_UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "KB", "MB", "GB"];

/// Parses a duration from 1 ms to 1 h, such as `500ms`, `2s` or `1m 30s`.
///
/// # Errors
/// When it has no unit or an unknown one, is negative, or is out of that range.
pub fn duration(text: &str) -> Result<Duration, UnitError> {
    duration_up_to(text, MAX_DURATION, "1h")
}

/// Parses a duration from 1 ms to 30 days, for a silence. The largest unit is hours.
///
/// # Errors
/// When it has no unit or an unknown one, is negative, or is out of that range.
pub fn long_duration(text: &str) -> Result<Duration, UnitError> {
    duration_up_to(text, MAX_LONG_DURATION, "720h")
}

fn duration_up_to(text: &str, most: Duration, written: &str) -> Result<Duration, UnitError> {
    let trimmed = refuse_negative(text)?;
    let parsed = SpanParser::new().parse_duration(trimmed).map_err(|_| unreadable_duration(trimmed))?;
    let duration = Duration::try_from(parsed).map_err(|_| UnitError(format!("{trimmed:?} is negative")))?;
    if duration < MIN_DURATION {
        return Err(UnitError(format!("{trimmed:?} is too short: write at least \"1ms\"")));
    }
    if duration > most {
        return Err(UnitError(format!("{trimmed:?} is too long: write at most {written:?}")));
    }
    Ok(duration)
}

/// Parses a size in bytes: `64MiB`, `1 GiB`, `16MB`.
///
/// # Errors
/// When it has no unit or an unknown one, is negative, or is not one of `sizes`.
pub fn size(text: &str, sizes: &Sizes) -> Result<u64, UnitError> {
    let trimmed = refuse_negative(text)?;
    let bytes = match trimmed.parse::<ByteSize>() {
        Ok(size) if trimmed.ends_with(|c: char| c.is_ascii_alphabetic()) => size.as_u64(),
        _ => return Err(unreadable_size(trimmed)),
    };
    if bytes < sizes.least {
        let least = write_bytes(sizes.least);
        return Err(UnitError(format!("{trimmed:?} is too little: write at least {least:?}, {}", sizes.least_is)));
    }
    if bytes > sizes.most {
        let most = write_bytes(sizes.most);
        return Err(UnitError(format!("{trimmed:?} is too much: write at most {most:?}, {}", sizes.most_is)));
    }
    Ok(bytes)
}

/// Parses an amount of fuel, at least 1: `2000000`, `2_000_000`.
///
/// # Errors
/// When it is no such number.
pub fn fuel(text: &str) -> Result<u64, UnitError> {
    let digits = refuse_negative(text)?.replace('_', "");
    match digits.parse::<u64>() {
        Ok(0) => Err(UnitError("\"0\" is too little: no guest can run without fuel".to_owned())),
        Ok(fuel) => Ok(fuel),
        Err(_) => {
            Err(UnitError(format!("{text:?} is no amount of fuel: write a whole number such as 100_000_000_000")))
        }
    }
}

/// Formats a number of bytes for people: `1.1 MiB`.
pub fn show_bytes(bytes: u64) -> String {
    ByteSize::b(bytes).display().iec().to_string()
}

/// Formats a call's memory and the host's part of it: `1.1 MiB`, `1.1 MiB (2.0 KiB of it in the host)`.
pub fn show_memory(all: u64, in_the_host: u64) -> String {
    match in_the_host {
        0 => show_bytes(all),
        _ => format!("{} ({} of it in the host)", show_bytes(all), show_bytes(in_the_host)),
    }
}

/// Formats a number of bytes exactly, as [`size`] reads it: `64KiB`, `1MiB`, `1000B`.
pub fn write_bytes(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let whole = units.into_iter().find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{bytes}B"), |(unit, name)| format!("{}{name}", bytes / unit))
}

/// Formats a count for people: `2_000_000_000`.
pub fn show_count(count: u64) -> String {
    let digits = count.to_string();
    let grouped: Vec<String> = digits
        .bytes()
        .rev()
        .collect::<Vec<u8>>()
        .chunks(3)
        .map(|chunk| chunk.iter().rev().map(|digit| char::from(*digit)).collect())
        .collect();
    grouped.into_iter().rev().collect::<Vec<_>>().join("_")
}

/// Formats a duration for people: `412 µs`, `31.2 ms`, `2 s`.
pub fn show_duration(duration: Duration) -> String {
    let (number, unit) = match duration.as_micros() {
        0..1_000 => return format!("{} µs", duration.as_micros()),
        1_000..1_000_000 => (duration.as_secs_f64() * 1e3, "ms"),
        _ => (duration.as_secs_f64(), "s"),
    };
    let digits = format!("{number:.1}");
    format!("{} {unit}", digits.strip_suffix(".0").unwrap_or(&digits))
}

fn refuse_negative(text: &str) -> Result<&str, UnitError> {
    let trimmed = text.trim();
    match trimmed.strip_prefix('-') {
        Some(rest) => Err(UnitError(format!("{trimmed:?} is negative: write {:?}", rest.trim()))),
        None => Ok(trimmed),
    }
}

fn unreadable_duration(text: &str) -> UnitError {
    let Some((number, unit)) = number_and_unit(text) else {
        return UnitError(format!("{text:?} is no duration: write a number and a unit, such as \"500ms\" or \"2s\""));
    };
    if unit.is_empty() {
        return UnitError(format!("{text:?} has no unit: write \"{number}ms\" or \"{number}s\""));
    }
    let near = suggest::nearest(unit, TIME_UNITS).or_else(|| if_starts_with(unit, &TIME_UNITS));
    unknown_unit(text, number, unit, near, &TIME_UNITS)
}

fn unreadable_size(text: &str) -> UnitError {
    let Some((number, unit)) = number_and_unit(text) else {
        return UnitError(format!("{text:?} is no size: write a number and a unit, such as \"64MiB\""));
    };
    if unit.is_empty() {
        return UnitError(format!("{text:?} has no unit: write \"{number}MiB\", or \"{number}B\" for bytes"));
    }
    // A word longer than a unit is a unit's full name: "mebibytes".
    let slip = if unit.len() <= 4 { suggest::nearest(unit, SIZE_UNITS) } else { None };
    let near = slip.or_else(|| if_starts_with(unit, &["KiB", "MiB", "GiB", "B"]));
    unknown_unit(text, number, unit, near, &SIZE_UNITS)
}

fn unknown_unit(text: &str, number: &str, unit: &str, near: Option<&str>, all: &[&str]) -> UnitError {
    UnitError(match near {
        Some(near) => format!("{text:?} has an unknown unit {unit:?}: write \"{number}{near}\""),
        None => format!("{text:?} has an unknown unit {unit:?}: use {}", suggest::either(all)),
    })
}

/// Returns the first unit that begins like `word`: "mebibytes" means MiB.
fn if_starts_with<'a>(word: &str, units: &[&'a str]) -> Option<&'a str> {
    let first = word.chars().next()?;
    units.iter().copied().find(|unit| unit.starts_with(|c: char| c.eq_ignore_ascii_case(&first)))
}

/// Splits `1.5 MiB` into `1.5` and `MiB`. `None` if it does not begin with a number.
fn number_and_unit(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    number.parse::<f64>().ok()?;
    Some((number, unit.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MEMORY;

    fn memory(text: &str) -> Result<u64, UnitError> {
        size(text, &MEMORY)
    }

    #[test]
    fn durations_are_read_in_words() {
        assert_eq!(duration("500ms").unwrap(), Duration::from_millis(500));
        assert_eq!(duration(" 2 s ").unwrap(), Duration::from_secs(2));
        assert_eq!(duration("1.5s").unwrap(), Duration::from_millis(1500));
        assert_eq!(duration("1m 30s").unwrap(), Duration::from_secs(90));
        assert_eq!(long_duration("720h").unwrap(), Duration::from_secs(30 * 24 * 60 * 60));
    }

    #[test]
    fn a_bad_duration_is_answered_with_a_good_one() {
        let table = [
            ("500", r#""500" has no unit: write "500ms" or "500s""#),
            ("-2s", r#""-2s" is negative: write "2s""#),
            ("2s ago", r#""2s ago" is negative"#),
            ("0s", r#""0s" is too short: write at least "1ms""#),
            ("10us", r#""10us" is too short: write at least "1ms""#),
            ("2h", r#""2h" is too long: write at most "1h""#),
            ("500MS", r#""500MS" has an unknown unit "MS": write "500ms""#),
            ("5 sekunden", r#""5 sekunden" has an unknown unit "sekunden": write "5s""#),
            ("5 xyz", r#""5 xyz" has an unknown unit "xyz": use "ms", "s", "m" or "h""#),
            ("soon", r#""soon" is no duration: write a number and a unit, such as "500ms" or "2s""#),
            ("", r#""" is no duration: write a number and a unit, such as "500ms" or "2s""#),
        ];
        for (text, message) in table {
            assert_eq!(duration(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn sizes_are_read_in_words() {
        assert_eq!(memory("64MiB").unwrap(), 64 << 20);
        assert_eq!(memory("1 MiB").unwrap(), 1 << 20);
        assert_eq!(memory("1.5MiB").unwrap(), 3 << 19);
        assert_eq!(memory("16MB").unwrap(), 16_000_000);
        assert_eq!(memory("65536B").unwrap(), 65_536);
    }

    #[test]
    fn a_bad_size_is_answered_with_a_good_one() {
        let table = [
            ("64", r#""64" has no unit: write "64MiB", or "64B" for bytes"#),
            ("64 MiBs", r#""64 MiBs" has an unknown unit "MiBs": write "64MiB""#),
            ("64mebibytes", r#""64mebibytes" has an unknown unit "mebibytes": write "64MiB""#),
            ("-1MiB", r#""-1MiB" is negative: write "1MiB""#),
            ("0MiB", r#""0MiB" is too little: write at least "64KiB", one page of WebAssembly"#),
            ("8GiB", r#""8GiB" is too much: write at most "4GiB", all that a plugin can address"#),
            ("9999999999EiB", r#""9999999999EiB" is too much: write at most "4GiB", all that a plugin can address"#),
            ("lots", r#""lots" is no size: write a number and a unit, such as "64MiB""#),
        ];
        for (text, message) in table {
            assert_eq!(memory(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_size_is_written_as_it_is_read() {
        for text in ["64KiB", "64MiB", "4GiB", "1000000B", "65537B", "3MiB"] {
            assert_eq!(write_bytes(memory(text).unwrap()), text);
        }
    }

    #[test]
    fn fuel_is_a_whole_number() {
        assert_eq!(fuel("2_000_000").unwrap(), 2_000_000);
        assert_eq!(fuel("0").unwrap_err().to_string(), r#""0" is too little: no guest can run without fuel"#);
        assert_eq!(fuel("-1").unwrap_err().to_string(), r#""-1" is negative: write "1""#);
        assert!(fuel("1.5").unwrap_err().to_string().contains("whole number"));
    }

    #[test]
    fn quantities_are_shown_as_people_write_them() {
        assert_eq!(show_duration(Duration::from_micros(412)), "412 µs");
        assert_eq!(show_duration(Duration::from_micros(31_240)), "31.2 ms");
        assert_eq!(show_duration(Duration::from_secs(2)), "2 s");
        assert_eq!(show_bytes(64 << 20), "64.0 MiB");
        assert_eq!((show_count(2_000_000_000).as_str(), show_count(12).as_str()), ("2_000_000_000", "12"));
    }
}
