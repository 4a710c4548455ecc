//! Sessions that are active or about to be: their owners, and the requests for them.

use std::sync::Arc;
use std::time::Instant;

use lastword::events::{Identity, SessionOwner, Timestamp};

use super::Registry;
use crate::owners::owned_session::{Ending, Mark, OwnedSession};
use crate::owners::owner::OwnerId;

impl Registry {
    /// Called before a start or a compaction is requested. [`start_answered`](Self::start_answered) follows.
    pub(in crate::owners) fn start_begins(
        &mut self,
        identity: &Identity,
        owner: Option<OwnerId>,
        kind: &Arc<str>,
        (now, at): (Instant, Timestamp),
    ) {
        self.note(identity, owner, kind, now);
        let mark = self.mark();
        // The owner may have been forgotten a moment ago.
        let is_left_behind = owner.is_some_and(|id| !self.owners.contains_key(&id));
        let Some(session) = self.sessions.get_mut(identity) else { return };
        session.mark = mark;
        session.starts += 1;
        if is_left_behind && session.owner.is_none() {
            session.ending = Some(Ending::OwnerLost { at, turn_open: session.turn_open });
        }
    }

    /// Called when a start or a compaction was answered. `made` is its session. It may differ from `said`, because
    /// owners leave out scopes.
    pub(in crate::owners) fn start_answered(
        &mut self,
        said: &Identity,
        made: Option<&Identity>,
        is_active: impl Fn(&Identity) -> bool,
        now: Instant,
    ) {
        if let Some(session) = self.sessions.get_mut(said) {
            session.starts = session.starts.saturating_sub(1);
        }
        if let Some(made) = made
            && made != said
            && is_active(made)
        {
            self.is_known_as(said, made, now);
        }
        self.settle(said, is_active);
        self.end_what_is_to_end(said, now);
    }

    /// Moves the notes of a session from the owner's name for it to the runtime's.
    fn is_known_as(&mut self, said: &Identity, made: &Identity, now: Instant) {
        let Some(session) = self.sessions.get(said) else { return };
        let (owner, kind) = (session.owner, session.kind.clone());
        let (turn_open, ending) = (session.turn_open, session.ending.clone());
        let is_new = !self.sessions.contains_key(made);
        self.note(made, owner, &kind, now);
        if let Some(session) = self.sessions.get_mut(made).filter(|session| session.owner == owner) {
            session.turn_open = if is_new { turn_open } else { session.turn_open };
            session.ending = ending;
        }
        self.end_what_is_to_end(made, now);
    }

    /// Ends a session whose owner died or said goodbye while the start was being written.
    fn end_what_is_to_end(&mut self, identity: &Identity, now: Instant) {
        if self.sessions.get(identity).is_some_and(|session| session.ending.is_some()) {
            self.sessions_due.set(identity, now);
        }
    }

    /// Called before an end is requested.
    pub(in crate::owners) fn end_begins(&mut self, identity: &Identity) {
        if let Some(session) = self.sessions.get_mut(identity) {
            session.ends += 1;
        }
    }

    /// Called when an end was answered.
    pub(in crate::owners) fn end_answered(&mut self, identity: &Identity, is_active: impl Fn(&Identity) -> bool) {
        if let Some(session) = self.sessions.get_mut(identity) {
            session.ends = session.ends.saturating_sub(1);
        }
        self.settle(identity, is_active);
    }

    /// Whether an end of the session is under way. A request that is made now comes after it.
    pub(in crate::owners) fn is_ending(&self, identity: &Identity) -> bool {
        self.sessions.get(identity).is_some_and(|session| session.ends > 0)
    }

    /// Forgets a session that is not active, unless an unanswered request may make it active.
    pub(in crate::owners) fn settle(&mut self, identity: &Identity, is_active: impl Fn(&Identity) -> bool) {
        if self.sessions.get(identity).is_some_and(|session| session.starts == 0) && !is_active(identity) {
            self.remove(identity);
        }
    }

    /// Notes that a session lives and is this owner's from now on. Returns whether the owner has changed.
    pub(in crate::owners) fn note(
        &mut self,
        identity: &Identity,
        owner: Option<OwnerId>,
        kind: &Arc<str>,
        now: Instant,
    ) -> bool {
        let owner = owner.filter(|id| self.owners.contains_key(id));
        if let Some(id) = owner {
            self.heard_of(id, now);
        }
        if !self.sessions.contains_key(identity) {
            self.kinds.add_session(&Arc::default());
            let session = OwnedSession::new(self.mark(), now);
            self.sessions.insert(identity.clone(), session);
        }
        let moved = owner.is_some_and(|id| self.move_to(identity, id));
        self.set_kind(identity, kind);
        if let Some(session) = self.sessions.get_mut(identity) {
            session.heard = now;
            session.ending = None;
        }
        self.schedule_silence(identity, now);
        moved
    }

    fn mark(&mut self) -> Mark {
        self.next_mark += 1;
        Mark(self.next_mark)
    }

    fn move_to(&mut self, identity: &Identity, to: OwnerId) -> bool {
        let Some(from) = self.sessions.get(identity).map(|session| session.owner) else { return false };
        let is_taken_by_the_dead = from.is_some_and(|from| self.is_alive(from)) && !self.is_alive(to);
        if from == Some(to) || is_taken_by_the_dead {
            return false;
        }
        if let Some(owner) = from.and_then(|from| self.owners.get_mut(&from)) {
            owner.sessions.remove(identity);
        }
        let Some(owner) = self.owners.get_mut(&to) else { return false };
        owner.sessions.insert(identity.clone());
        if let Some(session) = self.sessions.get_mut(identity) {
            session.owner = Some(to);
            // The turns of another process are unknown.
            session.turn_open &= from.is_none();
        }
        true
    }

    /// Sets the kind: the owner's, else the session's own.
    fn set_kind(&mut self, identity: &Identity, said: &Arc<str>) {
        let Some(session) = self.sessions.get_mut(identity) else { return };
        let of_owner = session.owner.and_then(|id| self.owners.get(&id)).map(|owner| owner.kind.clone());
        let kind = of_owner.filter(|kind| !kind.is_empty()).unwrap_or_else(|| said.clone());
        if kind.is_empty() || kind == session.kind {
            return;
        }
        let before = std::mem::replace(&mut session.kind, kind.clone());
        self.kinds.remove_session(&before);
        self.kinds.add_session(&kind);
    }

    fn schedule_silence(&mut self, identity: &Identity, now: Instant) {
        let kind = self.sessions.get(identity).map(|session| session.kind.clone()).unwrap_or_default();
        match self.settings.idle_after.get(&kind) {
            Some(silence) => self.sessions_due.set(identity, now + *silence),
            None => self.sessions_due.clear(identity),
        }
    }

    /// Notes an event that does not start, compact or end a session: a known session lives, and its agent is or is not
    /// at work. Returns whether the owner has changed.
    pub(in crate::owners) fn hear_of_turn(
        &mut self,
        identity: &Identity,
        owner: Option<OwnerId>,
        turn_open: Option<bool>,
        now: Instant,
    ) -> bool {
        if !self.sessions.contains_key(identity) {
            return false;
        }
        let moved = self.note(identity, owner, &Arc::default(), now);
        if let (Some(session), Some(turn_open)) = (self.sessions.get_mut(identity), turn_open) {
            session.turn_open = turn_open;
        }
        moved
    }

    /// Whether a session's agent is at work. `None`: unknown.
    pub(in crate::owners) fn is_turn_open(&self, identity: &Identity) -> Option<bool> {
        self.sessions.get(identity).map(|session| session.turn_open)
    }

    fn remove(&mut self, identity: &Identity) {
        let Some(session) = self.sessions.remove(identity) else { return };
        self.sessions_due.clear(identity);
        self.kinds.remove_session(&session.kind);
        if let Some(owner) = session.owner.and_then(|id| self.owners.get_mut(&id)) {
            owner.sessions.remove(identity);
        }
    }

    /// Returns the journal's record of a session's owner.
    pub(in crate::owners) fn record_of(&self, identity: &Identity) -> Option<SessionOwner> {
        self.record(self.sessions.get(identity)?.owner?)
    }
}
