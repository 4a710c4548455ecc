//! `POST /v1/hooks/{owner-kind}`: a hook's payload, as its owner wrote it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use lastword::events::Identity;
use lastword_protocol::bad_line::BadLine;
use lastword_protocol::input::{Input, OwnerEvent};
use lastword_protocol::owners::{InputFormat, InputSettings};
use lastword_protocol::reader::Reader;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::http::accept::{AcceptedEvent, Beside, accept, note};
use crate::http::beside_event::BesideEvent;
use crate::http::extract::{Path, Payload, object};
use crate::http::outcomes::WaitQuery;
use crate::http::owner_query::OwnerQuery;
use crate::http::problem::Problem;
use crate::requests::owner_kind;
use crate::shared::Shared;

/// An event that does not start, compact or end a session. The daemon only notes that its session lives.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IgnoredEvent {
    /// The owner's name for the event.
    ignored: String,
}

/// Takes the payload of an owner's hook that names its event.
#[utoipa::path(
    post,
    path = "/v1/hooks/{owner-kind}",
    params(
        ("owner-kind" = String, Path, description = "Whose payload it is: a word for `--from`", example = "claude-code"),
        OwnerQuery,
        WaitQuery,
        ("Idempotency-Key" = Option<String>, Header, description = "The request's name: the same one again does nothing"),
        ("traceparent" = Option<String>, Header, description = "The trace that the request is part of (W3C Trace Context)"),
        ("tracestate" = Option<String>, Header, description = "What tracing systems have added to it")
    ),
    request_body(content = Object, description = "The payload, as the owner wrote it"),
    responses(
        (status = 200, description = "It is on record, or it was none of ours: `{\"ignored\": name}`", body = Object),
        (status = 202, description = "It is on record, and something is owed still", body = AcceptedEvent)
    )
)]
pub(crate) async fn take_hook(
    State(shared): State<Arc<Shared>>,
    beside: BesideEvent,
    Path(kind): Path<String>,
    body: Payload,
) -> Result<Response, Problem> {
    take(&shared, &beside, &kind, None, body).await
}

/// Takes the payload of an owner's hook that does not name its event. The path names the event.
#[utoipa::path(
    post,
    path = "/v1/hooks/{owner-kind}/{event}",
    params(
        ("owner-kind" = String, Path, description = "Whose payload it is: a word for `--from`", example = "copilot"),
        ("event" = String, Path, description = "The owner's name for the event", example = "sessionEnd"),
        OwnerQuery,
        WaitQuery,
        ("Idempotency-Key" = Option<String>, Header, description = "The request's name: the same one again does nothing"),
        ("traceparent" = Option<String>, Header, description = "The trace that the request is part of (W3C Trace Context)"),
        ("tracestate" = Option<String>, Header, description = "What tracing systems have added to it")
    ),
    request_body(content = Object, description = "The payload, as the owner wrote it"),
    responses(
        (status = 200, description = "It is on record, or it was none of ours: `{\"ignored\": name}`", body = Object),
        (status = 202, description = "It is on record, and something is owed still", body = AcceptedEvent)
    )
)]
pub(crate) async fn take_named_hook(
    State(shared): State<Arc<Shared>>,
    beside: BesideEvent,
    Path((kind, event)): Path<(String, String)>,
    body: Payload,
) -> Result<Response, Problem> {
    take(&shared, &beside, &kind, Some(&event), body).await
}

async fn take(
    shared: &Arc<Shared>,
    beside: &BesideEvent,
    kind: &str,
    event: Option<&str>,
    body: Payload,
) -> Result<Response, Problem> {
    let ReadHook { kind, said } = read_hook(shared, kind, event, body.bytes())?;
    // Frees the body before the wait.
    drop(body);
    let beside = Beside { kind, ..beside.borrowed() };
    match said {
        Said::Event(event) => accept(shared, &beside, *event).await,
        Said::Other { name, session } => {
            // An invalid session is noted nowhere.
            note(shared, beside.caller, beside.owner, kind, &name, session)?.ok();
            Ok(Json(IgnoredEvent { ignored: name }).into_response())
        }
    }
}

/// A parsed hook payload.
#[derive(Debug)]
pub(crate) struct ReadHook {
    /// The owner's kind, as plugins see it.
    pub(crate) kind: Option<&'static str>,
    pub(crate) said: Said,
}

/// The content of a payload.
#[derive(Debug)]
pub(crate) enum Said {
    /// An event of a session's life.
    Event(Box<OwnerEvent>),
    /// Another event, under the owner's name for it.
    Other { name: String, session: Option<Identity> },
}

/// Parses a payload of an owner of this kind.
pub(crate) fn read_hook(shared: &Shared, kind: &str, event: Option<&str>, payload: &[u8]) -> Result<ReadHook, Problem> {
    let input = shared.inputs.of_kind(kind).ok_or_else(Problem::not_found)?;
    let kind = owner_kind(input.format());
    shared.owners.hook_came(input.format());
    let said = match read_named(&input, event, payload)? {
        Input::Event(mut event) => {
            // Each hook call is handed over under a name of its own, even if it repeats an end.
            event.may_be_duplicate = event.op_id.is_none();
            Said::Event(event)
        }
        Input::Unrelated { name, session } => Said::Other { name, session },
        Input::Foreign(foreign) => {
            return Err(match foreign.error {
                Some(bad) => bad.into(),
                None => Problem::bad("foreign_event", foreign),
            });
        }
        Input::Shutdown(_) => {
            let detail = "an owner says goodbye with DELETE /v1/owners/{owner}, and not here";
            return Err(Problem::bad("unknown_op", detail));
        }
        Input::Blank => return Err(Problem::bad("bad_json", "there is no payload")),
    };
    Ok(ReadHook { kind, said })
}

/// Parses a payload. Adds the event's name if the payload does not have it.
fn read_named(input: &InputSettings, event: Option<&str>, payload: &[u8]) -> Result<Input, BadLine> {
    let named = event.and_then(|event| with_name(input, event, payload));
    read(input, named.as_deref().unwrap_or(payload))
}

/// Adds the event's name to the payload, in the owner's format. `None` if the payload is no object; the parser reports
/// that.
fn with_name(input: &InputSettings, event: &str, payload: &[u8]) -> Option<Vec<u8>> {
    let mut object = object(payload).ok()?;
    let name = match input.format() {
        InputFormat::Lastword => "op",
        InputFormat::Openclaw => "hook",
        _ => {
            let wrapped = [("hook", Value::String(event.to_owned())), ("payload", Value::Object(object))];
            let wrapped: Map<String, Value> =
                wrapped.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            return serde_json::to_vec(&wrapped).ok();
        }
    };
    object.entry(name).or_insert_with(|| Value::String(event.to_owned()));
    serde_json::to_vec(&object).ok()
}

/// Parses a payload. Repairs invalid JSON, as the reader of stdin does.
fn read(input: &InputSettings, payload: &[u8]) -> Result<Input, BadLine> {
    let bad = match input.read(payload) {
        Err(bad) if bad.code == "bad_json" => bad,
        read => return read,
    };
    let (mut reader, mut lines) = (Reader::new(input.clone()), Vec::new());
    reader.push(payload, &mut |line| lines.push(line.input));
    reader.end(&mut |line| lines.push(line.input));
    lines.into_iter().find_map(Result::ok).ok_or(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(format: InputFormat, name: &str, text: &str) -> String {
        let input = InputSettings::from(format);
        let named = with_name(&input, name, text.as_bytes()).unwrap();
        format!("{:?}", read(&input, &named).unwrap())
    }

    #[test]
    fn the_path_names_the_event_of_a_payload_that_does_not() {
        let copilot = event(
            InputFormat::Copilot,
            "sessionEnd",
            r#"{"sessionId":"s","timestamp":1,"cwd":"/w","reason":"complete"}"#,
        );
        assert!(copilot.contains("Completed"), "{copilot}");
        let claude = event(InputFormat::ClaudeCode, "SessionEnd", r#"{"session_id":"s","reason":"clear"}"#);
        assert!(claude.contains("Clear"), "{claude}");
        let openclaw = event(
            InputFormat::Openclaw,
            "session_end",
            r#"{"event":{"sessionId":"s","reason":"reset"},"ctx":{"sessionId":"s"}}"#,
        );
        assert!(openclaw.contains("Reset"), "{openclaw}");
    }

    #[test]
    fn a_payload_on_several_lines_and_one_that_is_broken_are_read() {
        let input = InputSettings::from(InputFormat::ClaudeCode);
        let pretty = b"{\n  \"hook_event_name\": \"SessionEnd\",\n  \"session_id\": \"s\"\n}";
        assert!(matches!(read(&input, pretty), Ok(Input::Event(_))));
        let broken = br#"{"hook_event_name":"SessionEnd","session_id":"s","cwd":"C:\Users"}"#;
        assert!(matches!(read(&input, broken), Ok(Input::Event(_))));
        assert_eq!(read(&input, b"nothing of the kind").unwrap_err().code, "bad_json");
    }
}
