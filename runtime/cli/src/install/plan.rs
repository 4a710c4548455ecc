//! Plans the changes of an installation or its removal before anything is written.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use lastword_events::text::printable_path;
use lastword_protocol::owners::InputFormat;

use super::files;
use super::hook_command::HookCommand;
use super::jsonc::Mistake;
use super::merged;
use super::own_files::{self, is_own};
use super::recipe::Recipe;
use crate::exit::Failure;

/// A mark that some editors put before a text. It is kept, and is not part of the text.
const BYTE_ORDER_MARK: char = '\u{feff}';
const BACKUP: &str = ".lastword-backup";

/// A planned change of a file.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) path: PathBuf,
    pub(super) before: Option<Vec<u8>>,
    /// `None`: the file is to be removed.
    pub(super) after: Option<String>,
    is_executable: bool,
    backup: Backup,
}

/// The plan for the backup of a file before its first change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Backup {
    Leave,
    Make,
    Remove,
}

impl Change {
    /// Carries the change out.
    ///
    /// # Errors
    /// When a file cannot be written or removed.
    pub(super) fn apply(&self) -> anyhow::Result<()> {
        let backup = backup_of(&self.path);
        if let (Backup::Make, Some(before)) = (self.backup, &self.before) {
            files::back_up(&self.path, &backup, before)?;
        }
        let before = self.before.as_deref();
        match &self.after {
            Some(after) => files::write(&self.path, after.as_bytes(), before, self.is_executable)?,
            None => files::remove(&self.path, before.unwrap_or_default())?,
        }
        if let (Backup::Remove, Some(after)) = (self.backup, &self.after) {
            // The file is equal to the backup again.
            files::remove(&backup, after.as_bytes())?;
        }
        Ok(())
    }

    /// Returns the path of the file's backup, if there is one.
    pub(super) fn kept_in(&self) -> Option<PathBuf> {
        let backup = backup_of(&self.path);
        (self.backup == Backup::Make || (self.backup == Backup::Leave && backup.exists())).then_some(backup)
    }
}

/// Returns the changes that give an owner our hooks. Empty if it has them.
///
/// # Errors
/// When the owner could not parse a file, or a file is not ours to write.
pub(super) fn install(owner: InputFormat, place: &Path, command: &HookCommand) -> Result<Vec<Change>, Failure> {
    match Recipe::of(owner) {
        Some(recipe) => Ok(install_merged(&recipe, place, command)?.into_iter().collect()),
        None => install_own(owner, place, command),
    }
}

/// Returns the changes that remove our hooks from an owner.
///
/// # Errors
/// When the owner could not parse a file.
pub(super) fn uninstall(owner: InputFormat, place: &Path) -> Result<Vec<Change>, Failure> {
    if let Some(recipe) = Recipe::of(owner) {
        return Ok(uninstall_merged(&recipe, place)?.into_iter().collect());
    }
    let mut changes = Vec::new();
    for file in own_files::files(owner, place, &HookCommand::of_no_program()) {
        let before = files::read(&file.path).map_err(Failure::usage)?;
        if before.as_deref().is_some_and(|content| is_own(&file.path, content)) {
            let path = file.path;
            changes.push(Change { path, before, after: None, is_executable: false, backup: Backup::Leave });
        }
    }
    Ok(changes)
}

/// Removes folders that existed only for our files.
pub(super) fn tidy(owner: InputFormat, place: &Path) {
    // Folders with other content stay.
    match owner {
        InputFormat::Goose => fs::remove_dir(place.join("hooks")).and_then(|()| fs::remove_dir(place)).ok(),
        InputFormat::Hermes => {
            remove_compiled(&place.join("__pycache__"));
            remove_hermes_folders(place)
        }
        _ => None,
    };
}

/// Removes the plugin's folder, and the folders above it that were made for it. An empty one has nothing of Hermes. A
/// home of another name is the user's choice, and stays.
fn remove_hermes_folders(place: &Path) -> Option<()> {
    fs::remove_dir(place).ok()?;
    let plugins = place.parent()?;
    fs::remove_dir(plugins).ok()?;
    plugins.parent().filter(|home| home.ends_with(".hermes")).and_then(|home| fs::remove_dir(home).ok())
}

/// Removes Python's compiled files of a removed plugin, and their folder.
fn remove_compiled(folder: &Path) {
    let is_of_plugin = |path: &Path| {
        let is_init = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("__init__."));
        is_init && path.extension().is_some_and(|extension| extension == "pyc")
    };
    let files = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|file| file.path());
    for file in files.filter(|path| is_of_plugin(path)) {
        // If a file cannot be removed, its folder stays, which does no harm without the plugin.
        fs::remove_file(file).ok();
    }
    fs::remove_dir(folder).ok();
}

fn install_own(owner: InputFormat, place: &Path, command: &HookCommand) -> Result<Vec<Change>, Failure> {
    let mut changes = Vec::new();
    for own_files::OwnFile { path, content, is_executable } in own_files::files(owner, place, command) {
        let before = files::read(&path).map_err(Failure::usage)?;
        match &before {
            Some(there) if there == content.as_bytes() => continue,
            Some(there) if !is_own(&path, there) => {
                let event = path.file_name().and_then(|name| name.to_str()).filter(|_| owner == InputFormat::Cline);
                return Err(Failure::usage(anyhow!(
                    "{} is there already and is not Lastword's: it is left alone, and nothing was installed. \
                     Move it away, or have it run `{}` as well",
                    printable_path(&path),
                    command.line(owner.as_str(), event)
                )));
            }
            _ => {}
        }
        changes.push(Change { path, before, after: Some(content), is_executable, backup: Backup::Leave });
    }
    Ok(changes)
}

fn install_merged(recipe: &Recipe, path: &Path, command: &HookCommand) -> Result<Option<Change>, Failure> {
    let before = files::read(path).map_err(Failure::usage)?;
    let (mark, text) = text_of(path, before.as_deref())?;
    let wrong = |mistake: Mistake| misread(path, text, &mistake);
    let is_first = merged::find(text, recipe.shape).map_err(wrong)?.is_empty();
    let after = merged::install(text, recipe, &recipe.line(command)).map_err(wrong)?;
    if after == text {
        return Ok(None);
    }
    let after = Some(format!("{mark}{after}"));
    let backup = if before.is_some() && is_first { Backup::Make } else { Backup::Leave };
    Ok(Some(Change { path: path.to_owned(), before, after, is_executable: false, backup }))
}

fn uninstall_merged(recipe: &Recipe, path: &Path) -> Result<Option<Change>, Failure> {
    let before = files::read(path).map_err(Failure::usage)?;
    let (mark, text) = text_of(path, before.as_deref())?;
    let wrong = |mistake: Mistake| misread(path, text, &mistake);
    let found = merged::find(text, recipe.shape).map_err(wrong)?;
    let Some(first) = found.first() else { return Ok(None) };
    let kept = files::read(&backup_of(path)).ok().flatten();
    let kept = kept.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok());
    let original = kept.map(|kept| kept.strip_prefix(BYTE_ORDER_MARK).unwrap_or(kept));
    // A file that nobody else has changed gets its former content back, to the byte.
    let makes_this = |text_before: &str| {
        merged::install(text_before, recipe, &first.command).is_ok_and(|installed| installed == text)
    };
    let (after, backup) = match (kept, original) {
        (Some(kept), Some(original)) if makes_this(original) => (Some(kept.to_owned()), Backup::Remove),
        (None, _) if makes_this("") => (None, Backup::Leave),
        _ => {
            let left = merged::strip(text, recipe.shape, original).map_err(wrong)?;
            let is_gone = kept.is_none() && merged::is_bare(&left);
            let left = format!("{mark}{left}");
            let backup = if kept == Some(left.as_str()) { Backup::Remove } else { Backup::Leave };
            ((!is_gone).then_some(left), backup)
        }
    };
    Ok(Some(Change { path: path.to_owned(), before, after, is_executable: false, backup }))
}

/// Splits a text from the mark before it.
fn text_of<'b>(path: &Path, bytes: Option<&'b [u8]>) -> Result<(&'b str, &'b str), Failure> {
    let bytes = bytes.unwrap_or_default();
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let (at, path) = (error.valid_up_to(), printable_path(path));
        Failure::usage(anyhow!("{path} is left alone: it is not UTF-8, from byte {at} on"))
    })?;
    let text_at = if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len_utf8() } else { 0 };
    Ok(text.split_at(text_at))
}

fn misread(path: &Path, text: &str, mistake: &Mistake) -> Failure {
    let (path, mistake) = (printable_path(path), mistake.show(text));
    Failure::usage(anyhow!("{path}:{mistake}. The file is left alone: mend it, and try again"))
}

fn backup_of(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(BACKUP);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> HookCommand {
        HookCommand::new(Some(Path::new("/opt/lastword")), None).unwrap()
    }

    /// Applies a plan after another process has written the file.
    fn apply_late(changes: &[Change], path: &Path, theirs: &str) {
        assert_eq!(changes.len(), 1);
        fs::write(path, theirs).unwrap();
        let refused = changes[0].apply().unwrap_err();
        assert!(refused.to_string().contains("has changed meanwhile"), "{refused:#}");
        assert_eq!(fs::read_to_string(path).unwrap(), theirs);
    }

    #[test]
    fn what_an_owner_writes_between_the_plan_and_the_change_stays() {
        for owner in [InputFormat::ClaudeCode, InputFormat::Copilot] {
            let plan = |path: &Path| install(owner, path, &command()).unwrap();
            let unplan = |path: &Path| uninstall(owner, path).unwrap();
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("settings.json");
            apply_late(&plan(&path), &path, "{\"theirs\": 1}");
            fs::remove_file(&path).unwrap();
            plan(&path)[0].apply().unwrap();
            let planned = unplan(&path);
            assert!(planned[0].after.is_none(), "the whole file is to go");
            apply_late(&planned, &path, "{\"theirs\": 2}");
        }
    }
}
