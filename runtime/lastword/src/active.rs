use std::collections::HashMap;
use std::sync::Arc;

use lastword_events::{Event, Identity, PluginName, Session};

use crate::recent_ends::RecentEnds;
use crate::request::ReceivedEnd;
use crate::scoped::Scoped;
use crate::whose::Said;

/// The set of active sessions.
#[derive(Debug, Default)]
pub(crate) struct ActiveSet {
    sessions: Scoped<Active>,
    /// Sessions that have ended just now.
    pub(crate) recent_ends: RecentEnds,
    /// How many of them each tenant has.
    by_tenant: HashMap<Arc<str>, u64>,
    /// Sessions of each tenant that are being written down, and will be active then. Only of tenants with a quota.
    reserved: HashMap<Arc<str>, u64>,
    /// Sessions of each tenant whose end is being written down: their places can be had. Only of tenants with a quota.
    leaving: HashMap<Arc<str>, u64>,
    /// A drain has taken the set.
    is_taken: bool,
    /// What the drain found active; their ends are its business.
    drained: Scoped<Active>,
}

/// One active session.
#[derive(Clone, Debug)]
pub(crate) struct Active {
    pub(crate) sequence: u64,
    pub(crate) session: Arc<Session>,
    /// Compaction events so far.
    pub(crate) compactions: u32,
    /// Of a session that a dead run left.
    pub(crate) left: Option<Box<Left>>,
    /// Of a session whose end somebody has asked for. (Boxed: few are ending at a time, and there may be a million.)
    pub(crate) ending: Option<Box<Ending>>,
}

/// An end that is not written down yet. A drain that takes the session over delivers this one, and none of its own.
#[derive(Clone, Debug)]
pub(crate) enum Ending {
    /// The journal has been handed this, and has not answered.
    Appended {
        /// All that is known of the session, the end included.
        session: Arc<Session>,
        event: Arc<Event>,
    },
    /// It waited for its turn when a drain took the session over: the drain has handed it over.
    TakenOver(Arc<ReceivedEnd>),
}

/// What is known of a session that a dead run left and its owner may go on with.
#[derive(Clone, Debug)]
pub(crate) struct Left {
    /// Plugins that were sent its start.
    pub(crate) started: Vec<PluginName>,
    /// Its owner has come back for it.
    pub(crate) attached: bool,
    /// The highest attempt of its end that a dead run may have made: one may have drained, and died before it could say so.
    pub(crate) attempt: u32,
}

impl Active {
    pub(crate) fn new(sequence: u64, session: Arc<Session>, compactions: u32) -> Self {
        Self { sequence, session, compactions, left: None, ending: None }
    }

    /// Its owner has spoken of it.
    pub(crate) fn attach(&mut self) {
        if let Some(left) = &mut self.left {
            left.attached = true;
        }
    }

    /// The highest attempt of its end that anyone may have made.
    pub(crate) fn attempt_of_end(&self) -> u32 {
        self.left.as_ref().map_or(0, |left| left.attempt)
    }

    /// Plugins that were sent its start by a dead run, or were to be.
    pub(crate) fn started(&self) -> &[PluginName] {
        self.left.as_ref().map_or(&[], |left| &left.started)
    }

    pub(crate) fn is_unattached(&self) -> bool {
        self.left.as_ref().is_some_and(|left| !left.attached)
    }

    /// A drain has taken the session over with this end.
    pub(crate) fn was_taken_over_with(&self, end: &Arc<ReceivedEnd>) -> bool {
        matches!(self.ending.as_deref(), Some(Ending::TakenOver(taken)) if Arc::ptr_eq(taken, end))
    }
}

/// What a drain takes out of the set.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// The active sessions of each tenant.
    pub(crate) active: HashMap<Arc<str>, Vec<Unended>>,
    /// Sessions that a dead run left and nobody has come for.
    pub(crate) unattached: Vec<Active>,
    /// Sessions whose end somebody has asked for.
    pub(crate) ending: Vec<Active>,
}

/// A session whose end is a drain's business.
#[derive(Debug)]
pub(crate) struct Unended {
    pub(crate) sequence: u64,
    pub(crate) session: Arc<Session>,
    /// As [`Active::attempt_of_end`].
    pub(crate) attempt: u32,
}

/// What the set knows of the session that an event is about.
#[derive(Clone, Debug)]
pub(crate) enum Standing {
    /// With the number of active sessions that it was chosen from, if the event does not say which.
    Active(Active, usize),
    /// A drain has taken it over.
    Drained(Active),
    Unknown,
}

impl ActiveSet {
    pub(crate) fn standing(&self, said: Said<'_>) -> Standing {
        if let Some((active, of)) = said.find(&self.sessions, &self.recent_ends) {
            Standing::Active(active.clone(), of)
        } else if let Some((drained, _)) = said.find(&self.drained, &self.recent_ends) {
            Standing::Drained(drained.clone())
        } else {
            Standing::Unknown
        }
    }

    /// The session that the set knew as this one, if a drain has taken it over.
    pub(crate) fn drained_as(&self, identity: &Identity) -> Option<&Active> {
        if self.sessions.get(identity).is_some() { None } else { self.drained.get(identity) }
    }

    /// Gives a session an identity of its own where what it says is another agent's: in this set no two have the same.
    pub(crate) fn set_apart(&self, session: &mut Session, standing: &Standing) {
        let said = Said::of(session);
        let Some(apart) = said.apart() else { return };
        let is_known_apart = matches!(standing, Standing::Active(active, _) if active.session.identity == apart);
        // One without a scope says no other than that of the session that it is of.
        let says_scope = !session.identity.scope.is_empty() || matches!(standing, Standing::Unknown);
        let is_another = |set: &Scoped<Active>| set.get(said.identity).is_some_and(|active| !said.may_be(active));
        let is_taken =
            || is_another(&self.sessions) || is_another(&self.drained) || self.recent_ends.is_of_another(&said);
        if is_known_apart || says_scope && is_taken() {
            session.identity = apart;
        }
    }

    /// Whether a session of this identity is active, or is being drained; without a scope, one of this id.
    pub(crate) fn has_active(&self, identity: &Identity) -> bool {
        let sets = [&self.sessions, &self.drained];
        sets.into_iter().any(|set| match identity.scope.is_empty() {
            true => set.of_id(identity).next().is_some(),
            false => set.get(identity).is_some(),
        })
    }

    /// The session that a drain has taken over with this end.
    pub(crate) fn taken_over_with(&self, end: &Arc<ReceivedEnd>) -> Option<&Active> {
        self.drained.of_id(&end.request.session.identity).find(|drained| drained.was_taken_over_with(end))
    }

    /// Notes a session. False when a drain has taken the set, and the session's end is the drain's.
    pub(crate) fn insert(&mut self, sequence: u64, session: Arc<Session>, compactions: u32) -> bool {
        let active = Active::new(sequence, session, compactions);
        let identity = active.session.identity.clone();
        self.recent_ends.begins_anew(&identity);
        if self.is_taken {
            self.drained.insert(identity, active);
        } else {
            count_up(&mut self.by_tenant, &identity.tenant);
            self.sessions.insert(identity, active);
        }
        !self.is_taken
    }

    /// Notes a session that a dead run left.
    pub(crate) fn insert_left(&mut self, sequence: u64, session: Arc<Session>, compactions: u32, left: Left) {
        count_up(&mut self.by_tenant, &session.identity.tenant);
        let identity = session.identity.clone();
        let left = Some(Box::new(left));
        self.sessions.insert(identity, Active { left, ..Active::new(sequence, session, compactions) });
    }

    /// Sessions that a dead run left and nobody has come for, in the order of their starts.
    pub(crate) fn unattached(&self) -> Vec<(u64, Identity)> {
        let left = self.sessions.iter().filter(|(_, active)| active.is_unattached());
        let mut left: Vec<_> = left.map(|(identity, active)| (active.sequence, identity.clone())).collect();
        left.sort_unstable_by_key(|(sequence, _)| *sequence);
        left
    }

    pub(crate) fn is_unattached(&self, identity: &Identity, sequence: u64) -> bool {
        self.sessions.get(identity).is_some_and(|active| active.sequence == sequence && active.is_unattached())
    }

    /// One of them, if nobody has come for it yet.
    pub(crate) fn unattached_one(&mut self, identity: &Identity, sequence: u64) -> Option<&mut Active> {
        self.sessions.get_mut(identity).filter(|active| active.sequence == sequence && active.is_unattached())
    }

    /// Changes a session if it is still the active one of its identity. False when it is not.
    pub(crate) fn update(&mut self, identity: &Identity, sequence: u64, change: impl FnOnce(&mut Active)) -> bool {
        let active = self.sessions.get_mut(identity).filter(|a| a.sequence == sequence);
        active.map(change).is_some()
    }

    /// Its owner has spoken of a session, and `session` is known of it now: its scope may be another. False when it is not
    /// active any more.
    pub(crate) fn update_session(
        &mut self,
        identity: &Identity,
        sequence: u64,
        session: Arc<Session>,
        change: impl FnOnce(&mut Active),
    ) -> bool {
        let Some(active) = self.sessions.get_mut(identity).filter(|active| active.sequence == sequence) else {
            return false;
        };
        active.attach();
        active.session = session;
        change(active);
        let identity_now = active.session.identity.clone();
        if identity_now != *identity
            && let Some(active) = self.sessions.remove(identity)
        {
            self.recent_ends.begins_anew(&identity_now);
            self.sessions.insert(identity_now, active);
        }
        true
    }

    /// Its end is as it was before somebody asked for it: that cannot be written down, or was asked for before.
    pub(crate) fn goes_on(&mut self, identity: &Identity, sequence: u64) {
        self.update(identity, sequence, |active| active.ending = None);
    }

    /// Notes the end with which a drain takes a session over: the first that is of it.
    fn take_over(&mut self, end: Arc<ReceivedEnd>) {
        let found = Said::of_end(&end).find(&self.drained, &self.recent_ends);
        let found = found.map(|(drained, _)| drained.session.identity.clone());
        if let Some(drained) = found.and_then(|identity| self.drained.get_mut(&identity)) {
            drained.ending.get_or_insert_with(|| Box::new(Ending::TakenOver(end)));
        }
    }

    /// The same for one session, with the first of `ends` that is of it. None when no end is.
    pub(crate) fn take_over_late(&mut self, identity: &Identity, ends: Vec<Arc<ReceivedEnd>>) -> Option<&Active> {
        ends.into_iter().for_each(|end| self.take_over(end));
        self.drained.get(identity).filter(|drained| drained.ending.is_some())
    }

    /// Whether a drain has taken over this session while its end was being written down.
    pub(crate) fn was_ending(&self, identity: &Identity, sequence: u64) -> bool {
        self.drained.get(identity).is_some_and(|drained| drained.sequence == sequence && drained.ending.is_some())
    }

    /// Takes a session out. None when it is gone already.
    pub(crate) fn remove(&mut self, identity: &Identity, sequence: u64) -> Option<Active> {
        self.sessions.get(identity).filter(|active| active.sequence == sequence)?;
        count_down(&mut self.by_tenant, &identity.tenant);
        self.sessions.remove(identity)
    }

    /// Keeps a place for one more session of a tenant that may have `limit`. False when there is none.
    pub(crate) fn reserve(&mut self, tenant: &Arc<str>, limit: u64) -> bool {
        let has = |counts: &HashMap<_, u64>| counts.get(tenant).copied().unwrap_or(0);
        let free = has(&self.by_tenant) + has(&self.reserved) < limit.saturating_add(has(&self.leaving));
        if free {
            count_up(&mut self.reserved, tenant);
        }
        free
    }

    /// Gives a place back: the session is active now, or never will be.
    pub(crate) fn give_back(&mut self, tenant: &Arc<str>) {
        count_down(&mut self.reserved, tenant);
    }

    /// The end of one of a tenant's sessions is being written down.
    pub(crate) fn begin_to_leave(&mut self, tenant: &Arc<str>) {
        count_up(&mut self.leaving, tenant);
    }

    /// It is written down, or could not be.
    pub(crate) fn left(&mut self, tenant: &Arc<str>) {
        count_down(&mut self.leaving, tenant);
    }

    /// A snapshot, in the order of their starts.
    pub(crate) fn list(&self) -> Vec<Arc<Session>> {
        let mut sessions: Vec<&Active> = self.sessions.values().collect();
        sessions.sort_unstable_by_key(|active| active.sequence);
        sessions.into_iter().map(|active| active.session.clone()).collect()
    }

    /// How many sessions each tenant has.
    pub(crate) fn count_by_tenant(&self) -> impl Iterator<Item = (&Arc<str>, u64)> {
        self.by_tenant.iter().map(|(tenant, count)| (tenant, *count))
    }

    /// See [`Runtime::leftovers`](crate::Runtime::leftovers).
    #[cfg(shuttle)]
    pub(crate) fn held(&self) -> crate::leftovers::Held {
        let counts = [("active sessions", &self.by_tenant), ("reserved", &self.reserved), ("leaving", &self.leaving)];
        counts.map(|(name, counts)| (name, counts.values().sum())).into()
    }

    /// Empties the set, whole. `asked`: ends that are under way, those of one id in their order.
    pub(crate) fn take_all(&mut self, asked: Vec<Arc<ReceivedEnd>>) -> Taken {
        self.is_taken = true;
        self.by_tenant.clear();
        self.drained = std::mem::take(&mut self.sessions);
        for end in asked {
            self.take_over(end);
        }
        let mut taken = Taken::default();
        for (identity, active) in self.drained.iter() {
            if active.ending.is_some() {
                taken.ending.push(active.clone());
                continue;
            }
            if active.is_unattached() {
                taken.unattached.push(active.clone());
                continue;
            }
            let entry = Unended {
                sequence: active.sequence,
                session: active.session.clone(),
                attempt: active.attempt_of_end(),
            };
            match taken.active.get_mut(&identity.tenant) {
                Some(sessions) => sessions.push(entry),
                None => {
                    taken.active.insert(identity.tenant.clone(), vec![entry]);
                }
            }
        }
        taken.unattached.sort_unstable_by_key(|active| active.sequence);
        taken.ending.sort_unstable_by_key(|active| active.sequence);
        taken
    }
}

fn count_up(counts: &mut HashMap<Arc<str>, u64>, tenant: &Arc<str>) {
    // Not by `entry`, which wants a key of its own even where there is one.
    match counts.get_mut(tenant) {
        Some(count) => *count += 1,
        None => {
            counts.insert(tenant.clone(), 1);
        }
    }
}

/// Nothing is kept of a tenant that has none: owners may make up tenants for ever.
fn count_down(counts: &mut HashMap<Arc<str>, u64>, tenant: &Arc<str>) {
    match counts.get_mut(tenant) {
        Some(count) if *count > 1 => *count -= 1,
        _ => {
            counts.remove(tenant);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(tenant: &str, id: &str) -> Arc<Session> {
        Arc::new(Session::new(tenant, id))
    }

    #[test]
    fn places_that_are_kept_count_until_they_are_given_back() {
        let mut set = ActiveSet::default();
        let tenant: Arc<str> = "t".into();
        assert!(set.reserve(&tenant, 2) && set.reserve(&tenant, 2));
        assert!(!set.reserve(&tenant, 2), "two starts that are being written down");
        set.give_back(&tenant);
        set.insert(1, session("t", "a"), 0);
        assert!(!set.reserve(&tenant, 2), "one is active, the other is still being written down");
        set.give_back(&tenant);
        assert!(set.reserve(&tenant, 2), "it could not be written down");
        assert!(set.reserve(&"u".into(), 1), "another tenant has its own");
    }

    #[test]
    fn tenants_without_sessions_leave_nothing_behind() {
        let mut set = ActiveSet::default();
        for n in 0..100 {
            let session = session(&format!("t{n}"), "a");
            let identity = session.identity.clone();
            assert!(set.reserve(&identity.tenant, 1));
            set.insert(n, session, 0);
            set.give_back(&identity.tenant);
            assert!(set.remove(&identity, n).is_some() && set.remove(&identity, n).is_none());
        }
        assert!(set.by_tenant.is_empty() && set.reserved.is_empty());
    }
}
