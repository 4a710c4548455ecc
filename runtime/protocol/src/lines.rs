//! Cuts input into lines.

use std::io::{self, BufRead};

use crate::limits::MAX_LINE_BYTES;

/// One line of input, without its newline.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// All of it.
    Bytes(&'a [u8]),
    /// It had more than [`MAX_LINE_BYTES`] and was skipped to its newline.
    TooLong,
}

/// Cuts input into lines, and never holds more than one of them.
pub struct Lines<R> {
    input: R,
    line: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    /// The lines of `input`.
    pub fn new(input: R) -> Self {
        Self { input, line: Vec::new() }
    }

    /// The next line, or none at the end of the input. The last line needs no newline.
    ///
    /// # Errors
    /// When the input cannot be read.
    pub fn read(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let mut too_long = false;
        loop {
            let chunk = match self.input.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let ended = chunk.is_empty();
            let newline = chunk.iter().position(|byte| *byte == b'\n');
            let part = chunk.get(..newline.unwrap_or(chunk.len())).unwrap_or_default();
            too_long = too_long || self.line.len() + part.len() > MAX_LINE_BYTES;
            if too_long {
                self.line = Vec::new();
            } else {
                self.line.extend_from_slice(part);
            }
            let used = part.len() + usize::from(newline.is_some());
            let any = used > 0 || too_long || !self.line.is_empty();
            self.input.consume(used);
            if newline.is_some() || (ended && any) {
                return Ok(Some(if too_long { Line::TooLong } else { Line::Bytes(&self.line) }));
            }
            if ended {
                return Ok(None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(input: &[u8]) -> Vec<String> {
        // A tiny buffer, so that lines lie across its edge.
        let mut lines = Lines::new(io::BufReader::with_capacity(3, input));
        let mut seen = Vec::new();
        while let Some(line) = lines.read().unwrap() {
            seen.push(match line {
                Line::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                Line::TooLong => "too long".to_owned(),
            });
        }
        seen
    }

    #[test]
    fn input_is_cut_at_newlines_and_the_last_line_needs_none() {
        assert_eq!(all(b""), [""; 0]);
        assert_eq!(all(b"\n"), [""]);
        assert_eq!(all(b"one\n\nthree\nfour"), ["one", "", "three", "four"]);
        assert_eq!(all(b"abc\n"), ["abc"]);
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_and_the_next_one_is_read() {
        let fits = vec![b'x'; MAX_LINE_BYTES];
        assert_eq!(all(&fits).first().unwrap().len(), MAX_LINE_BYTES);
        let mut input = vec![b'x'; MAX_LINE_BYTES + 1];
        input.extend_from_slice(b"\nafter\n");
        input.extend(std::iter::repeat_n(b'y', 2 * MAX_LINE_BYTES));
        assert_eq!(all(&input), ["too long", "after", "too long"]);
    }

    #[test]
    fn a_line_that_is_too_long_is_not_kept_in_memory() {
        let mut input = vec![b'x'; 4 * MAX_LINE_BYTES];
        input.push(b'\n');
        let mut lines = Lines::new(io::BufReader::new(input.as_slice()));
        assert_eq!(lines.read().unwrap(), Some(Line::TooLong));
        assert!(lines.line.capacity() <= MAX_LINE_BYTES);
    }
}
