//! Reports the end of a run: in the log, and by the exit code.

use lastword::Runtime;
use lastword_events::DrainReport;

use crate::exit::{Exit, undelivered};

/// Logs the outcome of a drain.
pub(crate) fn log_drain(report: &DrainReport) {
    for warning in &report.warnings {
        tracing::warn!("{}: {}", warning.name, warning.message);
    }
    tracing::info!(
        reason = %report.reason,
        sessions = report.sessions,
        delivered = report.delivered,
        failed = report.failed,
        deferred = report.deferred,
        "drained in {} ms of {} ms",
        report.elapsed.as_millis(),
        report.budget.as_millis(),
    );
}

/// Returns the exit code, and logs the number of lost deliveries.
pub(crate) fn settle(runtime: &Runtime) -> Exit {
    let left = runtime.undelivered_ends();
    if left == 0 {
        return Exit::Delivered;
    }
    let exit = undelivered(runtime.durability());
    let what = if left == 1 { "session-end delivery is" } else { "session-end deliveries are" };
    match exit {
        Exit::Owed => tracing::info!("{left} {what} owed, safe in the journal, to go out after the next start"),
        _ => tracing::error!("{left} {what} lost: the journal was in memory only"),
    }
    exit
}
