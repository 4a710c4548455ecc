//! Registrations, signs of life and deaths of owners.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use lastword::events::{Identity, SessionOwner, Timestamp};
use lastword_process::Process;
use tokio::task::AbortHandle;

use super::{LostOwner, Registered, Registry, Unregistered};
use crate::owners::owner::{Death, Life, Loss, Owner, OwnerId, OwnerName};

impl Registry {
    /// Returns the owner of this name, alive or in its grace.
    pub(in crate::owners) fn find(&self, name: &OwnerName) -> Option<OwnerId> {
        self.names.get(name).copied()
    }

    fn lives_so(&self, id: OwnerId, life: &Life) -> bool {
        self.owners.get(&id).is_some_and(|owner| owner.death.is_none() && owner.life == *life)
    }

    pub(in crate::owners) fn is_alive(&self, id: OwnerId) -> bool {
        self.owners.get(&id).is_some_and(|owner| owner.death.is_none())
    }

    /// Returns the journal's record of an owner.
    pub(in crate::owners) fn record(&self, id: OwnerId) -> Option<SessionOwner> {
        self.owners.get(&id)?.record()
    }

    /// Registers an owner, and how its death is noticed from now on. An owner in its grace gets its sessions back. A
    /// process that is new to the owner has to be verified before (`is_verified`), and [watched](Self::watch) under the
    /// same lock: otherwise it may have exited unnoticed.
    pub(in crate::owners) fn register(
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

    /// Registers an owner whose process is gone. An owner that lives otherwise by now stays alive: a late registration
    /// of an earlier process does not kill it.
    pub(in crate::owners) fn register_dead(
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

    /// Sets how an owner lives from now on. Returns whether the owner was in its grace.
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

    pub(super) fn schedule_owner(&mut self, id: OwnerId, now: Instant) {
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

    /// Watches an owner's process, unless it is watched already.
    pub(in crate::owners) fn watch(&mut self, process: &Process, begin: impl FnOnce() -> AbortHandle) {
        self.processes.watch(process, begin);
    }

    /// Stops watching all processes.
    pub(in crate::owners) fn stop_watching(&mut self) {
        self.processes.stop_watching();
    }

    /// Notes a sign of life: the owner's lease begins again, even after it had lapsed. Returns whether the owner was in
    /// its grace.
    pub(in crate::owners) fn heard_of(&mut self, id: OwnerId, now: Instant) -> bool {
        let Some(owner) = self.owners.get_mut(&id).filter(|owner| owner.life.patience().is_some()) else {
            return false;
        };
        let came_back = owner.death.take().is_some();
        self.schedule_owner(id, now);
        came_back
    }

    /// Returns an owner's name and kind.
    pub(in crate::owners) fn name_and_kind(&self, id: OwnerId) -> Option<(OwnerName, Arc<str>)> {
        let owner = self.owners.get(&id)?;
        Some((owner.name.clone()?, owner.kind.clone()))
    }

    /// Marks an owner as dead: its sessions end when the grace is over. `None` if it is dead already, or is a
    /// connection without sessions.
    pub(in crate::owners) fn lose(
        &mut self,
        id: OwnerId,
        how: Loss,
        (now, at): (Instant, Timestamp),
    ) -> Option<LostOwner> {
        let owner = self.owners.get_mut(&id).filter(|owner| owner.death.is_none())?;
        if owner.life == Life::Connection && owner.sessions.is_empty() {
            // The connection has sent everything that it wanted to, as `nc` does.
            self.forget(id);
            return None;
        }
        let grace_ends = now + self.settings.grace;
        let lost = LostOwner::new(owner, how);
        owner.death = Some(Death { how, at, sessions: lost.sessions, grace_ends });
        self.lost += 1;
        self.owners_due.set(&id, grace_ends);
        Some(lost)
    }

    /// Marks the owners that live by an exited process as dead. Owners that live otherwise by now stay alive.
    pub(in crate::owners) fn exited(&mut self, process: &Process, when: (Instant, Timestamp)) -> Vec<LostOwner> {
        let owners = self.processes.exited(process);
        owners.into_iter().filter_map(|id| self.lose(id, Loss::Process, when)).collect()
    }

    pub(super) fn forget(&mut self, id: OwnerId) -> HashSet<Identity> {
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
}
