//! What an event says of its session: the id, the scope, and the agent.

use std::time::Instant;

use lastword_events::limits::MAX_KEY_BYTES;
use lastword_events::{Identity, Session};

use crate::request::ReceivedEnd;

/// What a scope begins with that names an agent.
const AGENT: &str = "agent:";
/// A scope that is too long is cut, and loses so many bytes more at most: those of a character that is cut in two.
const MAX_CUT_BYTES: usize = 3;

/// What an event says of its session.
#[derive(Clone, Copy)]
pub(crate) struct SessionQuery<'a> {
    pub(crate) identity: &'a Identity,
    agent: Option<&'a str>,
    /// When the event was received.
    pub(crate) at: Instant,
    /// The event, if it is an end.
    pub(crate) end: Option<&'a ReceivedEnd>,
    /// Whether the event is a start. A start may begin a session of its own where another event belongs to an active one.
    pub(crate) is_start: bool,
}

impl<'a> SessionQuery<'a> {
    /// The query of an event that was received at `at`.
    pub(crate) fn of(session: &'a Session, at: Instant) -> Self {
        Self { identity: &session.identity, agent: agent(session), at, end: None, is_start: false }
    }

    /// The query of a start if `is_start`.
    pub(crate) fn at_start(self, is_start: bool) -> Self {
        Self { is_start, ..self }
    }

    pub(crate) fn of_end(end: &'a ReceivedEnd) -> Self {
        Self { end: Some(end), ..Self::of(&end.request.session, end.received_at) }
    }

    /// Whether the agent is known.
    pub(crate) fn has_agent(&self) -> bool {
        self.agent.is_some()
    }

    /// Whether the agents may be the same. False only if both are known and differ.
    pub(crate) fn may_be_of_agent(&self, agent: Option<&str>) -> bool {
        match (self.agent, agent) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        }
    }

    /// Whether both agents are known and are the same.
    pub(crate) fn is_of_agent(&self, agent: Option<&str>) -> bool {
        self.agent.is_some() && self.agent == agent
    }

    /// The identity that tells this session from another agent's session with the same id and scope.
    pub(crate) fn agent_identity(&self) -> Option<Identity> {
        self.agent.map(|agent| self.in_scope_of(agent, &self.identity.scope))
    }

    /// Whether this is the [`agent_identity`](Self::agent_identity), which is not made for the answer.
    pub(crate) fn is_agent_identity(&self, identity: &Identity) -> bool {
        if identity.scope.len() >= MAX_KEY_BYTES - MAX_CUT_BYTES {
            return self.agent_identity().as_ref() == Some(identity);
        }
        let of_agent = |agent| identity.scope.strip_prefix(AGENT)?.strip_prefix(agent)?.strip_prefix(':');
        self.agent.and_then(of_agent) == Some(&*self.identity.scope)
            && identity.tenant == self.identity.tenant
            && identity.id == self.identity.id
    }

    /// The same as [`agent_identity`](Self::agent_identity), for a session whose scope is unknown.
    pub(crate) fn agent_identity_without_scope(&self) -> Option<Identity> {
        self.agent.map(|agent| self.in_scope_of(agent, ""))
    }

    /// The scope begins as OpenClaw's keys do, so that the agent is known from the scope alone.
    fn in_scope_of(&self, agent: &str, scope: &str) -> Identity {
        let mut scope = format!("{AGENT}{agent}:{scope}");
        scope.truncate(scope.floor_char_boundary(MAX_KEY_BYTES));
        self.identity.clone().in_scope(&scope)
    }
}

pub(crate) fn agent(session: &Session) -> Option<&str> {
    agent_of(session.agent_id.as_deref(), &session.identity.scope)
}

/// The session's agent: `agent_id`, or else the one named in its scope.
pub(crate) fn agent_of<'a>(agent_id: Option<&'a str>, scope: &'a str) -> Option<&'a str> {
    agent_id.or_else(|| agent_of_scope(scope))
}

/// OpenClaw's keys contain the agent: `agent:main:telegram:42`.
fn agent_of_scope(scope: &str) -> Option<&str> {
    scope.strip_prefix(AGENT)?.split(':').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_known_as_the_agents_own_without_making_it() {
        let long = "x".repeat(MAX_KEY_BYTES);
        let texts = ["", "a", "b", "agent:a:", "agent:a:agent:a:", "agent:a:main", &*long];
        for (agent, scope) in texts.iter().flat_map(|agent| texts.map(|scope| (*agent, scope))) {
            let mut session = Session::of(Identity::new("t", "s").in_scope(scope));
            session.agent_id = (!agent.is_empty()).then(|| agent.to_owned());
            let query = SessionQuery::of(&session, Instant::now());
            let own = query.agent_identity();
            let of_texts = texts.map(|scope| Identity::new("t", "s").in_scope(scope));
            let cut = own.clone().map(|own| Identity { scope: own.scope[..own.scope.len() - 1].into(), ..own });
            let others = own.clone().map(|own| Identity { id: "other".into(), ..own });
            for identity in of_texts.iter().chain(&own).chain(&cut).chain(&others) {
                assert_eq!(
                    query.is_agent_identity(identity),
                    own.as_ref() == Some(identity),
                    "{agent:?} {scope:?} {identity:?}"
                );
            }
        }
    }
}
