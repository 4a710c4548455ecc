//! The skeletons of new plugins, one for each language.

use clap::ValueEnum;

/// The path and the text of each file of a plugin. The plugin is called [`PLACEHOLDER`], and is built and tested as it
/// is.
pub(super) type Skeleton = &'static [(&'static str, &'static str)];

/// The files are in `skeletons/` of this package, which links to those of the repository. Some have other names there:
/// a folder with a `Cargo.toml` would be another package and no part of this one, and git follows no link that is
/// called `.gitignore`.
macro_rules! skeleton {
    ($folder:literal: $($file:literal $(from $source:literal)?,)*) => {
        &[$(($file, skeleton!(@text $folder, $file $(, $source)?)),)*]
    };
    (@text $folder:literal, $file:literal, $source:literal) => { skeleton!(@text $folder, $source) };
    (@text $folder:literal, $file:literal) => { include_str!(concat!("../../skeletons/", $folder, "/", $file)) };
}

/// Every file of the skeleton in rust.
const RUST: Skeleton = skeleton!(
    "rust":
    ".gitignore" from "gitignore.skeleton",
    "Cargo.lock",
    "Cargo.toml" from "Cargo.toml.skeleton",
    "README.md",
    "src/lib.rs",
    "wit/deps/lastword-hooks/session-hooks.wit",
    "wit/deps/wasi-config.wit",
    "wit/deps/wasi-keyvalue.wit",
    "wit/plugin.wit",
);
/// Every file of the skeleton in typescript.
const TYPESCRIPT: Skeleton = skeleton!(
    "typescript":
    ".gitignore",
    "README.md",
    "package-lock.json",
    "package.json",
    "src/console.ts",
    "src/hooks.ts",
    "src/utf8.ts",
    "tsconfig.json",
    "types/wit.d.ts",
    "wit/deps/lastword-hooks/session-hooks.wit",
    "wit/deps/wasi-cli.wit",
    "wit/deps/wasi-config.wit",
    "wit/deps/wasi-io.wit",
    "wit/deps/wasi-keyvalue.wit",
    "wit/plugin.wit",
);
/// Every file of the skeleton in python.
const PYTHON: Skeleton = skeleton!(
    "python":
    ".gitignore",
    "README.md",
    "requirements.txt",
    "src/hooks.py",
    "wit/deps/lastword-hooks/session-hooks.wit",
    "wit/deps/wasi-config.wit",
    "wit/deps/wasi-keyvalue.wit",
    "wit/plugin.wit",
);
/// Every file of the skeleton in c.
const C: Skeleton = skeleton!(
    "c":
    ".gitignore",
    "Makefile",
    "README.md",
    "src/hooks.c",
    "src/text.c",
    "src/text.h",
    "wit/deps/lastword-hooks/session-hooks.wit",
    "wit/deps/wasi-cli.wit",
    "wit/deps/wasi-config.wit",
    "wit/deps/wasi-io.wit",
    "wit/deps/wasi-keyvalue.wit",
    "wit/plugin.wit",
);

/// The skeletons' name, in both spellings.
pub(super) const PLACEHOLDER: (&str, &str) = ("my-plugin", "my_plugin");

/// A language with a skeleton.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    Rust,
    #[value(alias = "ts")]
    Typescript,
    Python,
    C,
}

impl Language {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Typescript => "TypeScript",
            Self::Python => "Python",
            Self::C => "C",
        }
    }

    pub(super) fn skeleton(self) -> Skeleton {
        match self {
            Self::Rust => RUST,
            Self::Typescript => TYPESCRIPT,
            Self::Python => PYTHON,
            Self::C => C,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    /// Names that a build in place leaves behind.
    const BUILT: [&str; 4] = ["build", "node_modules", "target", "__pycache__"];

    fn files(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in folder.read_dir().unwrap().map(Result::unwrap) {
            if !entry.file_type().unwrap().is_dir() {
                found.push(entry.path());
            } else if BUILT.iter().all(|built| entry.file_name() != *built) {
                files(&entry.path(), found);
            }
        }
    }

    /// A file that is missing in a skeleton's list would be missing in every new plugin.
    #[test]
    fn every_file_of_a_skeleton_is_in_its_list() {
        let skeletons = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest-examples/skeletons");
        for language in Language::value_variants() {
            let folder = skeletons.join(language.to_possible_value().unwrap().get_name());
            let mut found = Vec::new();
            files(&folder, &mut found);
            let relative = |path: &PathBuf| path.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned();
            let mut found: Vec<String> = found.iter().map(relative).collect();
            let mut listed: Vec<_> = language.skeleton().iter().map(|(path, _)| *path).collect();
            found.sort_unstable();
            listed.sort_unstable();
            assert_eq!(listed, found);
        }
    }
}
