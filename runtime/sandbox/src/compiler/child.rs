//! Compiles in a process of its own, which can be killed. Nothing inside a compiler bounds its time and memory, and a component that
//! crashes it ends no other process.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::Signal;

use super::exchange::{Exchange, Stopped};
use super::process::CompilerProcess;
use crate::error::LoadError;
use crate::foreign::foreign_text;
use crate::limits::MAX_CODE_BYTES;
use crate::memory_layout::MemoryLayout;

/// First byte of an answer with compiled code.
pub(super) const COMPILED: u8 = 1;
/// First byte of an answer with the component's fault.
pub(super) const INVALID: u8 = 2;
/// Variables that tell the dynamic loader where libraries are. A program that needs them to start needs them in its child too.
const LIBRARY_PATHS: [&str; 2] = ["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"];

/// Compiles `component` for `layout` in a process. The process is gone when this returns.
pub(super) fn compile(process: &CompilerProcess, layout: MemoryLayout, component: &[u8]) -> Result<Vec<u8>, LoadError> {
    let failed = |detail: String| LoadError::Compiler { detail };
    let mut command = Command::new(&process.program);
    command.args(&process.arguments).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.envs(LIBRARY_PATHS.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    let child = command.spawn().map_err(|source| LoadError::NoCompiler { program: process.program.clone(), source })?;
    let mut child = Killed(child);
    let pipes = (child.0.stdin.take(), child.0.stdout.take(), child.0.stderr.take());
    let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
        return Err(failed("it has no pipes".to_owned()));
    };
    let first_line = process.first_line(layout);
    let exchange = Exchange::new((stdin, stdout, stderr), [first_line.as_bytes(), component]);
    let waited = process.elapsed_limit();
    let (answer, said) = exchange.and_then(|exchange| exchange.run(waited)).map_err(|stopped| match stopped {
        Stopped::TimeIsUp => LoadError::NoAnswerFromCompiler { waited },
        Stopped::Pipe(error) => failed(error.to_string()),
    })?;
    let status = child.0.wait().map_err(|e| failed(e.to_string()))?;
    if status.signal() == Some(Signal::XCPU.as_raw()) {
        return Err(LoadError::CompilerTooSlow { limit: process.time });
    }
    answer_of(answer, status, &said).map_err(|detail| match detail {
        Bad::Component(detail) => LoadError::Invalid { detail },
        Bad::Process(detail) => LoadError::Compiler { detail },
    })
}

enum Bad {
    Component(String),
    Process(String),
}

/// Reads an answer. The first byte says its kind.
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
            Err(Bad::Component(foreign_text(&String::from_utf8_lossy(answer.get(1..).unwrap_or_default()))))
        }
        _ => Err(Bad::Process("it gave no answer".to_owned())),
    }
}

/// A process that does not outlive its handle.
struct Killed(Child);

impl Drop for Killed {
    /// Kills the process. A process that has ended already is no error.
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
