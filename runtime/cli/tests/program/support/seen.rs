//! Gathers what a program says while it runs, and waits for it with a deadline.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use serde_json::Value;

use super::PATIENCE;

/// What the program said so far, gathered by threads that read its pipes and wait for its end.
#[derive(Default)]
pub(super) struct Seen {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) lines: Vec<Value>,
    pub(super) counts: BTreeMap<String, usize>,
    /// Lines on stdout that are not the protocol's.
    pub(super) bad: Vec<String>,
    /// A last line on stdout without its end.
    pub(super) torn: Option<String>,
    /// stdout of a command that does not speak the protocol.
    pub(super) text: Vec<String>,
    pub(super) stdout_ended: bool,
    pub(super) log: Vec<String>,
    pub(super) stderr_ended: bool,
    pub(super) exited: Option<(ExitStatus, Instant)>,
}

impl Seen {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until `find` finds something; `alive`: which the program can only say as long as it runs.
    pub(super) fn wait<T>(&self, what: &str, alive: bool, mut find: impl FnMut(&State) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.lock();
        loop {
            if let Some(found) = find(&state) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let over = alive && state.exited.is_some() && state.stdout_ended && state.stderr_ended;
            if left.is_zero() || over || !state.bad.is_empty() {
                let (exited, bad) = (state.exited, state.bad.clone());
                drop(state);
                panic!("waited in vain for {what}: exited {exited:?}, not of the protocol {bad:?}");
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(super) fn read_stdout(self: &Arc<Self>, stdout: ChildStdout, is_protocol: bool) {
        let seen = self.clone();
        thread::spawn(move || {
            let mut stdout = BufReader::new(stdout);
            let mut line = Vec::new();
            while stdout.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                seen.change(|state| match protocol_line(&line) {
                    _ if !is_protocol => state.text.push(String::from_utf8_lossy(&line).trim_end().to_owned()),
                    Some(value) => {
                        for (event, count) in told_by(&value) {
                            *state.counts.entry(event).or_default() += count;
                        }
                        state.lines.push(value);
                    }
                    None if !line.ends_with(b"\n") => state.torn = Some(String::from_utf8_lossy(&line).into_owned()),
                    None => state.bad.push(String::from_utf8_lossy(&line).into_owned()),
                });
                line.clear();
            }
            seen.change(|state| state.stdout_ended = true);
        });
    }

    pub(super) fn read_stderr(self: &Arc<Self>, stderr: impl BufRead + Send + 'static) {
        let seen = self.clone();
        thread::spawn(move || {
            for line in stderr.split(b'\n') {
                let Ok(line) = line else { break };
                seen.change(|state| state.log.push(String::from_utf8_lossy(&line).into_owned()));
            }
            seen.change(|state| state.stderr_ended = true);
        });
    }

    /// Notes the moment of the process's end, and reaps it.
    pub(super) fn watch(self: &Arc<Self>, mut child: Child) {
        let seen = self.clone();
        thread::spawn(move || {
            let pid = Pid::from_child(&child);
            // Without reaping it: until the end is noted under the lock, nobody else can have its pid.
            let how = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            rustix::io::retry_on_intr(|| waitid(WaitId::Pid(pid), how)).unwrap();
            let at = Instant::now();
            seen.change(|state| state.exited = Some((child.wait().unwrap(), at)));
        });
    }
}

/// A line of the protocol: a whole line, a JSON object, with a known `event`.
fn protocol_line(line: &[u8]) -> Option<Value> {
    let value: Value = serde_json::from_slice(line.strip_suffix(b"\n")?).ok()?;
    let event = value.as_object()?.get("event")?.as_str()?;
    ["ready", "accepted", "outcome", "error", "drain"].contains(&event).then_some(value)
}

/// How many of each event a line tells: an answer may stand for several lines of the owner's.
fn told_by(line: &Value) -> Vec<(String, usize)> {
    let number = |value: &Value| value.as_u64().and_then(|number| usize::try_from(number).ok());
    let event = line["event"].as_str().unwrap_or_default().to_owned();
    let (Some(first), Some(last)) = (number(&line["lines"][0]), number(&line["lines"][1])) else {
        return vec![(event, 1)];
    };
    let others = number(&line["accepted"]).map(|count| ("accepted".to_owned(), count));
    let count = number(&line["count"]).unwrap_or(last - first + 1);
    others.into_iter().chain([(event, count)]).collect()
}
