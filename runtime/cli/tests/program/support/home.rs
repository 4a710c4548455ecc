//! A directory in which programs run one after another, as those of one owner do.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use super::Launch;

/// A home directory, which is gone with the last that has it. Code that one program has compiled is in its cache for the next.
#[derive(Clone)]
pub(crate) struct Home(Arc<TempDir>);

impl Home {
    pub(crate) fn new() -> Self {
        Self(Arc::new(tempfile::tempdir().unwrap()))
    }

    /// Its files need not outlive the machine, so a commit takes no time.
    pub(crate) fn in_memory() -> Self {
        Self(Arc::new(lastword_faults::folder_in_memory()))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// The journal of [`Self::launch`].
    pub(crate) fn journal(&self) -> PathBuf {
        self.join("journal.db")
    }

    /// `lastword stdio`.
    pub(crate) fn stdio(&self) -> Launch {
        Launch::stdio_at(self)
    }

    /// `lastword stdio` on the home's journal.
    pub(crate) fn launch(&self) -> Launch {
        self.stdio().arg("--journal").arg(self.journal())
    }

    /// `lastword serve` on the home's journal, at its default socket.
    pub(crate) fn serve(&self) -> Launch {
        Launch::serve_at(self).arg("--journal").arg(self.journal())
    }

    /// `lastword serve` on the journal of its configuration, at its default socket.
    #[cfg(all(target_os = "linux", feature = "jetstream"))]
    pub(crate) fn node(&self) -> Launch {
        Launch::serve_at(self)
    }

    /// The socket of [`Self::serve`].
    pub(crate) fn socket(&self) -> PathBuf {
        self.join("lastword").join("lastword.sock")
    }

    /// Another command, whose stdout is for people.
    pub(crate) fn command(&self, name: &str) -> Launch {
        Launch::command_at(name, self)
    }

    /// A new token of this role for every tenant: what its holder sends, and its entry in a file of tokens.
    pub(crate) fn token(&self, name: &str, role: &str) -> (String, String) {
        let made = self.command("token").arg(name).arg("--role").arg(role).run().stdout();
        let (shown, entry) = made.split_once("[[token]]").unwrap();
        (shown.lines().next().unwrap().to_owned(), format!("[[token]]{entry}\n"))
    }
}
