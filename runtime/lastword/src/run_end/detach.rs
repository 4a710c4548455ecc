//! Detaches a runtime: the journal is handed over as it is. No session is ended, and no delivery is given up.

use std::sync::Arc;
use std::time::Instant;

use lastword_journal::JournalError;

use super::last_steps::take_last_steps;
use super::run_result::Detached;
use crate::core::Core;
use crate::limits::drain_reserve;

/// A runtime that has begun to detach.
pub(crate) struct RunningDetach {
    core: Arc<Core>,
    /// When the runtime cuts its calls. From then on it does not wait for workers to drop them. None if the runtime was drained, closed or
    /// detached before.
    schedule: Option<(Instant, Instant)>,
}

impl RunningDetach {
    /// Lets no more requests in, and lets no call begin. The budget counts from `began`.
    pub(crate) fn begin(core: &Arc<Core>, began: Instant) -> Self {
        let is_first = core.in_flight().close().is_some();
        if is_first {
            core.dispatcher().begin_detach();
        }
        let (ends_at, reserve) = (began + core.budget(), drain_reserve(core.budget()));
        let schedule = is_first.then_some((ends_at - reserve, ends_at - reserve / 3 * 2));
        Self { core: core.clone(), schedule }
    }

    /// Waits for calls under way, cuts them at the end of the budget, and releases the journal.
    pub(crate) async fn finish(self) -> Result<Detached, JournalError> {
        let core = &self.core;
        match self.schedule {
            Some((cut_at, close_at)) => {
                let work = async {
                    core.in_flight().finished().await;
                    core.workers().all_left().await;
                };
                if core.time().timeout_at(cut_at, work).await.is_none() {
                    core.dispatcher().cut_detached();
                    core.time().timeout_at(close_at, core.workers().all_left()).await;
                }
            }
            None => {
                let mut phase = core.dispatcher().watch_phase();
                // The sender lives in `core`, so it cannot be gone.
                phase.wait_for(|phase| phase.is_over()).await.ok();
            }
        }
        let result = take_last_steps(core).await;
        result.journal.map(|()| result.detached)
    }
}
