//! Checks that links between the repository's documents lead somewhere.
//!
//! Only what can be known without a network: files, and headings in Markdown files. Links to other sites are not asked.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, bail};

mod markdown;
mod summary;

use markdown::Document;
pub(crate) use summary::Summary;

/// Nothing in them is ours to check.
const SKIPPED_FOLDERS: [&str; 4] = [".git", "build", "node_modules", "target"];

/// Checks every `*.md` under `root` and tells how many links it followed.
///
/// # Errors
/// A file cannot be read, or links are broken; then the message lists each as `file:line: what is wrong`.
pub(crate) fn check(root: &Path) -> anyhow::Result<usize> {
    let mut documents = BTreeMap::new();
    collect(root, Path::new(""), &mut documents)?;
    let mut followed = 0;
    let mut broken = Vec::new();
    for (file, document) in &documents {
        for link in document.links.iter().filter(|link| !is_external(&link.target)) {
            followed += 1;
            if let Err(problem) = follow(root, &documents, file, &link.target) {
                broken.push(format!("{}:{}: [{}] {problem}", file.display(), link.line, link.target));
            }
        }
    }
    if !broken.is_empty() {
        bail!("{} links are broken:\n{}", broken.len(), broken.join("\n"));
    }
    Ok(followed)
}

/// The files, apart from documents, that a document links to. Paths are from the root.
///
/// # Errors
/// It cannot be read.
pub(crate) fn files_of(root: &Path, document: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let path = root.join(document);
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let links = Document::parse(&text).links.into_iter().filter(|link| !is_external(&link.target));
    let to = links.filter_map(|link| resolve(document, without_heading(&link.target)).ok());
    let is_file =
        |path: &PathBuf| path.extension().is_none_or(|extension| extension != "md") && root.join(path).is_file();
    Ok(to.filter(is_file).collect())
}

fn without_heading(target: &str) -> &str {
    target.split_once('#').map_or(target, |(path, _)| path)
}

/// Reads the Markdown files under `root`/`folder`. Keys are paths from the root.
fn collect(root: &Path, folder: &Path, documents: &mut BTreeMap<PathBuf, Document>) -> anyhow::Result<()> {
    let entries = root.join(folder).read_dir().with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() && !SKIPPED_FOLDERS.iter().any(|skipped| entry.file_name() == *skipped) {
            collect(root, &path, documents)?;
        } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "md") {
            let text =
                std::fs::read_to_string(entry.path()).with_context(|| format!("cannot read {}", path.display()))?;
            documents.insert(path, Document::parse(&text));
        }
    }
    Ok(())
}

fn is_external(target: &str) -> bool {
    target.contains("://") || target.starts_with("mailto:")
}

fn follow(root: &Path, documents: &BTreeMap<PathBuf, Document>, from: &Path, target: &str) -> Result<(), String> {
    let (path, heading) = target.split_once('#').map_or((target, None), |(path, heading)| (path, Some(heading)));
    if path.starts_with('/') {
        return Err("begins with `/`, which is another place in every clone: write it from this file's folder".into());
    }
    let to = if path.is_empty() { from.to_path_buf() } else { resolve(from, path)? };
    if !root.join(&to).exists() {
        return Err(format!("leads to {}, which does not exist", to.display()));
    }
    match (heading, documents.get(&to)) {
        (Some(heading), Some(document)) if !document.anchors.contains(heading) => {
            Err(format!("leads to a heading that {} does not have", to.display()))
        }
        _ => Ok(()),
    }
}

/// Where `path`, written in the file `from`, leads. Both are paths from the root.
fn resolve(from: &Path, path: &str) -> Result<PathBuf, String> {
    let mut to = from.parent().map(Path::to_path_buf).unwrap_or_default();
    for part in Path::new(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if to.pop() => {}
            Component::Normal(name) => to.push(name),
            _ => return Err("leads out of the repository".into()),
        }
    }
    Ok(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn links_that_lead_somewhere_are_counted() {
        let root = repository(&[
            (
                "README.md",
                "[a](docs/a.md#one-thing) [b](docs) [c](#here)\n# Here\n[d]: docs/a.md\n[web](https://x.example)",
            ),
            ("docs/a.md", "# One thing\n[up](../README.md) [code](../src/lib.rs#L3)"),
            ("src/lib.rs", ""),
        ]);
        assert_eq!(check(root.path()).unwrap(), 6);
    }

    #[test]
    fn every_broken_link_is_named_with_its_file_and_line() {
        let root = repository(&[
            ("README.md", "# Here\n\n[a](gone.md)\n[b](docs/a.md#two)"),
            ("docs/a.md", "# One\n[up](../../elsewhere.md) [abs](/README.md)"),
        ]);
        let error = check(root.path()).unwrap_err().to_string();
        assert!(error.starts_with("4 links are broken"), "{error}");
        for told in
            ["README.md:3: [gone.md]", "README.md:4: [docs/a.md#two]", "out of the repository", "begins with `/`"]
        {
            assert!(error.contains(told), "no `{told}` in {error}");
        }
    }

    #[test]
    fn what_is_built_or_fetched_is_not_checked() {
        let root = repository(&[("target/doc/x.md", "[a](gone.md)"), ("js/node_modules/y/README.md", "[a](gone.md)")]);
        assert_eq!(check(root.path()).unwrap(), 0);
    }
}
