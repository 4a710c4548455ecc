//! The README's table: each owner has the rows of its last run.

use std::fs;

use anyhow::{Context, bail};

use super::{OWNERS, Owner, table};
use crate::console::say;
use crate::repository;

const BEGIN: &str = "<!-- owners: `cargo xtask test --owners --update` writes this table -->\n";
const END: &str = "<!-- owners end -->\n";

/// Fails if the README has other rows of the owners in `table`; with `update` it has these from now on. Others' rows stay.
pub(super) fn compare(table: &str, update: bool) -> anyhow::Result<()> {
    let path = repository::root().join("README.md");
    let text = fs::read_to_string(&path).context("cannot read README.md")?;
    let new = with_rows(&text, table).context("README.md has no place for the table of owners")?;
    if new == text {
        return Ok(());
    }
    if !update {
        bail!("README.md has another table: `cargo xtask test --owners --update` has the rows above written into it");
    }
    fs::write(&path, new).context("cannot write README.md")?;
    say("README.md has these rows from now on");
    Ok(())
}

/// The text with the rows of this table in the place of the same owners' rows. None: there is no place for them.
fn with_rows(text: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (last, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{}{END}{after}", merged(last, table)))
}

fn merged(last: &str, new: &str) -> String {
    let mut merged = table::head();
    for owner in &OWNERS {
        for option in [None].into_iter().chain(owner.alone.map(Some)) {
            let row = row_of(new, owner, option).or_else(|| row_of(last, owner, option));
            merged.extend(row.into_iter().flat_map(|row| [row, "\n"]));
        }
    }
    merged
}

/// An owner's row, or the one that it has with an option, whatever its version is there.
fn row_of<'table>(table: &'table str, owner: &Owner, option: Option<&str>) -> Option<&'table str> {
    let option = option.map(|option| format!("`{option}`"));
    table.lines().find(|line| {
        let name = line.strip_prefix("| ").and_then(|line| line.split_once(" |"));
        let rest = name.and_then(|(name, _)| name.strip_prefix(owner.name)?.strip_prefix(' '));
        rest.is_some_and(|rest| rest.split_once(", ").map(|(_version, option)| option) == option.as_deref())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_a_run_take_the_place_of_the_same_owners_and_others_stay() {
        let page = |rows: &[&str]| format!("one\n{BEGIN}{}{}\n{END}two\n", table::head(), rows.join("\n"));
        let (claude, codex) = ("| Claude Code 1.0 | x |", "| Codex 1.0 | y |");
        let alone = "| Codex 1.0, `--no-daemon` | z |";
        let last = page(&[claude, codex, alone]);
        let (newer, newer_alone) = ("| Codex 2.0 | 1 |", "| Codex 2.0, `--no-daemon` | 2 |");
        let new = format!("{}{newer}\n{newer_alone}\n", table::head());
        assert_eq!(with_rows(&last, &new).unwrap(), page(&[claude, newer, newer_alone]));
        assert_eq!(with_rows(&last, &format!("{newer_alone}\n")).unwrap(), page(&[claude, codex, newer_alone]));
        assert_eq!(with_rows(&page(&[codex]), claude).unwrap(), page(&[claude, codex]), "in their order");
        assert_eq!(with_rows("no place", &new), None);
    }

    #[test]
    fn the_readme_has_every_row_as_a_run_writes_it() {
        let text = fs::read_to_string(repository::root().join("README.md")).unwrap();
        assert_eq!(with_rows(&text, "").unwrap(), text);
        for owner in &OWNERS {
            assert!(row_of(&text, owner, None).is_some(), "{}", owner.name);
            assert!(owner.alone.is_none() || row_of(&text, owner, owner.alone).is_some(), "{}", owner.name);
        }
    }
}
