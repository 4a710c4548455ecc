//! `lastword emit`, as agents' hooks run it, with a daemon and without one.

mod away;
mod bad_input;
#[cfg(target_os = "linux")]
mod disk;
mod handed_over;
mod many;
#[cfg(target_os = "linux")]
mod process;
mod spawn;
mod stand_in;
mod successor;
mod timed;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Ended, Home, http};

/// No wait is longer.
const PATIENCE: Duration = Duration::from_secs(60);

fn start(id: &str) -> String {
    format!(r#"{{"hook_event_name":"SessionStart","session_id":"{id}","source":"startup"}}"#)
}

fn end(id: &str) -> String {
    format!(r#"{{"hook_event_name":"SessionEnd","session_id":"{id}","reason":"logout"}}"#)
}

/// A hook of Claude Code's has this payload.
fn hook(home: &Home, payload: &str) -> Ended {
    home.command("emit").arg("claude-code").without_env("CLAUDE_PID").input(payload).run()
}

/// It said nothing, and nothing is wrong: so an agent goes on.
#[track_caller]
fn assert_silent(ended: &Ended) {
    assert_eq!((ended.code(), ended.stdout(), ended.stderr()), (0, String::new(), String::new()));
}

fn spool(home: &Home) -> PathBuf {
    home.join("lastword").join("spool")
}

/// The files of events that wait, in the order of their names.
fn waiting(home: &Home) -> Vec<PathBuf> {
    events_in(spool(home))
}

fn refused(home: &Home) -> Vec<PathBuf> {
    events_in(spool(home).join("refused"))
}

fn events_in(folder: PathBuf) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "event"));
    files.sort();
    files
}

/// What a file says beside its payload.
fn header(file: &Path) -> Value {
    let content = fs::read(file).unwrap();
    serde_json::from_slice(content.split(|byte| *byte == b'\n').nth(1).unwrap()).unwrap()
}

/// A hook with the environment of `home`, to be fed by hand.
fn command(home: &Home, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lastword"));
    command.arg("emit").args(arguments).current_dir(home.path());
    for name in ["HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"] {
        command.env(name, home.path());
    }
    command.env_remove("CLAUDE_PID");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it with this payload.
fn run(mut command: Command, payload: &str) -> Output {
    use std::io::Write as _;
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(payload.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// Waits until it is so. Nobody tells.
#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        thread::yield_now();
    }
}

fn sessions(home: &Home) -> Vec<Value> {
    let (status, listed) = http(&home.socket(), "GET", "/v1/sessions?limit=1000", "");
    assert_eq!(status, 200, "{listed}");
    listed["sessions"].as_array().unwrap().clone()
}
