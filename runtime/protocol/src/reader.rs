//! Splits the input into lines and reads each as an event.
//!
//! The reader first parses a line as it is, which suffices for a plain line. It [repairs](crate::repair) a line that is
//! no JSON. It also repairs a line that is longer than its buffer, while the bytes arrive. An object that stops in the
//! middle of a line is *open*. The next lines are joined to it until they complete it, show that they do not belong to
//! it, or do not come. Before an object counts as open, the reader tries its line once more with a final backslash
//! taken as the end of a path. A line that is a complete event needs no newline when no more bytes come.

use memchr::memchr;

use crate::bad_line::BadLine;
use crate::input::Input;
use crate::limits::{KEPT_BUFFER_BYTES, MAX_LINE_BYTES};
use crate::owners::InputSettings;
use crate::repair::{Progress, Repair, UTF16};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A line that was read. Several objects on one line are one value each. Joined lines are one value.
#[derive(Debug, PartialEq)]
pub struct ReadLine {
    /// The number of the line on which the object began, from 1.
    pub number: u64,
    /// The content of the line, or the mistake in it.
    pub input: Result<Input, BadLine>,
}

/// Reads one owner's input, in pieces of any size.
///
/// Calls `on_line` for each line that was read, in order. Several objects on one line all have its number. Joined lines
/// have the number of the first one.
#[derive(Debug)]
pub struct Reader {
    format: InputSettings,
    /// Lines that have ended.
    lines: u64,
    /// The beginning of the next line.
    beginning: Vec<u8>,
    /// The next line, if it is too long for `beginning`.
    long: Option<Line>,
    open: Option<Open>,
    /// Whether the last error was that the input is UTF-16.
    is_utf16: bool,
}

/// An object whose end has not come.
#[derive(Debug)]
struct Open {
    /// The number of the line on which the object began.
    number: u64,
    object: Repair,
    /// The error at the end of the line.
    bad: BadLine,
}

/// A line that is not plain, while it is read.
#[derive(Debug)]
struct Line {
    number: u64,
    /// The open object that the line is joined to, as long as the line may belong to it.
    joined: Option<Open>,
    /// The object that is parsed as if the line were not joined.
    alone: Repair,
    /// The mistake in the line when it is not joined.
    bad: Option<BadLine>,
    /// Whether an object of the line has been read. Further objects may follow, separated by a comma or a semicolon.
    follows: bool,
    /// Bytes read from the line, and the offset of its last object.
    read: usize,
    object_at: usize,
}

impl Reader {
    /// Makes a reader of this format.
    pub fn new(format: impl Into<InputSettings>) -> Self {
        Self { format: format.into(), lines: 0, beginning: Vec::new(), long: None, open: None, is_utf16: false }
    }

    /// Reads a piece of the input.
    pub fn push(&mut self, mut piece: &[u8], on_line: &mut impl FnMut(ReadLine)) {
        while let Some(end) = memchr(b'\n', piece) {
            let (line, rest) = piece.split_at(end);
            if self.beginning.is_empty() && self.long.is_none() && line.len() <= MAX_LINE_BYTES {
                self.line(line, on_line);
            } else {
                self.begin(line, on_line);
                self.end_line(on_line);
            }
            piece = rest.get(1..).unwrap_or_default();
        }
        if !piece.is_empty() {
            self.begin(piece, on_line);
        }
    }

    /// Gives up open objects, after no bytes have come for [`REST_WAIT`](crate::limits::REST_WAIT).
    pub fn on_timeout(&mut self, on_line: &mut impl FnMut(ReadLine)) {
        let joined = self.long.as_mut().and_then(|line| line.joined.take());
        for open in [self.open.take(), joined].into_iter().flatten() {
            on_line(open.to_error());
        }
        let whole = self.whole();
        if !whole.is_empty() {
            self.beginning.clear();
            whole.into_iter().for_each(on_line);
        }
    }

    /// Ends the input. The last line needs no newline.
    pub fn end(&mut self, on_line: &mut impl FnMut(ReadLine)) {
        if self.long.is_some() || !self.beginning.is_empty() {
            self.end_line(on_line);
        }
        self.on_timeout(on_line);
    }

    /// Returns the lines that [`on_timeout`](Self::on_timeout) would report now: the open object, and a line that only
    /// lacks its newline.
    #[must_use]
    pub fn open(&self) -> Vec<ReadLine> {
        let joined = self.long.as_ref().and_then(|line| line.joined.as_ref());
        let open = self.open.as_ref().or(joined).map(Open::to_error);
        open.into_iter().chain(self.whole()).collect()
    }

    /// Returns the content of the next line so far, if it consists of complete events. Some owners write a newline
    /// before each event, or none.
    fn whole(&self) -> Vec<ReadLine> {
        if self.long.is_some() || self.beginning.trim_ascii_end().last() != Some(&b'}') {
            return Vec::new();
        }
        let number = self.lines + 1;
        match self.read_plain(&self.beginning) {
            Err(bad) if bad.is_no_json() => {}
            input => return vec![ReadLine { number, input }],
        }
        let mut reads = Vec::new();
        let mut line = Line::new(number, None);
        line.feed(&self.beginning, &self.format, &mut |read| reads.push(read));
        let is_whole = line.bad.is_none() && line.alone.progress() == Progress::Nothing;
        if is_whole { reads } else { Vec::new() }
    }

    /// Reads a line as it is, without repair.
    fn read_plain(&self, line: &[u8]) -> Result<Input, BadLine> {
        self.format.read(line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line))
    }

    /// Discards open objects: their owner was told of them.
    pub fn discard_open(&mut self) {
        self.on_timeout(&mut |_| ());
    }

    /// Takes a piece of a line without the line's end.
    fn begin(&mut self, piece: &[u8], on_line: &mut impl FnMut(ReadLine)) {
        if self.long.is_none() {
            if self.beginning.len() + piece.len() <= MAX_LINE_BYTES {
                self.beginning.extend_from_slice(piece);
                return;
            }
            let beginning = std::mem::take(&mut self.beginning);
            self.long = Some(self.begin_repair(self.lines + 1));
            self.feed_long(&beginning, on_line);
        }
        self.feed_long(piece, on_line);
    }

    fn feed_long(&mut self, piece: &[u8], on_line: &mut impl FnMut(ReadLine)) {
        if let Some(line) = &mut self.long {
            line.feed(piece, &self.format, on_line);
        }
    }

    fn end_line(&mut self, on_line: &mut impl FnMut(ReadLine)) {
        if let Some(line) = self.long.take() {
            self.lines += 1;
            return self.finish_repair(line, on_line);
        }
        let mut line = std::mem::take(&mut self.beginning);
        self.line(&line, on_line);
        if line.capacity() <= KEPT_BUFFER_BYTES {
            line.clear();
            self.beginning = line;
        }
    }

    /// Reads a whole line.
    fn line(&mut self, line: &[u8], on_line: &mut impl FnMut(ReadLine)) {
        self.lines += 1;
        // If no object is open, any JSON is a line of its own. Otherwise only an event is.
        match self.read_plain(line) {
            Ok(Input::Blank) if self.open.is_none() => {}
            Err(bad) if self.open.is_none() && !bad.is_no_json() => {
                on_line(ReadLine { number: self.lines, input: Err(bad) });
            }
            Ok(input) if !matches!(input, Input::Blank) => {
                if let Some(open) = self.open.take() {
                    on_line(open.to_error());
                }
                on_line(ReadLine { number: self.lines, input: Ok(input) });
            }
            _ => {
                let mut repaired = self.begin_repair(self.lines);
                repaired.feed(line, &self.format, on_line);
                if repaired.joined.is_none()
                    && repaired.is_torn()
                    && let Some(reads) = self.with_paths_ended(line.get(repaired.object_at..).unwrap_or_default())
                {
                    reads.into_iter().for_each(on_line);
                    return;
                }
                self.finish_repair(repaired, on_line);
            }
        }
    }

    /// Reads the rest of a line as if the paths in it ended with a backslash. `None` if it has no complete events then
    /// either.
    fn with_paths_ended(&self, rest: &[u8]) -> Option<Vec<ReadLine>> {
        let mut line = Line { alone: Repair::ending_paths(), ..Line::new(self.lines, None) };
        let mut reads = Vec::new();
        line.feed(rest, &self.format, &mut |read| reads.push(read));
        (!line.is_torn() && !reads.is_empty()).then_some(reads)
    }

    /// Begins to repair a line that is joined to the open object.
    fn begin_repair(&mut self, number: u64) -> Line {
        let mut joined = self.open.take();
        if let Some(open) = &mut joined {
            open.object.push(b"\n");
        }
        Line::new(number, joined)
    }

    /// Ends the repair of a line at the line's end.
    fn finish_repair(&mut self, line: Line, on_line: &mut impl FnMut(ReadLine)) {
        let Line { number, joined, alone, bad, .. } = line;
        if joined.is_some() {
            self.open = joined;
            return;
        }
        let was_utf16 = std::mem::take(&mut self.is_utf16);
        if let Some(bad) = bad {
            self.is_utf16 = bad.code == UTF16;
            on_line(ReadLine { number, input: Err(bad) });
            return;
        }
        match alone.progress() {
            Progress::Open => self.open = Some(Open { number, bad: alone.bad(), object: alone }),
            // The second half of a newline in UTF-16.
            Progress::Nothing if alone.has_zero() && was_utf16 => self.is_utf16 = true,
            Progress::Nothing if alone.has_zero() => on_line(ReadLine { number, input: Err(alone.bad()) }),
            Progress::Nothing | Progress::Whole | Progress::Broken => {}
        }
    }
}

impl Open {
    /// Returns the error of an object that nothing completes.
    fn to_error(&self) -> ReadLine {
        ReadLine { number: self.number, input: Err(self.bad.clone()) }
    }
}

impl Line {
    fn new(number: u64, joined: Option<Open>) -> Self {
        Self { number, joined, alone: Repair::default(), bad: None, follows: false, read: 0, object_at: 0 }
    }

    /// Whether the last object of the line is no JSON, or not complete.
    fn is_torn(&self) -> bool {
        self.bad.is_some() || self.alone.progress() == Progress::Open
    }

    fn feed(&mut self, mut bytes: &[u8], format: &InputSettings, on_line: &mut impl FnMut(ReadLine)) {
        while !bytes.is_empty() && (self.joined.is_some() || self.bad.is_none()) {
            let taken = match self.joined {
                Some(_) => self.feed_joined(bytes, format, on_line),
                None => self.feed_alone(bytes, format, on_line),
            };
            self.read += taken;
            if self.alone.progress() == Progress::Nothing {
                self.object_at = self.read;
            }
            bytes = bytes.get(taken..).unwrap_or_default();
        }
    }

    /// Takes bytes of a line that is not joined, up to the end of its next object.
    fn feed_alone(&mut self, bytes: &[u8], format: &InputSettings, on_line: &mut impl FnMut(ReadLine)) -> usize {
        if self.follows {
            let between =
                bytes.iter().take_while(|byte| byte.is_ascii_whitespace() || matches!(byte, b',' | b';')).count();
            self.follows = between == bytes.len();
            if between > 0 {
                return between;
            }
        }
        let taken = self.alone.push(bytes);
        match self.alone.progress() {
            Progress::Whole => {
                on_line(ReadLine { number: self.number, input: format.read(self.alone.json()) });
                self.alone = Repair::default();
                self.follows = true;
            }
            // The end of the object is unknown, so the rest of the line is skipped.
            Progress::Broken => self.bad = Some(self.alone.bad()),
            Progress::Nothing | Progress::Open => {}
        }
        taken
    }

    /// Takes bytes of a line that may continue the open object, or be an event of its own.
    fn feed_joined(&mut self, bytes: &[u8], format: &InputSettings, on_line: &mut impl FnMut(ReadLine)) -> usize {
        if self.bad.is_none() {
            let taken = self.alone.push(bytes);
            match self.alone.progress() {
                Progress::Whole => match format.read(self.alone.json()) {
                    Ok(input) => {
                        self.leave_open(on_line);
                        on_line(ReadLine { number: self.number, input: Ok(input) });
                        self.alone = Repair::default();
                        return taken;
                    }
                    Err(bad) => self.bad = Some(bad),
                },
                Progress::Broken => self.bad = Some(self.alone.bad()),
                Progress::Nothing | Progress::Open => {}
            }
        }
        let Some(open) = &mut self.joined else { return bytes.len() };
        let taken = open.object.push(bytes);
        match open.object.progress() {
            Progress::Whole => {
                on_line(ReadLine { number: open.number, input: format.read(open.object.json()) });
                self.joined = None;
                (self.alone, self.bad, self.follows) = (Repair::default(), None, true);
                taken
            }
            Progress::Broken => {
                self.leave_open(on_line);
                bytes.len()
            }
            Progress::Nothing | Progress::Open => bytes.len(),
        }
    }

    /// Reports the open object as an error: the line does not continue it.
    fn leave_open(&mut self, on_line: &mut impl FnMut(ReadLine)) {
        if let Some(open) = self.joined.take() {
            on_line(open.to_error());
        }
    }
}

#[cfg(test)]
mod tests;
