//! How a sandbox is made.

use std::path::PathBuf;

use crate::compiler::CompilerProcess;
use crate::error::SandboxError;
use crate::limits::{
    DEFAULT_MAX_IN_PROCESS_CODE_BYTES, DEFAULT_MAX_MEMORY_BYTES, DEFAULT_NARROW_MEMORY_BYTES,
    DEFAULT_TOTAL_MEMORY_BYTES, MIN_TOTAL_MEMORY_BYTES, OTHER_THREADS, TOTAL_MEMORY_PART,
};
use crate::machine::{self, processors};

/// How a [`Sandbox`](crate::Sandbox) is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxConfig {
    /// Calls that may be under way at once; more wait for a slot. Where the machine has no mappings or no address space for so many
    /// there are fewer, and a warning says so: see [`Sandbox::allocation`](crate::Sandbox::allocation). `None`: what the machine is
    /// for when the sandbox is made. That is [4 096](crate::limits::MAX_DEFAULT_CALLS), or as many as 64 KiB each make a sixteenth of
    /// its memory or of its control group's limit, or as nine sixteenths of the files that the process may have open; but
    /// [64](crate::limits::MIN_DEFAULT_CALLS), and one for each processor, in any case. Default: `None`.
    pub max_concurrent_calls: Option<u32>,
    /// Where compiled code is kept between runs; `None`: nowhere. Made with mode 0700 when it is missing; one that other
    /// users have access to is not used. Default: `None`.
    pub cache_dir: Option<PathBuf>,
    /// Where transcripts are copied to while a guest reads them; `None`: the system's directory for temporary files.
    /// Default: `None`.
    pub scratch_dir: Option<PathBuf>,
    /// Where components are compiled that are not in the cache; `None`: in this process, where nothing bounds the compiler but
    /// [`max_in_process_code`](Self::max_in_process_code). Whoever loads plugins of others names a process:
    /// [`CompilerProcess::this_program`]. Default: `None`.
    pub compiler: Option<CompilerProcess>,
    /// Bytes of code, the bodies of its functions, of a component that is compiled in this process, and one function may have a
    /// [sixteenth](crate::limits::IN_PROCESS_FUNCTION_PART) of that; a component with more is refused
    /// ([`LoadError::NeedsCompilerProcess`](crate::LoadError::NeedsCompilerProcess)). So nobody's component takes the process more
    /// than some minutes. `u64::MAX` is for whoever trusts every component. Default: 1 MiB.
    pub max_in_process_code: u64,
    /// The most that [`Limits::memory`](crate::Limits::memory) of any plugin can be, in bytes; at most 4 GiB. Default: 1 GiB.
    pub max_memory: u64,
    /// The most that it can be where address space is short (`ulimit -v`), in bytes: the plugins' highest [`Limits::memory`](crate::Limits::memory), because each
    /// slot then takes so much. What is beyond `max_memory` counts for nothing. Default: 64 MiB.
    pub narrow_memory: u64,
    /// Bytes that all calls under way have together, of which the first [`FREE_MEMORY_BYTES`](crate::limits::FREE_MEMORY_BYTES) of
    /// each do not count (less where an eighth of the machine's memory is not enough for that). A call that needs more waits. Default: [half](crate::limits::TOTAL_MEMORY_PART) of what this machine has, or
    /// of its control group's limit.
    pub total_memory: u64,
    /// Threads that poll or drop calls: the pool has slots to spare for those that they are cleaning. With more threads than
    /// that a call may find no slot, and is put back. Default: one for each processor, and
    /// [`OTHER_THREADS`].
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
    /// Refuses what no sandbox can be.
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
