//! A program that runs: what it is sent, and waits for what it says.

use std::collections::BTreeMap;
use std::process::{ChildStderr, ChildStdout};
use std::sync::{Arc, mpsc};
use std::thread;
#[cfg(target_os = "linux")]
use std::time::Duration;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

#[cfg(target_os = "linux")]
use super::child::Child;
use super::seen::{Seen, State};
use super::terminal::Terminal;
use super::{Ended, Home, start};

/// What a failed test shows of each stream, in lines from its end.
const SHOWN_LINES: usize = 60;

/// A program that runs, and is killed when this is dropped.
pub(crate) struct Program {
    pub(super) pid: Pid,
    pub(super) input: Option<mpsc::Sender<Vec<u8>>>,
    /// Kept open and not read.
    pub(super) stdout: Option<ChildStdout>,
    pub(super) _stderr: Option<ChildStderr>,
    pub(super) terminal: Option<Terminal>,
    pub(super) seen: Arc<Seen>,
    pub(super) _home: Home,
}

impl Program {
    /// Waits for the `ready` line, before which there is none.
    pub(crate) fn ready(self) -> Self {
        let first = self.line("the first line", |_| true);
        assert_eq!(first["event"], "ready", "{first}");
        self
    }

    /// Sends lines; newlines are added.
    pub(crate) fn send(&self, lines: impl IntoIterator<Item = impl AsRef<str>>) {
        let mut text = String::new();
        for line in lines {
            text.push_str(line.as_ref());
            text.push('\n');
        }
        self.send_bytes(text);
    }

    pub(crate) fn send_bytes(&self, bytes: impl Into<Vec<u8>>) {
        // A program that has left is seen by the next wait.
        self.input.as_ref().unwrap().send(bytes.into()).ok();
    }

    pub(crate) fn close_stdin(&mut self) {
        self.input = None;
    }

    /// Begins to read a stalled stdout.
    pub(crate) fn read_stdout(&mut self) {
        self.seen.read_stdout(self.stdout.take().unwrap(), true);
    }

    /// Goes away without having read a stalled stdout.
    pub(crate) fn close_stdout(&mut self) {
        self.stdout = None;
        self.seen.change(|state| state.stdout_ended = true);
    }

    /// Starts sessions and waits until each was accepted. At most one call a program.
    pub(crate) fn open<I: AsRef<str>>(&self, ids: impl IntoIterator<Item = I>) {
        let lines: Vec<String> = ids.into_iter().map(|id| start(id.as_ref())).collect();
        self.send(&lines);
        self.count("accepted", lines.len());
    }

    /// Presses Ctrl-C in its terminal.
    pub(crate) fn press_ctrl_c(&self) {
        self.terminal.as_ref().unwrap().press(b'C');
    }

    /// Closes the window.
    pub(crate) fn close_terminal(&mut self) {
        self.terminal = None;
    }

    /// Waits until there are so many lines of an event; one that stands for several counts as so many.
    pub(crate) fn count(&self, event: &str, wanted: usize) {
        self.wait(&format!("{wanted} {event} lines"), |state| {
            (state.counts.get(event).copied().unwrap_or(0) >= wanted).then_some(())
        });
    }

    /// Waits until `enough` says so of the numbers of lines of each event, or the process has ended.
    pub(crate) fn until(&self, what: &str, mut enough: impl FnMut(&BTreeMap<String, usize>) -> bool) {
        self.seen.wait(what, false, |state| (state.exited.is_some() || enough(&state.counts)).then_some(()));
    }

    /// Sends a signal to a program that may have ended by itself.
    pub(crate) fn signal_if_alive(&self, signal: Signal) {
        let state = self.seen.lock();
        if state.exited.is_none() {
            // It is not reaped while we hold the lock, so the pid is still its own.
            kill_process(self.pid, signal).unwrap();
        }
    }

    /// Ends the process as a machine does that has no memory left. It may have ended by itself.
    pub(crate) fn kill(self) -> Ended {
        self.signal_if_alive(Signal::KILL);
        self.ended()
    }

    /// Waits for the first line on stdout for which `is_it` holds.
    pub(crate) fn line(&self, what: &str, mut is_it: impl FnMut(&Value) -> bool) -> Value {
        let mut looked_at = 0;
        self.wait(what, |state| {
            let news = &state.lines[looked_at..];
            looked_at = state.lines.len();
            news.iter().find(|line| is_it(line)).cloned()
        })
    }

    /// Waits for the first line on stderr that contains `text`.
    pub(crate) fn log(&self, text: &str) -> String {
        let mut looked_at = 0;
        self.wait(&format!("{text:?} on stderr"), |state| {
            let news = &state.log[looked_at..];
            looked_at = state.log.len();
            news.iter().find(|line| line.contains(text)).cloned()
        })
    }

    fn wait<T>(&self, what: &str, find: impl FnMut(&State) -> Option<T>) -> T {
        self.seen.wait(what, true, find)
    }

    /// Waits until a process that it has started has used this much CPU.
    #[cfg(target_os = "linux")]
    pub(crate) fn child_that_used_cpu(&self, wanted: Duration) -> Child {
        Child::that_used_cpu(&self.pid.to_string(), wanted)
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends a signal, and says when that began.
    pub(crate) fn signal(&self, signal: Signal) -> Instant {
        let state = self.seen.lock();
        assert!(state.exited.is_none(), "the program left before the signal");
        let at = Instant::now();
        // It is not reaped while we hold the lock, so the pid is still its own.
        kill_process(self.pid, signal).unwrap();
        at
    }

    /// Stops it as a supervisor does, and waits for its end.
    pub(crate) fn stop(self) -> Ended {
        self.signal(Signal::TERM);
        self.ended()
    }

    /// Waits for the end of the process and of its output.
    pub(crate) fn ended(self) -> Ended {
        let (status, at) = self.seen.wait("the end of the process", false, |state| {
            let unread = self.stdout.is_some();
            state.exited.filter(|_| (state.stdout_ended || unread) && state.stderr_ended)
        });
        Ended::new(self, status, at)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let state = self.seen.lock();
        if state.exited.is_none() {
            kill_process(self.pid, Signal::KILL).ok();
        }
        if thread::panicking() {
            let tail = |name: &str, lines: &[String]| {
                eprintln!("--- {name}: {} lines", lines.len());
                lines.iter().skip(lines.len().saturating_sub(SHOWN_LINES)).for_each(|line| eprintln!("{line}"));
            };
            let stdout: Vec<String> = state.lines.iter().map(Value::to_string).collect();
            tail("stdout", if stdout.is_empty() { &state.text } else { &stdout });
            tail("stderr", &state.log);
            eprintln!("--- {:?}", state.exited.map(|(status, _)| status));
        }
    }
}
