//! Waits for the disk, and not for long.

use std::sync::mpsc::{self, SendError};
use std::thread;
use std::time::Instant;

use lastword_spool::{SpoolError, Written};

/// Puts it on the disk, and waits for that until then. It has its name already: whoever ends a hook that waits here loses
/// nothing, unless power fails in that moment.
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
    // Where there is no other thread, this one waits for as long as it takes.
    if thread::Builder::new().name("sync".to_owned()).spawn(sync).is_err() {
        return written.sync();
    }
    if let Err(SendError(written)) = give.send(written) {
        return written.sync();
    }
    told.recv_timeout(by.saturating_duration_since(Instant::now())).unwrap_or(Ok(()))
}
