//! How a run ends, beside what a drain does: it is recorded that it ended cleanly, threads are joined, and the journal is free.
//!
//! [`clean_end`] says whether the next run has to count an attempt for what is owed. [`last_steps`] has the steps from the last call to the
//! free journal. [`shutdown`] takes them after a drain, and [`detach`] without one.

mod clean_end;
mod detach;
mod last_steps;
mod run_result;
mod shutdown;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use lastword_events::DrainReport;
use lastword_journal::CutCall;
use tokio::sync::watch;

pub(crate) use self::clean_end::record_clean_end;
pub(crate) use self::detach::RunningDetach;
pub use self::run_result::Detached;
use self::run_result::RunResult;
pub(crate) use self::shutdown::shut_down;
use crate::sync::Mutex;

/// What is known of the end of a run.
#[derive(Default)]
pub(crate) struct RunEnd {
    /// Calls that were dropped before they came to an outcome.
    cuts: Mutex<Vec<CutCall>>,
    /// Deliveries that are owed, and that no queue has any more: the next run makes them.
    without_queue: AtomicU64,
    /// That the run has ended cleanly is on record.
    is_clean: AtomicBool,
    /// What the drain came to, once that is known.
    drained: watch::Sender<Option<Arc<DrainReport>>>,
    /// Somebody takes the last steps.
    last_steps_begun: AtomicBool,
    /// What the last steps came to.
    result: watch::Sender<Option<RunResult>>,
    /// What everybody is told who asks for a shutdown.
    report: OnceLock<Arc<DrainReport>>,
}

impl RunEnd {
    /// Whether the last steps are taken: calls that come back only now are cut.
    pub(crate) fn is_orderly(&self) -> bool {
        self.last_steps_begun.load(Ordering::Relaxed)
    }

    /// This call was cut.
    pub(crate) fn add_cut(&self, call: CutCall) {
        self.add_without_queue(1);
        self.cuts.lock().push(call);
    }

    /// So many deliveries are owed, and in no queue any more.
    pub(crate) fn add_without_queue(&self, deliveries: u64) {
        self.without_queue.fetch_add(deliveries, Ordering::Relaxed);
    }

    /// The drain is over.
    pub(crate) fn drained(&self, report: DrainReport) -> Arc<DrainReport> {
        let report = Arc::new(report);
        self.drained.send_replace(Some(report.clone()));
        report
    }

    /// What the drain came to; none when there was none, or it is not over.
    pub(crate) fn drain_report(&self) -> Option<Arc<DrainReport>> {
        self.drained.borrow().clone()
    }
}
