//! Whose event it is that an owner tells of. Facts of two sessions are never mixed: in doubt they are two.

use std::time::Instant;

use lastword_events::limits::MAX_KEY_BYTES;
use lastword_events::{Identity, Session};

use crate::active::Active;
use crate::recent_ends::RecentEnds;
use crate::request::ReceivedEnd;
use crate::scoped::Scoped;
use crate::sync::now;

/// What an event says of the session that it is about.
#[derive(Clone, Copy)]
pub(crate) struct Said<'a> {
    pub(crate) identity: &'a Identity,
    agent: Option<&'a str>,
    /// When.
    pub(crate) at: Instant,
    /// The end that says it.
    end: Option<&'a ReceivedEnd>,
    /// A start begins a session of its own where another event is taken for one of a session that is there.
    is_start: bool,
}

impl<'a> Said<'a> {
    pub(crate) fn of(session: &'a Session) -> Self {
        Self { identity: &session.identity, agent: agent(session), at: now(), end: None, is_start: false }
    }

    pub(crate) fn at_start(session: &'a Session) -> Self {
        Self { is_start: true, ..Self::of(session) }
    }

    pub(crate) fn of_end(end: &'a ReceivedEnd) -> Self {
        Self { at: end.at, end: Some(end), ..Self::of(&end.request.session) }
    }

    /// The session of these that is meant, and how many it was chosen from, if it does not say which. `ends`: what has ended
    /// just now, of which this may be said as well.
    pub(crate) fn find<'s>(&self, sessions: &'s Scoped<Active>, ends: &RecentEnds) -> Option<(&'s Active, usize)> {
        let named = |identity: &Identity| sessions.get(identity).filter(|active| self.may_be(active));
        if let Some(exact) = named(self.identity).or_else(|| named(&self.apart()?)) {
            return Some((exact, 1));
        }
        let others = || sessions.of_id(self.identity).filter(|active| self.may_be(active));
        if self.identity.scope.is_empty() {
            let newest = others().max_by_key(|active| active.sequence)?;
            let is_repeated = self.end.is_some_and(|end| ends.has_repeated_since(end, newest.sequence));
            return (!is_repeated).then(|| (newest, others().count()));
        }
        // It had a session of its own.
        if ends.has_own_of(self) {
            return None;
        }
        // Its scope becomes known, or has changed.
        let unscoped = named(&self.identity.unscoped()).or_else(|| named(&self.apart_without_scope()?));
        let mut same_agent = others().filter(|active| !self.is_start && self.is_of_agent_of(active));
        let only = same_agent.next().filter(|_| same_agent.next().is_none());
        unscoped.or(only).map(|active| (active, 1))
    }

    pub(crate) fn may_be(&self, active: &Active) -> bool {
        self.may_be_of(agent(&active.session))
    }

    /// Whether nobody says that it is of another agent than this one.
    pub(crate) fn may_be_of(&self, agent: Option<&str>) -> bool {
        match (self.agent, agent) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        }
    }

    fn is_of_agent_of(&self, active: &Active) -> bool {
        self.agent.is_some() && self.agent == agent(&active.session)
    }
}

impl Said<'_> {
    /// What the session is known as where another agent's has its identity.
    pub(crate) fn apart(&self) -> Option<Identity> {
        self.agent.map(|agent| self.in_scope_of(agent, &self.identity.scope))
    }

    /// The same of one of which no scope is known.
    pub(crate) fn apart_without_scope(&self) -> Option<Identity> {
        self.agent.map(|agent| self.in_scope_of(agent, ""))
    }

    /// As OpenClaw's keys begin: the agent that is in them is known without another word.
    fn in_scope_of(&self, agent: &str, scope: &str) -> Identity {
        let mut scope = format!("agent:{agent}:{scope}");
        scope.truncate(scope.floor_char_boundary(MAX_KEY_BYTES));
        self.identity.unscoped().in_scope(&scope)
    }
}

pub(crate) fn agent(session: &Session) -> Option<&str> {
    agent_of(session.agent_id.as_deref(), &session.identity.scope)
}

/// The agent of which a session is that is known as of this one, in this scope.
pub(crate) fn agent_of<'a>(agent_id: Option<&'a str>, scope: &'a str) -> Option<&'a str> {
    agent_id.or_else(|| agent_of_scope(scope))
}

/// OpenClaw's keys have the agent in them: `agent:main:telegram:42`.
fn agent_of_scope(scope: &str) -> Option<&str> {
    scope.strip_prefix("agent:")?.split(':').next()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn session(scope: &str, agent: Option<&str>) -> Session {
        let mut session = Session::of(Identity::new("t", "main").in_scope(scope));
        session.agent_id = agent.map(str::to_owned);
        session
    }

    fn sessions(active: &[(&str, Option<&str>)]) -> Scoped<Active> {
        let mut sessions = Scoped::default();
        for (sequence, &(scope, agent)) in (1..).zip(active) {
            let session = Arc::new(session(scope, agent));
            sessions.insert(session.identity.clone(), Active::new(sequence, session, 0));
        }
        sessions
    }

    /// The number of the session that is meant, and from how many.
    fn found(active: &[(&str, Option<&str>)], said: (&str, Option<&str>), is_start: bool) -> Option<(u64, usize)> {
        let session = session(said.0, said.1);
        let said = Said { is_start, ..Said::of(&session) };
        said.find(&sessions(active), &RecentEnds::default()).map(|(active, of)| (active.sequence, of))
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
