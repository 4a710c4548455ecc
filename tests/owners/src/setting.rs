//! Where a trial happens: a home, a folder to work in, a socket, and the environment of all that runs there.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::named::{Owner, word};

/// The fixed places where programs are, besides those of the agent and of Node.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Everything of a trial that is on the disk. It is gone with this.
pub(crate) struct Setting {
    folder: TempDir,
    packages: PathBuf,
    program: PathBuf,
    port: u16,
}

impl Setting {
    pub(crate) fn new(owner: Owner, port: u16) -> Self {
        // A socket's path has 107 bytes at most, so the names are short.
        let folder = tempfile::Builder::new().prefix("lw-").tempdir().unwrap();
        let setting = Self { folder, packages: packages_of(owner), program: program(), port };
        fs::create_dir(setting.home()).unwrap();
        fs::create_dir(setting.work()).unwrap();
        setting
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.join("home")
    }

    /// Where the agent works.
    pub(crate) fn work(&self) -> PathBuf {
        self.join("work")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.join("lw.sock")
    }

    /// What the agent's own hook for the end of a session has written: one line for each end.
    pub(crate) fn own_ends(&self) -> PathBuf {
        self.join("own-ends")
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where the stand-in for a model listens.
    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A file of the agent's packages.
    pub(crate) fn package(&self, path: &str) -> PathBuf {
        self.packages.join("node_modules").join(path)
    }

    /// A native program. It is in a package `NAME-SYSTEM-ARCHITECTURE`, of which npm has installed that of this machine.
    pub(crate) fn native(&self, name: &str, program: &str) -> PathBuf {
        let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
        self.package(&format!("{name}-linux-{arch}")).join(program)
    }

    /// `lastword`.
    pub(crate) fn lastword(&self) -> Command {
        let mut command = Command::new(&self.program);
        self.furnish(&mut command);
        command
    }

    /// A command as a user would type it in the folder of their work: with this home, and nothing of the environment of
    /// the tests.
    pub(crate) fn furnish(&self, command: &mut Command) {
        command.current_dir(self.work()).env_clear().stdin(Stdio::null());
        command.env("HOME", self.home()).env("PATH", self.path()).env("USER", "user").env("SHELL", "/bin/bash");
        command.env("LANG", "C.UTF-8").env("TERM", "xterm-256color");
    }

    /// A shell's command that notes an end of the agent's own.
    pub(crate) fn note_own_end(&self) -> String {
        // In one write, because an agent may run several at once. Nothing is printed: agents read it.
        format!(r#"printf '%s\n' "$(cat | tr -d '\n')" >> '{}'"#, self.own_ends().display())
    }

    /// Writes a file into the home, and its folders.
    pub(crate) fn write(&self, path: &str, text: impl AsRef<str>) {
        let path = self.home().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text.as_ref()).unwrap();
    }

    /// How many ends the agent's own hook was told of.
    pub(crate) fn count_own_ends(&self) -> usize {
        self.count_own_ends_of("")
    }

    /// The same, of a session.
    pub(crate) fn count_own_ends_of(&self, id: &str) -> usize {
        let noted = fs::read_to_string(self.own_ends()).unwrap_or_default();
        noted.lines().filter(|payload| payload.contains(id)).count()
    }

    /// The agent's programs are found first, then Node.
    fn path(&self) -> OsString {
        let mut path = self.package(".bin").into_os_string();
        let node = std::env::var_os("PATH").and_then(|path| {
            std::env::split_paths(&path).find(|folder| folder.join("node").is_file()).map(PathBuf::into_os_string)
        });
        for more in node.into_iter().chain([OsString::from(PATH)]) {
            path.push(":");
            path.push(more);
        }
        path
    }
}

/// Where xtask has installed the owner's packages.
fn packages_of(owner: Owner) -> PathBuf {
    let name = format!("LASTWORD_OWNER_{}", word(owner).to_uppercase().replace('-', "_"));
    let Some(folder) = std::env::var_os(&name) else {
        panic!("{name} does not say where its packages are; `cargo xtask test --owners` installs them and says it");
    };
    PathBuf::from(folder)
}

/// The program under test: what `LASTWORD_PROGRAM` names, else the one that cargo puts beside this one.
fn program() -> PathBuf {
    let beside = || std::env::current_exe().ok()?.parent().map(|folder| folder.join("lastword"));
    let program = std::env::var_os("LASTWORD_PROGRAM").map(PathBuf::from).or_else(beside);
    let program = program.filter(|program| program.is_file());
    program.unwrap_or_else(|| panic!("there is no program to try: `cargo build --package lastword-cli` makes it"))
}

/// The plugin of every trial, which `cargo xtask guests rust-session-log` builds.
pub(crate) fn plugin() -> PathBuf {
    let plugin = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests/rust_session_log.wasm");
    assert!(plugin.is_file(), "{} is missing: `cargo xtask guests rust-session-log` builds it", plugin.display());
    plugin
}
