//! An active session, as a row of a table.

use lastword_events::{Session, Timestamp};
use serde::Deserialize;

/// A session's columns, from the journal's file or a daemon's answer.
#[derive(Debug, Deserialize)]
pub(super) struct ActiveSession {
    pub(super) tenant: String,
    pub(super) id: String,
    pub(super) generation: u32,
    pub(super) started_at: Option<Timestamp>,
    pub(super) owner_kind: Option<String>,
    pub(super) cwd: Option<String>,
}

impl From<Session> for ActiveSession {
    fn from(session: Session) -> Self {
        let Session { identity, generation, started_at, owner_kind, cwd, .. } = session;
        Self {
            tenant: identity.tenant.to_string(),
            id: identity.id.to_string(),
            generation,
            started_at,
            owner_kind,
            cwd,
        }
    }
}
