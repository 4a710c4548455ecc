//! Waits for the disk, for a limited time.

use std::sync::mpsc::{self, SendError};
use std::thread;
use std::time::Instant;

use lastword_spool::{SpoolError, Written};

/// Syncs the event, and waits until `by`. The event has its final name already, so if the agent kills a hook that waits
/// here, nothing is lost unless power fails at that moment.
///
/// # Errors
/// When the disk has failed by then.
pub(super) fn sync_by(written: Written, by: Instant) -> Result<(), SpoolError> {
    let (give, given) = mpsc::channel::<Written>();
    let (tell, told) = mpsc::channel();
    let sync = move || {
        if let Ok(written) = given.recv() {
            tell.send(written.sync()).ok();
        }
    };
    // Without another thread, this one waits as long as the disk takes.
    if thread::Builder::new().name("sync".to_owned()).spawn(sync).is_err() {
        return written.sync();
    }
    if let Err(SendError(written)) = give.send(written) {
        return written.sync();
    }
    told.recv_timeout(by.saturating_duration_since(Instant::now())).unwrap_or(Ok(()))
}
