//! Checks docs/SUMMARY.md, which has the order of the book: a document that it does not list is one that nobody finds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::{Document, collect, resolve};

/// Where it is, from the root.
const SUMMARY: &str = "docs/SUMMARY.md";
/// The documents there belong to a plugin that somebody begins, and are read where that is.
const APART: [&str; 2] = ["guest-examples/skeletons", "runtime/cli/skeletons"];
/// The pages there have to open with what their reader wants to do.
const PAGES: &str = "docs";

/// What is in the book.
#[derive(Debug)]
pub(crate) struct Summary {
    /// Its documents in their order, from the root.
    pub(crate) pages: Vec<PathBuf>,
    /// The text, with every link from the root in the place of one from docs/.
    pub(crate) from_root: String,
}

impl Summary {
    /// Reads it, and compares it with what is there.
    ///
    /// # Errors
    /// A file cannot be read, a document is not listed or is listed twice, or a page has no opening. Then the message lists each.
    pub(crate) fn check(root: &Path) -> anyhow::Result<Self> {
        let mut documents = BTreeMap::new();
        collect(root, Path::new(""), &mut documents)?;
        let summary = Self::read(root, &documents)?;
        let mut wrong = Vec::new();
        for (document, parsed) in &documents {
            let (path, times) = (document.display(), summary.pages.iter().filter(|page| *page == document).count());
            let is_apart = document == Path::new(SUMMARY) || APART.iter().any(|folder| document.starts_with(folder));
            match times {
                0 if !is_apart => {
                    wrong.push(format!("{SUMMARY} does not list {path}: give it a line where its reader looks for it"));
                }
                0 | 1 => {}
                _ => wrong.push(format!("{SUMMARY} lists {path} {times} times")),
            }
            if document.starts_with(PAGES) && document != Path::new(SUMMARY) && !parsed.has_opening {
                wrong.push(format!(
                    "{path}: open it with a title, and a paragraph that says what its reader wants to do"
                ));
            }
        }
        if !wrong.is_empty() {
            bail!("{} documents are not ready for the book:\n{}", wrong.len(), wrong.join("\n"));
        }
        Ok(summary)
    }

    fn read(root: &Path, documents: &BTreeMap<PathBuf, Document>) -> anyhow::Result<Self> {
        let own = Path::new(SUMMARY);
        let links = documents.get(own).with_context(|| format!("there is no {SUMMARY}"))?.links.iter();
        let mut from_root =
            std::fs::read_to_string(root.join(own)).with_context(|| format!("cannot read {SUMMARY}"))?;
        let mut pages = Vec::new();
        for link in links {
            let page = match resolve(own, &link.target) {
                Ok(page) => page,
                Err(problem) => bail!("{SUMMARY}:{}: [{}] {problem}", link.line, link.target),
            };
            let (there, here) = (format!("]({})", link.target), format!("]({})", page.display()));
            from_root = from_root.replace(&there, &here);
            pages.push(page);
        }
        Ok(Self { pages, from_root })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(summary: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let page = "# A page\n\nTo do this, read on.\n";
        let files = [
            (SUMMARY, summary),
            ("README.md", "no title"),
            ("docs/a.md", page),
            ("docs/b/c.md", page),
            ("guest-examples/skeletons/rust/README.md", "# my-plugin\n"),
        ];
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    const WHOLE: &str = "# Summary\n\n[Front](../README.md)\n\n- [A](a.md)\n  - [C](b/c.md)\n";

    #[test]
    fn this_repositorys_documents_are_all_in_the_book_and_open_with_what_they_are_for() {
        let summary = Summary::check(&crate::repository::root()).unwrap_or_else(|wrong| panic!("{wrong}"));
        assert!(summary.pages.len() > 40, "{} are too few", summary.pages.len());
    }

    #[test]
    fn the_pages_are_in_their_order_and_links_lead_there_from_the_root() {
        let summary = Summary::check(repository(WHOLE).path()).unwrap();
        assert_eq!(summary.pages, ["README.md", "docs/a.md", "docs/b/c.md"].map(PathBuf::from));
        assert!(summary.from_root.contains("[Front](README.md)\n\n- [A](docs/a.md)\n  - [C](docs/b/c.md)"));
    }

    #[test]
    fn a_document_that_is_not_listed_or_listed_twice_is_named() {
        let root = repository("# Summary\n\n- [A](a.md)\n- [Again](a.md)\n- [Front](../README.md)\n");
        let wrong = Summary::check(root.path()).unwrap_err().to_string();
        assert!(wrong.starts_with("2 documents"), "{wrong}");
        assert!(wrong.contains("does not list docs/b/c.md") && wrong.contains("lists docs/a.md 2 times"), "{wrong}");
    }

    #[test]
    fn a_page_without_an_opening_is_named() {
        let root = repository(WHOLE);
        std::fs::write(root.path().join("docs/a.md"), "# A page\n\n```sh\nrun\n```\n").unwrap();
        let wrong = Summary::check(root.path()).unwrap_err().to_string();
        assert!(wrong.contains("docs/a.md: open it with a title, and a paragraph"), "{wrong}");
    }
}
