//! What can go wrong before a call. (What goes wrong in one is its outcome, not an error.)

use std::io;
use std::path::PathBuf;

use lastword_events::Hook;
use thiserror::Error;

use crate::contract::PACKAGE;
use crate::grants::Grant;

/// The sandbox cannot be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// A number in the configuration cannot be.
    #[error("{field} is {value}: use {range}")]
    Config {
        /// The field of [`SandboxConfig`](crate::SandboxConfig).
        field: &'static str,
        /// What it was.
        value: u64,
        /// What it may be.
        range: &'static str,
    },
    /// The engine cannot be built.
    #[error("cannot make the WebAssembly engine on this machine: {0}")]
    Engine(String),
    /// There is no room for one call at a time.
    #[error(
        "this machine has no room for a single call at a time: {} MiB of address space are needed beside what the program has \
         already ({why}); raise `ulimit -v` and `ulimit -d` (LimitAS=, LimitDATA= of systemd; with vm.overcommit_memory=2 \
         vm.overcommit_ratio), or lower the plugins' limits.memory, which is {} MiB",
        needs >> 20, memory >> 20
    )]
    NoRoom {
        /// Bytes of address space for one slot, and what the process needs beside it.
        needs: u64,
        /// Bytes of memory for which a slot has room.
        memory: u64,
        /// In the system's words.
        why: String,
    },
    /// The ticker's thread cannot be started.
    #[error(
        "cannot start the thread that interrupts guests: raise the number of threads that this process may have (`ulimit -u`, \
         or the container's pids limit)"
    )]
    Ticker(#[source] io::Error),
}

/// A plugin cannot be loaded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is nothing in it.
    #[error("the file is empty: was the build interrupted?")]
    Empty,
    /// It is larger than [`MAX_COMPONENT_BYTES`](crate::limits::MAX_COMPONENT_BYTES).
    #[error("the component has {bytes} bytes, the most that is read is {max}: strip its debug information")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// It is something else altogether.
    #[error("this is not WebAssembly: a component begins with the bytes 00 61 73 6d 0d 00 01 00")]
    NotWasm,
    /// It is WebAssembly in text form.
    #[error("this is WebAssembly text: turn it into a component with `wasm-tools parse`")]
    Text,
    /// The end is missing.
    #[error("the component is truncated: a section goes beyond the file's {bytes} bytes; copy or build it again")]
    Truncated {
        /// The file's size.
        bytes: u64,
    },
    /// A module without the component around it.
    #[error(
        "this is a core module, not a component: wrap it with `wasm-tools component new`, or build for a target that \
         makes components, such as wasm32-wasip2"
    )]
    CoreModule,
    /// The engine refuses it.
    #[error(
        "the component is not valid, or uses what is turned off here (threads, memory64, gc, exceptions): {detail}"
    )]
    Invalid {
        /// In the engine's words.
        detail: String,
    },
    /// Compiling took too long, and was given up.
    #[error(
        "compiling the component took longer than {limit:?}, and was given up: build it smaller, or raise the limit"
    )]
    CompilerTooSlow {
        /// [`CompilerProcess::time`](crate::CompilerProcess::time).
        limit: std::time::Duration,
    },
    /// The process that compiles cannot be started.
    #[error("cannot start {}, which compiles components{}", program.display(), hint(source))]
    NoCompiler {
        /// [`CompilerProcess::program`](crate::CompilerProcess::program).
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Code that was compiled cannot be made executable.
    #[error(
        "this machine does not let the program run code that it has compiled ({detail}), and that is how plugins run: allow \
         it (systemd: MemoryDenyWriteExecute=no; SELinux: the permission execmem; otherwise whatever sets PR_SET_MDWE or \
         filters mprotect)"
    )]
    NotExecutable {
        /// In the engine's words.
        detail: String,
    },
    /// There is no room for the code.
    #[error(
        "there is no room for the component's code ({detail}): raise `ulimit -v` and `ulimit -d`, or the memory of the container"
    )]
    NoRoomForCode {
        /// In the engine's words.
        detail: String,
    },
    /// The directory for copies of transcripts cannot be used, and the plugin was granted the transcript.
    #[error(
        "transcripts are copied to {}, and that cannot be used: set TMPDIR to a directory on a local disk that this user can \
         write to", dir.display()
    )]
    NoScratch {
        /// Which directory.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The process that compiles did not answer.
    #[error("the process that compiles components failed: {detail}")]
    Compiler {
        /// How.
        detail: String,
    },
    /// It lacks the hook that every plugin has.
    #[error(
        "the component does not export session-end, the one hook that every plugin has: implement the world \
         session-hooks of {PACKAGE} (it exports {})",
        list(exports)
    )]
    NoSessionEnd {
        /// What it has.
        exports: Vec<String>,
    },
    /// A hook of another shape.
    #[error("{hook} is not the hook of {PACKAGE}; build the plugin against that version of the contract: {detail}")]
    WrongSignature {
        /// Which.
        hook: Hook,
        /// In the engine's words.
        detail: String,
    },
    /// An import that the operator has to grant.
    #[error(
        "the component imports {import}, which needs the grant `{grant}`: grant it (`{grant}` in the plugin's entry of \
         lastword.toml, `--grant-{grant}` on the command line), or build the plugin without it"
    )]
    NeedsGrant {
        /// The interface.
        import: String,
        /// What it would need.
        grant: Grant,
    },
    /// An import that there is no grant for.
    #[error(
        "nothing provides the import {import}: plugins may import wasi:cli, wasi:io, wasi:clocks, wasi:random, \
         wasi:filesystem and wasi:sockets of WASI 0.2"
    )]
    UnknownImport {
        /// The interface.
        import: String,
    },
    /// A known interface with an item that it does not have.
    #[error("an import does not fit what is provided here; rebuild the plugin with a toolchain for WASI 0.2: {detail}")]
    WrongImport {
        /// In the engine's words.
        detail: String,
    },
    /// It needs more than a slot of the pool has.
    #[error("the component needs {needs} {what}, and no plugin can have more than {max}")]
    DoesNotFit {
        /// Of what.
        what: &'static str,
        /// How much.
        needs: u64,
        /// The engine's limit.
        max: u64,
    },
    /// It needs more linear memories than this machine has room for.
    #[error(
        "the component needs {needs} linear memories, and this machine's address space has room for {max} of one call: raise \
         `ulimit -v` and `ulimit -d` (LimitAS=, LimitDATA= of systemd)"
    )]
    NoRoomForMemories {
        /// How many.
        needs: u64,
        /// [`Allocation::max_memories`](crate::Allocation::max_memories).
        max: u64,
    },
    /// It needs more than a slot of the pool has, of something that only the engine counts.
    #[error("the component needs more than a plugin can have: {detail}")]
    DoesNotFitPool {
        /// In the engine's words.
        detail: String,
    },
    /// Its own limit is too low for it to start.
    #[error("the component begins with {needs} bytes of memory, its limit is {limit}: raise limits.memory")]
    MemoryLimitTooLow {
        /// What its memories have together from the start.
        needs: u64,
        /// [`Limits::memory`](crate::Limits::memory).
        limit: u64,
    },
    /// Its limit is higher than the sandbox can give.
    #[error("limits.memory is {limit} bytes, the most that this runtime gives to one plugin is {max}")]
    MemoryLimitTooHigh {
        /// [`Limits::memory`](crate::Limits::memory).
        limit: u64,
        /// [`SandboxConfig::max_memory`](crate::SandboxConfig::max_memory).
        max: u64,
    },
}

impl LoadError {
    /// Whether this machine is at fault, and not the component: elsewhere the same file may load.
    #[must_use]
    pub fn is_of_the_machine(&self) -> bool {
        matches!(
            self,
            Self::NoCompiler { .. }
                | Self::NotExecutable { .. }
                | Self::NoRoomForCode { .. }
                | Self::NoRoomForMemories { .. }
                | Self::NoScratch { .. }
        )
    }
}

/// What a system means that says "Resource temporarily unavailable".
fn hint(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::WouldBlock {
        ": raise the number of processes that this user may have (`ulimit -u`, or the container's pids limit)"
    } else {
        ""
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

/// An error of the engine with its causes, on one line.
pub(crate) fn text(error: &wasmtime::Error) -> String {
    format!("{error:#}")
}
