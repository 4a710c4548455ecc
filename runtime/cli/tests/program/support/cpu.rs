//! The processors' time, as Linux counts it: who has had how much.

use std::fs::read_to_string;
use std::ops::Range;
use std::time::Duration;

use rustix::process::Pid;

/// The fields of a process's own time, and of that of its children that it has waited for: in user mode and in the kernel.
pub(super) const OWN: Range<usize> = 11..13;
const OF_CHILDREN: Range<usize> = 13..15;

/// What a process and its children have had so far.
pub(crate) fn used_by(process: Pid) -> Duration {
    let stat = stat(&process.to_string()).unwrap();
    ticks(&stat[OWN]) + ticks(&stat[OF_CHILDREN])
}

/// What our children have had that have ended, and theirs.
pub(crate) fn used_by_the_ended() -> Duration {
    ticks(&stat("self").unwrap()[OF_CHILDREN])
}

/// What nobody had: of all processors together, since the machine was started.
pub(crate) fn idle() -> Duration {
    let stat = read_to_string("/proc/stat").unwrap();
    let of_all: Vec<String> = stat.lines().next().unwrap().split_whitespace().map(str::to_owned).collect();
    // cpu  user nice system idle iowait …
    ticks(&of_all[4..6])
}

/// What comes after the name, which is in brackets: the state is the first field of it.
pub(super) fn stat(process: &str) -> Option<Vec<String>> {
    let stat = read_to_string(format!("/proc/{process}/stat")).ok()?;
    Some(stat.rsplit(')').next()?.split_whitespace().map(str::to_owned).collect())
}

/// Their sum. One is 10 ms.
pub(super) fn ticks(fields: &[String]) -> Duration {
    let ticks: u64 = fields.iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    Duration::from_millis(10 * ticks)
}
