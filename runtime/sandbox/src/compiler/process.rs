//! The process that compiles: which program it is, and what it may use.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::engine::MemoryLayout;
use crate::limits::{DEFAULT_COMPILE_BYTES, DEFAULT_COMPILE_TIME};

/// A program that compiles components in a process of its own: it can be killed, and its memory is bounded. It has to call
/// [`compile_worker`](crate::compile_worker) with its standard streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompilerProcess {
    /// The program's file.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// How long one component may take by the clock on the wall. Default: 5 minutes; a Python guest, the slowest that we
    /// have seen, takes 40 s on two cores.
    pub time: Duration,
    /// Bytes of memory that the process may have (`RLIMIT_DATA`). Default: 4 GiB; a Python guest takes 415 MB.
    pub memory: u64,
}

impl CompilerProcess {
    /// `program` with `arguments`, and the default limits.
    pub fn new(program: impl Into<PathBuf>, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            time: DEFAULT_COMPILE_TIME,
            memory: DEFAULT_COMPILE_BYTES,
        }
    }

    /// What the process has to hold itself to, as its first line of input: seconds, bytes, and those of a narrow
    /// memory, 0 for the wide layout.
    pub(super) fn first_line(&self, layout: MemoryLayout) -> String {
        let narrow = match layout {
            MemoryLayout::Wide => 0,
            MemoryLayout::Narrow(bytes) => bytes,
        };
        format!("{} {} {narrow}\n", self.time.as_secs().saturating_add(1), self.memory)
    }
}
