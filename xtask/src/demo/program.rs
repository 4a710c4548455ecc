//! The `lastword` program as a child process: what it says, when it said it, and how it ended.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

/// Something that happened to the program.
pub(super) enum Heard {
    Stdout(String),
    Stderr(String),
    /// Once, after everything that it printed.
    Exit(ExitStatus),
}

pub(super) struct Program {
    /// Kept open: a closed pipe would mean that the owner died.
    stdin: ChildStdin,
    pid: Pid,
    heard: Receiver<(Instant, Heard)>,
    running: bool,
}

impl Program {
    /// Starts `lastword stdio --from openclaw` with `plugins`, on a journal that is nobody else's.
    pub(super) fn start(lastword: &Path, plugins: &[PathBuf], journal: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(lastword);
        command.args(["stdio", "--from", "openclaw", "--journal"]).arg(journal);
        for plugin in plugins {
            command.arg("--plugin").arg(plugin);
        }
        // What the plugins print is counted: nobody's habit may filter it.
        command.env_remove("LASTWORD_LOG").env_remove("RUST_LOG");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot run {}", lastword.display()))?;
        let stdin = child.stdin.take().context("no stdin")?;
        let pid = Pid::from_child(&child);
        let heard = listen(child)?;
        Ok(Self { stdin, pid, heard, running: true })
    }

    pub(super) fn tell(&mut self, lines: &[String]) -> anyhow::Result<()> {
        let mut text = lines.join("\n");
        text.push('\n');
        self.stdin.write_all(text.as_bytes()).and_then(|()| self.stdin.flush()).context("lastword does not read")
    }

    /// The next thing that happens, with the time at which it was heard.
    ///
    /// # Errors
    /// Nothing happened for `patience`.
    pub(super) fn hear(&mut self, patience: Duration) -> anyhow::Result<(Instant, Heard)> {
        match self.heard.recv_timeout(patience) {
            Ok((at, heard)) => {
                self.running &= !matches!(heard, Heard::Exit(_));
                Ok((at, heard))
            }
            Err(RecvTimeoutError::Timeout) => bail!("lastword said nothing for {patience:?}"),
            Err(RecvTimeoutError::Disconnected) => bail!("lastword has ended already"),
        }
    }

    pub(super) fn sigterm(&self) -> anyhow::Result<Instant> {
        let at = Instant::now();
        kill_process(self.pid, Signal::TERM).context("cannot send SIGTERM")?;
        Ok(at)
    }

    pub(super) fn sigkill(&self) -> anyhow::Result<()> {
        kill_process(self.pid, Signal::KILL).context("cannot send SIGKILL")
    }
}

impl Drop for Program {
    /// When the demo gives up in the middle, nothing stays behind.
    fn drop(&mut self) {
        if self.running {
            // It may have ended this moment, which is as good.
            let _ended = kill_process(self.pid, Signal::KILL);
        }
    }
}

fn listen(mut child: Child) -> anyhow::Result<Receiver<(Instant, Heard)>> {
    let (send, heard) = channel();
    let stdout = child.stdout.take().context("no stdout")?;
    let stderr = child.stderr.take().context("no stderr")?;
    let readers = [read(stdout, send.clone(), Heard::Stdout), read(stderr, send.clone(), Heard::Stderr)];
    thread::spawn(move || {
        let status = child.wait();
        let at = Instant::now();
        // What was still in the pipes comes first; the time of the exit is the one above all the same.
        for reader in readers {
            let _panic = reader.join();
        }
        if let Ok(status) = status {
            let _gone = send.send((at, Heard::Exit(status)));
        }
    });
    Ok(heard)
}

fn read(
    pipe: impl Read + Send + 'static,
    send: Sender<(Instant, Heard)>,
    what: fn(String) -> Heard,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if send.send((Instant::now(), what(line))).is_err() {
                return;
            }
        }
    })
}
