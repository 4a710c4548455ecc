//! The compiler's side of [`child`](super::child): one component in, its code out.

use std::io::{self, BufRead, BufReader, Read, Write};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::child::{COMPILED, INVALID};
use crate::engine::compiling_engine;
use crate::foreign::engine_error;
use crate::limits::MAX_COMPONENT_BYTES;
use crate::memory_layout::MemoryLayout;

/// What the program of a [`CompilerProcess`](crate::CompilerProcess) does: reads limits and a component from `input`,
/// holds this process to the limits, and writes the code to `output`. To be called in a process of its own, by a
/// program that does nothing else.
///
/// # Errors
/// When the pipes fail, or what comes in is not what a sandbox sends.
pub fn compile_worker(input: impl Read, mut output: impl Write) -> io::Result<()> {
    let mut input = BufReader::new(input);
    let mut line = String::new();
    input.by_ref().take(64).read_line(&mut line)?;
    let layout = begin(&line)?;
    let mut component = Vec::new();
    input.take(MAX_COMPONENT_BYTES).read_to_end(&mut component)?;
    // The engine's threads are rayon's. It would panic where they cannot be started; then this one does it alone.
    let parallel = rayon::ThreadPoolBuilder::new().build_global().is_ok();
    let engine = compiling_engine(layout, parallel).map_err(io::Error::other)?;
    let compiled = engine.precompile_component(&component).map_err(|error| engine_error(&error));
    let (kind, bytes) = match &compiled {
        Ok(code) => (COMPILED, code.as_slice()),
        Err(what) => (INVALID, what.as_bytes()),
    };
    output.write_all(&[kind])?;
    output.write_all(bytes)?;
    output.flush()
}

/// Lowers a limit of this process; one that is lower already stays.
fn at_most(resource: Resource, current: u64, maximum: u64) -> io::Result<()> {
    let before = getrlimit(resource).maximum;
    let lowered = |limit: u64| Some(before.map_or(limit, |before| before.min(limit)));
    Ok(setrlimit(resource, Rlimit { current: lowered(current), maximum: lowered(maximum) })?)
}

/// The first line of input, as `CompilerProcess::first_line` writes it: limits that this process holds itself to,
/// and for which layout it compiles.
fn begin(line: &str) -> io::Result<MemoryLayout> {
    let bad = || io::Error::new(io::ErrorKind::InvalidInput, "this is for the sandbox to call, not for people");
    let numbers: Result<Vec<u64>, _> = line.split_ascii_whitespace().map(str::parse).collect();
    let Ok(&[seconds, bytes, narrow]) = numbers.as_deref() else { return Err(bad()) };
    hold_to(seconds, bytes)?;
    Ok(if narrow == 0 { MemoryLayout::Wide } else { MemoryLayout::Narrow(narrow) })
}

/// Seconds of processor time, and bytes of memory; and others go first.
fn hold_to(seconds: u64, bytes: u64) -> io::Result<()> {
    // At the first of the two limits the process ends with a signal that says why (SIGXCPU); at the second it is killed.
    at_most(Resource::Cpu, seconds, seconds.saturating_add(1))?;
    at_most(Resource::Data, bytes, bytes)?;
    at_most(Resource::Core, 0, 0)?;
    // Plugins that run now go before one that will.
    rustix::process::nice(10).ok();
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    Ok(())
}
