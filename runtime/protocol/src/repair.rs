//! Repairs JSON that programs have damaged.
//!
//! Owners' lines pass through programs that do not know JSON: shells that expand `\n`,
//! encoders that cut an emoji in half, languages whose numbers include `NaN`. A parser refuses the whole line for that.
//! [`Repair`] comes before serde_json, takes bytes as they arrive, and produces a valid JSON object of bounded
//! size. Valid JSON below the [limits](crate::limits) keeps its meaning.
//!
//! A part that cannot be repaired is *lost*: an object with the single field [`LOST`] replaces it, and gives the
//! [reason](Lost). An owner that itself sends such an object loses that field, and no other.

mod lost;
mod text;
mod word;

pub use lost::{LOST, Lost};

use crate::bad_line::BadLine;
use crate::limits::{
    MAX_DEPTH, MAX_FIELDS_BYTES, MAX_INNER_FIELDS_BYTES, MAX_LINE_FIELDS_BYTES, MAX_NUMBER_BYTES, MAX_OTHERS_BYTES,
};
use text::Text;

/// The progress of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Only white space so far.
    Nothing,
    /// The object has begun.
    Open,
    /// The object is complete.
    Whole,
    /// The bytes will never be an object.
    Broken,
}

/// Takes the bytes of one object, in pieces of any size, and keeps the object as JSON.
#[derive(Debug, Default)]
pub struct Repair {
    json: Vec<u8>,
    /// The objects and lists that are open.
    open: Vec<Container>,
    next: Next,
    /// Whether a comma was read, and its next value was not.
    comma: bool,
    text: Text,
    /// Whether a quotation mark ends a text that begins like a path, even after a backslash.
    ends_paths: bool,
    /// The offset in `json` of the current text or word.
    begin: usize,
    /// Bytes read.
    read: u64,
}

#[derive(Clone, Copy, Debug)]
struct Container {
    is_object: bool,
    begin: usize,
}

/// The expected syntax.
#[derive(Clone, Copy, Debug, Default)]
enum Next {
    #[default]
    Object,
    /// The bytes so far of a byte order mark, of UTF-8 or UTF-16.
    Mark([u8; 2]),
    /// After a zero byte: half a character of UTF-16.
    Zero,
    FirstName,
    Name,
    Colon,
    Value,
    Element,
    End,
    Text,
    Word,
    Passing(Passing),
    Whole,
    Broken(Fault),
}

/// A skipped part: only its end matters.
#[derive(Clone, Copy, Debug)]
struct Passing {
    /// Whether it is the rest of a container, rather than a container that is too deep.
    rest: bool,
    /// Open objects and lists in it.
    nested: u64,
    in_text: bool,
    escaped: bool,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    NoObject,
    Utf16,
    Expected(&'static str),
}

/// The code of a line in another encoding.
pub(crate) const UTF16: &str = "utf16";

impl Repair {
    /// A repair that takes a backslash before a quotation mark as the end of a path, as in `"C:\"`, where JSON has the
    /// mark in the text. Only for a line that cannot be repaired otherwise.
    #[must_use]
    pub fn ending_paths() -> Self {
        Self { ends_paths: true, ..Self::default() }
    }

    /// Takes bytes up to the end of the object, and returns their number. Takes none once the object is complete or
    /// broken.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(rest @ [byte, ..]) = bytes.get(at..) {
            at += match self.next {
                Next::Whole | Next::Broken(_) => break,
                Next::Text => self.text(*byte, rest),
                Next::Passing(passing) => self.pass(passing, rest),
                _ => usize::from(self.mark(*byte, at)),
            };
        }
        self.read += u64::try_from(at).unwrap_or(u64::MAX);
        at
    }

    /// Returns the object's progress.
    #[must_use]
    pub fn progress(&self) -> Progress {
        match self.next {
            Next::Object | Next::Zero => Progress::Nothing,
            Next::Whole => Progress::Whole,
            Next::Broken(_) => Progress::Broken,
            _ => Progress::Open,
        }
    }

    /// Returns the object, once it is complete.
    #[must_use]
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    /// Whether half a character of UTF-16 came before the object.
    #[must_use]
    pub(crate) fn has_zero(&self) -> bool {
        matches!(self.next, Next::Zero)
    }

    /// Returns the mistake, as long as the object is not complete.
    #[must_use]
    pub fn bad(&self) -> BadLine {
        let bad = |message: String| BadLine::no_json(format!("the line is not JSON: {message}"));
        match self.next {
            Next::Broken(Fault::NoObject) => bad(format!("it has no object at column {}", self.read)),
            Next::Broken(Fault::Expected(what)) => bad(format!("column {} should be {what}", self.read)),
            Next::Broken(Fault::Utf16) => BadLine::whole(
                UTF16,
                "the line is UTF-16, and must be UTF-8. PowerShell's `>` and `Out-File` write UTF-16: pipe to the program, or \
                 use `Out-File -Encoding utf8`",
            ),
            Next::Text | Next::Passing(Passing { in_text: true, .. }) => bad("it stops inside a string".to_owned()),
            Next::Mark(_) => bad("it stops inside a byte order mark".to_owned()),
            Next::Object | Next::Zero => bad("there is no object".to_owned()),
            _ => bad("it stops inside an object".to_owned()),
        }
    }

    /// Takes a byte outside of texts. Returns false if the byte must be looked at again. `at` is its offset in this
    /// piece.
    fn mark(&mut self, byte: u8, at: usize) -> bool {
        let is_first = self.read == 0 && at == 0;
        self.next = match (self.next, byte) {
            (Next::Object, _) if byte.is_ascii_whitespace() => Next::Object,
            (Next::Object | Next::Zero, 0) => Next::Zero,
            (Next::Zero, _) if byte.is_ascii_whitespace() => Next::Zero,
            (Next::Zero, b'{') => Next::Broken(Fault::Utf16),
            (Next::Object, b'{') => return self.begin_container(true),
            (Next::Object, 0xef | 0xff | 0xfe) if is_first || byte == 0xef => Next::Mark([byte, 0]),
            (Next::Mark([0xef, 0]), 0xbb) => Next::Mark([0xef, 0xbb]),
            (Next::Mark([0xef, 0xbb]), 0xbf) => Next::Object,
            (Next::Mark([0xff, _]), 0xfe) | (Next::Mark([0xfe, _]), 0xff) => Next::Broken(Fault::Utf16),
            (Next::Object | Next::Zero | Next::Mark(_), _) => Next::Broken(Fault::NoObject),
            // The second half of the first bracket.
            (Next::FirstName, 0) if self.open.len() == 1 => Next::Broken(Fault::Utf16),
            (next, _) => return self.structure(next, byte),
        };
        true
    }

    /// Takes a byte within the object, outside of texts. Returns false if the byte must be looked at again.
    fn structure(&mut self, next: Next, byte: u8) -> bool {
        let in_object = self.open.last().is_some_and(|container| container.is_object);
        match (next, byte) {
            (Next::Word, _) if word::has(byte) => self.word(byte),
            (Next::Word, _) => return self.end_word(),
            _ if byte.is_ascii_whitespace() => {}
            (Next::FirstName | Next::Name, b'"') => self.begin_text(true),
            (Next::FirstName | Next::Name | Next::End, b'}') if in_object => self.end_container(),
            (Next::Element | Next::End, b']') if !in_object => self.end_container(),
            (Next::End, b',') => self.comma(in_object),
            (Next::Colon, b':') => {
                self.json.push(b':');
                self.next = Next::Value;
            }
            (Next::Value | Next::Element, b'"') => self.begin_text(false),
            (Next::Value | Next::Element, b'{' | b'[') => return self.begin_container(byte == b'{'),
            (Next::Value | Next::Element, _) if word::has(byte) => {
                self.begin_value();
                self.text = Text::default();
                self.next = Next::Word;
                self.word(byte);
            }
            // The value is missing, as when a script's variable was empty.
            (Next::Value, b',' | b'}') => {
                self.begin_value();
                self.lose(Lost::Word);
                return false;
            }
            _ => {
                self.next = Next::Broken(Fault::Expected(match next {
                    Next::FirstName | Next::Name => "a name in quotation marks",
                    Next::Colon => "a colon",
                    Next::End if in_object => "a comma or the end of the object",
                    Next::End => "a comma or the end of the list",
                    _ => "a value",
                }));
            }
        }
        true
    }

    /// Begins a name, an element or a field's value.
    fn begin_value(&mut self) {
        if std::mem::take(&mut self.comma) {
            self.json.push(b',');
        }
        self.begin = self.json.len();
    }

    fn begin_text(&mut self, is_name: bool) {
        self.begin_value();
        self.json.push(b'"');
        self.text = Text::begin(is_name, self.begin, self.ends_paths);
        self.next = Next::Text;
    }

    fn text(&mut self, byte: u8, bytes: &[u8]) -> usize {
        let taken = self.text.take(&mut self.json, byte, bytes);
        if self.text.has_ended() {
            self.end_text();
        }
        taken
    }

    fn end_text(&mut self) {
        match self.text.lost {
            Some(lost) if !self.text.is_name() => return self.lose(lost),
            _ => self.json.push(b'"'),
        }
        self.next = if self.text.is_name() { Next::Colon } else { Next::End };
    }

    fn begin_container(&mut self, is_object: bool) -> bool {
        self.begin_value();
        if self.open.len() == MAX_DEPTH {
            self.lose(Lost::Deep);
            self.next = Next::Passing(Passing { rest: false, nested: 1, in_text: false, escaped: false });
            return true;
        }
        self.open.push(Container { is_object, begin: self.begin });
        self.json.push(if is_object { b'{' } else { b'[' });
        self.next = if is_object { Next::FirstName } else { Next::Element };
        true
    }

    fn end_container(&mut self) {
        // A comma before an end is no separator.
        self.comma = false;
        if let Some(container) = self.open.pop() {
            self.json.push(if container.is_object { b'}' } else { b']' });
        }
        self.next = if self.open.is_empty() { Next::Whole } else { Next::End };
    }

    /// Continues with the next field or element, if there is room.
    fn comma(&mut self, in_object: bool) {
        let begin = self.open.last().map_or(0, |container| container.begin);
        let room = match self.open.len() {
            1 => MAX_LINE_FIELDS_BYTES,
            2 if in_object => MAX_FIELDS_BYTES,
            3 if in_object => MAX_INNER_FIELDS_BYTES,
            _ => MAX_OTHERS_BYTES,
        };
        if self.json.len() - begin <= room {
            self.comma = true;
            self.next = if in_object { Next::Name } else { Next::Element };
            return;
        }
        if in_object {
            self.json.extend_from_slice(format!(",\"\\u0000\":\"{}\"", Lost::Rest.word()).as_bytes());
        }
        self.next = Next::Passing(Passing { rest: true, nested: 0, in_text: false, escaped: false });
    }

    /// Replaces the value that began at `begin` with a mark.
    fn lose(&mut self, why: Lost) {
        self.json.truncate(self.begin);
        self.json.extend_from_slice(format!("{{\"\\u0000\":\"{}\"}}", why.word()).as_bytes());
        self.next = Next::End;
    }

    fn word(&mut self, byte: u8) {
        if self.json.len() - self.begin < MAX_NUMBER_BYTES {
            self.json.push(byte);
        } else {
            self.text.lost = Some(Lost::Long);
        }
    }

    fn end_word(&mut self) -> bool {
        let judged = word::judge(self.json.get(self.begin..).unwrap_or_default());
        match self.text.lost.or(judged) {
            Some(lost) => self.lose(lost),
            None => self.next = Next::End,
        }
        false
    }

    /// Skips bytes, and returns their number.
    fn pass(&mut self, mut passing: Passing, bytes: &[u8]) -> usize {
        for (byte, passed) in bytes.iter().zip(1..) {
            match byte {
                _ if passing.escaped => passing.escaped = false,
                b'\\' if passing.in_text => passing.escaped = true,
                b'"' => passing.in_text = !passing.in_text,
                _ if passing.in_text => {}
                b'{' | b'[' => passing.nested += 1,
                b'}' | b']' if passing.rest && passing.nested == 0 => {
                    self.end_container();
                    return passed;
                }
                b'}' | b']' => {
                    passing.nested -= 1;
                    if !passing.rest && passing.nested == 0 {
                        self.next = Next::End;
                        return passed;
                    }
                }
                _ => {}
            }
        }
        self.next = Next::Passing(passing);
        bytes.len()
    }
}

#[cfg(test)]
mod tests;
