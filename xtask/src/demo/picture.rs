//! Tables and timelines as text.

use std::fmt::Write as _;
use std::time::Duration;

use anstyle::Style;
use rustix::termios::{Winsize, tcgetwinsize};

use crate::console::{BOLD, time};

/// Cells of a timeline when stdout is no terminal.
const WIDTH: u16 = 40;
/// A terminal gives the timeline what the widest table leaves of it, within reason.
const BESIDE: u16 = 64;
const NARROWEST: u16 = 16;
const WIDEST: u16 = 60;

/// Text in a style.
pub(super) struct Cell {
    text: String,
    style: Style,
    right: bool,
}

impl Cell {
    pub(super) fn left(text: impl Into<String>) -> Self {
        Self { text: text.into(), style: Style::new(), right: false }
    }

    pub(super) fn right(text: impl Into<String>) -> Self {
        Self { right: true, ..Self::left(text) }
    }

    pub(super) fn styled(self, style: Style) -> Self {
        Self { style, ..self }
    }
}

/// Rows under a header, two spaces between columns, each as wide as its widest cell.
pub(super) fn table(header: Vec<Cell>, rows: Vec<Vec<Cell>>) -> String {
    let header: Vec<Cell> = header.into_iter().map(|cell| cell.styled(BOLD)).collect();
    let rows: Vec<Vec<Cell>> = std::iter::once(header).chain(rows).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.chars().count()).max())
        .map(Option::unwrap_or_default)
        .collect();
    let mut table = String::new();
    for row in rows {
        for (cell, width) in row.iter().zip(&widths) {
            let (style, padding) = (cell.style, " ".repeat(width - cell.text.chars().count()));
            let (before, after) = if cell.right { (padding.as_str(), "") } else { ("", padding.as_str()) };
            // A String takes every write.
            let _always_ok = write!(table, "  {before}{style}{}{style:#}{after}", cell.text);
        }
        table.truncate(table.trim_end().len());
        table.push('\n');
    }
    table
}

/// From when to when a call ran, both since the signal.
pub(super) type Span = (Duration, Duration);

/// A line of cells, from the begin of the first call on the left to `end` on the right.
#[derive(Clone, Copy)]
pub(super) struct Timeline {
    begin: Duration,
    end: Duration,
    cells: u16,
}

impl Timeline {
    /// A line for `spans`, or from zero when there are none, as wide as the terminal has room for.
    pub(super) fn of(spans: impl IntoIterator<Item = Span>, end: Duration) -> Self {
        let begin = spans.into_iter().map(|(begin, _)| begin).min().unwrap_or_default();
        let room = |terminal: Winsize| terminal.ws_col.saturating_sub(BESIDE).clamp(NARROWEST, WIDEST);
        Self { begin, end, cells: tcgetwinsize(std::io::stdout()).map_or(WIDTH, room) }
    }

    /// `1.2 ms ───────── 1.85 s`, as wide as the bars.
    pub(super) fn axis(self) -> String {
        let begin = if self.begin.is_zero() { "0".to_owned() } else { time(self.begin) };
        let end = time(self.end);
        let used = begin.chars().count() + end.chars().count() + 2;
        format!("{begin} {} {end}", "─".repeat(usize::from(self.cells).saturating_sub(used)))
    }

    /// A line with a block for every cell in which one of `spans` was under way, in two shades in turn. A span shows
    /// however short it is.
    pub(super) fn bar(self, spans: impl IntoIterator<Item = Span>) -> String {
        let mut cells = vec!['·'; usize::from(self.cells)];
        for ((begin, end), shade) in spans.into_iter().zip(['█', '▓'].into_iter().cycle()) {
            let (first, last) = (self.cell(begin), self.cell(end));
            for cell in cells.iter_mut().take(last + 1).skip(first) {
                *cell = shade;
            }
        }
        cells.into_iter().collect()
    }

    /// As many bars as it takes for calls that ran at the same time not to hide each other.
    pub(super) fn bars(self, spans: impl IntoIterator<Item = Span>) -> Vec<String> {
        let mut spans: Vec<Span> = spans.into_iter().collect();
        spans.sort();
        let mut lanes: Vec<Vec<Span>> = vec![Vec::new()];
        for span in spans {
            let is_free = |lane: &&mut Vec<Span>| lane.last().is_none_or(|last| self.cell(last.1) <= self.cell(span.0));
            match lanes.iter_mut().find(is_free) {
                Some(lane) => lane.push(span),
                None => lanes.push(vec![span]),
            }
        }
        lanes.into_iter().map(|lane| self.bar(lane)).collect()
    }

    /// The cell that `at` falls into.
    fn cell(self, at: Duration) -> usize {
        let whole = self.end.saturating_sub(self.begin).as_nanos().max(1);
        let cell = at.saturating_sub(self.begin).as_nanos().saturating_mul(u128::from(self.cells)) / whole;
        usize::try_from(cell).unwrap_or(usize::MAX).min(usize::from(self.cells - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let header = vec![Cell::left("session"), Cell::right("wall")];
        let rows = vec![
            vec![Cell::left("s1").styled(BOLD), Cell::right("412 µs")],
            vec![Cell::left("a-long-one"), Cell::right("4 ms")],
        ];
        assert_eq!(plain(&table(header, rows)), "  session       wall\n  s1          412 µs\n  a-long-one    4 ms\n");
    }

    /// A cell is 10 ms.
    fn timeline() -> Timeline {
        Timeline { begin: ms(100), end: ms(500), cells: 40 }
    }

    #[test]
    fn a_bar_covers_the_time_of_its_call() {
        let bar = timeline().bar([(ms(200), ms(299)), (ms(400), ms(409))]);
        assert_eq!(bar, format!("{}{}{}▓{}", "·".repeat(10), "█".repeat(10), "·".repeat(10), "·".repeat(9)));
    }

    #[test]
    fn calls_at_the_same_time_do_not_hide_each_other() {
        let one_after_the_other = [(ms(100), ms(249)), (ms(250), ms(500))];
        assert_eq!(timeline().bars(one_after_the_other), [format!("{}{}", "█".repeat(15), "▓".repeat(25))]);
        assert_eq!(timeline().bars([(ms(100), ms(250)), (ms(110), ms(240)), (ms(255), ms(260))]).len(), 2);
        assert_eq!(timeline().bars([]).len(), 1, "a plugin that was never called has a row too");
    }

    #[test]
    fn the_shortest_call_shows_and_a_late_one_stays_on_the_line() {
        assert_eq!(timeline().bar([(ms(105), ms(105))]).matches('█').count(), 1);
        assert_eq!(timeline().bar([(ms(499), ms(600))]).chars().last(), Some('█'));
        assert_eq!(timeline().bar([]).chars().count(), 40);
        let nothing = Timeline { end: ms(100), ..timeline() };
        assert_eq!(nothing.bar([(ms(100), ms(100))]).chars().count(), 40);
    }

    #[test]
    fn the_axis_is_as_wide_as_the_bars_and_names_their_ends() {
        let axis = timeline().axis();
        assert_eq!(axis.chars().count(), 40);
        assert!(axis.starts_with("100 ms ─") && axis.ends_with("─ 500 ms"), "{axis}");
    }
}
