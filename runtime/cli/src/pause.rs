//! Sleeps, for conditions that no event reports.

use std::time::Duration;

use rustix::event::{Timespec, poll};

/// Sleeps for this long. A signal may end the sleep earlier.
pub(crate) fn pause(time: Duration) {
    let time = Timespec::try_from(time).ok();
    poll(&mut [], time.as_ref()).ok();
}
