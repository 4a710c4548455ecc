//! What the daemon costs, as processes see it that talk to it: beside `lastword stdio`, and beside a disk that is asked for nothing but
//! a sync. Each figure is printed with its target, and a target that is missed is an error.

mod disk;
mod idle;
mod owners;
mod program;

use std::thread;
use std::time::Duration;

use anyhow::Context;

use crate::rounds::{median, say};
use crate::targets::Targets;
use disk::Disk;
use owners::{Http, live_and_end};
use program::Home;

const ROUNDS: usize = 5;
/// Connections at once, of as many owners.
const OWNERS: u32 = 8;
/// Sessions of one round, of all owners together.
const SESSIONS: u32 = 20_000;
/// Lines that wait for their answers, of all owners together.
const LINES_AT_ONCE: u32 = 1_024;
/// Sessions of each owner whose requests come one by one.
const ONE_BY_ONE: u32 = 50;
/// Ends of which the slowest of a hundred counts.
const ENDS: u32 = 500;

/// The raw socket's throughput against that of stdio.
const OF_STDIO: f64 = 0.6;
/// What one by one is to reach of what the disk allows: a request waits for the sync under way at most, and for its own.
const OF_THE_DISK: f64 = 0.5;
/// The slowest end of a hundred against the slowest sync of a hundred.
const OF_A_SYNC: f64 = 2.0;

/// Prints each figure and its target.
///
/// # Errors
/// When a target is missed, or something fails that must not.
pub(crate) fn measure() -> anyhow::Result<()> {
    let home = Home::new()?;
    let mut targets = Targets::default();
    say(format!("the daemon, with a journal in {}:", home.path().display()));
    throughput(&home, &mut targets)?;
    one_by_one(&home, &mut targets)?;
    slowest_end(&home, &mut targets)?;
    idle::measure(&home, &mut targets)?;
    targets.finish()
}

/// Starts and ends a second, each on record when it counts: of one owner over stdio, and of eight over the socket.
fn throughput(home: &Home, targets: &mut Targets) -> anyhow::Result<()> {
    let (mut stdio, mut raw) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        let mut program = home.stdio()?;
        let (writer, reader) = program.streams()?;
        stdio.push(rate(SESSIONS, live_and_end(writer, reader, "s", SESSIONS, LINES_AT_ONCE)?));
        drop(program);
        let daemon = home.serve(&["good"])?;
        let began = std::time::Instant::now();
        on_threads(|owner| {
            let (writer, reader) = daemon.raw()?;
            let name = format!("s{owner}-");
            live_and_end(writer, reader, &name, SESSIONS / OWNERS, LINES_AT_ONCE / OWNERS).map(drop)
        })?;
        raw.push(rate(SESSIONS, began.elapsed()));
    }
    let (stdio, raw) = (median(stdio), median(raw));
    let measured = format!("{raw:.0}/s, {:.0} % of {stdio:.0}/s", 100.0 * raw / stdio);
    let target = format!("≥ {:.0} % of stdio", 100.0 * OF_STDIO);
    targets.tell("durable starts and ends, 8 raw connections", &measured, &target, raw >= OF_STDIO * stdio);
    Ok(())
}

/// The same with a request for each, whose answer its owner waits for.
fn one_by_one(home: &Home, targets: &mut Targets) -> anyhow::Result<()> {
    let mut disk = Disk::new(home.path())?;
    let (mut syncs, mut rates) = (vec![], vec![]);
    let daemon = home.serve(&["good"])?;
    for round in 0..ROUNDS {
        for _ in 0..100 {
            syncs.push(disk.sync()?.as_secs_f64());
        }
        let began = std::time::Instant::now();
        on_threads(|owner| {
            let mut client = Http::connect(&daemon)?;
            for n in 0..ONE_BY_ONE {
                let id = format!("r{round}-{owner}-{n}");
                client.start(&id)?;
                client.end(&id)?;
            }
            Ok(())
        })?;
        rates.push(rate(OWNERS * ONE_BY_ONE, began.elapsed()));
    }
    let (rate, sync) = (median(rates), median(syncs));
    let allowed = f64::from(OWNERS) / (2.0 * sync);
    let measured = format!("{rate:.0}/s, sync {:.2} ms", 1e3 * sync);
    let target = format!("≥ {:.0}/s, {OF_THE_DISK} × {OWNERS} / (2 × sync)", OF_THE_DISK * allowed);
    targets.tell("one by one over HTTP, 8 clients", &measured, &target, rate >= OF_THE_DISK * allowed);
    Ok(())
}

/// How long the slowest end of a hundred takes to be on record, against the slowest bare sync of a hundred.
fn slowest_end(home: &Home, targets: &mut Targets) -> anyhow::Result<()> {
    let mut disk = Disk::new(home.path())?;
    let (mut syncs, mut ends) = (vec![], vec![]);
    let daemon = home.serve(&["good"])?;
    let mut client = Http::connect(&daemon)?;
    for n in 0..ENDS {
        let id = format!("e{n}");
        client.start(&id)?;
        ends.push(client.end(&id)?.as_secs_f64());
        syncs.push(disk.sync()?.as_secs_f64());
    }
    let (end, sync) = (p99(ends), p99(syncs));
    let measured = format!("{:.2} ms, {:.1} × {:.2} ms", 1e3 * end, end / sync, 1e3 * sync);
    let target = format!("≤ {OF_A_SYNC} × a bare sync's");
    targets.tell("p99 of one durable end", &measured, &target, end <= OF_A_SYNC * sync);
    Ok(())
}

/// Starts and ends a second.
fn rate(sessions: u32, took: Duration) -> f64 {
    f64::from(2 * sessions) / took.as_secs_f64()
}

/// Each owner on a thread of its own.
fn on_threads(owner: impl Fn(u32) -> anyhow::Result<()> + Sync) -> anyhow::Result<()> {
    let owner = &owner;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..OWNERS).map(|number| scope.spawn(move || owner(number))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().ok().context("an owner panicked")?)
    })
}

/// The slowest of each hundred.
fn p99(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() * 99 / 100).copied().unwrap_or(0.0)
}
