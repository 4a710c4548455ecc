//! Text of others on a terminal or in a log.

use std::borrow::Cow;

/// Foreign text for a terminal or a log: what a component, a guest, an owner or a file says of itself. It must not move
/// an operator's cursor, nor look like a line of ours, so what is not [plain](is_plain) is written as an escape.
///
/// The one way out for such text: whoever puts it into a message passes it through here. Twice does no harm.
///
/// ```
/// assert_eq!(lastword_events::printable("\x1b[2Jgone\n"), "\\u{1b}[2Jgone\\n");
/// ```
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let escaped = text.chars().fold(String::with_capacity(text.len() + 16), |mut safe, c| {
        if is_plain(c) {
            safe.push(c);
        } else {
            safe.extend(c.escape_default());
        }
        safe
    });
    Cow::Owned(escaped)
}

/// Whether a character stays on its line and shows itself: all but control characters, C1 among them, and those that
/// turn the direction of writing or separate lines. The tab is plain.
#[must_use]
pub fn is_plain(c: char) -> bool {
    let turns_or_separates =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c == '\t' || !(c.is_control() || turns_or_separates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_drive_the_terminal() {
        assert_eq!(printable("a\tb é"), "a\tb é");
        assert_eq!(printable("\x1b[2Jgone\n"), "\\u{1b}[2Jgone\\n");
        assert_eq!(printable("a\u{202e}b\u{2028}c\u{9b}"), "a\\u{202e}b\\u{2028}c\\u{9b}");
    }

    /// Messages also quote with `{:?}`.
    #[test]
    fn what_is_not_plain_is_escaped_by_the_standard_library_in_quotation_marks_as_well() {
        for c in ('\0'..=char::MAX).filter(|c| !is_plain(*c)) {
            assert!(format!("{:?}", c.to_string()).chars().all(is_plain), "{c:?}");
        }
    }
}
