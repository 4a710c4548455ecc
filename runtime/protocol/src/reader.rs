//! Splits the input into lines and reads each as an event.
//!
//! A line is first read as it is, which is all that a plain one needs. One that is no JSON is [repaired](crate::repair); so is one
//! that is longer than what is held of a line, as its bytes come. What stops in the middle is *open*: the next lines are
//! joined to it, until they complete it, show that they do not belong to it, or do not come. Before a line counts as open, it is
//! tried once more with a final backslash taken as the end of a path. A line without its newline is over as well when it is a whole
//! event and nothing comes.

use memchr::memchr;

use crate::bad_line::BadLine;
use crate::input::Input;
use crate::limits::{KEPT_BUFFER_BYTES, MAX_LINE_BYTES};
use crate::owners::InputSettings;
use crate::repair::{Progress, Repair, UTF16};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A line that was read. Several objects on a line are one each, and lines that are joined are one.
#[derive(Debug, PartialEq)]
pub struct ReadLine {
    /// The number of the line on which it began, from 1.
    pub number: u64,
    /// What it says, or what is wrong with it.
    pub input: Result<Input, BadLine>,
}

/// Reads one owner's input, in whatever pieces it comes.
///
/// What it reads is handed to `say` in the order of the lines. Several objects on a line have its number each. Of lines that are joined
/// the first one's counts.
#[derive(Debug)]
pub struct Reader {
    format: InputSettings,
    /// Lines that have ended.
    lines: u64,
    /// The beginning of the next one.
    beginning: Vec<u8>,
    /// The next one, if it is too long for that.
    long: Option<Line>,
    open: Option<Open>,
    /// The last error was that the input is UTF-16.
    is_utf16: bool,
}

/// An object that waits for its end.
#[derive(Debug)]
struct Open {
    /// The line on which it began.
    number: u64,
    object: Repair,
    /// Where it stopped.
    bad: BadLine,
}

/// A line that is not plain, while it is read.
#[derive(Debug)]
struct Line {
    number: u64,
    /// What it is joined to, as long as it can be.
    joined: Option<Open>,
    /// The object that is being read, or if the line is joined its first one.
    alone: Repair,
    /// What is wrong with the line alone.
    bad: Option<BadLine>,
    /// An object of it has been read: others may follow, with a comma or a semicolon between.
    follows: bool,
    /// Bytes of the line that were read, and where in them the last object begins.
    read: usize,
    object_at: usize,
}

impl Reader {
    /// A reader of what an owner says in this format.
    pub fn new(format: impl Into<InputSettings>) -> Self {
        Self { format: format.into(), lines: 0, beginning: Vec::new(), long: None, open: None, is_utf16: false }
    }

    /// Reads a piece of the input.
    pub fn push(&mut self, mut piece: &[u8], say: &mut impl FnMut(ReadLine)) {
        while let Some(end) = memchr(b'\n', piece) {
            let (line, rest) = piece.split_at(end);
            if self.beginning.is_empty() && self.long.is_none() && line.len() <= MAX_LINE_BYTES {
                self.line(line, say);
            } else {
                self.begin(line, say);
                self.end_line(say);
            }
            piece = rest.get(1..).unwrap_or_default();
        }
        if !piece.is_empty() {
            self.begin(piece, say);
        }
    }

    /// No more came for [`REST_WAIT`](crate::limits::REST_WAIT): what is open stays so.
    pub fn silence(&mut self, say: &mut impl FnMut(ReadLine)) {
        let joined = self.long.as_mut().and_then(|line| line.joined.take());
        for open in [self.open.take(), joined].into_iter().flatten() {
            say(open.never());
        }
        let whole = self.whole();
        if !whole.is_empty() {
            self.beginning.clear();
            whole.into_iter().for_each(say);
        }
    }

    /// The input has ended. The last line needs no newline.
    pub fn end(&mut self, say: &mut impl FnMut(ReadLine)) {
        if self.long.is_some() || !self.beginning.is_empty() {
            self.end_line(say);
        }
        self.silence(say);
    }

    /// What would be said if nothing more came: of the line that is open, and of one that only lacks its newline.
    #[must_use]
    pub fn open(&self) -> Vec<ReadLine> {
        let joined = self.long.as_ref().and_then(|line| line.joined.as_ref());
        let open = self.open.as_ref().or(joined).map(Open::never);
        open.into_iter().chain(self.whole()).collect()
    }

    /// What the next line says so far, if all of it is whole: some write a newline before each event, or none.
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

    /// What a line says that needs no repair.
    fn read_plain(&self, line: &[u8]) -> Result<Input, BadLine> {
        self.format.read(line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line))
    }

    /// What is open is over: its owner was told of it.
    pub fn forget_open(&mut self) {
        self.silence(&mut |_| ());
    }

    /// Takes a piece of a line whose end is not in it.
    fn begin(&mut self, piece: &[u8], say: &mut impl FnMut(ReadLine)) {
        if self.long.is_none() {
            if self.beginning.len() + piece.len() <= MAX_LINE_BYTES {
                self.beginning.extend_from_slice(piece);
                return;
            }
            let beginning = std::mem::take(&mut self.beginning);
            self.long = Some(self.apart(self.lines + 1));
            self.feed_long(&beginning, say);
        }
        self.feed_long(piece, say);
    }

    fn feed_long(&mut self, piece: &[u8], say: &mut impl FnMut(ReadLine)) {
        if let Some(line) = &mut self.long {
            line.feed(piece, &self.format, say);
        }
    }

    fn end_line(&mut self, say: &mut impl FnMut(ReadLine)) {
        if let Some(line) = self.long.take() {
            self.lines += 1;
            return self.end_apart(line, say);
        }
        let mut line = std::mem::take(&mut self.beginning);
        self.line(&line, say);
        if line.capacity() <= KEPT_BUFFER_BYTES {
            line.clear();
            self.beginning = line;
        }
    }

    /// Reads a whole line.
    fn line(&mut self, line: &[u8], say: &mut impl FnMut(ReadLine)) {
        self.lines += 1;
        // Where nothing is open, what is JSON is taken at its word; else only an event is.
        match self.read_plain(line) {
            Ok(Input::Blank) if self.open.is_none() => {}
            Err(bad) if self.open.is_none() && !bad.is_no_json() => {
                say(ReadLine { number: self.lines, input: Err(bad) });
            }
            Ok(input) if !matches!(input, Input::Blank) => {
                if let Some(open) = self.open.take() {
                    say(open.never());
                }
                say(ReadLine { number: self.lines, input: Ok(input) });
            }
            _ => {
                let mut apart = self.apart(self.lines);
                apart.feed(line, &self.format, say);
                if apart.joined.is_none()
                    && apart.is_torn()
                    && let Some(reads) = self.with_paths_ended(line.get(apart.object_at..).unwrap_or_default())
                {
                    reads.into_iter().for_each(say);
                    return;
                }
                self.end_apart(apart, say);
            }
        }
    }

    /// What the rest of a line says if the paths in it end with a backslash: nothing, if that makes no whole events of it either.
    fn with_paths_ended(&self, rest: &[u8]) -> Option<Vec<ReadLine>> {
        let mut line = Line { alone: Repair::ending_paths(), ..Line::new(self.lines, None) };
        let mut reads = Vec::new();
        line.feed(rest, &self.format, &mut |read| reads.push(read));
        (!line.is_torn() && !reads.is_empty()).then_some(reads)
    }

    /// Begins to take a line apart, joined to what is open.
    fn apart(&mut self, number: u64) -> Line {
        let mut joined = self.open.take();
        if let Some(open) = &mut joined {
            open.object.push(b"\n");
        }
        Line::new(number, joined)
    }

    fn end_apart(&mut self, line: Line, say: &mut impl FnMut(ReadLine)) {
        let Line { number, joined, alone, bad, .. } = line;
        if joined.is_some() {
            self.open = joined;
            return;
        }
        let was_utf16 = std::mem::take(&mut self.is_utf16);
        if let Some(bad) = bad {
            self.is_utf16 = bad.code == UTF16;
            say(ReadLine { number, input: Err(bad) });
            return;
        }
        match alone.progress() {
            Progress::Open => self.open = Some(Open { number, bad: alone.bad(), object: alone }),
            // Half of a newline in UTF-16.
            Progress::Nothing if alone.has_zero() && was_utf16 => self.is_utf16 = true,
            Progress::Nothing if alone.has_zero() => say(ReadLine { number, input: Err(alone.bad()) }),
            Progress::Nothing | Progress::Whole | Progress::Broken => {}
        }
    }
}

impl Open {
    /// Nothing completes it.
    fn never(&self) -> ReadLine {
        ReadLine { number: self.number, input: Err(self.bad.clone()) }
    }
}

impl Line {
    fn new(number: u64, joined: Option<Open>) -> Self {
        Self { number, joined, alone: Repair::default(), bad: None, follows: false, read: 0, object_at: 0 }
    }

    /// Whether its last object is no JSON, or not whole.
    fn is_torn(&self) -> bool {
        self.bad.is_some() || self.alone.progress() == Progress::Open
    }

    fn feed(&mut self, mut bytes: &[u8], format: &InputSettings, say: &mut impl FnMut(ReadLine)) {
        while !bytes.is_empty() && (self.joined.is_some() || self.bad.is_none()) {
            let taken = match self.joined {
                Some(_) => self.feed_joined(bytes, format, say),
                None => self.feed_alone(bytes, format, say),
            };
            self.read += taken;
            if self.alone.progress() == Progress::Nothing {
                self.object_at = self.read;
            }
            bytes = bytes.get(taken..).unwrap_or_default();
        }
    }

    /// Takes bytes of a line that stands for itself, up to the end of its next object.
    fn feed_alone(&mut self, bytes: &[u8], format: &InputSettings, say: &mut impl FnMut(ReadLine)) -> usize {
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
                say(ReadLine { number: self.number, input: format.read(self.alone.json()) });
                self.alone = Repair::default();
                self.follows = true;
            }
            // Where its end would be is not known: the rest is not read.
            Progress::Broken => self.bad = Some(self.alone.bad()),
            Progress::Nothing | Progress::Open => {}
        }
        taken
    }

    /// Takes a line that may go on with what is open, or be an event by itself.
    fn feed_joined(&mut self, bytes: &[u8], format: &InputSettings, say: &mut impl FnMut(ReadLine)) -> usize {
        if self.bad.is_none() {
            let taken = self.alone.push(bytes);
            match self.alone.progress() {
                Progress::Whole => match format.read(self.alone.json()) {
                    Ok(input) => {
                        self.leave_open(say);
                        say(ReadLine { number: self.number, input: Ok(input) });
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
                say(ReadLine { number: open.number, input: format.read(open.object.json()) });
                self.joined = None;
                (self.alone, self.bad, self.follows) = (Repair::default(), None, true);
                taken
            }
            Progress::Broken => {
                self.leave_open(say);
                bytes.len()
            }
            Progress::Nothing | Progress::Open => bytes.len(),
        }
    }

    /// This line does not go on with what is open.
    fn leave_open(&mut self, say: &mut impl FnMut(ReadLine)) {
        if let Some(open) = self.joined.take() {
            say(open.never());
        }
    }
}

#[cfg(test)]
mod tests;
