//! What a person is told of an installation.

use std::io::{self, Write};
use std::path::Path;

use lastword_events::printable;
use lastword_events::text::{printable_lines, printable_path};
use lastword_protocol::owners::InputFormat;

use super::codex::Trust;
use super::plan::Change;
use crate::style::{BAD, DIM, GOOD};

/// What would be written, file by file.
pub(super) fn print(out: &mut impl Write, changes: &[Change]) -> io::Result<()> {
    if changes.is_empty() {
        return writeln!(out, "Nothing would change.");
    }
    for change in changes {
        let path = printable_path(&change.path);
        match &change.after {
            Some(after) => {
                writeln!(out, "{DIM}{path} would be:{DIM:#}")?;
                writeln!(out, "{}", printable_lines(after.trim_end_matches('\n')))?;
            }
            None => writeln!(out, "{DIM}{path} would be removed.{DIM:#}")?,
        }
    }
    Ok(())
}

/// What was done.
pub(super) fn installed(out: &mut impl Write, owner: InputFormat, place: &Path, changes: &[Change]) -> io::Result<()> {
    let (name, place) = (owner.name(), printable_path(place));
    if changes.is_empty() {
        return writeln!(out, "{GOOD}✓{GOOD:#} {name} has Lastword's hooks already, in {place}: nothing was changed");
    }
    writeln!(out, "{GOOD}✓{GOOD:#} {name} has Lastword's hooks now, in {place}")?;
    kept(out, changes)
}

/// What is left to do.
pub(super) fn what_remains(
    out: &mut impl Write,
    owner: InputFormat,
    changes: &[Change],
    trust: Option<&anyhow::Result<Trust>>,
) -> io::Result<()> {
    match trust {
        Some(Ok(trust)) if trust.is_whole() => {
            writeln!(out, "{GOOD}✓{GOOD:#} Codex trusts them: its config.toml says so")?;
        }
        Some(Ok(Trust { installed, trusted, .. })) => {
            writeln!(out, "{BAD}✗{BAD:#} Codex trusts {trusted} of {installed}, and runs no other: {TRUST_THEM}")?;
        }
        Some(Err(error)) => {
            let error = format!("{error:#}");
            writeln!(out, "{BAD}✗{BAD:#} Codex could not be asked to trust them: {}", printable(&error))?;
            writeln!(out, "  Until it does, it skips them without a word: {TRUST_THEM}")?;
        }
        None => {}
    }
    if !changes.is_empty() {
        writeln!(out, "  A {} that runs already does not have them: start it again", owner.name())?;
    }
    if owner == InputFormat::Cursor || owner == InputFormat::Goose {
        writeln!(out, "  This was written from {}'s documentation, and was not tried with it", owner.name())?;
    }
    writeln!(out, "  `lastword doctor {}` says whether everything works", owner.as_str())
}

const TRUST_THEM: &str = "run `codex` and trust the hooks with `/hooks`";

/// What was undone.
pub(super) fn uninstalled(
    out: &mut impl Write,
    owner: InputFormat,
    place: &Path,
    changes: &[Change],
) -> io::Result<()> {
    let (name, place) = (owner.name(), printable_path(place));
    if changes.is_empty() {
        return writeln!(out, "{GOOD}✓{GOOD:#} {name} has no hooks of Lastword's, in {place}: nothing was changed");
    }
    writeln!(out, "{GOOD}✓{GOOD:#} {name} has no hooks of Lastword's any more, in {place}")?;
    kept(out, changes)
}

fn kept(out: &mut impl Write, changes: &[Change]) -> io::Result<()> {
    for backup in changes.iter().filter_map(Change::kept_in) {
        writeln!(out, "  The file as it was before is kept in {}", printable_path(&backup))?;
    }
    Ok(())
}
