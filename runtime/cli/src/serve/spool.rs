//! Takes in what hooks have left in the spool while no daemon answered them.
//!
//! What was there before the daemon serves is on record before it answers anybody: so a hook that comes then does not
//! overtake an earlier one of its session. What is left later is taken as it comes, because hooks put their events
//! behind those that wait.

mod changes;
mod pass;

use std::sync::Arc;

use lastword_server::Server;
use lastword_spool::{Reader, Spool, SpoolError};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::emit::default_spool;
use crate::exit::Failure;
use crate::limits::SPOOL_RETRY;
use changes::Changes;
use lastword_events::text::printable_path;

/// A spool that is ours to take in.
pub(super) struct Intake {
    reader: Arc<Reader>,
    task: AbortHandle,
}

/// The spool that is said, or the user's own, as ours alone. None when it cannot be used and nobody has asked for it.
///
/// # Errors
/// When the one that is said cannot be used.
pub(super) fn reader(said: Option<&std::path::Path>) -> Result<Option<Reader>, Failure> {
    let Some(spool) = said.map(Spool::at).or_else(default_spool) else {
        tracing::debug!("nobody knows where the spool of this user is");
        return Ok(None);
    };
    match Reader::begin(&spool) {
        Ok(reader) => Ok(Some(reader)),
        Err(error) if said.is_some() => Err(Failure::usage(error)),
        Err(SpoolError::Taken { directory }) => {
            let directory = printable_path(&directory);
            tracing::warn!(
                "another daemon takes in the spool {directory}: this one does not; name another with --spool"
            );
            Ok(None)
        }
        Err(error) => {
            tracing::warn!("what hooks leave while no daemon answers is not taken in: {error}");
            Ok(None)
        }
    }
}

impl Intake {
    /// Takes in what is there, and then what comes.
    pub(super) fn begin(reader: Reader, server: &Server, engine: &Handle) -> Self {
        let reader = Arc::new(reader);
        let changes = {
            let _context = engine.enter();
            // First: what comes while it is looked is seen again.
            Changes::of(reader.spool().directory())
        };
        let is_done = engine.block_on(pass::take_in(&reader, server));
        let task = engine.spawn(keep_taking_in(Arc::clone(&reader), server.clone(), changes, is_done));
        Self { reader, task: task.abort_handle() }
    }

    /// Which one it is.
    pub(super) fn spool(&self) -> Spool {
        self.reader.spool().clone()
    }

    /// Whether nothing waits. What cannot be looked at has nothing in it that could be taken.
    pub(super) fn is_empty(&self) -> bool {
        self.reader.list().map_or(true, |names| names.is_empty())
    }

    /// It is nobody's from now on. Whether something waits in it still.
    pub(super) fn release(&self) -> bool {
        self.task.abort();
        if let Err(error) = self.reader.release() {
            tracing::debug!(%error, "the spool is left to the system to release");
        }
        !self.is_empty()
    }
}

/// What could not be taken is tried again.
async fn keep_taking_in(reader: Arc<Reader>, server: Server, changes: Changes, mut is_done: bool) {
    loop {
        if is_done {
            changes.come().await;
        } else {
            timeout(SPOOL_RETRY, changes.come()).await.ok();
        }
        is_done = pass::take_in(&reader, &server).await;
    }
}
