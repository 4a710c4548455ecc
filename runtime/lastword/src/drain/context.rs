//! What every end of a drain has in common.

use std::sync::Arc;
use std::time::Instant;

use lastword_events::{DrainReason, Event, Session, SessionEnd, Timestamp};

/// Why the drain began, when the sessions ended, and how long guests may run.
#[derive(Debug)]
pub(crate) struct DrainContext {
    pub(crate) reason: DrainReason,
    pub(crate) ended_at: Timestamp,
    /// The last moment at which a guest may run.
    pub(crate) cut_at: Instant,
}

impl DrainContext {
    /// The end of a session that the drain found active.
    pub(crate) fn end_of(&self, session: &Session) -> Arc<Event> {
        Arc::new(Event::End(SessionEnd::new(self.reason.end_reason(), self.ended_at).since(session.started_at)))
    }
}
