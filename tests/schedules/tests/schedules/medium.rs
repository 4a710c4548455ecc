//! Where a journal is kept: on a disk, or on servers.

use std::sync::Arc;

use lastword_journal::{Journal, JournalOp, Recovered};

use crate::record::OnRecord;

/// Where the journal of a run is kept, and what is on record there.
pub(crate) trait Medium: Send + Sync + 'static {
    fn on_record(&self) -> &Arc<OnRecord>;

    /// A run that is over had started these, and left them active.
    fn start_in_a_dead_run(&self, sessions: Vec<JournalOp>);

    /// The journal, for the one run that is looked at.
    fn journal(self: Arc<Self>) -> Arc<dyn Journal>;

    /// What happens there beside the run, on a thread of its own, until [`close`](Self::close).
    fn run(&self);

    /// What was wrong there is over.
    fn recover_from_faults(&self);

    /// The run is over, and everything of it is gone.
    fn close(&self);

    /// What the next run finds.
    fn recovered(self: Arc<Self>) -> Recovered;
}
