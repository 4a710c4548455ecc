//! What puts events into a spool.

use crate::error::SpoolError;
use crate::event::SpooledEvent;
use crate::limits::{COUNT_EVERY, MAX_EVENTS, MAX_EVENTS_BYTES};
use crate::spool::{Spool, write_event};

/// What puts events into a spool. Any number may do so at once.
#[derive(Debug)]
pub struct Writer {
    spool: Spool,
    /// Events that are written before the next count.
    uncounted: usize,
}

impl Writer {
    pub(crate) fn new(spool: Spool) -> Result<Self, SpoolError> {
        let mut writer = Self { spool, uncounted: 0 };
        writer.count()?;
        Ok(writer)
    }

    /// Writes an event. It is on the disk when this returns, with its name.
    ///
    /// # Errors
    /// When there is no room, the payload is too large, or the disk fails. The event is not in the spool then.
    pub fn write(&mut self, event: &SpooledEvent) -> Result<(), SpoolError> {
        if self.uncounted == 0 {
            self.count()?;
        }
        self.uncounted = self.uncounted.saturating_sub(1);
        write_event(self.spool.directory(), event)
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
