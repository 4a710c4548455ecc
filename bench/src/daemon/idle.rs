//! A daemon that has nothing to do: how soon it is ready, and what it takes of the machine meanwhile.

use std::fs;
use std::time::Duration;

use anyhow::Context;

use super::Targets;
use super::program::{Home, Running};
use crate::process::bytes;
use crate::rounds::median;

/// Ten components, no two of them alike.
const TEN: [&str; 10] = [
    "good",
    "good-all",
    "prints",
    "prints-late",
    "prints-much",
    "start-fails",
    "answers-by-event",
    "retry",
    "fatal",
    "flips-a-coin",
];
const STARTS: usize = 7;
const IDLE: Duration = Duration::from_secs(10);
/// What a start has to do once, and what a burst of its memory goes back to the system with, is over by then.
const CALMS_DOWN: Duration = Duration::from_secs(3);
const MIB: f64 = 1024.0 * 1024.0;

const READY_MS: f64 = 100.0;
const RESIDENT_MIB: f64 = 40.0;

/// Prints both sides.
///
/// # Errors
/// When it does not start, or this system does not tell what a process uses.
pub(super) fn measure(home: &Home, targets: &mut Targets) -> anyhow::Result<()> {
    // The first one compiles them.
    drop(home.serve(&TEN)?);
    let mut ready = Vec::new();
    for _ in 0..STARTS {
        ready.push(home.serve(&TEN)?.ready_after.as_secs_f64() * 1e3);
    }
    let ready = median(ready);
    let target = format!("≤ {READY_MS} ms");
    targets.tell("ready with 10 compiled plugins", &format!("{ready:.1} ms"), &target, ready <= READY_MS);

    let daemon = home.serve(&TEN)?;
    wait(CALMS_DOWN);
    let before = ticks(&daemon)?;
    wait(IDLE);
    let used = ticks(&daemon)? - before;
    let what = format!("idle for {} s", IDLE.as_secs());
    targets.tell(&what, &format!("{used} ticks of CPU"), "0 ticks", used == 0);
    let pid = daemon.pid().to_string();
    let (resident, share) = (bytes(&pid, "status", "VmRSS:")?, bytes(&pid, "smaps_rollup", "Pss:")?);
    let measured = format!("{:.1} MiB, {:.1} its own share", resident / MIB, share / MIB);
    let target = format!("≤ {RESIDENT_MIB} MiB");
    targets.tell("in memory meanwhile", &measured, &target, resident <= RESIDENT_MIB * MIB);
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "nothing is waited for: it is measured that nothing happens")]
fn wait(time: Duration) {
    std::thread::sleep(time);
}

/// Ticks of 10 ms in which it had a processor, in user mode and in the kernel.
fn ticks(daemon: &Running) -> anyhow::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", daemon.pid()))?;
    // What follows the name, which is in brackets: the state is the first.
    let (_, fields) = stat.rsplit_once(')').context("stat has a name")?;
    let ticks: Result<Vec<u64>, _> = fields.split_whitespace().skip(11).take(2).map(str::parse).collect();
    Ok(ticks?.iter().sum())
}
