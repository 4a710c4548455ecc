//! `lastword new`: a plugin that builds, passes `lastword test`, and is a beginning of one's own.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::ValueEnum;
use include_dir::{Dir, DirEntry, include_dir};
use lastword_events::PluginName;

use crate::args::NewArgs;
use crate::exit::{Exit, Failure, told};

/// Each is a plugin that is called [`PLACEHOLDER`], and is built and tested as it is.
static SKELETONS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../guest-examples/skeletons");
/// The contract, which every plugin carries with it.
const CONTRACT: &str = include_str!("../../../wit/session-hooks.wit");
/// Its place in a plugin's folder.
const CONTRACT_FILE: &str = "wit/session-hooks.wit";
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
    fn folder(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Typescript => "typescript",
            Self::Python => "python",
            Self::C => "c",
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
        return Err(Failure::usage(anyhow!("{} is there already: choose another name, or --path", folder.display())));
    }
    let skeleton = SKELETONS
        .get_dir(args.language.folder())
        .ok_or_else(|| Failure::internal(anyhow!("there is no skeleton in {}", args.language.folder())))?;
    // All of it or nothing: what is half written would be in the way of the next try.
    if let Err(error) = write(skeleton, &folder, &args.name) {
        fs::remove_dir_all(&folder).ok();
        return Err(Failure::usage(error));
    }
    let mut out = anstream::stdout().lock();
    told(writeln!(
        out,
        "{} is a plugin in {}. Its README says how to build and test it.",
        folder.display(),
        args.language.folder()
    ))?;
    Ok(Exit::Delivered)
}

fn write(skeleton: &Dir<'_>, folder: &Path, name: &PluginName) -> anyhow::Result<()> {
    let contract = folder.join(CONTRACT_FILE);
    write_file(&contract, CONTRACT.as_bytes())?;
    let mut left: Vec<&DirEntry<'_>> = skeleton.entries().iter().collect();
    while let Some(entry) = left.pop() {
        match entry {
            DirEntry::Dir(dir) => left.extend(dir.entries()),
            DirEntry::File(file) => {
                let path = file.path().strip_prefix(skeleton.path())?;
                let path = folder.join(named(&path.to_string_lossy(), name));
                match file.contents_utf8() {
                    Some(text) => write_file(&path, named(text, name).as_bytes())?,
                    None => write_file(&path, file.contents())?,
                }
            }
        }
    }
    Ok(())
}

fn named(text: &str, name: &PluginName) -> String {
    let (kebab, snake) = PLACEHOLDER;
    text.replace(kebab, name.as_str()).replace(snake, &name.as_str().replace('-', "_"))
}

fn write_file(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}
