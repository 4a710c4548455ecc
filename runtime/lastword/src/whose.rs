//! Whose event it is that an owner tells of. Facts of two sessions are never mixed: in doubt they are two.

use lastword_events::{Identity, Session};

use crate::active::Active;
use crate::scoped::Scoped;

/// What an event says of the session that it is about.
#[derive(Clone, Copy)]
pub(crate) struct Said<'a> {
    pub(crate) identity: &'a Identity,
    agent: Option<&'a str>,
    /// A start begins a session of its own where another event is taken for one of a session that is there.
    is_start: bool,
}

impl<'a> Said<'a> {
    pub(crate) fn of(session: &'a Session) -> Self {
        Self { identity: &session.identity, agent: agent(session), is_start: false }
    }

    pub(crate) fn at_start(session: &'a Session) -> Self {
        Self { is_start: true, ..Self::of(session) }
    }

    /// Of which only the identity is known.
    pub(crate) fn only(identity: &'a Identity) -> Self {
        Self { identity, agent: agent_of_scope(&identity.scope), is_start: false }
    }

    /// The session of these that is meant, and how many it was chosen from, if it does not say which.
    pub(crate) fn find<'s>(&self, sessions: &'s Scoped<Active>) -> Option<(&'s Active, usize)> {
        if let Some(exact) = sessions.get(self.identity) {
            return Some((exact, 1));
        }
        let others = || sessions.of_id(self.identity).filter(|active| self.may_be(active));
        if self.identity.scope.is_empty() {
            let newest = others().max_by_key(|active| active.sequence)?;
            return Some((newest, others().count()));
        }
        // Its scope becomes known, or has changed.
        let unscoped = others().find(|active| active.session.identity.scope.is_empty());
        let mut same_agent = others().filter(|active| !self.is_start && self.is_of_agent_of(active));
        let only = same_agent.next().filter(|_| same_agent.next().is_none());
        unscoped.or(only).map(|active| (active, 1))
    }

    fn may_be(&self, active: &Active) -> bool {
        match (self.agent, agent(&active.session)) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        }
    }

    fn is_of_agent_of(&self, active: &Active) -> bool {
        self.agent.is_some() && self.agent == agent(&active.session)
    }
}

fn agent(session: &Session) -> Option<&str> {
    session.agent_id.as_deref().or_else(|| agent_of_scope(&session.identity.scope))
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
        said.find(&sessions(active)).map(|(active, of)| (active.sequence, of))
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
