//! The ends that a drain makes of the sessions that it found active.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use lastword_events::{DrainReason, Event, EventKey, Session, SessionEnd, Timestamp};

use crate::active_session::Unended;
use crate::queued_delivery::QueuedDelivery;

/// What all ends of a drain have in common: why it began, when the sessions ended, and how long guests may run.
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

/// The end of a session that a drain found active. Its event is made when the end has its turn, because a drain must not spend its first
/// moments on half a million events.
#[derive(Debug)]
pub(crate) struct BacklogEnd {
    context: Arc<DrainContext>,
    sequence: u64,
    pub(super) session: Arc<Session>,
    attempt: u32,
}

impl BacklogEnd {
    pub(super) fn delivery(&self) -> QueuedDelivery {
        let end = QueuedDelivery::new(self.sequence, EventKey::End, &self.session, &self.context.end_of(&self.session));
        QueuedDelivery { attempt: self.attempt, ..end }
    }
}

/// The sessions of one tenant that a drain found active, shared by the queues of the tenant's plugins.
#[derive(Clone, Debug)]
pub(super) struct Backlog {
    context: Arc<DrainContext>,
    sessions: Arc<Vec<Unended>>,
    next: usize,
}

impl Backlog {
    pub(super) fn new(context: Arc<DrainContext>, sessions: Arc<Vec<Unended>>) -> Self {
        Self { context, sessions, next: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.len().saturating_sub(self.next)
    }
}

/// The sequence of the newest session of each id among these. An id may have several sessions, in different scopes.
pub(super) fn newest_by_id(sessions: &[Unended]) -> HashMap<&str, u64> {
    let mut newest_by_id: HashMap<&str, u64> = HashMap::new();
    for one in sessions {
        let newest = newest_by_id.entry(&one.session.identity.id).or_default();
        *newest = one.sequence.max(*newest);
    }
    newest_by_id
}

impl Iterator for Backlog {
    type Item = BacklogEnd;

    fn next(&mut self) -> Option<BacklogEnd> {
        let &Unended { sequence, ref session, attempt } = self.sessions.get(self.next)?;
        self.next += 1;
        Some(BacklogEnd { context: self.context.clone(), sequence, session: session.clone(), attempt })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_id_the_newest_session_is_known_whatever_their_order() {
        let one = |sequence, id: &str| Unended { sequence, session: Arc::new(Session::new("t", id)), attempt: 0 };
        let sessions = [one(3, "a"), one(5, "b"), one(4, "a"), one(1, "a")];
        assert_eq!(newest_by_id(&sessions), HashMap::from([("a", 4), ("b", 5)]));
    }
}
