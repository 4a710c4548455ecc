//! The compiler's side of [`child`](super::child): one component in, its code out.

use std::io::{self, BufRead, BufReader, Read, Write};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::child::{COMPILED, INVALID};
use crate::engine::compiling_engine;
use crate::foreign::engine_error;
use crate::limits::MAX_COMPONENT_BYTES;
use crate::memory_layout::MemoryLayout;

/// The main function of a [`CompilerProcess`](crate::CompilerProcess): reads limits and a component from `input`, limits this process,
/// and writes the code to `output`. Call it in a process of its own, in a program that does nothing else.
///
/// # Errors
/// When the pipes fail, or when the input does not come from a sandbox.
pub fn compile_worker(input: impl Read, mut output: impl Write) -> io::Result<()> {
    let mut input = BufReader::new(input);
    let mut line = String::new();
    input.by_ref().take(64).read_line(&mut line)?;
    let layout = begin(&line)?;
    let mut component = Vec::new();
    input.take(MAX_COMPONENT_BYTES).read_to_end(&mut component)?;
    // The engine's threads are rayon's, and rayon would panic where they cannot be started. Then this thread compiles alone.
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

/// Lowers a limit of this process. A lower limit stays.
fn at_most(resource: Resource, current: u64, maximum: u64) -> io::Result<()> {
    let before = getrlimit(resource).maximum;
    let lowered = |limit: u64| Some(before.map_or(limit, |before| before.min(limit)));
    Ok(setrlimit(resource, Rlimit { current: lowered(current), maximum: lowered(maximum) })?)
}

/// Reads the first line of input, as `CompilerProcess::first_line` writes it. Limits this process, and gives the layout.
fn begin(line: &str) -> io::Result<MemoryLayout> {
    let bad = || io::Error::new(io::ErrorKind::InvalidInput, "this is for the sandbox to call, not for people");
    let numbers: Result<Vec<u64>, _> = line.split_ascii_whitespace().map(str::parse).collect();
    let Ok(&[seconds, bytes, narrow]) = numbers.as_deref() else { return Err(bad()) };
    hold_to(seconds, bytes)?;
    Ok(if narrow == 0 { MemoryLayout::Wide } else { MemoryLayout::Narrow(narrow) })
}

/// Limits this process to seconds of processor time and bytes of memory, and lowers its priority.
fn hold_to(seconds: u64, bytes: u64) -> io::Result<()> {
    // At the soft limit the process ends with a signal that names the reason (SIGXCPU). At the hard limit it is killed.
    at_most(Resource::Cpu, seconds, seconds.saturating_add(1))?;
    at_most(Resource::Data, bytes, bytes)?;
    at_most(Resource::Core, 0, 0)?;
    // Plugins that run now have priority over one that will.
    rustix::process::nice(10).ok();
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    Ok(())
}
