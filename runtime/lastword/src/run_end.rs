//! How a run ends, beside what a drain does: it is recorded that it ended cleanly, threads are joined, and the journal is free.
//!
//! [`clean_end`] says whether the next run has to count an attempt for what is owed. [`leave`] has the steps from the last call to the
//! free journal, which [`shutdown`] takes after a drain and [`detach`] without one.

mod clean_end;
mod detach;
mod leave;
mod left;
mod shutdown;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use lastword_events::DrainReport;
use lastword_journal::CutCall;
use tokio::sync::watch;

pub(crate) use self::clean_end::record_clean_end;
pub(crate) use self::detach::RunningDetach;
pub use self::left::Detached;
use self::left::Left;
pub(crate) use self::shutdown::shut_down;
use crate::sync::Mutex;

/// What is known of the end of a run.
#[derive(Default)]
pub(crate) struct RunEnd {
    /// Calls that were dropped before they came to an outcome.
    cuts: Mutex<Vec<CutCall>>,
    /// Deliveries that are owed and that no queue has any more: the next run makes them.
    left_out: AtomicU64,
    /// That the run has ended cleanly is on record.
    is_clean: AtomicBool,
    /// What the drain came to, once that is known.
    drained: watch::Sender<Option<Arc<DrainReport>>>,
    /// Somebody takes the steps to a free journal.
    leaves: AtomicBool,
    /// What they came to.
    left: watch::Sender<Option<Left>>,
    /// What everybody is told who asks for a shutdown.
    report: OnceLock<Arc<DrainReport>>,
}

impl RunEnd {
    /// Whether the last steps are taken: calls that come back only now are cut.
    pub(crate) fn is_orderly(&self) -> bool {
        self.leaves.load(Ordering::Relaxed)
    }

    /// This call was cut.
    pub(crate) fn add_cut(&self, call: CutCall) {
        self.add_left_out(1);
        self.cuts.lock().push(call);
    }

    /// So many deliveries are in no queue any more, and owed.
    pub(crate) fn add_left_out(&self, deliveries: u64) {
        self.left_out.fetch_add(deliveries, Ordering::Relaxed);
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
