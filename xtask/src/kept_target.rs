//! A target directory outside of the clone: what the program depends on is compiled once, and not in each of CI's fresh clones. When
//! the list of dependencies changes, or the compiler, cargo compiles what is new beside what is there.
//!
//! One run uses it at a time; a second one compiles in its own clone. What the workspace itself was compiled to is never taken
//! from another clone: cargo compares times, and a clone that was made earlier may be compiled later.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::console::say;
use crate::guests::short_sum;
use crate::{beside, ci, process, repository, tools};

/// The directory's name.
const KEPT: &str = "kept";
/// Nothing removes what only older lists of dependencies had: after so many lists the directory begins empty. Each adds what has
/// changed, of some gigabytes.
const MOST_LISTS: usize = 6;
/// Holds the lists of dependencies that were compiled in the directory, a checksum a line.
const LISTS: &str = "lastword-used";

/// As long as it lives, nobody else uses the directory.
pub(crate) struct KeptTarget {
    _lock: File,
}

impl KeptTarget {
    /// Has cargo compile in the kept directory from now on: in CI, unless a target directory is set, or another run has the
    /// kept one.
    ///
    /// # Errors
    /// The kept directory cannot be used.
    pub(crate) fn take() -> anyhow::Result<Option<Self>> {
        if !ci::is_here() || std::env::var_os("CARGO_TARGET_DIR").is_some() {
            return Ok(None);
        }
        let folder = tools::folder()?.join("target");
        let taken = lock(&folder, &dependencies()?).with_context(|| format!("cannot use {}", folder.display()))?;
        let Some((lock, kept)) = taken else {
            say(format_args!("another run compiles in {}: this one does in its clone", folder.display()));
            return Ok(None);
        };
        say(format_args!("compiling in {}, where the dependencies may be already", kept.display()));
        process::compile_in(kept);
        let taken = Self { _lock: lock };
        clean()?;
        Ok(Some(taken))
    }

    /// Leaves what others can use.
    ///
    /// # Errors
    /// Cargo cannot remove the rest.
    pub(crate) fn leave(self) -> anyhow::Result<()> {
        clean()
    }
}

/// The checksum of what makes a difference to the dependencies.
fn dependencies() -> anyhow::Result<String> {
    let root = repository::root();
    let read = |name: &str| fs::read_to_string(root.join(name)).with_context(|| format!("cannot read {name}"));
    let mut rustc = Command::new("rustc");
    process::from_shell(&mut rustc, &root);
    let rustc = rustc.arg("-vV").output().context("cannot run rustc")?;
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    let manifests = [read("Cargo.lock")?, read("Cargo.toml")?, read("tests/beside/Cargo.lock")?];
    let [lock, manifest, beside] = manifests.each_ref().map(String::as_str);
    Ok(short_sum(&[lock, manifest, beside, &String::from_utf8_lossy(&rustc.stdout), &flags]))
}

/// The directory, and the lock on it. Nothing if another program has that.
fn lock(folder: &Path, dependencies: &str) -> std::io::Result<Option<(File, PathBuf)>> {
    fs::create_dir_all(folder)?;
    let lock = File::options().create(true).truncate(false).write(true).open(folder.join("lock"))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let kept = folder.join(KEPT);
    take_over(folder, &kept)?;
    let mut lists: Vec<String> =
        fs::read_to_string(kept.join(LISTS)).unwrap_or_default().lines().map(str::to_owned).collect();
    if !lists.iter().any(|list| list == dependencies) {
        if lists.len() >= MOST_LISTS {
            fs::remove_dir_all(&kept)?;
            lists.clear();
        }
        lists.push(dependencies.to_owned());
    }
    fs::create_dir_all(&kept)?;
    fs::write(kept.join(LISTS), lists.join("\n"))?;
    Ok(Some((lock, kept)))
}

/// There was a directory for each list of dependencies before: the one that was used last becomes this one, and the others go.
fn take_over(folder: &Path, kept: &Path) -> std::io::Result<()> {
    let mut others = Vec::new();
    for entry in folder.read_dir()? {
        let path = entry?.path();
        if path.is_dir() && path != kept {
            others.push((fs::metadata(path.join(LISTS)).and_then(|used| used.modified()).ok(), path));
        }
    }
    others.sort();
    if !kept.exists()
        && let Some((_, newest)) = others.pop()
    {
        fs::rename(newest, kept)?;
    }
    others.iter().try_for_each(|(_, path)| fs::remove_dir_all(path))
}

fn clean() -> anyhow::Result<()> {
    for workspace in [repository::root(), beside::folder()] {
        process::run(process::cargo(&workspace).args(["clean", "--quiet", "--locked", "--workspace"]))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn two_runs_at_once_do_not_share_the_directory() {
        let folder = tempfile::tempdir().unwrap();
        let first = lock(folder.path(), "one").unwrap();
        assert!(first.is_some());
        assert!(lock(folder.path(), "one").unwrap().is_none());
        assert!(lock(folder.path(), "two").unwrap().is_none(), "it might empty it");
        drop(first);
        assert!(lock(folder.path(), "one").unwrap().is_some());
    }

    #[test]
    fn what_is_compiled_stays_when_the_dependencies_change_until_they_have_changed_often() {
        let folder = tempfile::tempdir().unwrap();
        let was_kept = |list: &str| {
            let (_lock, kept) = lock(folder.path(), list).unwrap().unwrap();
            let was_kept = kept.join("compiled").exists();
            fs::write(kept.join("compiled"), "").unwrap();
            was_kept
        };
        let lists: Vec<String> = (0..MOST_LISTS).map(|number| number.to_string()).collect();
        let found: Vec<bool> = lists.iter().map(|list| was_kept(list)).collect();
        assert_eq!(found, [vec![false], vec![true; MOST_LISTS - 1]].concat());
        assert!(was_kept(&lists[0]), "a list that was there before is no new one");
        assert!(!was_kept("one too many"));
        assert!(was_kept(&lists[0]));
    }

    #[test]
    fn of_several_directories_the_one_that_was_used_last_stays() {
        let folder = tempfile::tempdir().unwrap();
        for (age, name) in (1..).zip(["new", "older", "oldest"]) {
            let directory = folder.path().join(name);
            fs::create_dir(&directory).unwrap();
            fs::write(directory.join("compiled"), name).unwrap();
            let used = File::create(directory.join(LISTS)).unwrap();
            used.set_modified(SystemTime::now() - age * Duration::from_secs(3600)).unwrap();
        }
        fs::create_dir(folder.path().join("begun")).unwrap();
        let (_lock, kept) = lock(folder.path(), "list").unwrap().unwrap();
        assert_eq!(fs::read_to_string(kept.join("compiled")).unwrap(), "new");
        let mut names: Vec<_> = folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [KEPT, "lock"]);
    }
}
