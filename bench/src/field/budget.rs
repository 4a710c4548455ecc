//! How many ends a drain delivers in its two seconds, with the journal on disk.

use lastword::events::DrainReason;

use super::ours::Ours;
use crate::end::session;
use crate::journal::{on_disk, start_each, start_runtime};
use crate::rounds::{median, say};
use crate::targets::{Figure, Targets};

/// As many as are to be delivered. A drain of more begins later and stops sooner: it has more ends to make, and more to put off.
const SESSIONS: u32 = 400_000;
/// Each has a journal of its own, which takes some 10 s to fill.
const ROUNDS: usize = 3;

/// Prints the median and its target.
///
/// # Errors
/// When something fails that must not.
pub(super) fn measure(ours: &Ours) -> anyhow::Result<Vec<Figure>> {
    say(format!("a drain of {SESSIONS} sessions in its budget of 2 s, on disk:"));
    let mut delivered = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let dir = tempfile::tempdir()?;
        let runtime = start_runtime(ours.sandbox(), ours.plugin(), on_disk(dir.path(), round)?)?;
        ours.block_on(start_each(&runtime, SESSIONS, session))?;
        let report = ours.block_on(runtime.drain(DrainReason::Shutdown));
        delivered.push(f64::from(u32::try_from(report.delivered)?));
    }
    let delivered = median(delivered);
    let mut targets = Targets::default();
    let (measured, target) = (format!("{delivered:.0}"), format!("≥ {SESSIONS}"));
    let is_met = delivered >= f64::from(SESSIONS);
    targets.tell("ends that a drain delivers in 2 s, on disk", &measured, &target, is_met);
    Ok(targets.into_figures())
}
