//! Fits a text into a terminal's window, so that its beginning does not scroll away.

use std::borrow::Cow;
use std::io::IsTerminal;

use anstream::adapter::strip_str;
use rustix::termios::tcgetwinsize;

use crate::style::DIM;

/// The size of a terminal's window, in characters. 0: not known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    rows: usize,
    columns: usize,
}

impl Window {
    /// Returns the window of stdout, if that is a terminal.
    pub(super) fn of_stdout() -> Option<Self> {
        let stdout = std::io::stdout();
        if !stdout.is_terminal() {
            return None;
        }
        let size = tcgetwinsize(&stdout).ok();
        let (rows, columns) = size.map_or((0, 0), |size| (usize::from(size.ws_row), usize::from(size.ws_col)));
        Some(Self { rows, columns })
    }

    /// Cuts the lines that do not fit, and says so in the last row. Takes every character for one column wide.
    pub(super) fn fit(self, text: &str) -> Cow<'_, str> {
        // The cursor is in the row behind the text.
        let Some(mut left) = self.rows.checked_sub(1).filter(|_| self.columns > 0) else { return Cow::Borrowed(text) };
        let mut fits = String::new();
        for line in text.split_inclusive('\n') {
            let width = strip_str(line.trim_end_matches('\n')).to_string().chars().count();
            let rows = width.div_ceil(self.columns).max(1);
            if rows > left {
                return Cow::Owned(format!("{fits}{DIM}… and more{DIM:#}"));
            }
            left -= rows;
            fits.push_str(line);
        }
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::style::BAD;

    fn fit(rows: usize, columns: usize, text: &str) -> String {
        strip_str(&Window { rows, columns }.fit(text)).to_string()
    }

    #[test]
    fn the_first_lines_stay_on_the_screen_and_the_others_are_said_to_be_missing() {
        let text = "one\ntwo\nthree\n";
        assert_eq!(fit(4, 80, text), text);
        assert_eq!(fit(3, 80, text), "one\ntwo\n… and more");
        assert_eq!(fit(1, 80, text), "… and more");
        assert_eq!(fit(0, 0, text), text, "the size is not known");
    }

    #[test]
    fn a_line_takes_the_rows_that_it_wraps_into_and_its_colours_take_none() {
        let text = format!("{BAD}12345{BAD:#}\n123456\n\n");
        assert_eq!(fit(5, 5, &text), "12345\n123456\n\n");
        assert_eq!(fit(4, 5, &text), "12345\n123456\n… and more");
        assert_eq!(fit(3, 5, &text), "12345\n… and more");
    }
}
