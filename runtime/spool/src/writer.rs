//! The writer of a spool.

use std::path::PathBuf;

use crate::error::SpoolError;
use crate::event::SpooledEvent;
use crate::limits::{COUNT_EVERY, MAX_EVENTS, MAX_EVENTS_BYTES};
use crate::spool::{Spool, write_event};
use crate::written::Written;

/// The writer of a spool. Several may write at once.
#[derive(Debug)]
pub struct Writer {
    spool: Spool,
    /// The number of events to write before the next count.
    uncounted: usize,
    /// Directories above the spool that got a new entry and are not synced yet.
    unsynced: Vec<PathBuf>,
}

impl Writer {
    pub(crate) fn new(spool: Spool, unsynced: Vec<PathBuf>) -> Result<Self, SpoolError> {
        let mut writer = Self { spool, uncounted: 0, unsynced };
        writer.count()?;
        Ok(writer)
    }

    /// Writes an event. The event and its name are on the disk when this returns.
    ///
    /// # Errors
    /// As [`put`](Self::put) and [`Written::sync`].
    pub fn write(&mut self, event: &SpooledEvent) -> Result<(), SpoolError> {
        self.put(event)?.sync()
    }

    /// Writes an event, which has its name when this returns, and is on the disk when the returned value is synced.
    ///
    /// # Errors
    /// When there is no room, the payload is too large, or it cannot be written. The event is then not in the spool.
    pub fn put(&mut self, event: &SpooledEvent) -> Result<Written, SpoolError> {
        if self.uncounted == 0 {
            self.count()?;
        }
        self.uncounted = self.uncounted.saturating_sub(1);
        let mut written = write_event(self.spool.directory(), event)?;
        written.directories.append(&mut self.unsynced);
        Ok(written)
    }

    /// Checks that there is room. Waiting events are kept, so the newest event is refused.
    fn count(&mut self) -> Result<(), SpoolError> {
        let names = self.spool.look()?.names;
        let bytes = names.iter().map(|name| name.bytes).fold(0, u64::saturating_add);
        if names.len() >= MAX_EVENTS || bytes >= MAX_EVENTS_BYTES {
            let directory = self.spool.directory().to_owned();
            return Err(SpoolError::Full { directory, events: names.len(), bytes });
        }
        self.uncounted = COUNT_EVERY;
        Ok(())
    }
}
