//! What README.md says of all this: it is written there by `--update`, and by nobody else.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context as _;

use super::Results;
use super::picture::time;
use crate::targets::Figure;

const BEGIN: &str = "<!-- field: `just bench field --update` writes what is between these lines -->\n";
const END: &str = "<!-- field end -->\n";
/// What a row says that misses its target. The page tells what a profile says of the rest.
const MISSED: &str = "**missed**, [why](docs/performance.md#what-misses-its-target)";
/// The picture, from the root.
const PICTURE: &str = "docs/benchmarks.svg";

/// Writes the picture, and the table into README.md.
///
/// # Errors
/// A file cannot be read or written, or README.md has no place for it.
pub(super) fn update(root: &Path, results: &Results, picture: &str) -> anyhow::Result<()> {
    let readme = root.join("README.md");
    let text = fs::read_to_string(&readme).with_context(|| format!("cannot read {}", readme.display()))?;
    let text = replaced(&text, &section(results))?;
    fs::write(root.join(PICTURE), picture).with_context(|| format!("cannot write {PICTURE}"))?;
    fs::write(&readme, text).with_context(|| format!("cannot write {}", readme.display()))
}

/// `readme` with `section` in its place.
fn replaced(readme: &str, section: &str) -> anyhow::Result<String> {
    let (before, rest) = readme.split_once(BEGIN).context("README.md lacks the line that the figures begin after")?;
    let (_, after) = rest.split_once(END).context("README.md lacks the line that the figures end before")?;
    Ok(format!("{before}{BEGIN}{section}{END}{after}"))
}

/// The picture, a table, and what is missing.
fn section(results: &Results) -> String {
    let Results { version, machine, left_out, .. } = results;
    let mut text = format!("![What a session's end costs, beside others]({PICTURE})\n\n");
    text.push_str("| what | ours | theirs | ratio | target | |\n|---|---|---|---|---|---|\n");
    for comparison in &results.comparisons {
        let in_us = |median: f64| time(if comparison.unit == "ms" { 1e3 * median } else { median });
        let target = comparison.target.map_or_else(|| "–".to_owned(), |target| format!("≤ {target:.2}"));
        let verdict = if comparison.is_met { "" } else { MISSED };
        // Writing to a text cannot fail.
        writeln!(
            text,
            "| {} | {} | {} | {} | {target} | {verdict} |",
            comparison.name(),
            in_us(comparison.ours.median),
            in_us(comparison.theirs.median),
            comparison.ratio_text()
        )
        .ok();
    }
    for Figure { what, measured, target, is_met } in &results.figures {
        let verdict = if *is_met { "" } else { MISSED };
        writeln!(text, "| {what} | {measured} | – | – | {target} | {verdict} |").ok();
    }
    let missing: Vec<_> = left_out.iter().map(|missing| missing.what).collect();
    let missing = if missing.is_empty() { String::new() } else { format!(" Not measured: {}.", missing.join(", ")) };
    writeln!(text, "\nMedians of one run of version {version}, in turns, on {machine}.{missing}").ok();
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_lines_is_replaced() {
        let readme = format!("before\n{BEGIN}old\n{END}after\n");
        assert_eq!(replaced(&readme, "new\n").unwrap(), format!("before\n{BEGIN}new\n{END}after\n"));
        assert!(replaced("no lines", "new").is_err());
        assert!(replaced(BEGIN, "new").is_err());
    }

    #[test]
    fn the_readme_has_a_place_for_the_figures() {
        let readme = fs::read_to_string(super::super::root().join("README.md")).unwrap();
        assert!(replaced(&readme, "").is_ok());
    }

    #[test]
    fn a_target_that_is_missed_and_a_side_that_is_missing_are_said() {
        let text = section(&super::super::picture::tests::results());
        assert!(text.contains("| a drain: ours / theirs | 43.0 ms | 1.03 s | 0.0416 | ≤ 0.05 |  |"), "{text}");
        assert!(
            text.contains("| 2.00 | ≤ 1.00 | **missed**, [why](docs/performance.md")
                && text.contains("| 1.00 | – |  |"),
            "{text}"
        );
        assert!(text.contains("| delivered | 9999 | – | – | 10000 | **missed**, "), "{text}");
        assert!(text.contains("Not measured: Extism."), "{text}");
    }
}
