//! Names and texts.

use super::{Lost, Next, Repair};
use crate::limits::{MAX_NAME_BYTES, MAX_TEXT_BYTES};

/// A name or a text that is being read.
#[derive(Debug, Default)]
pub(super) struct Text {
    is_name: bool,
    /// Why it is not kept. Of a name what came before is.
    pub(super) lost: Option<Lost>,
    /// It begins like `C:\Users`: no quotation mark is part of it, so that a backslash before one is the path's last.
    is_path: bool,
    /// Bytes of it that were kept: of a name as JSON has them, of a text as they are meant.
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
    /// So many digits of `\uXXXX`, and their value.
    Digits(u8, u16),
}

/// What stands for a character that cannot be read.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

impl Text {
    pub(super) fn begin(is_name: bool) -> Self {
        Self { is_name, ..Self::default() }
    }
}

impl Repair {
    /// Takes the next bytes of a text, which begin with `byte`, and says how many; none if it is to be looked at again.
    pub(super) fn text(&mut self, byte: u8, bytes: &[u8]) -> usize {
        match self.text.escape {
            Escape::Begun => return usize::from(self.escaped(byte)),
            Escape::Digits(digits, value) => return usize::from(self.digit(digits, value, byte)),
            Escape::None => {}
        }
        if self.text.parts > 0 || byte >= 0x80 {
            self.end_half();
            return usize::from(self.part(byte));
        }
        if byte == b'\\' {
            self.text.escape = Escape::Begun;
            return 1;
        }
        self.end_half();
        match byte {
            b'"' => self.end_text(),
            ..0x20 => self.keep_as(format!("\\u{byte:04x}").as_bytes(), 1),
            _ => {
                let end = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..0x20 | 0x80..));
                let plain = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
                self.keep(plain);
                return plain.len();
            }
        }
        1
    }

    /// What comes after a backslash.
    fn escaped(&mut self, byte: u8) -> bool {
        if byte == b'u' {
            self.text.escape = Escape::Digits(0, 0);
            return true;
        }
        self.text.escape = Escape::None;
        self.end_half();
        match byte {
            b'"' if self.text.is_path => self.end_text(),
            b'"' if self.ends_paths && self.begins_as_path() => {
                self.lose_text(Lost::Escape);
                self.end_text();
            }
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.keep_as(&[b'\\', byte], 1),
            _ => {
                self.bad_escape();
                return false;
            }
        }
        true
    }

    fn digit(&mut self, digits: u8, value: u16, byte: u8) -> bool {
        let Some(digit) = char::from(byte).to_digit(16).and_then(|digit| u16::try_from(digit).ok()) else {
            self.text.escape = Escape::None;
            self.end_half();
            self.bad_escape();
            return false;
        };
        let value = value << 4 | digit;
        if digits < 3 {
            self.text.escape = Escape::Digits(digits + 1, value);
        } else {
            self.text.escape = Escape::None;
            self.unit(value);
        }
        true
    }

    /// A whole `\uXXXX`: a character, or half of one.
    fn unit(&mut self, unit: u16) {
        let high = self.text.high.take();
        match (high, unit) {
            (Some(high), 0xdc00..=0xdfff) => {
                for char in char::decode_utf16([high, unit]).flatten() {
                    self.keep(char.encode_utf8(&mut [0; 4]).as_bytes());
                }
                return;
            }
            (Some(_), _) => self.keep(REPLACEMENT),
            (None, _) => {}
        }
        match unit {
            0xd800..=0xdbff => self.text.high = Some(unit),
            0xdc00..=0xdfff => self.keep(REPLACEMENT),
            _ => {
                let meant = char::from_u32(u32::from(unit)).map_or(0, char::len_utf8);
                self.keep_as(format!("\\u{unit:04x}").as_bytes(), meant);
            }
        }
    }

    /// The other half of a character did not come.
    fn end_half(&mut self) {
        if self.text.high.take().is_some() {
            self.keep(REPLACEMENT);
        }
    }

    /// Takes a byte of a character of several.
    fn part(&mut self, byte: u8) -> bool {
        if let Some(place) = self.text.part.get_mut(self.text.parts) {
            *place = byte;
        }
        self.text.parts += 1;
        let part = self.text.part;
        let bytes = part.get(..self.text.parts).unwrap_or_default();
        let (kept, taken) = match std::str::from_utf8(bytes) {
            Ok(_) => (bytes, true),
            Err(error) if error.error_len().is_none() => return true,
            // Only the byte that does not belong to those before it begins something else.
            Err(_) => (REPLACEMENT, bytes.len() == 1),
        };
        self.keep(kept);
        self.text.parts = 0;
        taken
    }

    /// Whether the text that is kept so far is a drive, or begins with one and a backslash or with two backslashes.
    fn begins_as_path(&self) -> bool {
        let kept = self.json.get(self.begin..).unwrap_or_default();
        let is_path = match kept {
            [b'"', drive, b':', rest @ ..] => drive.is_ascii_alphabetic() && matches!(rest, [] | [b'\\', ..]),
            [b'"', b'\\', b'\\', ..] => true,
            _ => false,
        };
        is_path && !self.text.is_name && self.text.lost.is_none()
    }

    fn bad_escape(&mut self) {
        if self.text.is_name {
            self.keep(REPLACEMENT);
        } else if self.text.lost.is_none() {
            let kept = self.json.get(self.begin..).unwrap_or_default();
            let is_on_a_drive = matches!(kept, [b'"', drive, b':', ..] if drive.is_ascii_alphabetic());
            self.text.is_path = is_on_a_drive || (self.ends_paths && self.begins_as_path());
            self.lose_text(Lost::Escape);
        }
    }

    fn lose_text(&mut self, why: Lost) {
        self.text.lost = Some(why);
        if !self.text.is_name {
            self.json.truncate(self.begin);
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.keep_as(bytes, bytes.len());
    }

    /// Keeps what means so many bytes.
    fn keep_as(&mut self, json: &[u8], meant: usize) {
        let (more, most) = if self.text.is_name { (json.len(), MAX_NAME_BYTES) } else { (meant, MAX_TEXT_BYTES) };
        if self.text.lost.is_some() {
        } else if self.text.kept + more > most {
            self.lose_text(Lost::Long);
        } else {
            self.text.kept += more;
            self.json.extend_from_slice(json);
        }
    }

    fn end_text(&mut self) {
        match self.text.lost {
            Some(lost) if !self.text.is_name => return self.lose(lost),
            _ => self.json.push(b'"'),
        }
        self.next = if self.text.is_name { Next::Colon } else { Next::End };
    }
}
