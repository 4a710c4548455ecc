//! Merges what is known of a session with what an event says of it.

use std::sync::Arc;

use lastword_events::{Identity, Session};

/// The known session with the newer fields of the event.
pub(super) fn merge(known: &Arc<Session>, newer: Session) -> Arc<Session> {
    let merged = known.merged(newer);
    if merged == **known { known.clone() } else { Arc::new(merged) }
}

/// The known session. Only the scope that the event says is new.
pub(super) fn with_scope_of(known: &Arc<Session>, said: &Session) -> Arc<Session> {
    if said.identity.scope.is_empty() || said.identity == known.identity {
        return known.clone();
    }
    let mut session = Session::of(said.identity.clone());
    session.key.clone_from(&said.key);
    merge(known, session)
}

/// A note for the answer to an event that may be about several sessions: it says which session was taken. None if there was only one.
pub(super) fn ambiguity_note(identity: &Identity, candidates: usize) -> Vec<String> {
    if candidates < 2 {
        return Vec::new();
    }
    let scope = if identity.scope.is_empty() { "without one".to_owned() } else { format!("{:?}", identity.scope) };
    vec![format!(
        "session.key: it is missing, and {candidates} sessions of this id are active; taken for the newest, {scope}"
    )]
}
