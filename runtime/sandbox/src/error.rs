//! Errors before a call. (An error in a call is its outcome.)

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
    /// A number in the configuration is out of range.
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
        /// Bytes of address space for one slot and for the rest of the process.
        needs: u64,
        /// Bytes of memory for which a slot has room.
        memory: u64,
        /// The system's message.
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
        /// The operating system's error.
        source: io::Error,
    },
    /// The file is empty.
    #[error("the file is empty: was the build interrupted?")]
    Empty,
    /// The file is larger than [`MAX_COMPONENT_BYTES`](crate::limits::MAX_COMPONENT_BYTES).
    #[error("the component has {bytes} bytes, the most that is read is {max}: strip its debug information")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// The file is not WebAssembly.
    #[error("this is not WebAssembly: a component begins with the bytes 00 61 73 6d 0d 00 01 00")]
    NotWasm,
    /// The file is a known kind of another file that people pass as a component.
    #[error("this is {what}, not a component: {next}")]
    Mistaken {
        /// The kind of the file.
        what: &'static str,
        /// The advice for this kind.
        next: &'static str,
    },
    /// The file is WebAssembly in text form.
    #[error(
        "this is WebAssembly text: turn it into a file of bytes with `wasm-tools parse`, and if it is a module, \
         that into a component with `wasm-tools component new`"
    )]
    Text,
    /// The file's end is missing.
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
    /// The file is a module for WASI preview 1, without the component around it.
    #[error(
        "this is a core module for WASI preview 1, not a component (it imports {module}): build for a target that makes \
         components, such as wasm32-wasip2, or wrap it{} with `wasm-tools component new --adapt \
         {module}=wasi_snapshot_preview1.reactor.wasm`; the adapter is among the files of a release of wasmtime",
        if *embedded { "" } else { " with `wasm-tools component embed` and then" }
    )]
    Preview1Module {
        /// The first of its imports from preview 1.
        module: &'static str,
        /// Whether the module names its world, as the first of the two tools makes it do.
        embedded: bool,
    },
    /// The engine refuses it.
    #[error("{}: {detail}", invalid(detail))]
    Invalid {
        /// The engine's message.
        detail: String,
    },
    /// The component has too much code to be compiled in this process, and no process that compiles is configured.
    #[error(
        "the component has {bytes} bytes of code in {what} of its functions, and at most {max} are compiled in this process, where \
         nothing bounds the compiler: set SandboxConfig::compiler to a process that compiles \
         (CompilerProcess::this_program), fill SandboxConfig::cache_dir with `lastword compile`, or raise \
         SandboxConfig::max_in_process_code"
    )]
    NeedsCompilerProcess {
        /// `all`, or `the largest`.
        what: &'static str,
        /// Bytes of these functions.
        bytes: u64,
        /// [`SandboxConfig::max_in_process_code`](crate::SandboxConfig::max_in_process_code), or the part of it that one function may
        /// have.
        max: u64,
    },
    /// The code cache does not have the code, and this program has no compiler.
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
        /// Tokio's message.
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
    /// The process that compiles did not answer, though it took little processor time.
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
        /// The operating system's error.
        source: io::Error,
    },
    /// Code that was compiled cannot be made executable.
    #[error(
        "this machine does not let the program run code that it has compiled ({detail}), and that is how plugins run: allow \
         it (systemd: MemoryDenyWriteExecute=no; SELinux: the permission execmem; otherwise whatever sets PR_SET_MDWE or \
         filters mprotect)"
    )]
    NotExecutable {
        /// The engine's message.
        detail: String,
    },
    /// There is no room for the code.
    #[error(
        "there is no room for the component's code ({detail}): raise `ulimit -v` and `ulimit -d`, or the memory of the container"
    )]
    NoRoomForCode {
        /// The engine's message.
        detail: String,
    },
    /// The plugin was granted the transcript, and the directory for copies of transcripts cannot be used.
    #[error(
        "transcripts are copied to {}, and that cannot be used: set TMPDIR to a directory on a local disk that this user can \
         write to", dir.display()
    )]
    NoScratch {
        /// The directory.
        dir: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// The process that compiles failed.
    #[error("the process that compiles components failed: {detail}")]
    Compiler {
        /// The failure.
        detail: String,
    },
    /// A program with a main function.
    #[error(
        "this is a command (it exports wasi:cli/run), a program that runs once from its main function; a plugin is a library \
         that exports session-end: implement the world session-hooks of {PACKAGE}, in Rust with crate-type = [\"cdylib\"] and no \
         main"
    )]
    Command,
    /// The hook is exported in another place than the contract says.
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
    /// The hook is async.
    #[error(
        "{hook} is async, and hooks are called as plain functions: declare it `func` in the WIT and not `async func`, and \
         build it anew (in Python with `def`, not `async def`; in Rust without wit-bindgen's option async)"
    )]
    AsyncHook {
        /// The hook.
        hook: Hook,
    },
    /// The component lacks the hook that every plugin has.
    #[error(
        "the component does not export session-end, the one hook that every plugin has: implement the world \
         session-hooks of {PACKAGE} (it exports {})",
        list(exports)
    )]
    NoSessionEnd {
        /// The names of its exports.
        exports: Vec<String>,
    },
    /// The hook has another shape.
    #[error(
        "{hook} is not the hook of {PACKAGE}: {detail}{}; build the plugin against {PACKAGE}",
        contract.as_ref().map(|version| format!(" (it was built against lastword:hooks@{version})")).unwrap_or_default()
    )]
    WrongSignature {
        /// The hook.
        hook: Hook,
        /// The version of the contract that the component was built against, if it is another one.
        contract: Option<String>,
        /// The first field or case that differs.
        detail: String,
    },
    /// The import needs a grant from the operator.
    #[error(
        "the component imports {import}, which needs the grant `{grant}`: grant it (`{grant}` in the plugin's entry of \
         lastword.toml, `--grant-{grant}` on the command line), or build the plugin without it"
    )]
    NeedsGrant {
        /// The interface.
        import: String,
        /// The missing grant.
        grant: Grant,
    },
    /// The import needs a feature that this program was built without.
    #[error(
        "the component imports {import}, and this program was built without lastword's feature `{feature}`: build it with that"
    )]
    FeatureMissing {
        /// The interface.
        import: String,
        /// The Cargo feature.
        feature: &'static str,
    },
    /// The sandbox serves another version of the import, or other interfaces of its package.
    #[error("the component imports {import}, and what is served of that is {served}: {}", served_hint(import))]
    AnotherServed {
        /// The interface.
        import: String,
        /// The interfaces of the package that the sandbox serves.
        served: &'static str,
    },
    /// The import has no grant.
    #[error("nothing provides the import {import}: {}", unknown_hint(import))]
    UnknownImport {
        /// The interface.
        import: String,
    },
    /// A known interface with an item that it does not have.
    #[error("an import does not fit what is provided here; rebuild the plugin with a toolchain for WASI 0.2: {detail}")]
    WrongImport {
        /// The engine's message.
        detail: String,
    },
    /// The component needs more than a slot of the pool has.
    #[error("the component needs {needs} {what}, and no plugin can have more than {max}")]
    DoesNotFit {
        /// The resource.
        what: &'static str,
        /// The component's need of it.
        needs: u64,
        /// The engine's limit.
        max: u64,
    },
    /// The component needs more linear memories than this machine has room for.
    #[error(
        "the component needs {needs} linear memories, and this machine's address space has room for {max} of one call: raise \
         `ulimit -v` and `ulimit -d` (LimitAS=, LimitDATA= of systemd)"
    )]
    NoRoomForMemories {
        /// The number that it needs.
        needs: u64,
        /// [`Allocation::max_memories`](crate::Allocation::max_memories).
        max: u64,
    },
    /// The component needs more of a resource than a slot of the pool has. Only the engine counts this resource.
    #[error("the component needs more than a plugin can have: {detail}")]
    DoesNotFitPool {
        /// The engine's message.
        detail: String,
    },
    /// The plugin's own memory limit is too low for a call to start.
    #[error("the component begins with {needs} bytes of memory, its limit is {limit}: raise limits.memory")]
    MemoryLimitTooLow {
        /// Bytes that its memories have together from the start.
        needs: u64,
        /// [`Limits::memory`](crate::Limits::memory).
        limit: u64,
    },
    /// A call begins with more memory than all calls may have together.
    #[error(
        "each call begins with {needs} bytes that count in the memory that calls share, which has {most} for it: raise \
         `[calls] memory` and limits.total-memory"
    )]
    NoMemoryForCall {
        /// Bytes of its memories that count from the start, see [`Limits::total_memory`](crate::Limits::total_memory).
        needs: u64,
        /// The most that one call can have.
        most: u64,
    },
    /// The component was compiled in another sandbox, which has another engine.
    #[error("the component was compiled in another sandbox: compile it in the one that is to call it")]
    OfAnotherSandbox,
    /// The plugin's memory limit is higher than the sandbox's.
    #[error("limits.memory is {limit} bytes, the most that this runtime gives to one plugin is {max}")]
    MemoryLimitTooHigh {
        /// [`Limits::memory`](crate::Limits::memory).
        limit: u64,
        /// [`SandboxConfig::max_memory`](crate::SandboxConfig::max_memory).
        max: u64,
    },
}

impl LoadError {
    /// Whether this machine or this program is at fault, and not the component. Elsewhere the same file may load.
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

/// Explains a system's "Resource temporarily unavailable".
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

/// Names the tool or version that makes a served import.
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
