//! The set of active sessions.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use lastword_events::{Identity, PluginName, Session};

use crate::active_session::{ActiveSession, Ending, ExtraContext, Unended};
use crate::installed::{Installed, PluginSetNumber};
use crate::recent_ends::RecentEnds;
use crate::request::ReceivedEnd;
use crate::scoped_map::ScopedMap;
use crate::session_lookup::{Found, find};
use crate::session_query::SessionQuery;
use crate::tenants::Tenants;

/// The set of active sessions.
#[derive(Debug, Default)]
pub(crate) struct ActiveSet {
    sessions: ScopedMap<ActiveSession>,
    /// Sessions that have ended within the last seconds.
    pub(crate) recent_ends: RecentEnds,
    /// Active sessions of each tenant, in the order of the tenants and of the starts.
    by_tenant: BTreeMap<Arc<str>, BTreeMap<u64, Arc<Session>>>,
    /// How many sessions are active, to be read without the lock.
    count: Arc<AtomicU64>,
    /// How many of them have an [`ExtraContext`]: mostly none.
    with_context: usize,
    /// How many sessions of each tenant are being written down, and will be active then. Only for tenants with a quota.
    reserved: HashMap<Arc<str>, u64>,
    /// How many sessions of each tenant have an end that is being recorded: others may have their room. Only for tenants with a quota.
    ends_being_recorded: HashMap<Arc<str>, u64>,
    /// The sessions that a drain found active, once it has taken the set. The drain ends them.
    drained: Option<ScopedMap<ActiveSession>>,
    /// The sessions of `drained`, by tenant. They are kept until the runtime goes, because to free a million takes longer than a drain has.
    drained_by_tenant: BTreeMap<Arc<str>, BTreeMap<u64, Arc<Session>>>,
}

/// What a drain takes out of the set.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// The active sessions of each tenant.
    pub(crate) active: HashMap<Arc<str>, Vec<Unended>>,
    /// Sessions that a dead run left and nobody has come back for.
    pub(crate) unattached: Vec<ActiveSession>,
    /// Sessions whose end somebody has asked for.
    pub(crate) with_own_end: Vec<ActiveSession>,
}

/// What the set knows of the session that an event is about.
#[derive(Clone, Debug)]
pub(crate) enum SessionState {
    /// It is active. `candidates`: how many active sessions the event may be about.
    Active {
        session: ActiveSession,
        candidates: usize,
    },
    /// A drain has taken the session over.
    Drained(ActiveSession),
    Unknown,
}

impl ActiveSet {
    pub(crate) fn state(&self, query: SessionQuery<'_>) -> SessionState {
        if let Some(Found { session, candidates }) = find(&query, &self.sessions, &self.recent_ends) {
            return SessionState::Active { session: session.clone(), candidates };
        }
        let drained = self.drained.as_ref().and_then(|drained| find(&query, drained, &self.recent_ends));
        drained.map_or(SessionState::Unknown, |drained| SessionState::Drained(drained.session.clone()))
    }

    /// The session that the set knew as this one, if a drain has taken it over.
    pub(crate) fn drained_as(&self, identity: &Identity) -> Option<&ActiveSession> {
        if self.sessions.get(identity).is_some() { None } else { self.drained_one(identity) }
    }

    /// Adds the agent to a session's identity, if another agent's session has that identity. So no two sessions of this set have the same
    /// identity.
    pub(crate) fn qualify_by_agent(&self, session: &mut Session, state: &SessionState, now: Instant) {
        let query = SessionQuery::of(session, now);
        if !query.has_agent() {
            return;
        }
        let is_known_so = matches!(
            state,
            SessionState::Active { session, .. } if query.is_agent_identity(&session.session.identity)
        );
        // An event without a scope takes the identity of the session it matched.
        let says_scope = !session.identity.scope.is_empty() || matches!(state, SessionState::Unknown);
        let is_another = |set: &ScopedMap<ActiveSession>| {
            set.get(query.identity).is_some_and(|active| !query.may_be_of_agent(active.agent()))
        };
        let is_taken = || {
            is_another(&self.sessions)
                || self.drained.as_ref().is_some_and(is_another)
                || self.recent_ends.is_of_another(&query)
        };
        if (is_known_so || says_scope && is_taken())
            && let Some(by_agent) = query.agent_identity()
        {
            session.identity = by_agent;
        }
    }

    /// Whether a session of this identity is active, or is being drained; without a scope, one of this id.
    pub(crate) fn has_active(&self, identity: &Identity) -> bool {
        [&self.sessions].into_iter().chain(&self.drained).any(|set| match identity.scope.is_empty() {
            true => set.of_id(identity).next().is_some(),
            false => set.get(identity).is_some(),
        })
    }

    /// The session that a drain has taken over with this end.
    pub(crate) fn taken_over_with(&self, end: &Arc<ReceivedEnd>) -> Option<&ActiveSession> {
        let drained = self.drained.as_ref()?;
        drained.of_id(&end.request.session.identity).find(|drained| drained.was_taken_over_with(end))
    }

    /// Registers a session. `started_by`: the set of plugins that decided who is sent its start; 0 when nobody is. False when a drain has
    /// taken the set, so that the drain ends the session.
    pub(crate) fn insert(
        &mut self,
        sequence: u64,
        session: Arc<Session>,
        compactions: u32,
        started_by: PluginSetNumber,
    ) -> bool {
        let active = ActiveSession { started_by, ..ActiveSession::new(sequence, session, compactions) };
        let identity = active.session.identity.clone();
        self.recent_ends.begins_anew(&identity);
        match &mut self.drained {
            Some(drained) => drained.insert(identity, active),
            None => {
                self.list_one(sequence, &active.session);
                self.sessions.insert(identity, active);
            }
        }
        self.drained.is_none()
    }

    /// Registers a session that a dead run left active.
    pub(crate) fn insert_recovered(
        &mut self,
        sequence: u64,
        session: Arc<Session>,
        compactions: u32,
        extra: ExtraContext,
    ) {
        self.list_one(sequence, &session);
        let identity = session.identity.clone();
        let extra = Some(Box::new(extra));
        self.with_context += 1;
        self.sessions.insert(identity, ActiveSession { extra, ..ActiveSession::new(sequence, session, compactions) });
    }

    /// Notes that a plugin was sent a session's start and is gone: the session's end is owed to it all the same.
    pub(crate) fn add_started(&mut self, identity: &Identity, sequence: u64, plugin: &PluginName) {
        let mut added = 0;
        self.update(identity, sequence, |active| {
            added = usize::from(active.extra.is_none());
            active.add_started(plugin);
        });
        self.with_context += added;
    }

    /// Notes of which sessions this plugin was sent the start, because it is uninstalled or is not sent starts any more. Gives how many
    /// sessions they are. Looks at all sessions of the tenants that the plugin serves.
    pub(crate) fn keep_started(&mut self, plugin: &Installed) -> u64 {
        let (mut sessions, mut added) = (0, 0);
        self.for_each_of(&plugin.tenants, |active| {
            if active.was_sent_to(plugin) {
                added += usize::from(active.extra.is_none());
                active.add_started(plugin.name());
                sessions += 1;
            }
        });
        self.with_context += added;
        sessions
    }

    /// Forgets of which sessions this uninstalled plugin was sent the start: it is not owed their ends. Gives the numbers of the sessions.
    pub(crate) fn forget_started(&mut self, plugin: &Installed) -> Vec<u64> {
        let mut sessions = Vec::new();
        self.for_each_of(&plugin.tenants, |active| {
            if active.was_sent_to(plugin) {
                active.forget_started(plugin.name());
                sessions.push(active.sequence);
            }
        });
        sessions.sort_unstable();
        sessions
    }

    /// How many sessions there are whose start was sent to a plugin of this name before this one was installed. Looks at all sessions of
    /// the tenants that the plugin serves, if there may be any.
    pub(crate) fn count_started(&mut self, plugin: &Installed) -> u64 {
        let mut sessions = 0;
        if self.with_context == 0 {
            return sessions;
        }
        self.for_each_of(&plugin.tenants, |active| sessions += u64::from(active.started().contains(plugin.name())));
        sessions
    }

    fn for_each_of(&mut self, tenants: &Tenants, mut visit: impl FnMut(&mut ActiveSession)) {
        match tenants {
            Tenants::Every => self.sessions.values_mut().for_each(visit),
            Tenants::Only(tenants) => {
                let listed = tenants.iter().filter_map(|tenant| self.by_tenant.get(tenant));
                for session in listed.flat_map(BTreeMap::values) {
                    if let Some(active) = self.sessions.get_mut(&session.identity) {
                        visit(active);
                    }
                }
            }
        }
    }

    /// Sessions that a dead run left and nobody has come back for, in the order of their starts.
    pub(crate) fn unattached(&self) -> Vec<(u64, Identity)> {
        let unattached = self.sessions.iter().filter(|(_, active)| active.is_unattached());
        let mut unattached: Vec<_> = unattached.map(|(identity, active)| (active.sequence, identity.clone())).collect();
        unattached.sort_unstable_by_key(|(sequence, _)| *sequence);
        unattached
    }

    pub(crate) fn is_unattached(&self, identity: &Identity, sequence: u64) -> bool {
        self.sessions.get(identity).is_some_and(|active| active.sequence == sequence && active.is_unattached())
    }

    /// The session, if a dead run left it and nobody has come back for it.
    pub(crate) fn unattached_one(&mut self, identity: &Identity, sequence: u64) -> Option<&mut ActiveSession> {
        self.sessions.get_mut(identity).filter(|active| active.sequence == sequence && active.is_unattached())
    }

    /// Changes a session if it is still the active one of its identity. False when it is not.
    pub(crate) fn update(
        &mut self,
        identity: &Identity,
        sequence: u64,
        change: impl FnOnce(&mut ActiveSession),
    ) -> bool {
        let active = self.sessions.get_mut(identity).filter(|a| a.sequence == sequence);
        active.map(change).is_some()
    }

    /// Updates a session that its owner has spoken of to what is known of it now. Its scope may be another. False when the session is not
    /// active any more.
    pub(crate) fn update_session(
        &mut self,
        identity: &Identity,
        sequence: u64,
        session: Arc<Session>,
        change: impl FnOnce(&mut ActiveSession),
    ) -> bool {
        let Some(active) = self.sessions.get_mut(identity).filter(|active| active.sequence == sequence) else {
            return false;
        };
        active.attach();
        if let Some(listed) = self.by_tenant.get_mut(&identity.tenant).and_then(|of| of.get_mut(&sequence)) {
            listed.clone_from(&session);
        }
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

    /// Lets a session go on whose end cannot be written down, or was asked for before.
    pub(crate) fn cancel_ending(&mut self, identity: &Identity, sequence: u64) {
        self.update(identity, sequence, |active| active.ending = None);
    }

    /// Marks the session that this end is of, so that a drain takes it over with this end. Only the first end of a session counts.
    fn take_over(&mut self, end: Arc<ReceivedEnd>) {
        let Some(drained) = &mut self.drained else { return };
        let found = find(&SessionQuery::of_end(&end), drained, &self.recent_ends);
        let found = found.map(|found| found.session.session.identity.clone());
        if let Some(drained) = found.and_then(|identity| drained.get_mut(&identity)) {
            drained.ending.get_or_insert_with(|| Box::new(Ending::TakenOver(end)));
        }
    }

    /// Marks a session that was registered after the snapshot with the first of `ends` that is of it. None when no end is.
    pub(crate) fn take_over_late(
        &mut self,
        identity: &Identity,
        ends: Vec<Arc<ReceivedEnd>>,
    ) -> Option<&ActiveSession> {
        ends.into_iter().for_each(|end| self.take_over(end));
        self.drained_one(identity).filter(|drained| drained.ending.is_some())
    }

    /// Whether a drain has taken over this session while its end was being written down.
    pub(crate) fn was_ending(&self, identity: &Identity, sequence: u64) -> bool {
        self.drained_one(identity).is_some_and(|drained| drained.sequence == sequence && drained.ending.is_some())
    }

    fn drained_one(&self, identity: &Identity) -> Option<&ActiveSession> {
        self.drained.as_ref()?.get(identity)
    }

    /// Removes a session. None when it is not in the set any more.
    pub(crate) fn remove(&mut self, identity: &Identity, sequence: u64) -> Option<ActiveSession> {
        let removed = self.sessions.remove(identity)?;
        if removed.sequence != sequence {
            self.sessions.insert(identity.clone(), removed);
            return None;
        }
        self.count.fetch_sub(1, Ordering::Relaxed);
        if let Some(of_tenant) = self.by_tenant.get_mut(&identity.tenant) {
            of_tenant.remove(&sequence);
            // Nothing is kept of a tenant without sessions: owners may make up tenants for ever.
            if of_tenant.is_empty() {
                self.by_tenant.remove(&identity.tenant);
            }
        }
        self.with_context -= usize::from(removed.extra.is_some());
        Some(removed)
    }

    /// Counts and lists a session that is active from now on.
    fn list_one(&mut self, sequence: u64, session: &Arc<Session>) {
        self.count.fetch_add(1, Ordering::Relaxed);
        match self.by_tenant.get_mut(&session.identity.tenant) {
            Some(of_tenant) => drop(of_tenant.insert(sequence, session.clone())),
            None => {
                let of_tenant = self.by_tenant.entry(session.identity.tenant.clone()).or_default();
                of_tenant.insert(sequence, session.clone());
            }
        }
    }

    /// Reserves room for one more session of a tenant that may have `limit`. False when the tenant has as many.
    pub(crate) fn take_permit(&mut self, tenant: &Arc<str>, limit: u64) -> bool {
        let has = |counts: &HashMap<_, u64>| counts.get(tenant).copied().unwrap_or(0);
        let active = self.by_tenant.get(tenant).map_or(0, count_of);
        let free = active + has(&self.reserved) < limit.saturating_add(has(&self.ends_being_recorded));
        if free {
            count_up(&mut self.reserved, tenant);
        }
        free
    }

    /// Gives reserved room back: the session is active now, or never will be.
    pub(crate) fn give_permit_back(&mut self, tenant: &Arc<str>) {
        count_down(&mut self.reserved, tenant);
    }

    /// Counts a session of a tenant whose end is being written down.
    pub(crate) fn begin_ending(&mut self, tenant: &Arc<str>) {
        count_up(&mut self.ends_being_recorded, tenant);
    }

    /// Counts the session no more: its end is written down, or could not be.
    pub(crate) fn finish_ending(&mut self, tenant: &Arc<str>) {
        count_down(&mut self.ends_being_recorded, tenant);
    }

    /// The active sessions, in the order of their starts.
    pub(crate) fn list(&self) -> Vec<Arc<Session>> {
        let mut sessions: Vec<&ActiveSession> = self.sessions.values().collect();
        sessions.sort_unstable_by_key(|active| active.sequence);
        sessions.into_iter().map(|active| active.session.clone()).collect()
    }

    /// How many sessions each tenant has.
    pub(crate) fn count_by_tenant(&self) -> impl Iterator<Item = (&Arc<str>, u64)> {
        self.by_tenant.iter().map(|(tenant, sessions)| (tenant, count_of(sessions)))
    }

    /// The first tenant after this one that has a session.
    pub(crate) fn tenant_after(&self, after: Option<&str>) -> Option<&Arc<str>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.by_tenant.range::<str, _>((from, Bound::Unbounded)).next().map(|(tenant, _)| tenant)
    }

    /// How many sessions are active, to be read without the lock.
    pub(crate) fn counter(&self) -> Arc<AtomicU64> {
        self.count.clone()
    }

    /// The active session of this identity. Without a scope: the newest session of the id, if no session of it is without a scope.
    pub(crate) fn session(&self, identity: &Identity) -> Option<&Arc<Session>> {
        let newest = || self.sessions.of_id(identity).max_by_key(|active| active.sequence);
        let of_any_scope = || if identity.scope.is_empty() { newest() } else { None };
        self.sessions.get(identity).or_else(of_any_scope).map(|active| &active.session)
    }

    /// At most `limit` active sessions of a tenant with numbers higher than `after`, in the order of their starts. Also gives the number of
    /// the last one, if there are more.
    pub(crate) fn sessions_of(
        &self,
        tenant: &str,
        after: Option<u64>,
        limit: usize,
    ) -> (Vec<Arc<Session>>, Option<u64>) {
        let Some(of_tenant) = self.by_tenant.get(tenant) else { return (Vec::new(), None) };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut following = of_tenant.range((from, Bound::Unbounded));
        let page: Vec<(&u64, &Arc<Session>)> = following.by_ref().take(limit).collect();
        let next = page.last().map(|(sequence, _)| **sequence).filter(|_| following.next().is_some());
        (page.into_iter().map(|(_, session)| session.clone()).collect(), next)
    }

    /// See [`Runtime::held_resources`](crate::Runtime::held_resources).
    #[cfg(shuttle)]
    pub(crate) fn held(&self) -> [(&'static str, u64); 3] {
        let sum = |counts: &HashMap<_, u64>| counts.values().sum();
        let active = self.count_by_tenant().map(|(_, count)| count).sum();
        [
            ("active sessions", active),
            ("reserved", sum(&self.reserved)),
            ("ends being recorded", sum(&self.ends_being_recorded)),
        ]
    }

    /// Empties the set. `asked`: the ends that are under way, those of one id in their order.
    pub(crate) fn take_all(&mut self, asked: Vec<Arc<ReceivedEnd>>) -> Snapshot {
        self.count.store(0, Ordering::Relaxed);
        self.with_context = 0;
        self.drained_by_tenant = std::mem::take(&mut self.by_tenant);
        self.drained = Some(std::mem::take(&mut self.sessions));
        for end in asked {
            self.take_over(end);
        }
        let mut snapshot = Snapshot::default();
        for (identity, active) in self.drained.iter().flat_map(ScopedMap::iter) {
            if active.ending.is_some() {
                snapshot.with_own_end.push(active.clone());
                continue;
            }
            if active.is_unattached() {
                snapshot.unattached.push(active.clone());
                continue;
            }
            let entry = Unended {
                sequence: active.sequence,
                session: active.session.clone(),
                attempt: active.attempt_of_end(),
            };
            match snapshot.active.get_mut(&identity.tenant) {
                Some(sessions) => sessions.push(entry),
                None => {
                    snapshot.active.insert(identity.tenant.clone(), vec![entry]);
                }
            }
        }
        snapshot.unattached.sort_unstable_by_key(|active| active.sequence);
        snapshot.with_own_end.sort_unstable_by_key(|active| active.sequence);
        snapshot
    }
}

fn count_of(sessions: &BTreeMap<u64, Arc<Session>>) -> u64 {
    u64::try_from(sessions.len()).unwrap_or(u64::MAX)
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

/// Counts down. Nothing is kept of a tenant whose count is 0: owners may make up tenants for ever.
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
    fn permits_count_until_they_are_given_back() {
        let mut set = ActiveSet::default();
        let tenant: Arc<str> = "t".into();
        assert!(set.take_permit(&tenant, 2) && set.take_permit(&tenant, 2));
        assert!(!set.take_permit(&tenant, 2), "two starts that are being written down");
        set.give_permit_back(&tenant);
        set.insert(1, session("t", "a"), 0, 0);
        assert!(!set.take_permit(&tenant, 2), "one is active, the other is still being written down");
        set.give_permit_back(&tenant);
        assert!(set.take_permit(&tenant, 2), "it could not be written down");
        assert!(set.take_permit(&"u".into(), 1), "another tenant has its own");
    }

    #[test]
    fn tenants_without_sessions_leave_nothing_behind() {
        let mut set = ActiveSet::default();
        for n in 0..100 {
            let session = session(&format!("t{n}"), "a");
            let identity = session.identity.clone();
            assert!(set.take_permit(&identity.tenant, 1));
            set.insert(n, session, 0, 0);
            set.give_permit_back(&identity.tenant);
            assert!(set.remove(&identity, n).is_some() && set.remove(&identity, n).is_none());
        }
        assert!(set.by_tenant.is_empty() && set.reserved.is_empty());
        assert_eq!(set.counter().load(Ordering::Relaxed), 0);
    }

    #[test]
    fn tenants_follow_each_other_by_their_names_as_long_as_they_have_sessions() {
        let mut set = ActiveSet::default();
        for (sequence, tenant) in [(1, "c"), (2, "a"), (3, "b")] {
            set.insert(sequence, session(tenant, "s"), 0, 0);
        }
        assert!(set.remove(&session("b", "s").identity, 3).is_some());
        let after = |tenant| set.tenant_after(tenant).map(|tenant| &**tenant);
        assert_eq!(
            [after(None), after(Some("a")), after(Some("b")), after(Some("c"))],
            [Some("a"), Some("c"), Some("c"), None]
        );
    }

    #[test]
    fn sessions_of_a_tenant_are_listed_by_the_page_as_they_are_now() {
        let mut set = ActiveSet::default();
        for (sequence, id) in [(3, "b"), (1, "a"), (7, "c")] {
            set.insert(sequence, session("t", id), 0, 0);
        }
        set.insert(5, session("u", "d"), 0, 0);
        let mut named = Session::new("t", "b");
        named.cwd = Some("/there".to_owned());
        assert!(set.update_session(&session("t", "b").identity, 3, Arc::new(named), |_| ()));
        let page = |after, limit| {
            let (sessions, next) = set.sessions_of("t", after, limit);
            let listed = sessions.iter().map(|one| (one.identity.id.to_string(), one.cwd.clone()));
            (listed.collect::<Vec<_>>(), next)
        };
        let there = Some("/there".to_owned());
        assert_eq!(page(None, 2), (vec![("a".to_owned(), None), ("b".to_owned(), there)], Some(3)));
        assert_eq!(page(Some(3), 2), (vec![("c".to_owned(), None)], None));
        assert_eq!(set.sessions_of("nobody", None, 2), (vec![], None));
    }
}
