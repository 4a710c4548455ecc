//! Waits for a moment, for what nobody tells of.

use std::time::Duration;

use rustix::event::{Timespec, poll};

/// Waits for so long. A signal makes it shorter.
pub(crate) fn pause(time: Duration) {
    let time = Timespec::try_from(time).ok();
    poll(&mut [], time.as_ref()).ok();
}
