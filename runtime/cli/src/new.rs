//! `lastword new`: creates a plugin that builds and passes `lastword test`, for its author to change.

mod skeletons;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use lastword_events::PluginName;
use lastword_events::text::printable_path;

use crate::args::NewArgs;
use crate::exit::{Exit, Failure, printed};

pub(crate) use skeletons::Language;
use skeletons::{PLACEHOLDER, Skeleton};

/// Writes the files.
///
/// # Errors
/// When the folder exists already, or cannot be written.
pub(crate) fn new(args: &NewArgs) -> Result<Exit, Failure> {
    let folder = args.path.clone().unwrap_or_else(|| PathBuf::from(args.name.as_str()));
    if folder.exists() {
        return Err(Failure::usage(anyhow!(
            "{} is there already: choose another name, or --path",
            printable_path(&folder)
        )));
    }
    // All of it or nothing: a half-written folder would prevent the next try.
    if let Err(error) = write(args.language.skeleton(), &folder, &args.name) {
        fs::remove_dir_all(&folder).ok();
        return Err(Failure::usage(error));
    }
    let mut out = anstream::stdout().lock();
    printed(writeln!(
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
