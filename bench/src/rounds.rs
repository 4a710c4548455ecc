//! Measures several variants in turns, so that noise hits each of them.

use std::time::{Duration, Instant};

/// Rounds of each measurement: enough for a median that a single disturbance does not move.
pub(crate) const ROUNDS: usize = 7;

/// Prints a line.
#[expect(clippy::print_stdout, reason = "printing figures is what this program is for")]
pub(crate) fn say(line: impl AsRef<str>) {
    println!("{}", line.as_ref());
}

/// Runs `work` and returns how long it took per item, in microseconds.
///
/// # Errors
/// Those of `work`.
pub(crate) fn per_item(items: u32, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let began = Instant::now();
    work()?;
    Ok(micros(began.elapsed()) / f64::from(items))
}

/// A duration in microseconds.
#[must_use]
pub(crate) fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// The median; 0 of nothing.
#[must_use]
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// CPU time of all threads of this process so far.
#[must_use]
pub(crate) fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}
