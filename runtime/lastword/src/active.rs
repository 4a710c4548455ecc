use std::collections::HashMap;
use std::sync::Arc;

use lastword_events::{Identity, Session};

/// The set of active sessions.
#[derive(Debug, Default)]
pub(crate) struct ActiveSet {
    sessions: HashMap<Identity, Active>,
    /// The drain, or the closing without one, has begun.
    is_closing: bool,
    /// A drain has taken the set.
    is_taken: bool,
    /// What the drain found active; their ends are its business.
    drained: HashMap<Identity, Active>,
}

/// One active session.
#[derive(Clone, Debug)]
pub(crate) struct Active {
    pub(crate) sequence: u64,
    pub(crate) session: Arc<Session>,
    /// Compaction events so far.
    pub(crate) compactions: u32,
}

/// What the set knows of an identity.
#[derive(Clone, Debug)]
pub(crate) enum Standing {
    Active(Active),
    /// A drain has taken it over, with this generation.
    Drained(u32),
    Unknown,
}

impl ActiveSet {
    pub(crate) fn standing(&self, identity: &Identity) -> Standing {
        if let Some(active) = self.sessions.get(identity) {
            Standing::Active(active.clone())
        } else if let Some(drained) = self.drained.get(identity) {
            Standing::Drained(drained.session.generation)
        } else {
            Standing::Unknown
        }
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.is_closing
    }

    /// Notes a session. False when a drain has taken the set, and the session's end is the drain's.
    pub(crate) fn insert(&mut self, sequence: u64, session: Arc<Session>, compactions: u32) -> bool {
        let active = Active { sequence, session, compactions };
        let identity = active.session.identity.clone();
        if self.is_taken {
            self.drained.insert(identity, active);
        } else {
            self.sessions.insert(identity, active);
        }
        !self.is_taken
    }

    /// Changes a session if it is still the active one of its identity. False when it is not.
    pub(crate) fn update(&mut self, identity: &Identity, sequence: u64, change: impl FnOnce(&mut Active)) -> bool {
        let active = self.sessions.get_mut(identity).filter(|a| a.sequence == sequence);
        active.map(change).is_some()
    }

    /// Takes a session out. False when it is gone already.
    pub(crate) fn remove(&mut self, identity: &Identity, sequence: u64) -> bool {
        let is_it = self.sessions.get(identity).is_some_and(|active| active.sequence == sequence);
        is_it && self.sessions.remove(identity).is_some()
    }

    /// A snapshot, in the order of their starts.
    pub(crate) fn list(&self) -> Vec<Arc<Session>> {
        let mut sessions: Vec<&Active> = self.sessions.values().collect();
        sessions.sort_unstable_by_key(|active| active.sequence);
        sessions.into_iter().map(|active| active.session.clone()).collect()
    }

    /// How many sessions each tenant has.
    pub(crate) fn count_by_tenant(&self) -> HashMap<Arc<str>, u64> {
        let mut counts = HashMap::new();
        for identity in self.sessions.keys() {
            *counts.entry(identity.tenant.clone()).or_default() += 1;
        }
        counts
    }

    /// Lets no more sessions in. False when that was so already: the first cause wins.
    pub(crate) fn close(&mut self) -> bool {
        !std::mem::replace(&mut self.is_closing, true)
    }

    /// Empties the set, whole, and gives what was in it by tenant.
    pub(crate) fn take_all(&mut self) -> HashMap<Arc<str>, Vec<(u64, Arc<Session>)>> {
        self.is_taken = true;
        self.drained = std::mem::take(&mut self.sessions);
        let mut by_tenant: HashMap<Arc<str>, Vec<_>> = HashMap::new();
        for (identity, active) in &self.drained {
            let entry = (active.sequence, active.session.clone());
            match by_tenant.get_mut(&identity.tenant) {
                Some(sessions) => sessions.push(entry),
                None => {
                    by_tenant.insert(identity.tenant.clone(), vec![entry]);
                }
            }
        }
        by_tenant
    }
}
