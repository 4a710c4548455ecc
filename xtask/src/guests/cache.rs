//! Whether an example has to be built at all: not when what it is made of is what it was made of last time.

use std::path::{Path, PathBuf};

use anyhow::Context;
use sha2::{Digest, Sha256};

use super::Example;
use crate::repository;

/// What builds leave behind in an example's folder.
const MADE: [&str; 4] = ["__pycache__", "build", "node_modules", "target"];

/// What an example is made of besides its own files: how it is built, and with which tools.
pub(super) struct Recipe {
    /// The code that builds it, and the versions of the tools.
    pub(super) texts: Vec<&'static str>,
    /// Files and folders of the repository.
    pub(super) paths: Vec<PathBuf>,
}

/// The sum over everything that an example is made of, and where the one of its component is written down.
pub(super) struct Stamp {
    file: PathBuf,
    sum: String,
}

impl Stamp {
    pub(super) fn of(example: &Example, recipe: &Recipe) -> anyhow::Result<Self> {
        let mut sum = Sum::default();
        recipe.texts.iter().for_each(|text| sum.add(text.as_bytes()));
        sum.add_path(&example.folder)?;
        recipe.paths.iter().try_for_each(|path| sum.add_path(path))?;
        let file = repository::guests_build().join(format!("{}.sum", example.name));
        Ok(Self { file, sum: sum.finish() })
    }

    /// Whether `component` is there and was made of the same.
    pub(super) fn is_current(&self, component: &Path) -> bool {
        component.is_file() && std::fs::read_to_string(&self.file).is_ok_and(|last| last == self.sum)
    }

    /// Writes down that the component is made of this. To be called when it is in its place.
    pub(super) fn write(&self) -> anyhow::Result<()> {
        let folder = repository::guests_build();
        let write = || std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&self.file, &self.sum));
        write().with_context(|| format!("cannot write {}", self.file.display()))
    }
}

/// The sum of texts, for names of folders.
pub(crate) fn short_sum(texts: &[&str]) -> String {
    let mut sum = Sum::default();
    texts.iter().for_each(|text| sum.add(text.as_bytes()));
    sum.finish().chars().take(12).collect()
}

#[derive(Default)]
struct Sum(Sha256);

impl Sum {
    /// With its length, so that no two lists of parts have the same sum.
    fn add(&mut self, part: &[u8]) {
        self.0.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        self.0.update(part);
    }

    /// A file's content, or a folder's names and contents; links are followed, for the contract is one. Markdown makes no
    /// difference to a plugin.
    fn add_path(&mut self, path: &Path) -> anyhow::Result<()> {
        let context = || format!("cannot read {}", path.display());
        if path.is_file() {
            self.add(&std::fs::read(path).with_context(context)?);
            return Ok(());
        }
        let mut names = Vec::new();
        for entry in path.read_dir().with_context(context)? {
            let name = entry.with_context(context)?.file_name();
            let is_prose = Path::new(&name).extension().is_some_and(|extension| extension == "md");
            if !is_prose && !MADE.iter().any(|made| name == *made) {
                names.push(name);
            }
        }
        names.sort();
        for name in names {
            self.add(name.as_encoded_bytes());
            self.add_path(&path.join(name))?;
        }
        // The end of the folder.
        self.add(b"");
        Ok(())
    }

    fn finish(self) -> String {
        format!("{:x}", self.0.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(folder: &Path) -> String {
        let mut sum = Sum::default();
        sum.add_path(folder).unwrap();
        sum.finish()
    }

    #[test]
    fn an_example_is_built_again_when_a_source_changes_and_not_for_what_a_build_leaves() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("example");
        std::fs::create_dir_all(folder.join("src")).unwrap();
        std::fs::write(folder.join("src/plugin.c"), "one").unwrap();
        let first = sum(&folder);

        std::fs::create_dir(folder.join("build")).unwrap();
        std::fs::write(folder.join("build/core.wasm"), "made").unwrap();
        std::fs::write(folder.join("README.md"), "prose").unwrap();
        assert_eq!(sum(&folder), first);

        std::fs::write(folder.join("src/plugin.c"), "two").unwrap();
        let second = sum(&folder);
        assert_ne!(second, first);

        std::fs::rename(folder.join("src/plugin.c"), folder.join("src/other.c")).unwrap();
        assert_ne!(sum(&folder), second, "a name is part of it");
    }

    #[cfg(unix)]
    #[test]
    fn a_change_of_the_contract_is_seen_through_the_link_to_it() {
        let temporary = tempfile::tempdir().unwrap();
        let (folder, contract) = (temporary.path().join("example"), temporary.path().join("wit"));
        std::fs::create_dir(&folder).unwrap();
        std::fs::create_dir(&contract).unwrap();
        std::fs::write(contract.join("hooks.wit"), "one").unwrap();
        std::os::unix::fs::symlink("../wit", folder.join("hooks")).unwrap();
        let first = sum(&folder);
        std::fs::write(contract.join("hooks.wit"), "two").unwrap();
        assert_ne!(sum(&folder), first);
    }
}
