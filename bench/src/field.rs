//! What we cost beside what others have: bare wasmtime, Extism, hooks that are processes, and OpenClaw's own drain; and how the cost
//! grows with sessions, plugins and tenants. All sides of a comparison are measured in turns, in one run.
//!
//! What a machine has not is left out, with a word of why. The figures go to `target/bench/field.json` and a picture to
//! `target/bench/field.svg`; with `--update` README.md has them.

mod budget;
mod contest;
mod curves;
mod extism;
mod hooks;
mod openclaw;
mod other;
mod ours;
mod page;
mod picture;

use std::cell::RefCell;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context as _, ensure};
use lastword::events::{DrainReason, Timestamp};
use serde::Serialize;

use crate::bare::Bare;
use crate::end;
use crate::journal::{self, in_memory, on_disk};
use crate::recovery;
use crate::rounds::{per_item, say};
use crate::targets::{Figure, Targets, ensure_met};
use crate::waiting::{self, Server};

use contest::{Comparison, Contestant, Side, in_turns};
use curves::Curve;
use ours::{Kept, Load, Ours};

const ROUNDS: usize = 5;
/// Calls of a side in a round, where one takes microseconds; and where one takes a tenth of a millisecond.
const CALLS: u32 = 20_000;
const SLOWER_CALLS: u32 = 2_000;
/// Sessions of OpenClaw's drains and of ours beside them.
const DRAINED: u32 = 10_000;
/// How long the server takes that each end is posted to, in ms.
const WAITS: [u64; 2] = [50, 200];

const BARE: &str = "bare wasmtime, in one loop";
const IN_MEMORY: &str = "ours, in a drain, one worker";
const ORDINARY: &str = "ours, ordinary ends, one worker";
const ON_DISK: &str = "ours, in a drain, on disk";
const EXTISM_FRESH: &str = "Extism, a fresh plugin for each";
const EXTISM_KEPT: &str = "Extism, one plugin for all";
const SH: &str = "sh -c, a process for each";
const NODE: &str = "node -e, a process for each";

/// Sides of one end, ours and theirs, and how many times what theirs takes ours may take. What keeps its state from one session to
/// the next does something else, so it has no target.
const OF_ONE_END: [(&str, &str, Option<f64>); 7] = [
    (IN_MEMORY, BARE, Some(1.2)),
    (ORDINARY, BARE, Some(1.3)),
    (IN_MEMORY, EXTISM_FRESH, Some(0.05)),
    (IN_MEMORY, EXTISM_KEPT, None),
    (ON_DISK, EXTISM_FRESH, Some(0.05)),
    (ON_DISK, SH, Some(0.05)),
    (ON_DISK, NODE, Some(0.05)),
];
/// What a journal on disk may take, against one in memory: 65 % of the throughput.
const DISK_OF_MEMORY: f64 = 1.0 / 0.65;
/// Against OpenClaw's drain: a twentieth where the handler does nothing, and no more where it waits.
const OF_OPENCLAW: f64 = 0.05;
const OF_OPENCLAW_WAITING: f64 = 1.0;
/// A call of one of many tenants, against one of a single tenant.
const OF_ONE_TENANT: f64 = 1.5;
/// A start that finds what a dead run left, against reading it.
const OF_A_READ: f64 = 8.0;
/// Each takes a journal of a million sessions.
const RECOVERIES: usize = 3;

/// Everything that was found.
#[derive(Serialize)]
pub(crate) struct Results {
    measured_at: String,
    version: &'static str,
    machine: String,
    /// Every side of one end, in µs each.
    one_end: Vec<Side>,
    comparisons: Vec<Comparison>,
    /// What has nothing beside it but its target.
    figures: Vec<Figure>,
    curves: Vec<Curve>,
    left_out: Vec<LeftOut>,
}

/// What this machine could not measure.
#[derive(Serialize)]
struct LeftOut {
    what: &'static str,
    why: String,
}

/// Prints everything with its targets, and writes it down.
///
/// # Errors
/// When a target is missed, or something fails that must not.
pub(crate) fn measure(update: bool) -> anyhow::Result<()> {
    // First: what others have freed would be used again, and not be seen.
    let waiting = waiting::figures()?;
    let ours = Ours::new()?;
    let _context = ours.enter();
    let mut results = Results {
        measured_at: Timestamp::now().to_string(),
        version: env!("CARGO_PKG_VERSION"),
        machine: machine(),
        one_end: Vec::new(),
        comparisons: Vec::new(),
        figures: waiting.into_figures(),
        curves: Vec::new(),
        left_out: Vec::new(),
    };
    one_end(&ours, &mut results)?;
    journals(&ours, &mut results)?;
    results.figures.extend(budget::measure(&ours)?);
    drains(&ours, &mut results)?;
    many_tenants(&ours, &mut results)?;
    starts(&ours, &mut results)?;
    results.curves = curves::measure(&ours)?;
    tell(&results, update)
}

/// One `session-end`, in every way.
fn one_end(ours: &Ours, results: &mut Results) -> anyhow::Result<()> {
    let bare = Bare::new(&lastword_test_guests::component("good")).map_err(end::failed)?;
    let extism = extism::start().map(RefCell::new);
    let one_worker = Load { workers: Some(NonZeroUsize::MIN), ..Load::of(CALLS) };
    let drained = |kept| ours.drain(&Load { kept, ..one_worker });
    let mut contestants = vec![
        Contestant::new(BARE, || per_item(CALLS, || bare.run(CALLS).map_err(end::failed))),
        Contestant::new(IN_MEMORY, || drained(Kept::InMemory)),
        Contestant::new(ORDINARY, || ours.ordinary(CALLS)),
        Contestant::new(ON_DISK, || ours.drain(&Load { kept: Kept::OnDisk, ..Load::of(CALLS) })),
        Contestant::new(SH, || hooks::each(&hooks::SH, 100)),
    ];
    match hooks::has_node() {
        Ok(()) => contestants.push(Contestant::new(NODE, || hooks::each(&hooks::NODE, 20))),
        Err(why) => results.leave_out("hooks in Node", &why),
    }
    match &extism {
        Ok(started) => {
            let each = move |how: &str, calls| extism::each(&mut started.borrow_mut(), how, calls);
            contestants.push(Contestant::new(EXTISM_FRESH, move || each("fresh", SLOWER_CALLS)));
            contestants.push(Contestant::new(EXTISM_KEPT, move || each("kept", CALLS)));
        }
        Err(why) => results.leave_out("Extism", why),
    }
    say(format!("one session-end, µs each, median of {ROUNDS} rounds in turns:"));
    let sides = in_turns(contestants, ROUNDS)?;
    for (of_ours, theirs, target) in OF_ONE_END {
        let side = |name: &str| sides.iter().find(|side| side.name == name).cloned();
        if let (Some(of_ours), Some(theirs)) = (side(of_ours), side(theirs)) {
            results.comparisons.push(Comparison::new("one session-end", "µs", of_ours, theirs, target));
        }
    }
    results.one_end = sides;
    Ok(())
}

/// Start, end and delivery, many at once: the journal on disk beside the one in memory.
fn journals(ours: &Ours, results: &mut Results) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut number = 0;
    let lived = |kept| {
        let runtime = journal::start_runtime(ours.sandbox(), ours.plugin(), kept)?;
        per_item(journal::SESSIONS, || ours.block_on(journal::live_and_end(&runtime)))
    };
    let contestants = vec![
        Contestant::new("in memory", || lived(in_memory())),
        Contestant::new("on disk", || {
            number += 1;
            lived(on_disk(dir.path(), number)?)
        }),
    ];
    say(format!("start, end and delivery of a session, {} at once, µs each:", journal::AT_ONCE));
    let sides = in_turns(contestants, ROUNDS)?;
    if let [memory, disk] = sides.as_slice() {
        let what = "start, end and delivery";
        results.comparisons.push(Comparison::new(what, "µs", disk.clone(), memory.clone(), Some(DISK_OF_MEMORY)));
    }
    Ok(())
}

/// Whole drains, beside OpenClaw's.
fn drains(ours: &Ours, results: &mut Results) -> anyhow::Result<()> {
    let openclaw = match openclaw::start(&target()) {
        Ok(openclaw) => RefCell::new(openclaw),
        Err(why) => {
            results.leave_out("OpenClaw's drain", &why);
            return Ok(());
        }
    };
    say(format!("{} {DRAINED} sessions drained, ms, ours isolated:", openclaw.borrow().what()));
    let drained = |kept| Ok(ours.drain(&Load { kept, ..Load::of(DRAINED) })? * f64::from(DRAINED) / 1e3);
    let contestants = vec![
        Contestant::new("ours, in memory as theirs", || drained(Kept::InMemory)),
        Contestant::new("ours, on disk", || drained(Kept::OnDisk)),
        Contestant::new("OpenClaw", || openclaw.borrow_mut().drain(DRAINED, None)),
    ];
    let mut compare = |what: String, sides: &[Side], target| {
        if let [of_ours @ .., theirs] = sides {
            for of_ours in of_ours {
                let comparison = Comparison::new(&what, "ms", of_ours.clone(), theirs.clone(), Some(target));
                results.comparisons.push(comparison);
            }
        }
    };
    compare(format!("a drain of {DRAINED}, nothing to do"), &in_turns(contestants, ROUNDS)?, OF_OPENCLAW);
    for wait in WAITS {
        let server = Server::start(wait)?;
        say(format!("the same, each end posted to a server that takes {wait} ms:"));
        let contestants = vec![
            Contestant::new("ours, on disk", || ours.posted(DRAINED, server.authority())),
            Contestant::new("OpenClaw", || openclaw.borrow_mut().drain(DRAINED, Some(server.authority()))),
        ];
        let sides = in_turns(contestants, ROUNDS)?;
        // The guest answers ok in any case: only the server knows what has arrived.
        let (answered, posted) = (server.end()?, u64::from(DRAINED) * u64::try_from(2 * ROUNDS)?);
        ensure!(answered == posted, "the server was posted {answered} of {posted} ends");
        compare(format!("a drain of {DRAINED}, {wait} ms each"), &sides, OF_OPENCLAW_WAITING);
    }
    Ok(())
}

/// Many tenants, each with one session that twenty plugins are told of; beside one tenant that has all of them.
fn many_tenants(ours: &Ours, results: &mut Results) -> anyhow::Result<()> {
    const TENANTS: u32 = 10_000;
    const PLUGINS: usize = 20;
    let drained = |tenants| ours.drain(&Load { tenants, plugins: PLUGINS, ..Load::of(TENANTS) });
    say(format!("a delivery in a drain of {TENANTS} sessions to {PLUGINS} plugins, µs each:"));
    let contestants = vec![
        Contestant::new(format!("{TENANTS} tenants"), || drained(TENANTS)),
        Contestant::new("one tenant", || drained(1)),
    ];
    if let [many, one] = in_turns(contestants, ROUNDS)?.as_slice() {
        let what = format!("a delivery, {PLUGINS} plugins");
        results.comparisons.push(Comparison::new(&what, "µs", many.clone(), one.clone(), Some(OF_ONE_TENANT)));
    }
    Ok(())
}

/// A start that finds what a dead run left, beside SQLite that only reads it.
fn starts(ours: &Ours, results: &mut Results) -> anyhow::Result<()> {
    say(format!("a start that finds {} active sessions of a dead run, ms:", recovery::SESSIONS));
    let (mut ready, mut bare) = (Vec::new(), Vec::new());
    // Each start ends what it finds, so each has a journal of its own.
    for _ in 0..RECOVERIES {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("journal.db");
        ours.block_on(recovery::note_all(&path, recovery::SESSIONS))?;
        let (sides, runtime) = recovery::start(&path, ours.sandbox(), ours.plugin())?;
        ready.push(sides.ready);
        bare.push(sides.bare);
        ours.block_on(runtime.shutdown(DrainReason::Shutdown));
    }
    let (ready, bare) = (Side::new("until it is ready", ready), Side::new("SQLite reads them", bare));
    for side in [&ready, &bare] {
        say(side.line());
    }
    results.comparisons.push(Comparison::new("a start", "ms", ready, bare, Some(OF_A_READ)));
    Ok(())
}

impl Results {
    fn leave_out(&mut self, what: &'static str, why: &anyhow::Error) {
        say(format!("left out: {what}: {why:#}"));
        self.left_out.push(LeftOut { what, why: format!("{why:#}") });
    }
}

/// Prints what is beside what, writes it down, and says what was missed.
fn tell(results: &Results, update: bool) -> anyhow::Result<()> {
    let mut targets = Targets::default();
    say("beside each other:");
    for comparison in &results.comparisons {
        let (what, measured) = (comparison.name(), comparison.measured());
        match comparison.target {
            Some(target) => targets.tell(&what, &measured, &format!("≤ {target:.2} ×"), comparison.is_met),
            None => say(format!("  {what:<44} {measured:>34}")),
        }
    }
    for curve in &results.curves {
        for line in &curve.lines {
            let (what, measured) = (format!("{}, by {}", line.name, curve.by), line.measured());
            targets.tell(&what, &measured, &format!("≤ {:.1} × the least", curves::MOST_GROWTH), line.is_met);
        }
    }
    let folder = target();
    let (json, picture) = (serde_json::to_string_pretty(results)?, picture::draw(results));
    let write = || -> std::io::Result<()> {
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("field.json"), &json)?;
        fs::write(folder.join("field.svg"), &picture)
    };
    write().with_context(|| format!("cannot write into {}", folder.display()))?;
    say("written to target/bench/field.json and target/bench/field.svg");
    if update {
        page::update(&root(), results, &picture)?;
        say("README.md has them");
    }
    ensure_met(&results.figures).and(targets.finish())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Where results go, and what others are installed into.
fn target() -> PathBuf {
    root().join("target").join("bench")
}

/// What this was measured on, as far as it makes a difference to whoever reads it.
fn machine() -> String {
    let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    format!("{processors} processors, {} {}", std::env::consts::ARCH, std::env::consts::OS)
}
