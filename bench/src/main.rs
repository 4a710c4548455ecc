//! What the runtime costs, measured against something else in the same run.
//!
//! Machines differ and are noisy, so every figure here is printed beside its comparison, and the two are measured in
//! turns. Nothing in the test suite asserts these numbers.

#![forbid(unsafe_code)]

mod backlog;
mod bare;
mod changes;
mod daemon;
mod drain;
mod emit;
mod end;
mod fair;
mod field;
mod guests;
#[cfg(target_os = "linux")]
mod jetstream;
mod journal;
mod key_values;
mod memory;
mod process;
mod recovery;
mod rounds;
mod setup;
mod stats;
mod targets;
mod waiting;

use anyhow::ensure;
use clap::{Parser, ValueEnum};

/// The program's.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[derive(Parser)]
#[command(about = "Measure the runtime against bare wasmtime. Use a release build: just bench")]
struct Args {
    /// What to measure; everything but `field` when none is named
    what: Vec<What>,
    /// Write what `field` finds into README.md, with its picture
    #[arg(long)]
    update: bool,
    /// Be the server that `waiting` asks, which takes so many milliseconds
    #[arg(long, hide = true, value_name = "MS")]
    slow_server: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// One `session-end` through the runtime, against a bare wasmtime loop
    End,
    /// How many sessions are drained within a 2 s budget
    Drain,
    /// The same with a journal on disk, and what that costs the rest
    Journal,
    /// How long an owner waits beside a tenant whose plugin stores much, against alone
    Fair,
    /// What a call costs that counts something in key-value storage, against one that stores nothing
    KeyValues,
    /// A start that finds a million sessions of a dead run, against SQLite reading them
    Recovery,
    /// A drain that begins when a dead run has left much, against one of as many active sessions
    Backlog,
    /// What an active session takes in memory
    Memory,
    /// A scrape of metrics beside 400 tenants, against one beside a single tenant
    Stats,
    /// What a start waits for while a plugin comes and goes beside 100 000 sessions, against a start alone
    Changes,
    /// Calls of the example plugins, by language
    Guests,
    /// 10 000 sessions whose plugin waits for a server, and what a guest that waits takes; fails when a target is missed
    Waiting,
    /// A journal on JetStream against a bare client, with the servers that `LASTWORD_NATS_SERVER` names; fails when a target is missed
    Jetstream,
    /// What a hook costs its agent, with a daemon and without one, against a process that does nothing
    Emit,
    /// `lastword serve` against `lastword stdio` and a bare disk, idle and at work; fails when a target is missed
    Daemon,
    /// What we cost beside bare wasmtime, Extism, hooks that are processes and OpenClaw's drain, and how it grows; fails when a target is missed
    Field,
}

fn main() -> anyhow::Result<()> {
    let Args { what, update, slow_server } = Args::parse();
    if let Some(wait) = slow_server {
        return waiting::serve(wait);
    }
    let wanted = |one| what.is_empty() || what.contains(&one);
    if cfg!(debug_assertions) {
        rounds::say("this is a debug build: the figures say nothing. Use `just bench`.");
    }
    ensure!(!update || what.contains(&What::Field), "--update goes with `field`");
    // First: what others have freed would be used again, and not be seen.
    if wanted(What::Memory) {
        memory::measure()?;
    }
    if wanted(What::End) {
        end::measure()?;
    }
    if wanted(What::Drain) {
        drain::measure()?;
    }
    if wanted(What::Journal) {
        journal::measure()?;
    }
    if wanted(What::Fair) {
        fair::measure()?;
    }
    if wanted(What::KeyValues) {
        key_values::measure()?;
    }
    if wanted(What::Recovery) {
        recovery::measure()?;
    }
    if wanted(What::Backlog) {
        backlog::measure()?;
    }
    if wanted(What::Stats) {
        stats::measure()?;
    }
    if wanted(What::Changes) {
        changes::measure()?;
    }
    if wanted(What::Guests) {
        guests::measure()?;
    }
    if wanted(What::Emit) {
        emit::measure()?;
    }
    // Last: it is an error when a target of these is missed, and one says nothing of the others.
    let waiting = if wanted(What::Waiting) { waiting::measure() } else { Ok(()) };
    let jetstream = if wanted(What::Jetstream) { measure_jetstream() } else { Ok(()) };
    if wanted(What::Daemon) {
        daemon::measure()?;
    }
    waiting?;
    jetstream?;
    // It measures much of the above a second time.
    if what.contains(&What::Field) { field::measure(update) } else { Ok(()) }
}

#[cfg(target_os = "linux")]
fn measure_jetstream() -> anyhow::Result<()> {
    jetstream::measure()
}

/// Each test's servers have an address of loopback of their own, which only Linux gives without being asked.
#[cfg(not(target_os = "linux"))]
fn measure_jetstream() -> anyhow::Result<()> {
    rounds::say("a journal on JetStream is not measured: it takes Linux");
    Ok(())
}
