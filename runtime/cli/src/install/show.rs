//! Reports an installation to the user.

use std::io::{self, Write};
use std::path::Path;

use lastword_events::printable;
use lastword_events::text::{printable_lines, printable_path};
use lastword_protocol::owners::InputFormat;
use similar::TextDiff;

use super::codex::Trust;
use super::hermes::ENABLE;
use super::plan::Change;
use crate::style::{BAD, DIM, GOOD};

/// Context lines around a change, as in `diff -u`.
const CONTEXT: usize = 3;

/// Prints the planned changes, file by file.
pub(super) fn print(out: &mut impl Write, changes: &[Change]) -> io::Result<()> {
    if changes.is_empty() {
        return writeln!(out, "Nothing would change.");
    }
    for change in changes {
        let path = printable_path(&change.path);
        let what = match (&change.before, &change.after) {
            (None, _) => "would be made",
            (_, Some(_)) => "would be changed",
            (_, None) => "would be removed",
        };
        writeln!(out, "{DIM}{path} {what}:{DIM:#}")?;
        let before = String::from_utf8_lossy(change.before.as_deref().unwrap_or_default());
        write!(out, "{}", printable_lines(&diff(&path, &before, change.after.as_deref())))?;
    }
    Ok(())
}

/// Formats a change as `diff -u` does. Both texts have the same line endings.
fn diff(path: &str, before: &str, after: Option<&str>) -> String {
    let [before, after] = [before, after.unwrap_or_default()].map(|text| text.replace("\r\n", "\n"));
    let diff = TextDiff::from_lines(before.as_str(), after.as_str());
    diff.unified_diff().context_radius(CONTEXT).header(path, path).to_string()
}

/// Reports the installation.
pub(super) fn installed(out: &mut impl Write, owner: InputFormat, place: &Path, changes: &[Change]) -> io::Result<()> {
    let (name, place) = (owner.name(), printable_path(place));
    if changes.is_empty() {
        return writeln!(out, "{GOOD}✓{GOOD:#} {name} has Lastword's hooks already, in {place}: nothing was changed");
    }
    writeln!(out, "{GOOD}✓{GOOD:#} {name} has Lastword's hooks now, in {place}")?;
    kept(out, changes)
}

/// Reports the steps that are left to the user.
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
    if owner == InputFormat::Hermes {
        writeln!(out, "  Hermes loads only plugins that are enabled: {ENABLE}")?;
    }
    if owner == InputFormat::Cursor || owner == InputFormat::Goose {
        writeln!(out, "  This was written from {}'s documentation, and was not tried with it", owner.name())?;
    }
    writeln!(out, "  `lastword doctor {}` says whether everything works", owner.as_str())
}

const TRUST_THEM: &str = "run `codex` and trust the hooks with `/hooks`";

/// Reports the removal.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_change_is_shown_as_a_diff() {
        let (before, after) = ("1\r\n2\r\n3\r\n4\r\n5\r\n", "1\r\n2\r\n3\r\n4\r\n5\r\n6\r\n");
        let shown = diff("a", before, Some(after));
        assert_eq!(shown, "--- a\n+++ a\n@@ -3,3 +3,4 @@\n 3\n 4\n 5\n+6\n");
        assert_eq!(diff("a", "1\n", None), "--- a\n+++ a\n@@ -1 +0,0 @@\n-1\n");
    }
}
