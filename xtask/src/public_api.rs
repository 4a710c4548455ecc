//! `cargo xtask public-api`: everything public of the libraries, in a list that is committed. So nobody changes it unseen: who adds
//! a field, a method or a trait sees a line more, and who takes one away or changes it sees what an embedder's build would.
//!
//! It is read from rustdoc's pages, which the check has made anyway. Tools that read rustdoc's JSON need a nightly compiler.

mod page;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};

use crate::console::say;
use crate::{process, repository};

/// The libraries whose types embedders see.
const CRATES: [&str; 8] = [
    "lastword",
    "lastword-egress",
    "lastword-events",
    "lastword-journal",
    "lastword-memory",
    "lastword-sandbox",
    "lastword-sqlite",
    "lastword-transcript",
];
/// Lines of a difference that are shown.
const MAX_SHOWN: usize = 100;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write the list anew, instead of comparing
    #[arg(long)]
    update: bool,
}

/// Compares the list with what is public, or writes it.
///
/// # Errors
/// The documentation cannot be made, or the list is another.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let mut doc = process::cargo(&repository::root());
    doc.args(["doc", "--locked", "--no-deps", "--all-features", "--lib"]);
    for name in CRATES {
        doc.args(["--package", name]);
    }
    process::run(&mut doc)?;
    if args.update {
        let list = found()?;
        fs::write(committed(), &list).context("cannot write the list")?;
        say(format_args!("{} lines in {}", list.lines().count(), repository::shown(&committed())));
        return Ok(());
    }
    compare()
}

/// Compares the list with the pages that `cargo doc` has made of the public items.
///
/// # Errors
/// The pages or the list cannot be read, or they differ.
pub(crate) fn compare() -> anyhow::Result<()> {
    let list = fs::read_to_string(committed()).with_context(|| format!("cannot read {}", committed().display()))?;
    let found = found()?;
    let difference = difference(&list, &found);
    if !difference.is_empty() {
        bail!(
            "what is public is not what {} says:\n{}\nIf it is meant: `cargo xtask public-api --update`, and a line in \
             CHANGELOG.md for whatever begins with `-`",
            repository::shown(&committed()),
            difference.join("\n")
        );
    }
    say(format_args!("{} public items are those of the list", found.lines().count()));
    Ok(())
}

fn committed() -> PathBuf {
    repository::root().join("docs").join("public-api.txt")
}

fn found() -> anyhow::Result<String> {
    let docs = repository::target()?.join("doc");
    let mut lines = BTreeSet::new();
    for name in CRATES {
        let name = name.replace('-', "_");
        add_items(&docs.join(&name), &name, &mut lines).with_context(|| format!("cannot read the pages of {name}"))?;
    }
    Ok(lines.into_iter().map(|line| line + "\n").collect())
}

/// Adds a line for each item of a crate, and for each method and trait of it.
fn add_items(folder: &Path, crate_name: &str, lines: &mut BTreeSet<String>) -> anyhow::Result<()> {
    let read = |path: &Path| fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
    let links = page::links(&read(&folder.join("all.html"))?);
    ensure!(!links.is_empty(), "there is nothing in all.html: rustdoc writes its pages in another way now");
    for link in links {
        let Some(item) = page::path(crate_name, &link) else { bail!("{link} is no page of an item") };
        let lines_of_item = page::lines(&read(&folder.join(&link))?);
        ensure!(!lines_of_item.is_empty(), "{link} declares nothing: rustdoc writes its pages in another way now");
        lines.extend(lines_of_item.into_iter().map(|line| format!("{item}: {line}")));
    }
    Ok(())
}

/// What is gone, with `-`, and what is new, with `+`.
fn difference(list: &str, found: &str) -> Vec<String> {
    let (list, found): (BTreeSet<&str>, BTreeSet<&str>) = (list.lines().collect(), found.lines().collect());
    let mut differing: Vec<(&str, char)> = list.difference(&found).map(|line| (*line, '-')).collect();
    differing.extend(found.difference(&list).map(|line| (*line, '+')));
    differing.sort_unstable();
    let more = differing.len().saturating_sub(MAX_SHOWN);
    let shown = differing.into_iter().take(MAX_SHOWN).map(|(line, sign)| format!("{sign} {line}"));
    shown.chain((more > 0).then(|| format!("and {more} more"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_and_what_is_new_is_shown_beside_each_other() {
        let list = "a::A: pub struct A\na::A: pub fn old()\n";
        let found = "a::A: pub struct A\na::A: pub fn new()\n";
        assert_eq!(difference(list, list), [""; 0]);
        assert_eq!(difference(list, found), ["+ a::A: pub fn new()", "- a::A: pub fn old()"]);
        let many: String = (0..=MAX_SHOWN).map(|n| format!("{n}\n")).collect();
        assert_eq!(difference("", &many).last().unwrap(), "and 1 more");
    }
}
