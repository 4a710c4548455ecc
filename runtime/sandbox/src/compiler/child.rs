//! Compiling in a process of its own, which can be killed: the compiler's time and memory are bounded by nothing inside
//! it, and a component that crashes it takes nobody along.

use std::io::{self, Read, Write};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use super::CompilerProcess;
use super::worker::{COMPILED, INVALID};
use crate::error::LoadError;
use crate::limits::MAX_CODE_BYTES;
use crate::printable::printable;

/// What is kept of what the process says as it dies, in bytes: enough for a panic's message.
const LAST_WORDS_BYTES: u64 = 2048;

/// Has `component` compiled. The process is gone when this returns.
pub(super) fn compile(process: &CompilerProcess, component: &[u8]) -> Result<Vec<u8>, LoadError> {
    let failed = |detail: String| LoadError::Compiler { detail };
    let mut command = Command::new(&process.program);
    command.args(&process.arguments).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().map_err(|e| failed(format!("cannot start {}: {e}", process.program.display())))?;
    let mut child = Killed(child);
    let pipes = (child.0.stdin.take(), child.0.stdout.take(), child.0.stderr.take());
    let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
        return Err(failed("it has no pipes".to_owned()));
    };
    let (answer, said) = exchange(process, (stdin, stdout, stderr), component, &mut child)?;
    let status = child.0.wait().map_err(|e| failed(e.to_string()))?;
    answer_of(answer, status, &said).map_err(|detail| match detail {
        Bad::Component(detail) => LoadError::Invalid { detail },
        Bad::Process(detail) => LoadError::Compiler { detail },
    })
}

/// Writes the component and reads the answer and the last words, within the time. Threads, because a pipe has no deadline.
fn exchange(
    process: &CompilerProcess,
    (mut stdin, stdout, stderr): (ChildStdin, ChildStdout, ChildStderr),
    component: &[u8],
    child: &mut Killed,
) -> Result<(Vec<u8>, String), LoadError> {
    thread::scope(|scope| {
        let (told, answer) = mpsc::sync_channel(1);
        // When the compiler dies the pipe breaks; how it died is seen from its status.
        scope.spawn(move || {
            let limits = process.limits_line();
            stdin.write_all(limits.as_bytes()).and_then(|()| stdin.write_all(component)).ok();
        });
        scope.spawn(move || {
            let mut bytes = Vec::new();
            let read = stdout.take(MAX_CODE_BYTES + 1).read_to_end(&mut bytes);
            drop(told.send(read.map(|_| bytes)));
        });
        let said = scope.spawn(|| last_words(stderr));
        let answer = match answer.recv_timeout(process.time) {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(error)) => Err(LoadError::Compiler { detail: error.to_string() }),
            Err(RecvTimeoutError::Timeout) => Err(LoadError::CompilerTooSlow { limit: process.time }),
            Err(RecvTimeoutError::Disconnected) => Err(LoadError::Compiler { detail: "it closed its pipe".to_owned() }),
        };
        if answer.is_err() {
            // The threads end with it.
            child.kill();
        }
        Ok((answer?, said.join().unwrap_or_default()))
    })
}

/// What the process says of its own failure, in one line.
fn last_words(mut stderr: ChildStderr) -> String {
    let mut said = Vec::new();
    stderr.by_ref().take(LAST_WORDS_BYTES).read_to_end(&mut said).ok();
    // The rest is read all the same: a process whose pipe is full would not end.
    io::copy(&mut stderr, &mut io::sink()).ok();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    printable(&lines.join("; ")).into_owned()
}

enum Bad {
    Component(String),
    Process(String),
}

/// The first byte says what follows.
fn answer_of(mut answer: Vec<u8>, status: ExitStatus, said: &str) -> Result<Vec<u8>, Bad> {
    if !status.success() {
        let why = if said.is_empty() { String::new() } else { format!(" ({said})") };
        return Err(Bad::Process(format!(
            "it ended with {status}{why}: the component makes it crash, or use too much memory"
        )));
    }
    if u64::try_from(answer.len()).unwrap_or(u64::MAX) > MAX_CODE_BYTES {
        return Err(Bad::Process(format!("the code has more than {MAX_CODE_BYTES} bytes")));
    }
    match answer.first() {
        Some(&COMPILED) => {
            answer.remove(0);
            Ok(answer)
        }
        Some(&INVALID) => {
            Err(Bad::Component(String::from_utf8_lossy(answer.get(1..).unwrap_or_default()).into_owned()))
        }
        _ => Err(Bad::Process("it gave no answer".to_owned())),
    }
}

/// A process that does not outlive its handle.
struct Killed(Child);

impl Killed {
    /// One that has gone already is no error.
    fn kill(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        self.kill();
    }
}

impl CompilerProcess {
    /// What the process has to hold itself to, as its first line of input: `seconds bytes`.
    fn limits_line(&self) -> String {
        let seconds = self.time.as_secs().saturating_add(1);
        format!("{seconds} {}\n", self.memory)
    }
}
