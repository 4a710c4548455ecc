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
        /// Its value.
        value: u64,
        /// The values that it may have.
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
        /// The file.
        path: PathBuf,
        /// Why it failed.
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
    /// It is something else that people meet in a component's place.
    #[error("this is {what}, not a component: {next}")]
    Mistaken {
        /// What the file is.
        what: &'static str,
        /// What to do about it.
        next: &'static str,
    },
    /// It is WebAssembly in text form.
    #[error(
        "this is WebAssembly text: turn it into a file of bytes with `wasm-tools parse`, and if it is a module, \
         that into a component with `wasm-tools component new`"
    )]
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
    /// A module for what was before WASI 0.2, without the component around it.
    #[error(
        "this is a core module for WASI preview 1, not a component (it imports {module}): build for a target that makes \
         components, such as wasm32-wasip2, or wrap it{} with `wasm-tools component new --adapt \
         {module}=wasi_snapshot_preview1.reactor.wasm`; the adapter is among the files of a release of wasmtime",
        if *embedded { "" } else { " with `wasm-tools component embed` and then" }
    )]
    Preview1Module {
        /// The first of its imports that says so.
        module: &'static str,
        /// Whether it says which world it is of, as the first of the two tools makes it do.
        embedded: bool,
    },
    /// The engine refuses it.
    #[error("{}: {detail}", invalid(detail))]
    Invalid {
        /// In the engine's words.
        detail: String,
    },
    /// It has too much code to be compiled in this process, and no process was named that compiles.
    #[error(
        "the component has {bytes} bytes of code in {what} of its functions, and at most {max} are compiled in this process, where \
         nothing bounds the compiler: set SandboxConfig::compiler to a process that compiles \
         (CompilerProcess::this_program), fill SandboxConfig::cache_dir with `lastword compile`, or raise \
         SandboxConfig::max_in_process_code"
    )]
    NeedsCompilerProcess {
        /// `all`, or `the largest`.
        what: &'static str,
        /// Bytes that they have.
        bytes: u64,
        /// [`SandboxConfig::max_in_process_code`](crate::SandboxConfig::max_in_process_code), or the part of it that one function
        /// may have.
        max: u64,
    },
    /// Its code is not in the code cache, and this program has no compiler.
    #[error(
        "this program was built without a compiler (the feature `compile`), and the component's code is not in {}: compile it \
         there with `lastword compile --cache-dir`, by the same version and on a machine like this, or name a process that \
         compiles (SandboxConfig::compiler)",
        cache.as_ref().map_or_else(|| "a cache, for SandboxConfig::cache_dir names none".to_owned(), |dir| dir.display().to_string())
    )]
    NotPrecompiled {
        /// [`SandboxConfig::cache_dir`](crate::SandboxConfig::cache_dir), if it can be used.
        cache: Option<PathBuf>,
    },
    /// The thread that was loading it is gone: it panicked, or its tokio runtime was shut down.
    #[error("loading the component was broken off: {detail}")]
    BrokenOff {
        /// In tokio's words.
        detail: String,
    },
    /// Compiling took too much processor time, and was given up.
    #[error(
        "compiling the component took more than {limit:?} of processor time, and was given up: build it smaller, or raise the limit"
    )]
    CompilerTooSlow {
        /// [`CompilerProcess::time`](crate::CompilerProcess::time).
        limit: std::time::Duration,
    },
    /// The process that compiles gave no answer, though it took little processor time.
    #[error(
        "the process that compiles components gave no answer for {waited:?}, and was given up: try again when the machine is less busy"
    )]
    NoAnswerFromCompiler {
        /// Ten times [`CompilerProcess::time`](crate::CompilerProcess::time).
        waited: std::time::Duration,
    },
    /// The process that compiles cannot be started.
    #[error("cannot start {}, which compiles components{}", program.display(), hint(source))]
    NoCompiler {
        /// [`CompilerProcess::program`](crate::CompilerProcess::program).
        program: PathBuf,
        /// Why it failed.
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
        /// The directory.
        dir: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The process that compiles did not answer.
    #[error("the process that compiles components failed: {detail}")]
    Compiler {
        /// How it failed.
        detail: String,
    },
    /// A program with a main function.
    #[error(
        "this is a command (it exports wasi:cli/run), a program that runs once from its main function; a plugin is a library \
         that exports session-end: implement the world session-hooks of {PACKAGE}, in Rust with crate-type = [\"cdylib\"] and no \
         main"
    )]
    Command,
    /// The hook is not where it is looked for.
    #[error(
        "{hook} is exported inside the interface {interface}, and is looked for at the component's top: export it from the \
         world itself, as the world session-hooks of {PACKAGE} does"
    )]
    HookInInterface {
        /// The hook.
        hook: Hook,
        /// The exported interface.
        interface: String,
    },
    /// A hook that waits in a way of its own.
    #[error(
        "{hook} is async, and hooks are called as plain functions: declare it `func` in the WIT and not `async func`, and \
         build it anew (in Python with `def`, not `async def`; in Rust without wit-bindgen's option async)"
    )]
    AsyncHook {
        /// The hook.
        hook: Hook,
    },
    /// It lacks the hook that every plugin has.
    #[error(
        "the component does not export session-end, the one hook that every plugin has: implement the world \
         session-hooks of {PACKAGE} (it exports {})",
        list(exports)
    )]
    NoSessionEnd {
        /// The names of what it exports.
        exports: Vec<String>,
    },
    /// A hook of another shape.
    #[error(
        "{hook} is not the hook of {PACKAGE}: {detail}{}; build the plugin against {PACKAGE}",
        contract.as_ref().map(|version| format!(" (it was built against lastword:hooks@{version})")).unwrap_or_default()
    )]
    WrongSignature {
        /// The hook.
        hook: Hook,
        /// The version that it was built against, if it is another one.
        contract: Option<String>,
        /// The first field or case that differs.
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
    /// An import that this program was built without.
    #[error(
        "the component imports {import}, and this program was built without lastword's feature `{feature}`: build it with that"
    )]
    FeatureMissing {
        /// The interface.
        import: String,
        /// The Cargo feature.
        feature: &'static str,
    },
    /// An import of another version than the one that is served, or of another interface of its package.
    #[error("the component imports {import}, and what is served of that is {served}: {}", served_hint(import))]
    AnotherServed {
        /// The interface.
        import: String,
        /// What is served of its package.
        served: &'static str,
    },
    /// An import that there is no grant for.
    #[error("nothing provides the import {import}: {}", unknown_hint(import))]
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
        /// What it needs too much of.
        what: &'static str,
        /// How much of it the component needs.
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
        /// How many it needs.
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
    /// It begins with more than all calls may have together.
    #[error(
        "each call begins with {needs} bytes that count in the memory that calls share, which has {most} for it: raise \
         `[calls] memory` and limits.total-memory"
    )]
    NoMemoryForCall {
        /// What counts of its memories from the start, see [`Limits::total_memory`](crate::Limits::total_memory).
        needs: u64,
        /// The most that one call can have of it.
        most: u64,
    },
    /// It was compiled in another sandbox, whose engine is another.
    #[error("the component was compiled in another sandbox: compile it in the one that is to call it")]
    OfAnotherSandbox,
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
    /// Whether this machine or this program is at fault, and not the component: elsewhere the same file may load.
    #[must_use]
    pub fn is_of_the_machine(&self) -> bool {
        matches!(
            self,
            Self::NoCompiler { .. }
                | Self::NotExecutable { .. }
                | Self::NoRoomForCode { .. }
                | Self::NoRoomForMemories { .. }
                | Self::NoScratch { .. }
                | Self::NeedsCompilerProcess { .. }
                | Self::NotPrecompiled { .. }
                | Self::BrokenOff { .. }
                | Self::FeatureMissing { .. }
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

fn invalid(detail: &str) -> &'static str {
    if detail.contains("component model async") {
        "the component uses the component model's async, which is WASI 0.3 and turned off here; build it for WASI 0.2, such as \
         the target wasm32-wasip2, with hooks that are not async"
    } else {
        "the component is not valid, or uses what is turned off here (threads, memory64, gc, exceptions)"
    }
}

/// Where to get what is served.
fn served_hint(import: &str) -> &'static str {
    if import.contains("@0.3.") {
        "that is WASI 0.3; build the plugin for WASI 0.2, such as the target wasm32-wasip2, with hooks that are not async"
    } else if import.starts_with("wasi:config/") || import.starts_with("wasi:keyvalue/") {
        "build the plugin against that version; `lastword new` writes its WIT into wit/deps"
    } else {
        "build the plugin against that, or without it"
    }
}

fn unknown_hint(import: &str) -> &'static str {
    if import.starts_with("wasi:logging/") {
        "print to stdout or stderr instead, and each line is logged with plugin, tenant and session"
    } else {
        "plugins may import wasi:cli, wasi:io, wasi:clocks, wasi:random, wasi:filesystem and wasi:sockets of WASI 0.2, and with \
         grants wasi:http, wasi:keyvalue and wasi:config"
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}
