//! The README's table, which is that of the last run.

use std::fs;

use anyhow::{Context, bail};

use crate::console::say;
use crate::repository;

const BEGIN: &str = "<!-- owners: `cargo xtask test --owners --update` writes this table -->\n";
const END: &str = "<!-- owners end -->\n";

/// Fails if the README has another table; with `update` it has this one from now on.
pub(super) fn compare(table: &str, update: bool) -> anyhow::Result<()> {
    let path = repository::root().join("README.md");
    let text = fs::read_to_string(&path).context("cannot read README.md")?;
    let new = with_table(&text, table).context("README.md has no place for the table of owners")?;
    if new == text {
        return Ok(());
    }
    if !update {
        bail!("README.md has another table of owners: `cargo xtask test --owners --update` writes the one above");
    }
    fs::write(&path, new).context("cannot write README.md")?;
    say("README.md has the table from now on");
    Ok(())
}

/// None: there is no place for it.
fn with_table(text: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{table}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_takes_the_place_of_the_last_one() {
        let text = format!("one\n{BEGIN}| old |\n{END}two\n");
        assert_eq!(with_table(&text, "| new |\n").unwrap(), format!("one\n{BEGIN}| new |\n{END}two\n"));
        assert_eq!(with_table("no place", "| new |\n"), None);
    }

    #[test]
    fn the_readme_has_a_place_for_it() {
        let text = fs::read_to_string(repository::root().join("README.md")).unwrap();
        assert!(with_table(&text, "").is_some());
    }
}
