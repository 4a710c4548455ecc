//! `lastword new`: a plugin that builds, passes `lastword test`, and is a beginning of one's own.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::ValueEnum;
use lastword_events::PluginName;

use crate::args::NewArgs;
use crate::exit::{Exit, Failure, told};
use lastword_events::text::printable_path;

/// A plugin that is called [`PLACEHOLDER`], and is built and tested as it is: the path and the text of each file.
type Skeleton = &'static [(&'static str, &'static str)];

macro_rules! skeleton {
    ($folder:literal: $($file:literal,)*) => {
        &[$(($file, include_str!(concat!("../../../guest-examples/skeletons/", $folder, "/", $file))),)*]
    };
}

/// Every file of the skeleton in rust.
const RUST: Skeleton = skeleton!(
    "rust":
    ".gitignore",
    "Cargo.lock",
    "Cargo.toml",
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

/// What the skeletons are called, in the two ways in which a name is written.
const PLACEHOLDER: (&str, &str) = ("my-plugin", "my_plugin");

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
    fn name(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Typescript => "TypeScript",
            Self::Python => "Python",
            Self::C => "C",
        }
    }

    fn skeleton(self) -> Skeleton {
        match self {
            Self::Rust => RUST,
            Self::Typescript => TYPESCRIPT,
            Self::Python => PYTHON,
            Self::C => C,
        }
    }
}

/// Writes the files.
///
/// # Errors
/// When the folder is there already, or cannot be written.
pub(crate) fn new(args: &NewArgs) -> Result<Exit, Failure> {
    let folder = args.path.clone().unwrap_or_else(|| PathBuf::from(args.name.as_str()));
    if folder.exists() {
        return Err(Failure::usage(anyhow!(
            "{} is there already: choose another name, or --path",
            printable_path(&folder)
        )));
    }
    // All of it or nothing: what is half written would be in the way of the next try.
    if let Err(error) = write(args.language.skeleton(), &folder, &args.name) {
        fs::remove_dir_all(&folder).ok();
        return Err(Failure::usage(error));
    }
    let mut out = anstream::stdout().lock();
    told(writeln!(
        out,
        "{} is a plugin in {}; its README.md has the commands to build and try it",
        printable_path(&folder),
        args.language.name()
    ))?;
    Ok(Exit::Delivered)
}

fn write(skeleton: Skeleton, folder: &Path, name: &PluginName) -> anyhow::Result<()> {
    for (path, text) in skeleton {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", printable_path(parent)))?;
        fs::write(&path, named(text, name)).with_context(|| format!("cannot write {}", printable_path(&path)))?;
    }
    Ok(())
}

fn named(text: &str, name: &PluginName) -> String {
    let (kebab, snake) = PLACEHOLDER;
    text.replace(kebab, name.as_str()).replace(snake, &name.as_str().replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What building one in its place leaves behind.
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

    /// A file that was added to a skeleton and not to its list would be missing in every new plugin.
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
