//! One server: a process that is killed, suspended and started again, with its files and its log.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

use crate::address::Addresses;
use crate::configuration::name;
use crate::hosts::Host;
use crate::starter::Starter;

/// What tells tests where the server's program is.
const PROGRAM: &str = "LASTWORD_NATS_SERVER";
/// Lines of a log that are shown when a test fails.
const SHOWN_LINES: usize = 60;

/// The program of the servers.
///
/// # Panics
/// When nothing names it.
#[must_use]
pub fn server_program() -> OsString {
    std::env::var_os(PROGRAM)
        .unwrap_or_else(|| panic!("{PROGRAM} names no server: cargo xtask test --cluster installs one and says it"))
}

/// What became of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Running,
    Suspended,
    Dead,
}

pub(crate) struct Server {
    name: String,
    addresses: Addresses,
    host: Option<Host>,
    configuration: PathBuf,
    log: PathBuf,
    child: Option<Child>,
    state: State,
}

impl Server {
    /// Its files are in `folder`, and nothing runs yet. It is for that host, or for the one on which the test is.
    pub(crate) fn new(number: usize, addresses: Addresses, host: Option<Host>, folder: &Path) -> Self {
        let name = name(number);
        let configuration = folder.join(format!("{name}.conf"));
        let log = folder.join(format!("{name}.log"));
        Self { name, addresses, host, configuration, log, child: None, state: State::Dead }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn addresses(&self) -> Addresses {
        self.addresses
    }

    pub(crate) fn clients(&self) -> SocketAddr {
        self.addresses.clients
    }

    pub(crate) fn monitoring(&self) -> SocketAddr {
        self.addresses.monitoring
    }

    pub(crate) fn configure(&self, configuration: &str) {
        fs::write(&self.configuration, configuration).unwrap();
    }

    pub(crate) fn start(&mut self, starter: &Starter, with_its_parent: &Path) {
        assert_eq!(self.state, State::Dead, "{} runs already", self.name);
        let program = server_program();
        let log = || -> File { OpenOptions::new().create(true).append(true).open(&self.log).unwrap() };
        let mut command = Command::new(with_its_parent);
        command.arg(std::process::id().to_string()).arg(program).arg("-c").arg(&self.configuration);
        command.stdin(Stdio::null()).stdout(log()).stderr(log());
        let child = starter.start(command, self.host.clone());
        let child = child.unwrap_or_else(|error| panic!("{}: {error}", with_its_parent.display()));
        self.child = Some(child);
        self.state = State::Running;
    }

    /// SIGKILL, and waits until the process is gone.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        self.state = State::Dead;
    }

    /// SIGSTOP. What it was sent is in the sockets, and nothing answers.
    pub(crate) fn suspend(&mut self) {
        self.signal(Signal::STOP);
        self.state = State::Suspended;
    }

    /// SIGCONT.
    pub(crate) fn resume(&mut self) {
        self.signal(Signal::CONT);
        self.state = State::Running;
    }

    /// From now on no file of it grows. Sockets are no files, so it is there and answers. The limit goes with the process.
    pub(crate) fn fill_disk(&self) {
        let limit = Rlimit { current: Some(0), maximum: None };
        prlimit(Some(self.pid()), Resource::Fsize, limit).unwrap();
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    fn pid(&self) -> Pid {
        let child = self.child.as_ref().unwrap_or_else(|| panic!("{} does not run", self.name));
        // Nobody has waited for it, so the number is its own.
        i32::try_from(child.id()).ok().and_then(Pid::from_raw).unwrap()
    }

    /// Whether it has left by itself.
    pub(crate) fn has_left(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_some())
    }

    /// Whether what it said contains this.
    pub(crate) fn said(&self, words: &str) -> bool {
        self.whole_log().contains(words)
    }

    /// The end of what it said.
    pub(crate) fn last_said(&self) -> String {
        let log = self.whole_log();
        let lines: Vec<_> = log.lines().collect();
        lines.get(lines.len().saturating_sub(SHOWN_LINES)..).unwrap_or_default().join("\n")
    }

    fn whole_log(&self) -> String {
        fs::read(&self.log).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
