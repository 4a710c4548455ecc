//! The rows of active sessions.

use lastword::events::{Session, SessionOwner};
use serde::Serialize;
use utoipa::ToSchema;

/// An active session, with the fields that `lastword sessions --json` prints from a journal's file.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionRow {
    /// The session's tenant.
    tenant: String,
    /// The owner's id of the session.
    id: String,
    /// Distinguishes sessions of one id, in an owner's format that has scopes.
    #[serde(skip_serializing_if = "String::is_empty")]
    scope: String,
    /// The number of starts of the id.
    generation: u32,
    /// The owner's stable name for the conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// The owner's agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_id: Option<String>,
    /// The program that owns the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner_kind: Option<String>,
    /// The session's working directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    cwd: Option<String>,
    /// The location of the conversation's transcript.
    #[serde(skip_serializing_if = "Option::is_none")]
    transcript: Option<TranscriptRow>,
    /// When the session began.
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    /// The owner's further attributes: a name and a text each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attributes: Vec<Vec<String>>,
    /// The owner that keeps the session alive, if the daemon watches one.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<OwnerRow>,
    /// Whether the session's agent is at work, as far as its events tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    turn_open: Option<bool>,
}

/// The location of a transcript.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TranscriptRow {
    /// The owner's name for the transcript.
    uri: String,
    /// Whether the owner has moved it to its archive.
    archived: bool,
}

/// The owner that keeps a session alive.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OwnerRow {
    /// The owner's name.
    name: String,
    /// The process whose end is the owner's death.
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<ProcessRow>,
    /// The time, in milliseconds, for which the owner counts as alive after each sign of life.
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_ms: Option<u64>,
}

/// The identity of a process.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProcessRow {
    /// The process id.
    pid: u32,
    /// When the process began.
    start_time: u64,
    /// The boot in which the process began.
    boot_id: String,
}

impl SessionRow {
    pub(crate) fn new(session: &Session, turn_open: Option<bool>) -> Self {
        let transcript = session.transcript.as_ref();
        let attributes = session.attributes.iter().map(|(name, value)| vec![name.clone(), value.clone()]);
        Self {
            tenant: session.identity.tenant.to_string(),
            id: session.identity.id.to_string(),
            scope: session.identity.scope.to_string(),
            generation: session.generation,
            key: session.key.clone(),
            agent_id: session.agent_id.clone(),
            owner_kind: session.owner_kind.clone(),
            cwd: session.cwd.clone(),
            transcript: transcript.map(|said| TranscriptRow { uri: said.uri.clone(), archived: said.archived }),
            started_at: session.started_at.map(|at| at.to_string()),
            attributes: attributes.collect(),
            owner: session.owner.as_deref().map(OwnerRow::from),
            turn_open,
        }
    }
}

impl From<&SessionOwner> for OwnerRow {
    fn from(owner: &SessionOwner) -> Self {
        let process = owner.process.as_ref().map(|process| ProcessRow {
            pid: process.pid,
            start_time: process.start_time,
            boot_id: process.boot_id.clone(),
        });
        Self { name: owner.name.clone(), process, lease_ms: owner.lease_ms }
    }
}

#[cfg(test)]
mod tests {
    use lastword::events::{OwnerProcess, Transcript};

    use super::*;

    #[test]
    fn a_row_is_the_one_that_the_program_shows_of_a_journals_file() {
        let mut session = Session::new("acme", "s1");
        session.generation = 2;
        session.cwd = Some("/w".into());
        session.transcript = Some(Transcript { uri: "/w/s1.jsonl".into(), archived: false });
        session.started_at = Some("2026-11-21T07:00:00Z".parse().unwrap());
        session.attributes = vec![("model".into(), "m".into())];
        let process = OwnerProcess { pid: 7, start_time: 9, boot_id: "b".into() };
        session.owner = Some(Box::new(SessionOwner { name: "o".into(), process: Some(process), lease_ms: None }));
        let row = serde_json::to_value(SessionRow::new(&session, None)).unwrap();
        assert_eq!(row, serde_json::to_value(&session).unwrap());
    }
}
