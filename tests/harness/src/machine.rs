//! What the machine gives: who asserts a time on a machine that others use as well has to know.

use std::num::NonZeroUsize;
use std::thread::{self, available_parallelism};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Whether this is a run of CI's: tests that draw cases draw more of them there.
#[must_use]
pub fn is_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

/// The processors' time that this process has had so far.
#[must_use]
pub fn cpu_used() -> Duration {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(used.tv_sec).unwrap_or_default(), u32::try_from(used.tv_nsec).unwrap_or_default())
}

/// How much longer work takes on this machine now than it would if nobody else used it: at least 1. Measured with as many threads
/// as there are processors, like the workers of a runtime.
#[must_use]
pub fn slowdown() -> f64 {
    const SAMPLE: Duration = Duration::from_millis(200);
    let processors = available_parallelism().map_or(1, NonZeroUsize::get);
    let (began, before) = (Instant::now(), cpu_used());
    thread::scope(|scope| {
        for _ in 0..processors {
            scope.spawn(|| while began.elapsed() < SAMPLE {});
        }
    });
    let wanted = began.elapsed() * u32::try_from(processors).unwrap_or(u32::MAX);
    (wanted.as_secs_f64() / (cpu_used() - before).as_secs_f64()).max(1.0)
}

/// The time in which processors had nothing to do, of all of them together and since the machine was started. Where the system
/// does not tell, none.
#[must_use]
pub fn idle() -> Duration {
    const TICK: Duration = Duration::from_millis(10);
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    // cpu  user nice system idle iowait …
    let of_all = stat.lines().next().unwrap_or_default();
    let ticks = of_all.split_whitespace().skip(4).take(2).filter_map(|ticks| ticks.parse::<u32>().ok()).sum();
    TICK.saturating_mul(ticks)
}
