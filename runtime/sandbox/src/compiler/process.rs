//! The process that compiles: its program, how this program starts itself as that process, and its limits.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::limits::{COMPILE_TIME_STRETCH, DEFAULT_COMPILE_BYTES, DEFAULT_COMPILE_TIME};
use crate::memory_layout::MemoryLayout;

/// A program that compiles components in a process of its own, which can be killed and whose memory is bounded. The program has to call
/// `compile_worker` with its standard streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompilerProcess {
    /// The program's file.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Processor time that one component may take, on all cores together (`RLIMIT_CPU`, in whole seconds, rounded up). Default: 10
    /// minutes; a Python guest, the slowest that we have seen, takes 80 s. Other load on the machine does not count. The sandbox also
    /// gives up on a process that has not answered after ten times as much by the clock.
    pub time: Duration,
    /// Bytes of memory that the process may have (`RLIMIT_DATA`). Default: 4 GiB; a Python guest takes 415 MB.
    pub memory: u64,
}

impl CompilerProcess {
    /// A process of `program` with `arguments`, and the default limits.
    pub fn new(program: impl Into<PathBuf>, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            time: DEFAULT_COMPILE_TIME,
            memory: DEFAULT_COMPILE_BYTES,
        }
    }

    /// This program once more, with these arguments: where `main` sees them, it calls
    /// [`compile_worker`](crate::compile_worker) with standard input and output, and does nothing else. `None` where nobody
    /// knows which program this is, as on Linux without `/proc`.
    ///
    /// ```no_run
    /// use lastword_sandbox::{CompilerProcess, SandboxConfig, compile_worker};
    ///
    /// fn main() -> std::io::Result<()> {
    ///     if std::env::args().nth(1).as_deref() == Some("compile-plugin") {
    ///         return compile_worker(std::io::stdin(), std::io::stdout());
    ///     }
    ///     let compiler = CompilerProcess::this_program(["compile-plugin"]);
    ///     let config = SandboxConfig { compiler, ..SandboxConfig::default() };
    ///     // …
    /// #   drop(config);
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn this_program(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Option<Self> {
        let (program, before) = this_program()?;
        Some(Self::new(program, before.into_iter().chain(arguments.into_iter().map(Into::into))))
    }

    /// The first line of the process's input, with its limits: seconds of processor time, bytes of memory, and bytes of a narrow linear
    /// memory, 0 for the wide layout.
    pub(super) fn first_line(&self, layout: MemoryLayout) -> String {
        let narrow = match layout {
            MemoryLayout::Wide => 0,
            MemoryLayout::Narrow(bytes) => bytes,
        };
        let whole_seconds = self.time.as_millis().div_ceil(1000);
        format!("{whole_seconds} {} {narrow}\n", self.memory)
    }

    /// The time that the process may take by the clock.
    pub(super) fn elapsed_limit(&self) -> Duration {
        self.time.saturating_mul(COMPILE_TIME_STRETCH)
    }
}

/// The program's file, and the arguments that go before its own. None when they are unknown.
#[cfg(target_os = "linux")]
fn this_program() -> Option<(PathBuf, Vec<OsString>)> {
    // Not the resolved path: another version may have replaced the file, or the file may be gone.
    let running = PathBuf::from("/proc/self/exe");
    running.metadata().is_ok().then(|| (running, loader_arguments().unwrap_or_default()))
}

/// The program's file, and the arguments that go before its own. None when they are unknown.
#[cfg(not(target_os = "linux"))]
fn this_program() -> Option<(PathBuf, Vec<OsString>)> {
    Some((std::env::current_exe().ok()?, Vec::new()))
}

/// The arguments that a dynamic loader took. When the program was started through one (`ld-linux-x86-64.so.2 --library-path L ./lastword
/// …`), the running file is the loader, which removes its own arguments and our path from the front. These are the arguments that the
/// system has and we have not.
#[cfg(target_os = "linux")]
fn loader_arguments() -> Option<Vec<OsString>> {
    use std::os::unix::ffi::OsStringExt as _;
    let all = std::fs::read("/proc/self/cmdline").ok()?;
    let all: Vec<&[u8]> = all.strip_suffix(b"\0")?.split(|byte| *byte == 0).collect();
    // Our arguments begin with the program's path, which the loader needs as well.
    let taken = all.len().checked_sub(std::env::args_os().count())?;
    Some(all.get(1..=taken)?.iter().map(|argument| OsString::from_vec(argument.to_vec())).collect())
}
