//! `POST /v1/hooks/{owner-kind}`: a hook's payload, as its owner wrote it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use lastword_protocol::bad_line::BadLine;
use lastword_protocol::input::{DEFAULT_TENANT, Input};
use lastword_protocol::owners::{InputFormat, InputSettings};
use lastword_protocol::reader::Reader;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::access::Needs;
use crate::http::accept::{AcceptedEvent, Beside, accept, find_owner, for_tenant};
use crate::http::caller::Caller;
use crate::http::extract::{Path, Payload, Query, object};
use crate::http::outcomes::WaitQuery;
use crate::http::owner_query::OwnerQuery;
use crate::http::problem::Problem;
use crate::requests::{Source, owner_kind, take_in_other};
use crate::shared::Shared;

/// An event that is not about the life of a session. That its session lives is noted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IgnoredEvent {
    /// The owner's word for it.
    ignored: String,
}

/// Takes the payload of an owner's hook, which says itself what happened.
#[utoipa::path(
    post,
    path = "/v1/hooks/{owner-kind}",
    params(
        ("owner-kind" = String, Path, description = "Whose payload it is, e.g. `claude-code`: a word for `--from`"),
        OwnerQuery,
        WaitQuery,
        ("Idempotency-Key" = Option<String>, Header, description = "The request's name: the same one again does nothing")
    ),
    request_body(content = Object, description = "The payload, as the owner wrote it"),
    responses(
        (status = 200, description = "It is on record, or it was none of ours: `{\"ignored\": name}`", body = Object),
        (status = 202, description = "It is on record, and something is owed still", body = AcceptedEvent)
    )
)]
pub(crate) async fn take_hook(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Path(kind): Path<String>,
    Query(owner): Query<OwnerQuery>,
    Query(wait): Query<WaitQuery>,
    headers: HeaderMap,
    body: Payload,
) -> Result<Response, Problem> {
    let beside = Beside { caller: &caller, owner: &owner, wait: &wait, headers: &headers, kind: None };
    take(&shared, beside, &kind, None, body).await
}

/// Takes the payload of an owner's hook which does not say itself what happened: the path does.
#[utoipa::path(
    post,
    path = "/v1/hooks/{owner-kind}/{event}",
    params(
        ("owner-kind" = String, Path, description = "Whose payload it is, e.g. `copilot`: a word for `--from`"),
        ("event" = String, Path, description = "The owner's name for the event, e.g. `sessionEnd`"),
        OwnerQuery,
        WaitQuery,
        ("Idempotency-Key" = Option<String>, Header, description = "The request's name: the same one again does nothing")
    ),
    request_body(content = Object, description = "The payload, as the owner wrote it"),
    responses(
        (status = 200, description = "It is on record, or it was none of ours: `{\"ignored\": name}`", body = Object),
        (status = 202, description = "It is on record, and something is owed still", body = AcceptedEvent)
    )
)]
pub(crate) async fn take_named_hook(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Path((kind, event)): Path<(String, String)>,
    Query(owner): Query<OwnerQuery>,
    Query(wait): Query<WaitQuery>,
    headers: HeaderMap,
    body: Payload,
) -> Result<Response, Problem> {
    let beside = Beside { caller: &caller, owner: &owner, wait: &wait, headers: &headers, kind: None };
    take(&shared, beside, &kind, Some(&event), body).await
}

async fn take(
    shared: &Arc<Shared>,
    mut beside: Beside<'_>,
    kind: &str,
    event: Option<&str>,
    body: Payload,
) -> Result<Response, Problem> {
    beside.caller.needs(Needs::Own)?;
    let input = shared.inputs.of_kind(kind).ok_or_else(Problem::not_found)?;
    beside.kind = owner_kind(input.format());
    shared.owners.hook_came(input.format());
    match read_body(&input, event, body)? {
        Input::Event(event) => accept(shared, &beside, *event).await,
        Input::NotOurs { name, session } => {
            note(shared, &beside, &name, session)?;
            Ok(Json(IgnoredEvent { ignored: name }).into_response())
        }
        Input::Foreign(foreign) => match foreign.error {
            Some(bad) => Err(bad.into()),
            None => Err(Problem::bad("foreign_event", foreign)),
        },
        Input::Shutdown(_) => {
            Err(Problem::bad("unknown_op", "an owner says goodbye with DELETE /v1/owners/{owner}, and not here"))
        }
        Input::Blank => Err(Problem::bad("bad_json", "there is no payload")),
    }
}

/// A session that an event of another kind names lives, and so does the owner that the request names.
fn note(
    shared: &Arc<Shared>,
    beside: &Beside<'_>,
    name: &str,
    session: Option<lastword::events::Identity>,
) -> Result<(), Problem> {
    let names_session = session.is_some();
    let mut identity = session.unwrap_or_else(|| lastword::events::Identity::new(DEFAULT_TENANT, "none"));
    for_tenant(beside.caller, beside.owner.tenant.as_deref(), &mut identity)?;
    // Of something that cannot be a session nothing is to be noted.
    if identity.validate().is_err() {
        return Ok(());
    }
    let (owner, _) = find_owner(shared, beside.caller, beside.owner, beside.kind, &identity.tenant)?;
    take_in_other(shared, &Source { owner, connection: None }, name, names_session.then_some(&identity));
    Ok(())
}

/// What the body says, which is not held any more then.
fn read_body(input: &InputSettings, event: Option<&str>, body: Payload) -> Result<Input, BadLine> {
    let named = event.and_then(|event| with_name(input, event, body.bytes()));
    let said = read(input, named.as_deref().unwrap_or(body.bytes()));
    drop(body);
    said
}

/// The payload with the name of its event, as its owner's format has that; none when it is no object, which its reader says.
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

/// A payload that is no JSON is repaired, as on stdin.
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
