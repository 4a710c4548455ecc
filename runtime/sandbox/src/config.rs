//! The configuration of a sandbox.

use std::path::PathBuf;

use crate::compiler::CompilerProcess;
use crate::error::SandboxError;
use crate::limits::{
    DEFAULT_MAX_IN_PROCESS_CODE_BYTES, DEFAULT_MAX_MEMORY_BYTES, DEFAULT_NARROW_MEMORY_BYTES,
    DEFAULT_TOTAL_MEMORY_BYTES, MIN_TOTAL_MEMORY_BYTES, OTHER_THREADS, TOTAL_MEMORY_PART,
};
use crate::machine::{self, processors};

/// The configuration of a [`Sandbox`](crate::Sandbox).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxConfig {
    /// The most calls under way at once; further calls wait for a slot. Where the machine has too few mappings or too little address
    /// space there are fewer, and a warning says so: see [`Sandbox::allocation`](crate::Sandbox::allocation). `None` takes a number that
    /// fits the machine when the sandbox is made: [4 096](crate::limits::MAX_DEFAULT_CALLS), or fewer, so that 64 KiB each are at most a
    /// sixteenth of its memory or of its control group's limit, and that the calls are at most nine sixteenths of the files that the
    /// process may have open. It is never fewer than [64](crate::limits::MIN_DEFAULT_CALLS), or than one for each processor. Default:
    /// `None`.
    pub max_concurrent_calls: Option<u32>,
    /// The directory that keeps compiled code between runs; `None` keeps none. The sandbox makes a missing directory with mode 0700, and
    /// does not use one that other users have access to. Default: `None`.
    pub cache_dir: Option<PathBuf>,
    /// The directory for copies of transcripts while guests read them; `None` takes the system's directory for temporary files. Default:
    /// `None`.
    pub scratch_dir: Option<PathBuf>,
    /// The process that compiles components that are not in the cache. `None` compiles in this process, where only
    /// [`max_in_process_code`](Self::max_in_process_code) bounds the compiler. A program that loads plugins of others should name a
    /// process: [`CompilerProcess::this_program`]. Default: `None`.
    pub compiler: Option<CompilerProcess>,
    /// The most bytes of code (bodies of functions) of a component that is compiled in this process. One function may have a
    /// [sixteenth](crate::limits::IN_PROCESS_FUNCTION_PART) of that. The sandbox refuses a larger component
    /// ([`LoadError::NeedsCompilerProcess`](crate::LoadError::NeedsCompilerProcess)). So no component takes the process more than some
    /// minutes. `u64::MAX` is for a program that trusts every component. Default: 1 MiB.
    pub max_in_process_code: u64,
    /// The most that [`Limits::memory`](crate::Limits::memory) of any plugin can be, in bytes; at most 4 GiB. Default: 1 GiB.
    pub max_memory: u64,
    /// The highest [`Limits::memory`](crate::Limits::memory) of any plugin where address space is short (`ulimit -v`), in bytes. Each
    /// slot takes that much address space then. Bytes above `max_memory` have no effect. Default: 64 MiB.
    pub narrow_memory: u64,
    /// Bytes that all calls under way have together. The first [`FREE_MEMORY_BYTES`](crate::limits::FREE_MEMORY_BYTES) of each do not
    /// count (fewer where an eighth of the machine's memory is not enough for that). A call that needs more waits. Default:
    /// [half](crate::limits::TOTAL_MEMORY_PART) of the machine's memory, or of its control group's limit.
    pub total_memory: u64,
    /// Threads that poll or drop calls. The pool has spare slots for those that these threads are cleaning. With more threads a call may
    /// find no slot, and is put back. Default: one for each processor, and [`OTHER_THREADS`].
    pub threads: u32,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            max_concurrent_calls: None,
            cache_dir: None,
            compiler: None,
            max_in_process_code: DEFAULT_MAX_IN_PROCESS_CODE_BYTES,
            scratch_dir: None,
            max_memory: DEFAULT_MAX_MEMORY_BYTES,
            narrow_memory: DEFAULT_NARROW_MEMORY_BYTES,
            total_memory: default_total_memory(),
            threads: processors().saturating_add(OTHER_THREADS),
        }
    }
}

impl SandboxConfig {
    /// Refuses values that no sandbox can have.
    pub(crate) fn check(&self) -> Result<(), SandboxError> {
        let Self { max_concurrent_calls, max_memory, total_memory, .. } = self;
        if let Some(calls) = max_concurrent_calls
            && !(1..=1_000_000).contains(calls)
        {
            let value = u64::from(*calls);
            return Err(SandboxError::Config { field: "max_concurrent_calls", value, range: "1 to 1000000" });
        }
        if !(64 * 1024..=1 << 32).contains(max_memory) {
            return Err(SandboxError::Config { field: "max_memory", value: *max_memory, range: "64 KiB to 4 GiB" });
        }
        if *total_memory < MIN_TOTAL_MEMORY_BYTES {
            return Err(SandboxError::Config { field: "total_memory", value: *total_memory, range: "64 MiB or more" });
        }
        Ok(())
    }
}

/// The default of [`SandboxConfig::total_memory`].
fn default_total_memory() -> u64 {
    let part = machine::memory().map(|bytes| bytes / TOTAL_MEMORY_PART);
    part.unwrap_or(DEFAULT_TOTAL_MEMORY_BYTES).max(MIN_TOTAL_MEMORY_BYTES)
}
