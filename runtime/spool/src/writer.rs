//! What puts events into a spool.

use std::path::PathBuf;

use crate::error::SpoolError;
use crate::event::SpooledEvent;
use crate::limits::{COUNT_EVERY, MAX_EVENTS, MAX_EVENTS_BYTES};
use crate::spool::{Spool, write_event};
use crate::written::Written;

/// What puts events into a spool. Any number may do so at once.
#[derive(Debug)]
pub struct Writer {
    spool: Spool,
    /// Events that are written before the next count.
    uncounted: usize,
    /// Directories above the spool that have got a new name with it, and are not on the disk yet.
    unsynced: Vec<PathBuf>,
}

impl Writer {
    pub(crate) fn new(spool: Spool, unsynced: Vec<PathBuf>) -> Result<Self, SpoolError> {
        let mut writer = Self { spool, uncounted: 0, unsynced };
        writer.count()?;
        Ok(writer)
    }

    /// Writes an event. It is on the disk when this returns, with its name.
    ///
    /// # Errors
    /// As [`put`](Self::put) and [`Written::sync`].
    pub fn write(&mut self, event: &SpooledEvent) -> Result<(), SpoolError> {
        self.put(event)?.sync()
    }

    /// Writes an event, which has its name when this returns, and is on the disk when what is returned is synced.
    ///
    /// # Errors
    /// When there is no room, the payload is too large, or it cannot be written. The event is not in the spool then.
    pub fn put(&mut self, event: &SpooledEvent) -> Result<Written, SpoolError> {
        if self.uncounted == 0 {
            self.count()?;
        }
        self.uncounted = self.uncounted.saturating_sub(1);
        let mut written = write_event(self.spool.directory(), event)?;
        written.directories.append(&mut self.unsynced);
        Ok(written)
    }

    /// Whether there is room. What is there already is kept, so it is the newest that finds none.
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
