//! How far something long is, for a person at a terminal: one line of stderr that is written over and taken away.

use std::io::{self, IsTerminal as _, Write};
use std::time::Instant;

use crate::limits::PROGRESS_EVERY;

/// The line. Nothing is written if stderr is no terminal.
pub(super) struct ProgressLine<W> {
    terminal: Option<W>,
    /// When it may be written next.
    due: Instant,
    /// The characters that are there.
    shown: usize,
}

impl ProgressLine<io::Stderr> {
    pub(super) fn of_stderr() -> Self {
        let stderr = io::stderr();
        Self::on(stderr.is_terminal().then_some(stderr))
    }
}

impl<W: Write> ProgressLine<W> {
    fn on(terminal: Option<W>) -> Self {
        Self { terminal, due: Instant::now() + PROGRESS_EVERY, shown: 0 }
    }

    /// Shows the text, if this takes long and the line has not changed just now.
    pub(super) fn show(&mut self, text: impl FnOnce() -> String) {
        if self.terminal.is_some() {
            self.show_at(Instant::now(), text);
        }
    }

    fn show_at(&mut self, now: Instant, text: impl FnOnce() -> String) {
        if now >= self.due {
            self.due = now + PROGRESS_EVERY;
            self.write(&text());
        }
    }

    /// Takes the line away, so that something else can be written there.
    pub(super) fn clear(&mut self) {
        if self.shown > 0 {
            self.write("");
        }
    }

    fn write(&mut self, text: &str) {
        let Some(terminal) = &mut self.terminal else { return };
        let width = self.shown;
        // If it cannot be written, nobody sees it.
        write!(terminal, "\r{text:width$}").ok();
        if text.is_empty() {
            write!(terminal, "\r").ok();
        }
        terminal.flush().ok();
        self.shown = text.chars().count();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_written_over_and_taken_away_and_no_more_often_than_a_person_can_read() {
        let mut line = ProgressLine::on(Some(Vec::new()));
        let began = line.due - PROGRESS_EVERY;
        line.show_at(began, || "too soon".to_owned());
        for (n, text) in [(1, "reading: 9 %"), (2, "reading")] {
            line.show_at(began + PROGRESS_EVERY * n, || text.to_owned());
            line.show_at(began + PROGRESS_EVERY * n, || "too soon".to_owned());
        }
        line.clear();
        line.clear();
        let written = String::from_utf8(line.terminal.unwrap()).unwrap();
        assert_eq!(written, "\rreading: 9 %\rreading     \r       \r");
    }

    #[test]
    fn without_a_terminal_nothing_is_made() {
        let mut line = ProgressLine::<Vec<u8>>::on(None);
        line.due -= PROGRESS_EVERY;
        line.show(|| panic!("nobody sees it"));
        line.clear();
    }
}
