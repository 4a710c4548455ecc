//! Text from outside in our messages: made printable, and cut if it is long.
//!
//! All crates that show such text depend on this crate anyway, so the functions need no crate of their own.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::path::Path;

use crate::limits::MAX_QUOTED_CHARS;

/// The mark for the part that is cut off.
const MARK: &str = "…";

/// Escapes outside text for a terminal or a log: the text of a component, a guest, an owner or a file. It must not move
/// an operator's cursor, nor look like a line of ours, so characters that are not [plain](is_plain) are escaped.
///
/// All outside text in messages goes through this function. Applying it twice does no harm.
/// The one way out for such text: all of it that goes into a message goes through here. Twice does no harm.
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

/// Whether a character stays on its line and is visible: all but control characters, C1 among them, and those that
/// change the direction of writing or separate lines. The tab is plain.
#[must_use]
pub fn is_plain(c: char) -> bool {
    let turns_or_separates =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c == '\t' || !(c.is_control() || turns_or_separates)
}

/// Escapes several lines of our own, except for their newlines.
#[must_use]
pub fn printable_lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

/// Escapes a file's name as a person gave it.
#[must_use]
pub fn printable_path(path: &Path) -> String {
    printable(&path.to_string_lossy()).into_owned()
}

/// Quotes a word, escapes it, and cuts it to [`MAX_QUOTED_CHARS`]: an error must not be longer than its cause.
#[must_use]
pub fn quoted(word: &str) -> String {
    format!("{:?}", clip_chars(word, MAX_QUOTED_CHARS))
}

/// Returns the first `max` characters, and a mark if characters are missing.
#[must_use]
pub fn clip_chars(text: &str, max: usize) -> Cow<'_, str> {
    match text.char_indices().nth(max) {
        Some((end, _)) => Cow::Owned(format!("{}{MARK}", text.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}

/// Returns the first `max` bytes, cut between characters. They include a mark if bytes are missing.
#[must_use]
pub fn clip_bytes(mut text: String, max: usize) -> String {
    if text.len() > max {
        text.truncate(text.floor_char_boundary(max.saturating_sub(MARK.len())));
        text.push_str(MARK);
        text.shrink_to_fit();
    }
    text
}

/// Writes at most the first `max` bytes of `value`, and cuts the text as [`clip_bytes`] does. For values whose text may
/// have any length.
pub fn write_clipped(max: usize, value: impl FnOnce(&mut dyn Write) -> fmt::Result) -> String {
    let mut text = BoundedText { text: String::new(), max };
    // An error means that the text was cut.
    let _ = value(&mut text);
    clip_bytes(text.text, max)
}

/// Takes text up to the first character beyond `max` bytes, and then stops the writer. With that character
/// [`clip_bytes`] sees that bytes are missing.
struct BoundedText {
    text: String,
    max: usize,
}

impl Write for BoundedText {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let room = self.max.saturating_sub(self.text.len());
        let end = if piece.len() > room { piece.ceil_char_boundary(room + 1) } else { piece.len() };
        self.text.push_str(piece.get(..end).unwrap_or(piece));
        if self.text.len() > self.max { Err(fmt::Error) } else { Ok(()) }
    }
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

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(clip_bytes("short".to_owned(), 10), "short");
        assert_eq!(clip_bytes("äöüäöü".to_owned(), 8), "äö…");
        assert_eq!(quoted("a\n"), r#""a\n""#);
        let long = quoted(&"é".repeat(1_000_000));
        assert_eq!(long.chars().count(), MAX_QUOTED_CHARS + 3);
        assert!(long.ends_with("é…\""));
    }

    #[test]
    fn a_value_is_not_written_further_than_it_is_shown() {
        let mut written = 0;
        let text = write_clipped(10, |out| {
            for _ in 0..1_000 {
                written += 1;
                out.write_str("ä")?;
            }
            Ok(())
        });
        assert_eq!((text.as_str(), written), ("äää…", 6));
        assert_eq!(write_clipped(4, |out| out.write_str("four")), "four");
    }
}
