//! A target directory outside of the clone: what the program depends on is compiled once for each list of dependencies and each
//! compiler, and not in each of CI's fresh clones.
//!
//! One run uses it at a time; a second one compiles in its own clone. What the workspace itself was compiled to is never taken
//! from another clone: cargo compares times, and a clone that was made earlier may be compiled later.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::console::say;
use crate::guests::short_sum;
use crate::{ci, process, repository, tools};

/// Gigabytes each: the one in use, and one more, for a branch that has other dependencies.
const MOST_KEPT: usize = 2;
/// Holds the time at which a directory was used last.
const MARK: &str = "lastword-used";

/// As long as it lives, nobody else uses the directory.
pub(crate) struct KeptTarget {
    _lock: File,
}

impl KeptTarget {
    /// Has cargo compile in the kept directory from now on: in CI, unless a target directory is set, or another run has the
    /// kept ones.
    ///
    /// # Errors
    /// The folder of the kept directories cannot be used.
    pub(crate) fn take() -> anyhow::Result<Option<Self>> {
        if !ci::is_here() || std::env::var_os("CARGO_TARGET_DIR").is_some() {
            return Ok(None);
        }
        let folder = tools::folder()?.join("target");
        let Some((lock, kept)) = lock(&folder, &key()?).with_context(|| format!("cannot use {}", folder.display()))?
        else {
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

/// What makes a difference to the dependencies.
fn key() -> anyhow::Result<String> {
    let root = repository::root();
    let read = |name: &str| fs::read_to_string(root.join(name)).with_context(|| format!("cannot read {name}"));
    let mut rustc = Command::new("rustc");
    process::from_shell(&mut rustc, &root);
    let rustc = rustc.arg("-vV").output().context("cannot run rustc")?;
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    Ok(short_sum(&[&read("Cargo.lock")?, &read("Cargo.toml")?, &String::from_utf8_lossy(&rustc.stdout), &flags]))
}

/// The directory of this key, and the lock on all of them. Nothing if another program has that.
fn lock(folder: &Path, key: &str) -> std::io::Result<Option<(File, PathBuf)>> {
    fs::create_dir_all(folder)?;
    let lock = File::options().create(true).truncate(false).write(true).open(folder.join("lock"))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let kept = folder.join(key);
    fs::create_dir_all(&kept)?;
    fs::write(kept.join(MARK), "")?;
    forget_all_but_the_newest(folder)?;
    Ok(Some((lock, kept)))
}

fn forget_all_but_the_newest(folder: &Path) -> std::io::Result<()> {
    let mut found = Vec::new();
    for entry in folder.read_dir()? {
        let path = entry?.path();
        if path.is_dir() {
            // One without a mark is of a run that was killed as it began.
            found.push((fs::metadata(path.join(MARK)).and_then(|mark| mark.modified()).ok(), path));
        }
    }
    found.sort();
    let too_many = found.len().saturating_sub(MOST_KEPT);
    found.iter().take(too_many).try_for_each(|(_, path)| fs::remove_dir_all(path))
}

fn clean() -> anyhow::Result<()> {
    process::run(process::cargo(&repository::root()).args(["clean", "--quiet", "--locked", "--workspace"]))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn two_runs_at_once_do_not_share_a_directory() {
        let folder = tempfile::tempdir().unwrap();
        let first = lock(folder.path(), "one").unwrap();
        assert!(first.is_some());
        assert!(lock(folder.path(), "one").unwrap().is_none());
        assert!(lock(folder.path(), "two").unwrap().is_none(), "it would remove old ones");
        drop(first);
        assert!(lock(folder.path(), "one").unwrap().is_some());
    }

    #[test]
    fn the_directories_that_were_used_last_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        for (age, key) in (1..).zip(["new", "older", "oldest"]) {
            let kept = folder.path().join(key);
            fs::create_dir(&kept).unwrap();
            let mark = File::create(kept.join(MARK)).unwrap();
            mark.set_modified(SystemTime::now() - age * Duration::from_secs(3600)).unwrap();
        }
        fs::create_dir(folder.path().join("begun")).unwrap();
        let taken = lock(folder.path(), "used").unwrap().unwrap();
        let mut left: Vec<_> = folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!((left, taken.1.is_dir()), (vec!["lock".into(), "new".into(), "used".into()], true));
    }
}
