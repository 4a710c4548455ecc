//! `cargo xtask book`: every document as one book that can be searched, in target/book.
//!
//! The documents are not all in one folder, and link to each other and to other files. They are laid out as they are in the repository, so
//! that every link leads to the same place in the book.

use std::fs;
use std::path::Path;

use anyhow::Context;

use crate::console::say;
use crate::links::{self, Summary};
use crate::tools::MDBOOK;
use crate::{process, repository};

/// Its settings, from the root.
const SETTINGS: &str = "docs/book.toml";
/// Where mdBook looks for the documents, and where it leaves the pages: as the settings say.
const SOURCE: &str = "src";
const PAGES: &str = "html";

/// Makes the book.
///
/// # Errors
/// A document is missing in docs/SUMMARY.md, a file cannot be copied, or mdBook is not there and cannot be installed.
pub(crate) fn run() -> anyhow::Result<()> {
    let book = repository::root().join("target/book");
    let pages = lay_out(&repository::root(), &book)?;
    process::run(MDBOOK.command()?.arg("build").arg(&book))?;
    let first = book.join(PAGES).join("index.html");
    say(format_args!("{pages} documents are a book: open {}", repository::shown(&first)));
    Ok(())
}

/// Copies the documents, and what they link to, into the book's folder. Tells how many documents there are.
fn lay_out(root: &Path, book: &Path) -> anyhow::Result<usize> {
    let summary = Summary::check(root)?;
    let source = book.join(SOURCE);
    if source.exists() {
        fs::remove_dir_all(&source).with_context(|| format!("cannot remove {}", source.display()))?;
    }
    for page in &summary.pages {
        copy(root, page, &source)?;
        for file in links::files_of(root, page)? {
            copy(root, &file, &source)?;
        }
    }
    fs::write(source.join("SUMMARY.md"), &summary.from_root).context("cannot write the book's summary")?;
    fs::copy(root.join(SETTINGS), book.join("book.toml")).with_context(|| format!("cannot copy {SETTINGS}"))?;
    Ok(summary.pages.len())
}

fn copy(root: &Path, file: &Path, to: &Path) -> anyhow::Result<()> {
    let (from, to) = (root.join(file), to.join(file));
    let folder = to.parent().unwrap_or(&to);
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    fs::copy(&from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_and_what_they_link_to_are_laid_out_as_in_the_repository() {
        let book = tempfile::tempdir().unwrap();
        let stale = book.path().join("src/docs/gone.md");
        fs::create_dir_all(stale.parent().unwrap()).unwrap();
        fs::write(&stale, "").unwrap();
        let pages = lay_out(&repository::root(), book.path()).unwrap();
        let has = |path: &str| book.path().join(path).is_file();
        assert!(pages > 40 && has("book.toml") && has("src/README.md") && has("src/docs/owners/codex.md"));
        assert!(has("src/tests/data/drain-pictures/hanging.svg"), "a picture of README.md");
        assert!(has("src/wit/session-hooks.wit"), "the contract, which the pages link to");
        assert!(!stale.exists());
        let summary = fs::read_to_string(book.path().join("src/SUMMARY.md")).unwrap();
        assert!(summary.contains("](docs/guarantees.md)") && summary.contains("](README.md)"), "{summary}");
    }

    #[test]
    fn the_settings_name_the_folders_that_are_filled() {
        let settings = fs::read_to_string(repository::root().join(SETTINGS)).unwrap();
        for line in [format!("src = \"{SOURCE}\""), format!("build-dir = \"{PAGES}\"")] {
            assert!(settings.lines().any(|found| found == line), "{line} is not in {SETTINGS}");
        }
    }
}
