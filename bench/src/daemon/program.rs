//! The program itself, in a home of its own.

use std::io::{BufRead as _, BufReader};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tempfile::TempDir;

/// A folder with the program's cache, and a journal for each that runs.
pub(super) struct Home {
    folder: TempDir,
    program: PathBuf,
    journals: AtomicU32,
}

/// One that runs. It is killed when this is dropped.
pub(super) struct Running {
    child: Child,
    socket: PathBuf,
    /// What follows its first line.
    stdout: Option<BufReader<ChildStdout>>,
    /// From its start to its first line.
    pub(super) ready_after: Duration,
}

impl Home {
    /// Builds the program as this one was built.
    ///
    /// # Errors
    /// When it cannot be built.
    pub(super) fn new() -> anyhow::Result<Self> {
        let program = build().context("cannot build lastword")?;
        Ok(Self { folder: tempfile::tempdir()?, program, journals: AtomicU32::new(0) })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// `lastword stdio` with the plugin `good`.
    ///
    /// # Errors
    /// When it does not begin.
    pub(super) fn stdio(&self) -> anyhow::Result<Running> {
        self.start("stdio", &["good"])
    }

    /// `lastword serve` with these test guests as plugins.
    ///
    /// # Errors
    /// When it does not begin.
    pub(super) fn serve(&self, guests: &[&str]) -> anyhow::Result<Running> {
        self.start("serve", guests)
    }

    fn start(&self, name: &str, guests: &[&str]) -> anyhow::Result<Running> {
        let number = self.journals.fetch_add(1, Ordering::Relaxed);
        let mut command = Command::new(&self.program);
        command.arg(name).arg("--journal").arg(self.path().join(format!("{number}.db"))).current_dir(self.path());
        for guest in guests {
            command.arg("--plugin").arg(lastword_test_guests::write(guest, self.path()));
        }
        for home in ["HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"] {
            command.env(home, self.path());
        }
        command.env_remove("LASTWORD_LOG").env_remove("RUST_LOG");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let began = Instant::now();
        let mut child = command.spawn().with_context(|| format!("cannot run {}", self.program.display()))?;
        let stdout = child.stdout.take().map(BufReader::new);
        let socket = self.path().join("lastword/lastword.sock");
        let mut running = Running { child, socket, stdout, ready_after: Duration::ZERO };
        let mut line = String::new();
        running.stdout.as_mut().context("no stdout")?.read_line(&mut line)?;
        running.ready_after = began.elapsed();
        ensure!(line.starts_with("{\"event\":\"ready\""), "lastword {name} did not begin: {line:?}");
        Ok(running)
    }
}

impl Running {
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// stdin, and what it answers. Once.
    ///
    /// # Errors
    /// When they are taken already.
    pub(super) fn streams(&mut self) -> anyhow::Result<(ChildStdin, BufReader<ChildStdout>)> {
        let stdin = self.child.stdin.take().context("stdin is taken")?;
        Ok((stdin, self.stdout.take().context("stdout is taken")?))
    }

    /// # Errors
    /// When it serves no socket.
    pub(super) fn connect(&self) -> std::io::Result<UnixStream> {
        UnixStream::connect(&self.socket)
    }

    /// A connection for lines.
    ///
    /// # Errors
    /// When it serves no socket.
    pub(super) fn raw(&self) -> std::io::Result<(UnixStream, BufReader<UnixStream>)> {
        let stream = self.connect()?;
        Ok((stream.try_clone()?, BufReader::new(stream)))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Beside this program, from the same sources and with the same optimisations.
fn build() -> anyhow::Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "--package", "lastword-cli"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    // What `cargo run` has set for us would have build scripts run again.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            cargo.env_remove(&name);
        }
    }
    ensure!(cargo.status()?.success(), "cargo build failed");
    let program = std::env::current_exe()?.with_file_name(format!("lastword{}", std::env::consts::EXE_SUFFIX));
    ensure!(program.is_file(), "cargo has built it elsewhere than at {}", program.display());
    Ok(program)
}
