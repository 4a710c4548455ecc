//! The last steps of a run: workers leave, everything is written, and the journal is free.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use lastword_events::DrainWarning;
use lastword_journal::JournalError;

use super::clean_end::record_clean_end;
use super::run_result::{Detached, RunResult};
use crate::core::Core;
use crate::limits::{JOURNAL_RELEASED_WITHIN, WORKERS_LEAVE_WITHIN};
use crate::operators::{PluginStats, stats};
use crate::sync::blocking;

/// Takes the last steps, or waits until another caller has taken them. No request is let in any more, and no drain is going on.
pub(super) async fn take_last_steps(core: &Arc<Core>) -> RunResult {
    let end = core.run_end();
    let mut result = end.result.subscribe();
    if !end.last_steps_begun.swap(true, Ordering::Relaxed) {
        let task = core.handle().spawn(take_each(core.clone()));
        let came_to = task.await.unwrap_or_else(|error| RunResult::given_up(&error.to_string()));
        end.result.send_replace(Some(came_to));
    }
    // The sender lives in `core`, so it cannot be gone.
    let result = result.wait_for(Option::is_some).await.ok().and_then(|result| result.clone());
    result.unwrap_or_else(|| RunResult::given_up("nobody takes them"))
}

async fn take_each(core: Arc<Core>) -> RunResult {
    let mut warnings = Vec::new();
    core.dispatcher().stop();
    let stuck = join_workers(&core).await;
    core.sandbox().close_idle_connections();
    if stuck > 0 {
        let message = format!(
            "{stuck} of the runtime's workers did not leave within {} ms, and are left to themselves: what they were doing \
             may be done again",
            WORKERS_LEAVE_WITHIN.as_millis()
        );
        tracing::error!("{message}");
        warnings.push(DrainWarning::new("workers", message));
    }
    let journal = release_journal(&core).await;
    if let Err(error) = &journal {
        tracing::error!(%error, "the journal could not be written at the end");
        warnings.push(DrainWarning::new("journal", error.to_string()));
    }
    let detached = count(&core);
    // This comes last: the steps before use these timers.
    let time = core.time().clone();
    blocking(core.handle(), move || time.stop()).await;
    RunResult { journal, warnings, detached }
}

/// Gives how many workers have not left.
async fn join_workers(core: &Arc<Core>) -> usize {
    core.time().timeout(WORKERS_LEAVE_WITHIN, core.workers().all_left()).await;
    let of_task = core.clone();
    // None if tokio is shutting down: then nobody waits any more.
    blocking(core.handle(), move || of_task.workers().join()).await.unwrap_or(0)
}

/// Writes what is left, and releases the journal.
async fn release_journal(core: &Arc<Core>) -> Result<(), JournalError> {
    let (journal, until) = (core.journal(), core.time().after(JOURNAL_RELEASED_WITHIN));
    let recorded = in_time(core, until, record_clean_end(core)).await;
    // Everything that will be settled in this run is settled. A later request finds the journal closed.
    core.operators().waiters().tell_deferred();
    journal.end_call_marks();
    let released = in_time(core, until, journal.release()).await;
    recorded.and(released)
}

async fn in_time(
    core: &Core,
    until: Option<Instant>,
    work: impl Future<Output = Result<(), JournalError>>,
) -> Result<(), JournalError> {
    let done = match until {
        Some(until) => core.time().timeout_at(until, work).await,
        None => Some(work.await),
    };
    done.unwrap_or_else(|| {
        let message = format!("it did not answer within {} ms at the end", JOURNAL_RELEASED_WITHIN.as_millis());
        Err(JournalError::Unavailable(message))
    })
}

/// What the next run finds, as far as it is on record. After a drain the report says it.
fn count(core: &Core) -> Detached {
    if core.dispatcher().has_drain() {
        return Detached::default();
    }
    let owed = |plugin: &PluginStats| plugin.ready + plugin.running + plugin.waiting + plugin.orphaned;
    let in_queues: u64 = stats(core).plugins.iter().map(owed).sum();
    let without_queue = core.run_end().without_queue.load(Ordering::Relaxed);
    Detached { sessions: core.operators().sessions(), owed: in_queues + without_queue }
}
