//! Reads names and texts: escapes, and characters that are cut in half.

use super::lost::Lost;
use crate::limits::{MAX_NAME_BYTES, MAX_TEXT_BYTES};

/// The current name or text.
#[derive(Debug, Default)]
pub(super) struct Text {
    is_name: bool,
    /// Its offset in the kept JSON.
    begin: usize,
    ends_paths: bool,
    has_ended: bool,
    /// Why it is not kept. Of a name, the part before it is kept.
    pub(super) lost: Option<Lost>,
    /// Whether it begins like `C:\Users` and has had an impossible escape. A quotation mark then ends it, even after a
    /// backslash.
    is_path: bool,
    /// Bytes kept: of a name in its JSON form, of a text in its decoded form.
    kept: usize,
    escape: Escape,
    /// The first half of a character that is written as two escapes.
    high: Option<u16>,
    /// The beginning of a character of several bytes.
    part: [u8; 4],
    parts: usize,
}

#[derive(Clone, Copy, Debug, Default)]
enum Escape {
    #[default]
    None,
    Begun,
    /// The number of digits of `\uXXXX` so far, and their value.
    Digits(u8, u16),
}

/// The replacement of a character that cannot be read.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

impl Text {
    /// Begins a name or text at offset `begin` of the kept JSON. With `ends_paths`, a quotation mark ends a text that
    /// begins like a path, even after a backslash.
    pub(super) fn begin(is_name: bool, begin: usize, ends_paths: bool) -> Self {
        Self { is_name, begin, ends_paths, ..Self::default() }
    }

    pub(super) fn is_name(&self) -> bool {
        self.is_name
    }

    /// Whether its closing quotation mark was taken.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Takes the next bytes of the text, which begin with `byte`, and returns their number; 0 if the byte must be
    /// looked at again. Appends the kept bytes to `json`.
    pub(super) fn take(&mut self, json: &mut Vec<u8>, byte: u8, bytes: &[u8]) -> usize {
        match self.escape {
            Escape::Begun => return usize::from(self.escaped(json, byte)),
            Escape::Digits(digits, value) => return usize::from(self.digit(json, digits, value, byte)),
            Escape::None => {}
        }
        if self.parts > 0 || byte >= 0x80 {
            self.end_half(json);
            return usize::from(self.part(json, byte));
        }
        if byte == b'\\' {
            self.escape = Escape::Begun;
            return 1;
        }
        self.end_half(json);
        match byte {
            b'"' => self.has_ended = true,
            ..0x20 => self.keep_as(json, format!("\\u{byte:04x}").as_bytes(), 1),
            _ => {
                let end = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..0x20 | 0x80..));
                let plain = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
                self.keep(json, plain);
                return plain.len();
            }
        }
        1
    }

    /// Takes the byte after a backslash.
    fn escaped(&mut self, json: &mut Vec<u8>, byte: u8) -> bool {
        if byte == b'u' {
            self.escape = Escape::Digits(0, 0);
            return true;
        }
        self.escape = Escape::None;
        self.end_half(json);
        match byte {
            b'"' if self.is_path => self.has_ended = true,
            b'"' if self.ends_paths && self.begins_as_path(json) => {
                self.lose_text(json, Lost::Escape);
                self.has_ended = true;
            }
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.keep_as(json, &[b'\\', byte], 1),
            _ => {
                self.bad_escape(json);
                return false;
            }
        }
        true
    }

    fn digit(&mut self, json: &mut Vec<u8>, digits: u8, value: u16, byte: u8) -> bool {
        let Some(digit) = char::from(byte).to_digit(16).and_then(|digit| u16::try_from(digit).ok()) else {
            self.escape = Escape::None;
            self.end_half(json);
            self.bad_escape(json);
            return false;
        };
        let value = value << 4 | digit;
        if digits < 3 {
            self.escape = Escape::Digits(digits + 1, value);
        } else {
            self.escape = Escape::None;
            self.unit(json, value);
        }
        true
    }

    /// Takes a complete `\uXXXX`: a character, or half of one.
    fn unit(&mut self, json: &mut Vec<u8>, unit: u16) {
        let high = self.high.take();
        match (high, unit) {
            (Some(high), 0xdc00..=0xdfff) => {
                for char in char::decode_utf16([high, unit]).flatten() {
                    self.keep(json, char.encode_utf8(&mut [0; 4]).as_bytes());
                }
                return;
            }
            (Some(_), _) => self.keep(json, REPLACEMENT),
            (None, _) => {}
        }
        match unit {
            0xd800..=0xdbff => self.high = Some(unit),
            0xdc00..=0xdfff => self.keep(json, REPLACEMENT),
            _ => {
                let meant = char::from_u32(u32::from(unit)).map_or(0, char::len_utf8);
                self.keep_as(json, format!("\\u{unit:04x}").as_bytes(), meant);
            }
        }
    }

    /// Replaces a character whose second half did not come.
    fn end_half(&mut self, json: &mut Vec<u8>) {
        if self.high.take().is_some() {
            self.keep(json, REPLACEMENT);
        }
    }

    /// Takes a byte of a character of several bytes.
    fn part(&mut self, json: &mut Vec<u8>, byte: u8) -> bool {
        if let Some(place) = self.part.get_mut(self.parts) {
            *place = byte;
        }
        self.parts += 1;
        let part = self.part;
        let bytes = part.get(..self.parts).unwrap_or_default();
        let (kept, taken) = match std::str::from_utf8(bytes) {
            Ok(_) => (bytes, true),
            Err(error) if error.error_len().is_none() => return true,
            // Only a byte that does not continue the character begins a new one.
            Err(_) => (REPLACEMENT, bytes.len() == 1),
        };
        self.keep(json, kept);
        self.parts = 0;
        taken
    }

    /// Whether the text so far is a drive, or begins with a drive and a backslash, or with two backslashes.
    fn begins_as_path(&self, json: &[u8]) -> bool {
        let kept = json.get(self.begin..).unwrap_or_default();
        let is_path = match kept {
            [b'"', drive, b':', rest @ ..] => drive.is_ascii_alphabetic() && matches!(rest, [] | [b'\\', ..]),
            [b'"', b'\\', b'\\', ..] => true,
            _ => false,
        };
        is_path && !self.is_name && self.lost.is_none()
    }

    fn bad_escape(&mut self, json: &mut Vec<u8>) {
        if self.is_name {
            self.keep(json, REPLACEMENT);
        } else if self.lost.is_none() {
            let kept = json.get(self.begin..).unwrap_or_default();
            let is_on_a_drive = matches!(kept, [b'"', drive, b':', ..] if drive.is_ascii_alphabetic());
            self.is_path = is_on_a_drive || (self.ends_paths && self.begins_as_path(json));
            self.lose_text(json, Lost::Escape);
        }
    }

    fn lose_text(&mut self, json: &mut Vec<u8>, why: Lost) {
        self.lost = Some(why);
        if !self.is_name {
            json.truncate(self.begin);
        }
    }

    fn keep(&mut self, json: &mut Vec<u8>, bytes: &[u8]) {
        self.keep_as(json, bytes, bytes.len());
    }

    /// Keeps bytes that stand for `meant` decoded bytes.
    fn keep_as(&mut self, json: &mut Vec<u8>, bytes: &[u8], meant: usize) {
        let (more, most) = if self.is_name { (bytes.len(), MAX_NAME_BYTES) } else { (meant, MAX_TEXT_BYTES) };
        if self.lost.is_some() {
        } else if self.kept + more > most {
            self.lose_text(json, Lost::Long);
        } else {
            self.kept += more;
            json.extend_from_slice(bytes);
        }
    }
}
