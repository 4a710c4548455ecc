//! The registry of owners and their sessions, and the consequences of an owner's death.
//!
//! The registry does nothing by itself and reads no clock: its caller passes the time. [`super::Owners`] asks for what
//! is due and carries it out.
//!
//! Owners and sessions are one value: an owner has the set of its sessions, each session has its owner, and an event, a
//! death or a deadline changes both. The files beside have a part of the functions each.

mod due;
mod lives;
mod sessions;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use lastword::events::Identity;

use super::deadlines::Deadlines;
use super::kinds::{KindCounts, Kinds};
use super::owned_session::{OwnedSession, SessionToEnd};
use super::owner::{Loss, Owner, OwnerId, OwnerName};
use super::processes::Processes;
use super::room::Room;
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
    /// Leases that lapse, graces that end, and owners to forget.
    owners_due: Deadlines<OwnerId>,
    /// Sessions that were silent for too long, or whose end is to be retried.
    sessions_due: Deadlines<Identity>,
    /// When ends that could not be written down are retried, all of them at once.
    retry_at: Option<Instant>,
    kinds: Kinds,
    next_owner: u64,
    next_mark: u64,
    lost: u64,
}

/// An owner that has just registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Registered {
    pub(crate) id: OwnerId,
    /// Whether no owner of that name was known.
    pub(crate) is_new: bool,
    /// Whether the owner was in its grace.
    pub(crate) came_back: bool,
}

/// Why an owner is not registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unregistered {
    /// There are too many owners.
    TooMany,
    /// The owner's process has not been verified and is not watched.
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

impl LostOwner {
    fn new(owner: &Owner, how: Loss) -> Self {
        Self { name: owner.name.clone(), kind: owner.kind.clone(), how, sessions: owner.sessions.len() }
    }
}

/// The owners and sessions that have become due.
#[derive(Debug, Default)]
pub(super) struct Passed {
    pub(super) lost: Vec<LostOwner>,
    /// Owners whose grace is over, and that died without a session: late hooks have named the sessions that end now.
    pub(super) revealed: Vec<LostOwner>,
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

    /// Returns the next deadline.
    pub(super) fn next_due(&self) -> Option<Instant> {
        [self.owners_due.next(), self.sessions_due.next()].into_iter().flatten().min()
    }

    /// Returns the numbers of owners and sessions by kind.
    pub(super) fn counts(&self) -> BTreeMap<Arc<str>, KindCounts> {
        self.kinds.all()
    }

    /// Returns the number of active sessions with a known owner.
    pub(super) fn owned_sessions(&self) -> u64 {
        self.owners.values().map(|owner| owner.sessions.len() as u64).sum()
    }

    /// Returns the number of dead owners in their grace.
    pub(super) fn in_grace(&self) -> u64 {
        self.owners.values().filter(|owner| owner.death.is_some()).count() as u64
    }

    /// Returns the number of lost owners since the start.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }
}

#[cfg(test)]
mod tests;
