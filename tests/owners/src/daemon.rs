//! The trial's `lastword serve`: what its plugin was told, and which sessions it has.

mod heard;
mod request;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::board::Board;
use crate::limits::PATIENCE;
use crate::setting::{Setting, plugin};
pub(crate) use heard::Heard;

/// How many lines of its log a failed trial shows.
const SHOWN: usize = 40;

pub(crate) struct Daemon {
    process: Child,
    socket: PathBuf,
    log: Arc<Board<Log>>,
}

#[derive(Default)]
struct Log {
    lines: Vec<String>,
    heard: Vec<Heard>,
    is_over: bool,
}

/// The process that an active session is watched by, and whether its agent is at work.
pub(crate) struct Active {
    pub(crate) pid: Option<u32>,
    pub(crate) turn_open: Option<bool>,
}

impl Daemon {
    /// Starts it, and waits until it is ready.
    pub(crate) fn start(setting: &Setting) -> Self {
        let mut command = setting.lastword();
        command.arg("serve").arg("--socket").arg(setting.socket()).arg("--journal").arg(setting.join("journal.db"));
        command.arg("--plugin").arg(plugin()).arg("--cache-dir").arg(cache());
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Board::<Log>::default());
        let (stdout, stderr) = (process.stdout.take().unwrap(), process.stderr.take().unwrap());
        thread::spawn({
            let log = log.clone();
            move || listen(stderr, &log)
        });
        let daemon = Self { process, socket: setting.socket(), log };
        let mut ready = String::new();
        BufReader::new(stdout).read_line(&mut ready).unwrap();
        assert!(ready.contains(r#""event":"ready""#), "the daemon is not ready: {ready:?}");
        daemon
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// All that the plugin was told so far.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.log.read(|log| log.heard.clone())
    }

    /// Waits until the plugin was told enough.
    pub(crate) fn wait(&self, within: Duration, mut enough: impl FnMut(&[Heard]) -> bool) -> bool {
        self.log.wait(within, |log| enough(&log.heard).then_some(())).is_some()
    }

    /// The active sessions.
    pub(crate) fn active(&self) -> Vec<Active> {
        let page = request::get(&self.socket, "/v1/sessions");
        let rows = page["sessions"].as_array().cloned().unwrap_or_else(|| panic!("not a list of sessions: {page}"));
        let read = |row: &Value| Active {
            pid: row["owner"]["process"]["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()),
            turn_open: row["turn_open"].as_bool(),
        };
        rows.iter().map(read).collect()
    }

    /// Stops it, and waits until everything that its plugin was told is in [`Self::heard`]. Says when it was stopped.
    pub(crate) fn stop(&mut self) -> Instant {
        let now = Instant::now();
        self.signal(Signal::TERM);
        let is_over = self.log.wait(PATIENCE, |log| log.is_over.then_some(()));
        assert!(is_over.is_some(), "the daemon does not leave");
        self.process.wait().unwrap();
        now
    }

    fn signal(&self, signal: Signal) {
        // It was not waited for, so the number is its own.
        kill_process(Pid::from_child(&self.process), signal).ok();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            self.signal(Signal::KILL);
            self.process.wait().ok();
        }
        if thread::panicking() {
            let lines = self.log.read(|log| log.lines.clone());
            eprintln!("--- the daemon's log");
            lines.iter().skip(lines.len().saturating_sub(SHOWN)).for_each(|line| eprintln!("{line}"));
        }
    }
}

fn listen(stderr: ChildStderr, log: &Board<Log>) {
    for line in BufReader::new(stderr).split(b'\n') {
        let Ok(line) = line else { break };
        let at = Instant::now();
        let line = String::from_utf8_lossy(&line).into_owned();
        log.change(|log| {
            log.heard.extend(Heard::read(&line, at));
            log.lines.push(line);
        });
    }
    log.change(|log| log.is_over = true);
}

/// Compiled once for all trials.
fn cache() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/owners/compiled")
}
