//! Formats a picture's text: numbers and times, and text from outside.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use lastword_events::printable;
use lastword_events::text::clip_chars;

/// Prepares text from outside for SVG or HTML: printable, cut to so many characters, and without markup.
pub(super) fn shown(text: &str, max_chars: usize) -> String {
    escaped(&clip_chars(&printable(text), max_chars))
}

/// Escapes text for an element or an attribute.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // XML cannot contain these two, and needs no control characters.
            '\u{fffe}' | '\u{ffff}' => escaped.push(char::REPLACEMENT_CHARACTER),
            c if c.is_control() => escaped.push(char::REPLACEMENT_CHARACTER),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Formats a count: `100 000`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() * 2);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// Formats nanoseconds: `412 µs`, `3.1 ms`, `31 ms`, `1.85 s`. Seconds have two decimals, because the end of a drain is
/// that close to the end of its budget. Times are cut, not rounded, so that no time seems to exceed the budget.
pub(super) fn time(nanos: u64) -> String {
    let micros = nanos / 1_000;
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..10_000 => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        10_000..1_000_000 => format!("{} ms", micros / 1_000),
        1_000_000..100_000_000 => format!("{}.{:02} s", micros / 1_000_000, micros % 1_000_000 / 10_000),
        _ => format!("{} s", count(micros / 1_000_000)),
    }
}

/// Formats reasons: ` (deadline)`, ` (4 deadline, 2 trap)`, the most frequent first. Empty if there are none, or none
/// is known.
pub(super) fn reasons(total: u64, reasons: &BTreeMap<&'static str, u64>) -> String {
    if total == 0 {
        return String::new();
    }
    let mut known: Vec<(&str, u64)> = reasons.iter().map(|(why, times)| (*why, *times)).collect();
    known.sort_by_key(|(why, times)| (Reverse(*times), *why));
    match known.as_slice() {
        [] => String::new(),
        [(why, times)] if *times == total => format!(" ({why})"),
        several => {
            let each: Vec<String> = several.iter().map(|(why, times)| format!("{} {why}", count(*times))).collect();
            format!(" ({})", each.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_short() {
        assert_eq!([0, 999, 1_000, 100_000, 1_234_567].map(count), ["0", "999", "1 000", "100 000", "1 234 567"]);
        let times = [999, 412_000, 3_190_000, 31_400_000, 1_859_999_999, 3_600_000_000_000].map(time);
        assert_eq!(times, ["0 µs", "412 µs", "3.1 ms", "31 ms", "1.85 s", "3 600 s"]);
    }

    #[test]
    fn causes_are_said_once_and_the_most_frequent_first() {
        assert_eq!(reasons(6, &BTreeMap::new()), "");
        assert_eq!(reasons(0, &BTreeMap::from([("retry", 1)])), "", "it was tried again");
        assert_eq!(reasons(6, &BTreeMap::from([("deadline", 6)])), " (deadline)");
        assert_eq!(reasons(9, &BTreeMap::from([("deadline", 6)])), " (6 deadline)", "of the others it is not known");
        assert_eq!(reasons(9, &BTreeMap::from([("deadline", 2), ("trap", 7)])), " (7 trap, 2 deadline)");
    }

    #[test]
    fn text_of_others_is_no_markup_and_never_long() {
        assert_eq!(shown("</text><script>a&\"'", 99), "&lt;/text&gt;&lt;script&gt;a&amp;&quot;&#39;");
        assert_eq!(shown("a\u{1b}[2J\n\u{202e}", 99), "a\\u{1b}[2J\\n\\u{202e}");
        assert_eq!(escaped("a\u{0}\u{9b}\u{ffff}b"), "a\u{fffd}\u{fffd}\u{fffd}b");
        assert_eq!(shown(&"<".repeat(1_000), 3), "&lt;&lt;&lt;…");
    }
}
