//! Finds the hooks that an owner has, for `lastword doctor`.

use std::path::{Path, PathBuf};

use lastword_events::text::printable_path;
use lastword_protocol::owners::InputFormat;

use super::hook_command::{HookCommand, program_of};
use super::merged;
use super::own_files::{self, is_own, program_in};
use super::recipe::Recipe;
use super::{files, place};
use crate::exit::Failure;

/// Our hooks of an owner.
#[derive(Debug, Default)]
pub(crate) struct Installed {
    /// The place of the hooks, whether or not they exist.
    pub(crate) place: PathBuf,
    /// The number of existing hooks or files, and of wanted ones.
    pub(crate) there: usize,
    pub(crate) wanted: usize,
    /// The programs of the hooks, each once.
    pub(crate) programs: Vec<PathBuf>,
    /// Why the hooks cannot be read.
    pub(crate) unreadable: Option<String>,
}

impl Installed {
    /// Finds an owner's hooks: the user's own, or a project's.
    ///
    /// # Errors
    /// When their place is unknown, or the owner has no project hooks.
    pub(crate) fn look(owner: InputFormat, project: Option<&Path>) -> Result<Self, Failure> {
        let place = place::of(owner, project)?;
        Ok(match Recipe::of(owner) {
            Some(recipe) => merged_in(&recipe, place),
            None => own(owner, place),
        })
    }

    fn runs(&mut self, program: PathBuf) {
        if !self.programs.contains(&program) {
            self.programs.push(program);
        }
    }
}

fn merged_in(recipe: &Recipe, place: PathBuf) -> Installed {
    let wanted = recipe.hooks.len();
    let mut installed = Installed { place, wanted, ..Installed::default() };
    match found(recipe, &installed.place) {
        Ok(found) => {
            installed.there =
                recipe.hooks.iter().filter(|hook| found.iter().any(|(event, _)| event == hook.event)).count();
            for (_, program) in found {
                installed.runs(program);
            }
        }
        Err(why) => installed.unreadable = Some(why),
    }
    installed
}

fn found(recipe: &Recipe, path: &Path) -> Result<Vec<(String, PathBuf)>, String> {
    let content = files::read(path).map_err(|error| format!("{error:#}"))?.unwrap_or_default();
    let text = String::from_utf8(content).map_err(|_| format!("{} is not UTF-8", printable_path(path)))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    match merged::find(text, recipe.shape) {
        Ok(found) => Ok(found.into_iter().map(|found| (found.event, program_of(&found.command))).collect()),
        Err(mistake) => Err(format!("{}:{}", printable_path(path), mistake.show(text))),
    }
}

fn own(owner: InputFormat, place: PathBuf) -> Installed {
    let files = own_files::files(owner, &place, &HookCommand::of_no_program());
    let mut installed = Installed { place, wanted: files.len(), ..Installed::default() };
    for file in files {
        let Ok(Some(content)) = files::read(&file.path) else { continue };
        if is_own(&file.path, &content) {
            installed.there += 1;
            if let Some(program) = String::from_utf8(content).ok().as_deref().and_then(program_in) {
                installed.runs(program);
            }
        }
    }
    installed
}
