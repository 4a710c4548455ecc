//! Another commit's sources, for as long as they are needed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use crate::{process, repository};

/// A folder with the sources of a commit. It is removed when this is dropped.
pub(super) struct Worktree {
    path: PathBuf,
}

impl Worktree {
    /// Puts the sources of `commit` into `path`, in the place of what an interrupted run has left there.
    ///
    /// # Errors
    /// Git cannot.
    pub(super) fn add(path: &Path, commit: &str) -> anyhow::Result<Self> {
        let worktree = Self { path: path.to_owned() };
        worktree.remove();
        let shown = path.to_str().with_context(|| format!("{} is no text", path.display()))?;
        git(&["worktree", "add", "--force", "--detach", shown, commit])?;
        Ok(worktree)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// There may be none.
    fn remove(&self) {
        if let Some(path) = self.path.to_str().filter(|_| self.path.exists()) {
            git(&["worktree", "remove", "--force", path]).ok();
        }
    }
}

impl Drop for Worktree {
    fn drop(&mut self) {
        self.remove();
    }
}

/// What git prints, in the repository's root.
///
/// # Errors
/// It fails, with what it says.
pub(super) fn git(args: &[&str]) -> anyhow::Result<String> {
    let mut git = Command::new("git");
    process::from_shell(&mut git, &repository::root());
    let output = git.args(args).output().context("cannot run git")?;
    ensure!(output.status.success(), "git failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}
