//! Who owns which session, and what comes of it when an owner dies.
//!
//! It does nothing by itself and looks at no clock: whoever asks says what time it is. What is due is asked for, and then
//! carried out by [`super::Owners`].

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use lastword::events::{Identity, SessionOwner, Timestamp};
use lastword_process::Process;
use tokio::task::AbortHandle;

use super::deadlines::Deadlines;
use super::kinds::{KindCounts, Kinds};
use super::owned_session::{Ending, Mark, OwnedSession, SessionToEnd};
use super::owner::{Death, Life, Loss, Owner, OwnerId, OwnerName};
use super::processes::Processes;
use super::room::Room;
use crate::limits::END_RETRY;
use crate::settings::OwnerSettings;

/// Owners, alive and in their grace, and the sessions that are active or about to be.
#[derive(Debug)]
pub(super) struct Registry {
    settings: OwnerSettings,
    owners: HashMap<OwnerId, Owner>,
    names: HashMap<OwnerName, OwnerId>,
    room: Room,
    processes: Processes,
    sessions: HashMap<Identity, OwnedSession>,
    /// Leases that lapse, graces that end, and owners that are to be forgotten.
    owners_due: Deadlines<OwnerId>,
    /// Sessions that were silent for too long, or whose end is to be tried again.
    sessions_due: Deadlines<Identity>,
    /// When ends that could not be written down are tried again: all of them at once.
    retry_at: Option<Instant>,
    kinds: Kinds,
    next_owner: u64,
    next_mark: u64,
    lost: u64,
}

/// An owner that has just said that it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Registered {
    pub(crate) id: OwnerId,
    /// Nobody of that name was known.
    pub(crate) is_new: bool,
    /// It was taken for dead, and its sessions were about to end.
    pub(crate) came_back: bool,
}

/// Why an owner is not registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unregistered {
    /// There are too many.
    TooMany,
    /// It would live by a process that nobody has looked at, and that is not watched.
    VerifyFirst,
}

/// An owner that was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LostOwner {
    pub(crate) name: Option<OwnerName>,
    pub(crate) kind: Arc<str>,
    pub(crate) how: Loss,
    pub(crate) sessions: usize,
}

/// What has become due.
#[derive(Debug, Default)]
pub(super) struct Passed {
    pub(super) lost: Vec<LostOwner>,
    pub(super) ends: Vec<SessionToEnd>,
}

impl Registry {
    pub(super) fn new(settings: OwnerSettings) -> Self {
        Self {
            settings,
            owners: HashMap::new(),
            names: HashMap::new(),
            room: Room::default(),
            processes: Processes::default(),
            sessions: HashMap::new(),
            owners_due: Deadlines::default(),
            sessions_due: Deadlines::default(),
            retry_at: None,
            kinds: Kinds::default(),
            next_owner: 0,
            next_mark: 0,
            lost: 0,
        }
    }

    /// The next moment at which something is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        [self.owners_due.next(), self.sessions_due.next()].into_iter().flatten().min()
    }

    /// The owner of this name, alive or in its grace.
    pub(super) fn find(&self, name: &OwnerName) -> Option<OwnerId> {
        self.names.get(name).copied()
    }

    fn lives_so(&self, id: OwnerId, life: &Life) -> bool {
        self.owners.get(&id).is_some_and(|owner| owner.death.is_none() && owner.life == *life)
    }

    pub(super) fn is_alive(&self, id: OwnerId) -> bool {
        self.owners.get(&id).is_some_and(|owner| owner.death.is_none())
    }

    /// What a journal keeps of an owner.
    pub(super) fn record(&self, id: OwnerId) -> Option<SessionOwner> {
        self.owners.get(&id)?.record()
    }

    /// An owner says that it lives, and how that is noticed from now on. One that was taken for dead has its sessions again. A process by
    /// which it did not live until now has to be looked at before (`is_verified`), and [watched](Self::watch) under the same lock: else its
    /// end may have been told already, and nobody would hear of it.
    pub(super) fn register(
        &mut self,
        name: Option<OwnerName>,
        kind: &Arc<str>,
        life: Life,
        is_verified: bool,
        now: Instant,
    ) -> Result<Registered, Unregistered> {
        let known = name.as_ref().and_then(|name| self.find(name));
        let lives_so = known.is_some_and(|id| self.lives_so(id, &life));
        if matches!(life, Life::Process(_)) && !lives_so && !is_verified {
            return Err(Unregistered::VerifyFirst);
        }
        let id = match known {
            Some(id) => id,
            None => self.add(name, kind)?,
        };
        let came_back = self.live(id, life, now);
        self.set_kind_of_owner(id, kind);
        Ok(Registered { id, is_new: known.is_none(), came_back })
    }

    /// The process of this owner is gone already. An owner that lives otherwise by now stays alive: a late word of an earlier process is
    /// nobody's death.
    pub(super) fn register_dead(
        &mut self,
        name: OwnerName,
        kind: &Arc<str>,
        process: Process,
        (now, at): (Instant, Timestamp),
    ) -> Result<(Registered, Option<LostOwner>), Unregistered> {
        let (known, life) = (self.find(&name), Life::Process(process));
        let id = match known {
            Some(id) => id,
            None => {
                let id = self.add(Some(name), kind)?;
                self.live(id, life.clone(), now);
                id
            }
        };
        let lost = if self.lives_so(id, &life) { self.lose(id, Loss::Process, (now, at)) } else { None };
        Ok((Registered { id, is_new: known.is_none(), came_back: false }, lost))
    }

    fn add(&mut self, name: Option<OwnerName>, kind: &Arc<str>) -> Result<OwnerId, Unregistered> {
        if !self.room.take(name.as_ref()) {
            return Err(Unregistered::TooMany);
        }
        self.next_owner += 1;
        let id = OwnerId(self.next_owner);
        if let Some(name) = &name {
            self.names.insert(name.clone(), id);
        }
        self.kinds.add_owner(kind);
        self.owners.insert(id, Owner::new(name, kind.clone()));
        Ok(id)
    }

    /// An owner lives in this way from now on. Says whether it was taken for dead.
    fn live(&mut self, id: OwnerId, life: Life, now: Instant) -> bool {
        let Some(owner) = self.owners.get_mut(&id) else { return false };
        let came_back = owner.death.take().is_some();
        let before = std::mem::replace(&mut owner.life, life);
        let is_another = before != owner.life;
        if let Life::Process(process) = &before
            && is_another
        {
            self.processes.leaves(process, id);
        }
        if let Life::Process(process) = &owner.life {
            self.processes.lives_by(process, id);
        }
        self.schedule_owner(id, now);
        came_back
    }

    fn schedule_owner(&mut self, id: OwnerId, now: Instant) {
        match self.owners.get(&id).and_then(|owner| owner.life.patience()) {
            Some(patience) => self.owners_due.set(&id, now + patience),
            None => self.owners_due.clear(&id),
        }
    }

    fn set_kind_of_owner(&mut self, id: OwnerId, kind: &Arc<str>) {
        let Some(owner) = self.owners.get_mut(&id) else { return };
        if kind.is_empty() || owner.kind == *kind {
            return;
        }
        let before = std::mem::replace(&mut owner.kind, kind.clone());
        self.kinds.remove_owner(&before);
        self.kinds.add_owner(kind);
    }

    /// Watches a process by which an owner lives, unless that is done already.
    pub(super) fn watch(&mut self, process: &Process, begin: impl FnOnce() -> AbortHandle) {
        self.processes.watch(process, begin);
    }

    /// No process is watched any more.
    pub(super) fn stop_watching(&mut self) {
        self.processes.stop_watching();
    }

    /// An owner is heard of: its lease begins anew, also when it had lapsed. Says whether it was taken for dead.
    pub(super) fn heard_of(&mut self, id: OwnerId, now: Instant) -> bool {
        let Some(owner) = self.owners.get_mut(&id).filter(|owner| owner.life.patience().is_some()) else {
            return false;
        };
        let came_back = owner.death.take().is_some();
        self.schedule_owner(id, now);
        came_back
    }

    /// What an owner calls itself, and its kind.
    pub(super) fn name_and_kind(&self, id: OwnerId) -> Option<(OwnerName, Arc<str>)> {
        let owner = self.owners.get(&id)?;
        Some((owner.name.clone()?, owner.kind.clone()))
    }

    /// An owner is dead: its sessions end when the grace is over. None when it is dead already, or is a connection that has left nothing
    /// behind.
    pub(super) fn lose(&mut self, id: OwnerId, how: Loss, (now, at): (Instant, Timestamp)) -> Option<LostOwner> {
        let owner = self.owners.get_mut(&id).filter(|owner| owner.death.is_none())?;
        if owner.life == Life::Connection && owner.sessions.is_empty() {
            // It has said all that it wanted to, as `nc` does.
            self.forget(id);
            return None;
        }
        let grace_ends = now + self.settings.grace;
        owner.death = Some(Death { at, grace_ends });
        self.lost += 1;
        self.owners_due.set(&id, grace_ends);
        let (name, kind, sessions) = (owner.name.clone(), owner.kind.clone(), owner.sessions.len());
        Some(LostOwner { name, kind, how, sessions })
    }

    /// A process has exited: the owners that live by it are dead. Those that live otherwise by now are not.
    pub(super) fn exited(&mut self, process: &Process, when: (Instant, Timestamp)) -> Vec<LostOwner> {
        let owners = self.processes.exited(process);
        owners.into_iter().filter_map(|id| self.lose(id, Loss::Process, when)).collect()
    }

    /// A start or a compaction of a session is about to be asked for. It is [answered](Self::start_answered) later.
    pub(super) fn start_begins(
        &mut self,
        identity: &Identity,
        owner: Option<OwnerId>,
        kind: &Arc<str>,
        (now, at): (Instant, Timestamp),
    ) {
        self.note(identity, owner, kind, now);
        let mark = self.mark();
        // It may have been forgotten a moment ago.
        let is_left_behind = owner.is_some_and(|id| !self.owners.contains_key(&id));
        let Some(session) = self.sessions.get_mut(identity) else { return };
        session.mark = mark;
        session.starts += 1;
        if is_left_behind && session.owner.is_none() {
            session.ending = Some(Ending::OwnerLost { at, turn_open: session.turn_open });
        }
    }

    /// A start or a compaction was answered. `made` is the session that it is of, which may be another than it said: owners leave out scopes.
    pub(super) fn start_answered(
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

    /// What was noted of a session under one name is of the session that the runtime knows by another.
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

    /// Its owner may have died, or said goodbye, while the start was being written.
    fn end_what_is_to_end(&mut self, identity: &Identity, now: Instant) {
        if self.sessions.get(identity).is_some_and(|session| session.ending.is_some()) {
            self.sessions_due.set(identity, now);
        }
    }

    /// An end of a session is about to be asked for.
    pub(super) fn end_begins(&mut self, identity: &Identity) {
        if let Some(session) = self.sessions.get_mut(identity) {
            session.ends += 1;
        }
    }

    /// An end was answered.
    pub(super) fn end_answered(&mut self, identity: &Identity, is_active: impl Fn(&Identity) -> bool) {
        if let Some(session) = self.sessions.get_mut(identity) {
            session.ends = session.ends.saturating_sub(1);
        }
        self.settle(identity, is_active);
    }

    /// Whether an end of a session is under way: what is asked for now comes after it.
    pub(super) fn is_ending(&self, identity: &Identity) -> bool {
        self.sessions.get(identity).is_some_and(|session| session.ends > 0)
    }

    /// Forgets a session that is not active, unless a request that is under way may make it so.
    pub(super) fn settle(&mut self, identity: &Identity, is_active: impl Fn(&Identity) -> bool) {
        if self.sessions.get(identity).is_some_and(|session| session.starts == 0) && !is_active(identity) {
            self.remove(identity);
        }
    }

    /// A session lives, and is this owner's from now on. Says whether it has another owner than before.
    pub(super) fn note(&mut self, identity: &Identity, owner: Option<OwnerId>, kind: &Arc<str>, now: Instant) -> bool {
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
            // Of the turns of another process nothing is known.
            session.turn_open &= from.is_none();
        }
        true
    }

    /// The kind is its owner's, else the one that it says itself.
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

    /// An event that is not about the life of a session: it says that one that is known lives, and what its agent is doing. Says whether
    /// it has another owner than before.
    pub(super) fn hear_of_turn(
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

    /// Whether a session's agent is at work; none when it is not known.
    pub(super) fn is_turn_open(&self, identity: &Identity) -> Option<bool> {
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

    /// Whether a session is still to end.
    pub(super) fn is_to_end(&self, end: &SessionToEnd) -> bool {
        self.sessions.get(&end.identity).is_some_and(|session| session.mark == end.mark && session.ending.is_some())
    }

    /// The ends of these sessions could not be written down: they are tried again, with all others of which that is so.
    pub(super) fn try_again(&mut self, ends: &[SessionToEnd], now: Instant) {
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

    /// An owner says goodbye. Gives its sessions, which nobody owns any more.
    pub(super) fn take(&mut self, id: OwnerId) -> Vec<(Identity, Mark)> {
        let sessions = self.forget(id);
        let marks = sessions.into_iter().filter_map(|identity| {
            let session = self.sessions.get_mut(&identity)?;
            session.owner = None;
            Some((identity, session.mark))
        });
        marks.collect()
    }

    /// Whether a session is still to end because its owner has said goodbye: it was not started again, and nobody else has it.
    pub(super) fn is_left(&self, identity: &Identity, mark: Mark) -> bool {
        self.sessions.get(identity).is_some_and(|session| session.mark == mark && session.owner.is_none())
    }

    /// A session ends as soon as that can be written down.
    pub(super) fn end_later(&mut self, identity: &Identity, mark: Mark, ending: Ending, now: Instant) {
        let at = self.next_retry(now);
        if let Some(session) = self.sessions.get_mut(identity).filter(|session| session.mark == mark) {
            session.ending = Some(ending);
            self.sessions_due.set(identity, at);
        }
    }

    fn forget(&mut self, id: OwnerId) -> HashSet<Identity> {
        let Some(owner) = self.owners.remove(&id) else { return HashSet::new() };
        self.owners_due.clear(&id);
        self.room.give_back(owner.name.as_ref());
        if let Some(name) = &owner.name {
            self.names.remove(name);
        }
        if let Life::Process(process) = &owner.life {
            self.processes.leaves(process, id);
        }
        self.kinds.remove_owner(&owner.kind);
        owner.sessions
    }

    /// What is due by now.
    pub(super) fn pass(&mut self, now: Instant, at: Timestamp) -> Passed {
        let mut passed = Passed::default();
        for id in self.owners_due.take_due(now) {
            let Some(owner) = self.owners.get(&id) else { continue };
            match owner.death {
                Some(death) if death.grace_ends <= now => {
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

    /// A dead owner's grace is over, and this session of it has not ended.
    fn left_behind(&mut self, identity: Identity, death: Death) -> Option<SessionToEnd> {
        let session = self.sessions.get_mut(&identity)?;
        session.owner = None;
        let ending = Ending::OwnerLost { at: death.at, turn_open: session.turn_open };
        session.ending = Some(ending.clone());
        Some(SessionToEnd { identity, mark: session.mark, ending })
    }

    /// Nothing was heard of a session for long, or its end could not be written down before.
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

    /// What there is, by kind.
    pub(super) fn counts(&self) -> BTreeMap<Arc<str>, KindCounts> {
        self.kinds.all()
    }

    /// Active sessions that an owner is known of.
    pub(super) fn owned_sessions(&self) -> u64 {
        self.owners.values().map(|owner| owner.sessions.len() as u64).sum()
    }

    /// Owners that are dead, and whose grace is not over.
    pub(super) fn in_grace(&self) -> u64 {
        self.owners.values().filter(|owner| owner.death.is_some()).count() as u64
    }

    /// Owners that were lost, ever.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }
}

#[cfg(test)]
mod tests;
