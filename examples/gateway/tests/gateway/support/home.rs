//! Where a gateway keeps what it has.

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use lastword_faults::folder_in_memory;
use tempfile::TempDir;

use super::Program;

/// A gateway's folders, in which it may be started again and again. In memory where there is such a folder: power does not fail here,
/// and a busy disk has no part in the tests.
pub(crate) struct Home {
    folder: TempDir,
    runs: Cell<u32>,
}

impl Home {
    pub(crate) fn new() -> Self {
        let home = Self { folder: folder_in_memory(), runs: Cell::new(0) };
        fs::create_dir(home.path("plugins")).unwrap();
        home
    }

    /// A home with a tenant that has no plugin of its own.
    pub(crate) fn of_tenant(tenant: &str) -> Self {
        let home = Self::new();
        fs::create_dir(home.path("plugins").join(tenant)).unwrap();
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The file of a plugin, `memory` or `acme/memory`.
    pub(crate) fn plugin(&self, plugin: &str) -> PathBuf {
        self.path("plugins").join(format!("{plugin}.wasm"))
    }

    /// Puts a test guest into the folder of the plugins.
    pub(crate) fn put(&self, plugin: &str, guest: &str) {
        fs::write(self.plugin(plugin), lastword_test_guests::component(guest)).unwrap();
    }

    pub(crate) fn start(&self) -> Program {
        self.start_with(|_| ())
    }

    /// Starts the gateway when something of its command was changed.
    pub(crate) fn start_with(&self, change: impl FnOnce(&mut Command)) -> Program {
        self.runs.set(self.runs.get() + 1);
        let mut command = Command::new(env!("CARGO_BIN_EXE_lastword-gateway"));
        command.arg("--data").arg(self.path("data")).arg("--plugins").arg(self.path("plugins"));
        command.args(["--listen", "127.0.0.1:0", "--operators", "127.0.0.1:0"]).env_remove("RUST_LOG");
        change(&mut command);
        Program::spawn(command, self.path(&format!("log-{}", self.runs.get())))
    }
}
