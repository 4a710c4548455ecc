//! JSON without characters that a terminal obeys. Owners choose ids and guests messages, and JSON escapes only the
//! oldest of the characters that move the cursor or change the direction of writing. Parsers get the same values.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

use lastword_events::is_plain;

/// Returns the same JSON, with characters that are not [plain](is_plain) escaped.
pub(crate) fn plain_json(json: &str) -> Cow<'_, str> {
    // Characters below the space, if there are any, stand between values: within a string they are escaped already.
    let is_harmless = |c: char| c < ' ' || is_plain(c);
    if json.chars().all(is_harmless) {
        return Cow::Borrowed(json);
    }
    let escaped = json.chars().fold(String::with_capacity(json.len() + 16), |mut plain, c| {
        if is_harmless(c) {
            plain.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(plain, "\\u{unit:04x}");
            }
        }
        plain
    });
    Cow::Owned(escaped)
}

/// Escapes the JSON that is written to it, in pieces of whole characters.
pub(crate) struct PlainJsonWriter<W>(W);

impl<W> PlainJsonWriter<W> {
    pub(crate) fn new(out: W) -> Self {
        Self(out)
    }
}

impl<W: Write> Write for PlainJsonWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(bytes) {
            Ok(json) => self.0.write_all(plain_json(json).as_bytes())?,
            Err(_) => self.0.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_an_escape_and_the_value_is_the_same() {
        let value = json!({ "id": "a\u{9b}2J\u{202e}b\u{7f}\n\t é😀" });
        let plain = plain_json(&value.to_string()).into_owned();
        assert_eq!(plain, "{\"id\":\"a\\u009b2J\\u202eb\\u007f\\n\\t é😀\"}");
        assert_eq!(serde_json::from_str::<Value>(&plain).unwrap(), value);
        let mut out = PlainJsonWriter::new(Vec::new());
        write!(out, "{value}").unwrap();
        assert_eq!(String::from_utf8(out.0).unwrap(), plain);
        assert!(matches!(plain_json("{\"id\": \"é\"}\n"), Cow::Borrowed(_)));
    }
}
