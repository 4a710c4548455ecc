//! The counts of two commits beside each other.

use std::fmt::Write as _;

use crate::console::{BAD, DIM, GOOD, count};

/// How many more instructions a case may take.
pub(super) const MOST_MORE_PER_CENT: u64 = 5;

/// What came of counting a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// Instructions each time.
    Instructions(u64),
    /// The case is not there.
    Nothing,
    /// It cannot be counted here, though it runs: why.
    NotUnderValgrind(String),
}

impl Counted {
    /// The smaller count, where there are two.
    pub(super) fn least(&self, other: Self) -> Self {
        match (self, other) {
            (Self::Instructions(one), Self::Instructions(other)) => Self::Instructions(other.min(*one)),
            _ => self.clone(),
        }
    }
}

/// A case.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) before: Counted,
    pub(super) now: Counted,
}

impl Row {
    /// Whether it takes more instructions than it may. What cannot be compared does not.
    pub(super) fn takes_too_many(&self) -> bool {
        match (&self.before, &self.now) {
            (Counted::Instructions(before), Counted::Instructions(now)) => {
                now.saturating_mul(100) > before.saturating_mul(100 + MOST_MORE_PER_CENT)
            }
            _ => false,
        }
    }

    /// What is to be said of it, for people.
    fn verdict(&self) -> String {
        match (&self.before, &self.now) {
            (Counted::Instructions(before), Counted::Instructions(now)) => {
                let change = 100.0 * (*now as f64 / (*before).max(1) as f64 - 1.0);
                let style = if self.takes_too_many() { BAD } else { GOOD };
                format!("{style}{change:+.1} %{style:#}")
            }
            (_, Counted::NotUnderValgrind(why)) | (Counted::NotUnderValgrind(why), _) => {
                format!("{DIM}cannot run under valgrind: {why}{DIM:#}")
            }
            (Counted::Nothing, _) => format!("{DIM}new{DIM:#}"),
            (_, Counted::Nothing) => format!("{DIM}gone{DIM:#}"),
        }
    }
}

/// The table, with `base` as the name of what is compared with.
pub(super) fn shown(rows: &[Row], base: &str) -> String {
    let number = |counted: &Counted| match counted {
        Counted::Instructions(number) => count(*number),
        Counted::Nothing | Counted::NotUnderValgrind(_) => "–".to_owned(),
    };
    let mut table = format!("{DIM}{:<16}{:>14}{:>14}  instructions each time{DIM:#}\n", "", base, "now");
    for row in rows {
        let (before, now) = (number(&row.before), number(&row.now));
        // Writing to a text cannot fail.
        writeln!(table, "{:<16}{before:>14}{now:>14}  {}", row.name, row.verdict()).ok();
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(before: Counted, now: Counted) -> Row {
        Row { name: "line".to_owned(), before, now }
    }

    #[test]
    fn a_case_that_takes_more_than_a_twentieth_more_instructions_fails() {
        let fails = |before, now| row(Counted::Instructions(before), Counted::Instructions(now)).takes_too_many();
        assert!(!fails(1_000, 1_050) && fails(1_000, 1_051));
        assert!(!fails(1_000, 100), "fewer are welcome");
        assert!(fails(0, 1));
    }

    #[test]
    fn what_cannot_be_compared_is_said_and_does_not_fail() {
        let why = || Counted::NotUnderValgrind("signal: 4".to_owned());
        for (row, said) in [
            (row(Counted::Nothing, Counted::Instructions(7)), "new"),
            (row(Counted::Instructions(7), why()), "cannot run under valgrind: signal: 4"),
            (row(why(), Counted::Instructions(7)), "cannot run under valgrind: signal: 4"),
        ] {
            assert!(!row.takes_too_many());
            assert!(shown(&[row], "HEAD").contains(said), "{said}");
        }
    }

    #[test]
    fn the_least_of_several_counts_is_taken() {
        assert_eq!(Counted::Instructions(7).least(Counted::Instructions(5)), Counted::Instructions(5));
        assert_eq!(Counted::Instructions(5).least(Counted::Instructions(7)), Counted::Instructions(5));
        assert_eq!(Counted::Nothing.least(Counted::Nothing), Counted::Nothing);
    }

    #[test]
    fn each_case_has_a_line_with_its_change() {
        let table = shown(&[row(Counted::Instructions(50_000), Counted::Instructions(51_000))], "abc1234");
        assert!(table.contains("50 000") && table.contains("51 000") && table.contains("+2.0 %"), "{table}");
        assert!(table.contains("abc1234"), "{table}");
    }
}
