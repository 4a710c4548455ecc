//! Tables for people.

use std::io::{self, Write};

use anstyle::Style;
use lastword_events::printable;

const HEAD: Style = Style::new().bold();

/// A table whose columns are as wide as their cells.
pub(crate) struct Table<const N: usize> {
    head: [&'static str; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    pub(crate) fn new(head: [&'static str; N]) -> Self {
        Self { head, rows: Vec::new() }
    }

    /// Adds a row. Owners choose ids and guests messages, so each cell becomes one line without control characters.
    pub(crate) fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells.map(|cell| printable(&cell).replace('\t', "\\t")));
    }

    /// Prints the table, or `nothing` if it has no row.
    pub(crate) fn print(&self, out: &mut impl Write, nothing: &str) -> io::Result<()> {
        if self.rows.is_empty() {
            return writeln!(out, "{nothing}");
        }
        let mut widths = self.head.map(str::len);
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let line = |cells: &mut dyn Iterator<Item = &str>| -> String {
            let padded: Vec<String> = cells.zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            padded.join("  ").trim_end().to_owned()
        };
        writeln!(out, "{HEAD}{}{HEAD:#}", line(&mut self.head.iter().copied()))?;
        for row in &self.rows {
            writeln!(out, "{}", line(&mut row.iter().map(String::as_str)))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_a_cell_stays_on_its_line() {
        let mut table = Table::new(["A", "LONGER"]);
        table.row(["ää".into(), "x".into()]);
        table.row(["1\u{1b}[2J\n2".into(), String::new()]);
        let mut out = Vec::new();
        table.print(&mut anstream::StripStream::new(&mut out), "nothing").unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "A              LONGER\nää             x\n1\\u{1b}[2J\\n2\n");
        let mut out = Vec::new();
        Table::new(["A"]).print(&mut out, "nothing").unwrap();
        assert_eq!(out, b"nothing\n");
    }
}
