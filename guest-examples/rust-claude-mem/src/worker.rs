//! What claude-mem's worker is told of a session, and by which name it knows it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::lastword::hooks::types::{EndReason, Session};
use crate::{SessionEndEvent, SessionStartEvent};

/// The worker needs a prompt; an owner may give one with a start. claude-mem's plugin for OpenClaw says this when it has none.
const NO_PROMPT: &str = "agent run";

/// How claude-mem finds the row of a session: by both, so the end must say what the start has said.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    content_session_id: String,
    platform_source: String,
}

impl Row {
    /// Always the same for the same run of a session: an attempt whose answer was lost and the next one open one row.
    pub(crate) fn of(session: &Session) -> Self {
        let owner = owner(session);
        let content_session_id = match owner {
            // Here claude-mem's own hooks send what they observe, under the session's id: it must be the same row.
            "claude-code" => session.id.clone(),
            // As its plugin for OpenClaw makes it: owner, key, and something new for each run. There that is the time, which
            // is another at the second attempt, and is forgotten with the gateway's process.
            _ => {
                let key = session.key.as_ref().map(|key| format!("{key}-")).unwrap_or_default();
                format!("{owner}-{key}{}/{}#{}", session.tenant, session.id, session.generation)
            }
        };
        Self { content_session_id, platform_source: owner.to_owned() }
    }

    /// Whether every run of the session has this row: the worker opens it again when the session is resumed.
    pub(crate) fn is_shared(&self, session: &Session) -> bool {
        self.content_session_id == session.id
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.content_session_id)
    }
}

/// The body of `/api/sessions/init`.
#[derive(Serialize)]
pub(crate) struct Init<'a> {
    #[serde(flatten)]
    row: &'a Row,
    project: String,
    prompt: &'a str,
}

impl<'a> Init<'a> {
    pub(crate) fn new(row: &'a Row, event: &'a SessionStartEvent) -> Self {
        let prompt = event.attributes.iter().find(|(name, text)| name == "prompt" && !text.is_empty());
        Self { row, project: project(&event.session), prompt: prompt.map_or(NO_PROMPT, |(_, text)| text) }
    }
}

/// The body of `/api/sessions/session-end`.
#[derive(Serialize)]
pub(crate) struct End<'a> {
    #[serde(flatten)]
    row: &'a Row,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cwd: Option<&'a str>,
}

impl<'a> End<'a> {
    pub(crate) fn new(row: &'a Row, event: &'a SessionEndEvent) -> Self {
        let reason = event.raw_reason.as_deref().unwrap_or_else(|| reason(&event.reason));
        Self { row, reason, cwd: event.session.cwd.as_deref() }
    }
}

fn owner(session: &Session) -> &str {
    session.owner_kind.as_deref().unwrap_or("lastword")
}

/// The agent's, as claude-mem's plugin for OpenClaw names it; or else the folder's name.
fn project(session: &Session) -> String {
    let folder = session.cwd.as_deref().and_then(|cwd| cwd.trim_end_matches('/').rsplit('/').next());
    match (&session.agent_id, folder) {
        (Some(agent), _) => format!("{}-{agent}", owner(session)),
        (None, Some(folder)) if !folder.is_empty() => folder.to_owned(),
        _ => owner(session).to_owned(),
    }
}

/// For ends of which the owner gave no word of its own.
fn reason(reason: &EndReason) -> &str {
    match reason {
        EndReason::New => "new",
        EndReason::Reset => "reset",
        EndReason::Idle => "idle",
        EndReason::Daily => "daily",
        EndReason::Compaction => "compaction",
        EndReason::Deleted => "deleted",
        EndReason::Shutdown => "shutdown",
        EndReason::Restart => "restart",
        EndReason::Clear => "clear",
        EndReason::Resume => "resume",
        EndReason::Logout => "logout",
        EndReason::UserExit => "user-exit",
        EndReason::Completed => "completed",
        EndReason::Aborted => "aborted",
        EndReason::Error => "error",
        EndReason::Timeout => "timeout",
        EndReason::Crashed => "crashed",
        EndReason::Unknown => "unknown",
        EndReason::Other(word) => word,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::lastword::hooks::types::Delivery;

    fn session(owner: Option<&str>) -> Session {
        Session {
            tenant: "acme".into(),
            id: "s1".into(),
            generation: 2,
            key: Some("agent:main:a".into()),
            agent_id: None,
            owner_kind: owner.map(str::to_owned),
            cwd: Some("/home/user/project/".into()),
            transcript: None,
            started_at: None,
            attributes: vec![],
        }
    }

    fn delivery() -> Delivery {
        Delivery { id: "k3f9a2c1.17/session-end/claude-mem".into(), attempt: 1, remaining_ms: 500, late: false }
    }

    fn started(session: Session) -> SessionStartEvent {
        SessionStartEvent { session, delivery: delivery(), source: None, resumed_from: None, attributes: vec![] }
    }

    fn ended(session: Session, reason: EndReason) -> SessionEndEvent {
        SessionEndEvent {
            session,
            delivery: delivery(),
            reason,
            raw_reason: None,
            ended_at: "2026-11-21T07:00:00.000Z".into(),
            duration_ms: None,
            message_count: None,
            next_session_id: None,
            next_session_key: None,
            attributes: vec![],
        }
    }

    fn body(of: impl Serialize) -> Value {
        serde_json::to_value(of).unwrap()
    }

    #[test]
    fn the_start_and_the_end_name_the_same_row() {
        let start = started(Session { agent_id: Some("main".into()), ..session(Some("openclaw")) });
        let row = Row::of(&start.session);
        let names = ("openclaw-agent:main:a-acme/s1#2", "openclaw");
        assert_eq!(
            body(Init::new(&row, &start)),
            json!({"contentSessionId": names.0, "platformSource": names.1, "project": "openclaw-main", "prompt": "agent run"})
        );
        assert_eq!(
            body(End::new(&row, &ended(start.session.clone(), EndReason::UserExit))),
            json!({"contentSessionId": names.0, "platformSource": names.1, "reason": "user-exit", "cwd": "/home/user/project/"})
        );
    }

    #[test]
    fn runs_of_one_session_have_rows_of_their_own_but_for_claude_code() {
        let second = Session { generation: 3, ..session(Some("openclaw")) };
        assert_ne!(Row::of(&session(Some("openclaw"))), Row::of(&second));
        let row = Row::of(&session(Some("claude-code")));
        assert_eq!(row.to_string(), "s1", "as claude-mem's own hooks call it");
        assert!(row.is_shared(&session(Some("claude-code"))));
        assert!(!Row::of(&second).is_shared(&second));
    }

    #[test]
    fn what_the_owner_said_goes_before_what_is_made_up() {
        let mut start = started(session(None));
        start.attributes = vec![("prompt".into(), "fix it".into())];
        let row = Row::of(&start.session);
        assert_eq!(row.to_string(), "lastword-agent:main:a-acme/s1#2");
        let init = body(Init::new(&row, &start));
        assert_eq!((&init["prompt"], &init["project"]), (&json!("fix it"), &json!("project")));
        let mut end = ended(session(None), EndReason::UserExit);
        end.raw_reason = Some("prompt_input_exit".into());
        end.session.cwd = None;
        let end = body(End::new(&row, &end));
        assert_eq!((&end["reason"], end.get("cwd")), (&json!("prompt_input_exit"), None));
    }

    #[test]
    fn a_note_reads_as_it_was_written() {
        let row = Row::of(&Session { key: Some("\"a\\\n\u{1}ü".into()), ..session(Some("openclaw")) });
        assert_eq!(serde_json::from_slice::<Row>(&serde_json::to_vec(&row).unwrap()).unwrap(), row);
    }
}
