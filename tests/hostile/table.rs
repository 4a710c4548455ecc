//! The tables of docs/security.md: what is written there is what is tested.

/// One line of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The heading that it stands under.
    pub(crate) section: &'static str,
    /// The test guest.
    pub(crate) guest: &'static str,
    /// The server that it is sent to, if it needs one.
    pub(crate) server: Option<&'static str>,
    /// How a call can end, e.g. `failed(deadline)`; nothing: it is refused when it is loaded.
    pub(crate) outcomes: Vec<&'static str>,
}

const PAGE: &str = include_str!("../../docs/security.md");

impl Row {
    /// Whether it is refused when it is loaded.
    pub(crate) fn is_refused(&self) -> bool {
        self.outcomes.is_empty()
    }
}

/// Every line whose first cell begins with a guest's name. Cells: guest (and server), what it does, what contains it,
/// outcome.
pub(crate) fn rows() -> Vec<Row> {
    let mut section = "";
    let mut rows = Vec::new();
    for line in PAGE.lines() {
        if let Some(heading) = line.strip_prefix("### ") {
            section = heading;
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let ["", first, _, _, last, ""] = cells.as_slice() else { continue };
        let words = code(first);
        let Some(&guest) = words.first().filter(|guest| lastword_test_guests::NAMES.contains(guest)) else { continue };
        rows.push(Row { section, guest, server: words.get(1).copied(), outcomes: code(last) });
    }
    rows
}

/// What stands between backquotes.
fn code(cell: &'static str) -> Vec<&'static str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_page_has_every_hostile_guest_once() {
    let rows = rows();
    for (at, row) in rows.iter().enumerate() {
        let again = rows.iter().take(at).find(|other| (other.guest, other.server) == (row.guest, row.server));
        assert_eq!(again, None, "{row:?} is there twice");
    }
    let is_there = |guest: &str| rows.iter().any(|row| row.guest == guest);
    let missing: Vec<&str> = lastword_test_guests::hostile().filter(|guest| !is_there(guest)).collect();
    assert_eq!(missing, [""; 0], "docs/security.md does not say what contains them");
}
