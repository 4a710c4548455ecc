use std::sync::Arc;
use std::time::Instant;

use lastword_events::{DrainReason, Event, Session, SessionEnd, Timestamp};

/// What every end of a drain has in common.
#[derive(Debug)]
pub(crate) struct DrainFacts {
    pub(super) reason: DrainReason,
    pub(super) ended_at: Timestamp,
    /// The last moment at which a guest may run.
    pub(crate) cut_at: Instant,
}

impl DrainFacts {
    /// The end of a session that the drain found active.
    pub(crate) fn end_of(&self, session: &Session) -> Arc<Event> {
        let mut end = SessionEnd::new(self.reason.end_reason(), self.ended_at);
        end.duration_ms = session.started_at.map(|started| self.ended_at.millis_since(started));
        Arc::new(Event::End(end))
    }
}
