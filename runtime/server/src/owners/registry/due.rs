//! Handles deadlines, and the ends of sessions that follow from them.

use std::time::Instant;

use lastword::events::{Identity, Timestamp};

use super::{LostOwner, Passed, Registry};
use crate::limits::END_RETRY;
use crate::owners::owned_session::{Ending, Mark, SessionToEnd};
use crate::owners::owner::{Death, Life, Loss, OwnerId};

impl Registry {
    /// Whether a session is still to end.
    pub(in crate::owners) fn is_to_end(&self, end: &SessionToEnd) -> bool {
        self.sessions.get(&end.identity).is_some_and(|session| session.mark == end.mark && session.ending.is_some())
    }

    /// Schedules a retry of these ends, which could not be written down, together with all other such ends.
    pub(in crate::owners) fn try_again(&mut self, ends: &[SessionToEnd], now: Instant) {
        let at = self.next_retry(now);
        for end in ends {
            if self.is_to_end(end) {
                self.sessions_due.set(&end.identity, at);
            }
        }
    }

    fn next_retry(&mut self, now: Instant) -> Instant {
        let at = self.retry_at.filter(|at| *at > now).unwrap_or(now + END_RETRY);
        self.retry_at = Some(at);
        at
    }

    /// Removes an owner that says goodbye. Returns its sessions, which have no owner then.
    pub(in crate::owners) fn take(&mut self, id: OwnerId) -> Vec<(Identity, Mark)> {
        let sessions = self.forget(id);
        let marks = sessions.into_iter().filter_map(|identity| {
            let session = self.sessions.get_mut(&identity)?;
            session.owner = None;
            Some((identity, session.mark))
        });
        marks.collect()
    }

    /// Whether a session of an owner that has said goodbye is still to end: it was not started again, and has no other
    /// owner.
    pub(in crate::owners) fn is_left(&self, identity: &Identity, mark: Mark) -> bool {
        self.sessions.get(identity).is_some_and(|session| session.mark == mark && session.owner.is_none())
    }

    /// Ends a session as soon as the end can be written down.
    pub(in crate::owners) fn end_later(&mut self, identity: &Identity, mark: Mark, ending: Ending, now: Instant) {
        let at = self.next_retry(now);
        if let Some(session) = self.sessions.get_mut(identity).filter(|session| session.mark == mark) {
            session.ending = Some(ending);
            self.sessions_due.set(identity, at);
        }
    }

    /// Returns what is due by now.
    pub(in crate::owners) fn pass(&mut self, now: Instant, at: Timestamp) -> Passed {
        let mut passed = Passed::default();
        for id in self.owners_due.take_due(now) {
            let Some(owner) = self.owners.get(&id) else { continue };
            match owner.death {
                Some(death) if death.grace_ends <= now => {
                    if death.sessions == 0 && !owner.sessions.is_empty() {
                        passed.revealed.push(LostOwner::new(owner, death.how));
                    }
                    let sessions = self.forget(id);
                    passed.ends.extend(sessions.into_iter().filter_map(|identity| self.left_behind(identity, death)));
                }
                Some(death) => self.owners_due.set(&id, death.grace_ends),
                None if owner.life != Life::Unwatched => passed.lost.extend(self.lose(id, Loss::Lease, (now, at))),
                None if owner.sessions.is_empty() => drop(self.forget(id)),
                None => self.schedule_owner(id, now),
            }
        }
        for identity in self.sessions_due.take_due(now) {
            passed.ends.extend(self.silent(identity, now, at));
        }
        passed
    }

    /// Returns the end of a session whose dead owner's grace is over, unless it has ended.
    fn left_behind(&mut self, identity: Identity, death: Death) -> Option<SessionToEnd> {
        let session = self.sessions.get_mut(&identity)?;
        session.owner = None;
        let ending = Ending::OwnerLost { at: death.at, turn_open: session.turn_open };
        session.ending = Some(ending.clone());
        Some(SessionToEnd { identity, mark: session.mark, ending })
    }

    /// Returns the end of a session that was silent for long, or whose end could not be written down before.
    fn silent(&mut self, identity: Identity, now: Instant, at: Timestamp) -> Option<SessionToEnd> {
        let session = self.sessions.get_mut(&identity)?;
        if session.ending.is_none() {
            let silence = self.settings.idle_after.get(&session.kind)?;
            if session.heard + *silence > now {
                self.sessions_due.set(&identity, session.heard + *silence);
                return None;
            }
        }
        let ending = session.ending.get_or_insert(Ending::Idle { at }).clone();
        Some(SessionToEnd { identity, mark: session.mark, ending })
    }
}
