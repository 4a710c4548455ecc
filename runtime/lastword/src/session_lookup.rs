//! Finds the session that an event is about. What is known of two sessions is never mixed: in doubt there are two sessions.

use lastword_events::Identity;

use crate::active_session::ActiveSession;
use crate::recent_ends::RecentEnds;
use crate::scoped_map::ScopedMap;
use crate::session_query::SessionQuery;

/// A session that was found.
pub(crate) struct Found<'s> {
    pub(crate) session: &'s ActiveSession,
    /// How many sessions the event may be about. The newest of them was taken.
    pub(crate) candidates: usize,
}

impl<'s> Found<'s> {
    fn only(session: &'s ActiveSession) -> Self {
        Self { session, candidates: 1 }
    }
}

/// Finds the session that an event is about. The event may be a duplicate of one of the recent `ends`.
pub(crate) fn find<'s>(
    query: &SessionQuery<'_>,
    sessions: &'s ScopedMap<ActiveSession>,
    ends: &RecentEnds,
) -> Option<Found<'s>> {
    let may_be = |active: &&'s ActiveSession| query.may_be_of_agent(active.agent());
    let named = |identity: &Identity| sessions.get(identity).filter(may_be);
    if let Some(exact) = named(query.identity) {
        return Some(Found::only(exact));
    }
    // What an agent tells apart has a scope.
    let has_scopes = sessions.has_scopes(query.identity);
    if has_scopes && let Some(of_agent) = query.agent_identity().and_then(|identity| named(&identity)) {
        return Some(Found::only(of_agent));
    }
    let others = || sessions.of_id(query.identity).filter(may_be);
    if query.identity.scope.is_empty() {
        if !has_scopes {
            return None;
        }
        let newest = others().max_by_key(|active| active.sequence)?;
        let is_duplicate = query.end.is_some_and(|end| ends.has_duplicate_since(end, newest.sequence));
        return (!is_duplicate).then(|| Found { session: newest, candidates: others().count() });
    }
    // The event is about a session of its own, which has ended just now.
    if ends.has_own_of(query) {
        return None;
    }
    // The session's scope becomes known, or has changed.
    let unscoped = named(&query.identity.unscoped()).or_else(|| named(&query.agent_identity_without_scope()?));
    let mut same_agent = others().filter(|active| !query.is_start && query.is_of_agent(active.agent()));
    let only = same_agent.next().filter(|_| same_agent.next().is_none());
    unscoped.or(only).map(Found::only)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lastword_events::Session;

    use super::*;

    fn session(scope: &str, agent: Option<&str>) -> Session {
        let mut session = Session::of(Identity::new("t", "main").in_scope(scope));
        session.agent_id = agent.map(str::to_owned);
        session
    }

    fn sessions(active: &[(&str, Option<&str>)]) -> ScopedMap<ActiveSession> {
        let mut sessions = ScopedMap::default();
        for (sequence, &(scope, agent)) in (1..).zip(active) {
            let session = Arc::new(session(scope, agent));
            sessions.insert(session.identity.clone(), ActiveSession::new(sequence, session, 0));
        }
        sessions
    }

    /// The number of the session that is found, and the number of candidates.
    fn found(active: &[(&str, Option<&str>)], said: (&str, Option<&str>), is_start: bool) -> Option<(u64, usize)> {
        let session = session(said.0, said.1);
        let query = SessionQuery::of(&session, std::time::Instant::now()).at_start(is_start);
        find(&query, &sessions(active), &RecentEnds::default()).map(|found| (found.session.sequence, found.candidates))
    }

    #[test]
    fn a_key_names_its_session_and_another_key_another() {
        let two = [("agent:a:main", None), ("agent:b:main", None)];
        for is_start in [false, true] {
            assert_eq!(found(&two, ("agent:b:main", None), is_start), Some((2, 1)));
            assert_eq!(found(&two, ("agent:c:main", None), is_start), None);
            assert_eq!(found(&[("x", None)], ("y", None), is_start), None, "nobody says that they are one");
        }
    }

    #[test]
    fn one_identity_of_two_agents_is_two_sessions() {
        for is_start in [false, true] {
            for scope in ["", "x"] {
                assert_eq!(found(&[(scope, Some("a"))], (scope, Some("b")), is_start), None, "another agent's");
                let two = [(scope, Some("a")), (&*format!("agent:b:{scope}"), None)];
                assert_eq!(found(&two, (scope, Some("b")), is_start), Some((2, 1)));
                assert_eq!(found(&two, (scope, Some("a")), is_start), Some((1, 1)));
            }
            let two = [("", Some("a")), ("agent:b:", None)];
            assert_eq!(found(&two, ("agent:b:main", None), is_start), Some((2, 1)), "its key becomes known");
        }
    }

    #[test]
    fn an_event_without_a_key_goes_to_the_one_session_or_to_the_newest() {
        for is_start in [false, true] {
            assert_eq!(found(&[("x", None)], ("", None), is_start), Some((1, 1)));
            assert_eq!(found(&[("x", None), ("y", None)], ("", None), is_start), Some((2, 2)));
            assert_eq!(found(&[("", None), ("y", None)], ("", None), is_start), Some((1, 1)), "it has none either");
            assert_eq!(found(&[("x", Some("a")), ("y", Some("b"))], ("", Some("a")), is_start), Some((1, 1)));
            assert_eq!(found(&[("x", Some("a"))], ("", Some("b")), is_start), None, "another agent's");
        }
    }

    #[test]
    fn a_session_whose_key_becomes_known_or_changes_is_followed() {
        assert_eq!(found(&[("", None)], ("x", None), false), Some((1, 1)));
        assert_eq!(found(&[("", None)], ("x", None), true), Some((1, 1)));
        assert_eq!(found(&[("", Some("a"))], ("x", Some("b")), false), None, "another agent's");
        assert_eq!(found(&[("x", Some("a"))], ("y", Some("a")), false), Some((1, 1)));
        assert_eq!(found(&[("agent:a:main", None)], ("agent:a:telegram", None), false), Some((1, 1)));
        assert_eq!(found(&[("x", Some("a"))], ("y", Some("a")), true), None, "a start begins its own");
        assert_eq!(found(&[("x", Some("a")), ("z", Some("a"))], ("y", Some("a")), false), None, "which of them?");
        assert_eq!(found(&[("x", Some("a")), ("z", Some("b"))], ("y", Some("a")), false), Some((1, 1)));
    }
}
