//! The end of a run, besides its drain: whether it ended cleanly is recorded, threads are joined, and the journal is released.
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
    /// Calls that were dropped before they had an outcome.
    cuts: Mutex<Vec<CutCall>>,
    /// Deliveries that are owed and are in no queue any more: the next run makes them.
    without_queue: AtomicU64,
    /// Whether it is on record that the run has ended cleanly.
    is_clean: AtomicBool,
    /// The report of the drain, once there is one.
    drained: watch::Sender<Option<Arc<DrainReport>>>,
    /// Whether a caller takes the last steps already.
    last_steps_begun: AtomicBool,
    /// The result of the last steps.
    result: watch::Sender<Option<RunResult>>,
    /// The report that every caller of a shutdown gets.
    report: OnceLock<Arc<DrainReport>>,
}

impl RunEnd {
    /// Whether the last steps have begun: a call that comes back only now is cut.
    pub(crate) fn is_orderly(&self) -> bool {
        self.last_steps_begun.load(Ordering::Relaxed)
    }

    /// Notes a call that was cut.
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
