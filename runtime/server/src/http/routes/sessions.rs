//! `/v1/sessions`: starts, ends and compactions, and what is active.

mod bodies;
mod rows;
pub(crate) mod turn;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use lastword::Runtime;
use lastword::events::Session;
use lastword_protocol::input::Input;
use lastword_protocol::owners::InputFormat;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::access::Needs;
use crate::http::accept::{AcceptedEvent, accept};
use crate::http::beside_event::BesideEvent;
use crate::http::caller::Caller;
use crate::http::extract::{Path, Payload, Query};
use crate::http::journal::runtime_with;
use crate::http::outcomes::WaitQuery;
use crate::http::owner_query::OwnerQuery;
use crate::http::page::{bad_page, page_rows};
use crate::http::problem::Problem;
use crate::shared::Shared;
use bodies::{CompactionBody, EndBody, StartBody};
use rows::SessionRow;

/// The filter of sessions.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SessionsQuery {
    /// Sessions of this tenant.
    tenant: Option<String>,
    /// Sessions of the owner of this name.
    owner: Option<String>,
    /// Sessions of this kind of owner.
    kind: Option<String>,
    /// Sessions of this journal, which the daemon has adopted, and not of its own.
    journal: Option<String>,
    /// The place to continue from, which is `next` of the page before.
    after: Option<String>,
    /// Most rows of the page: 100 by default, and at most 1000. A page may have fewer rows, although more follow.
    limit: Option<u32>,
}

/// A page of active sessions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionsPage {
    /// The sessions.
    sessions: Vec<SessionRow>,
    /// The place of the next page; missing on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Starts a session, or updates an active one.
#[utoipa::path(
    post,
    path = "/v1/sessions",
    params(
        OwnerQuery,
        WaitQuery,
        ("Idempotency-Key" = Option<String>, Header, description = "The request's name: the same one again does nothing"),
        ("traceparent" = Option<String>, Header, description = "The trace that the request is part of (W3C Trace Context)"),
        ("tracestate" = Option<String>, Header, description = "What tracing systems have added to it")
    ),
    request_body = StartBody,
    responses(
        (status = 200, description = "It is on record", body = AcceptedEvent),
        (status = 202, description = "It is on record, and something is owed still", body = AcceptedEvent)
    )
)]
pub(crate) async fn start_session(
    State(shared): State<Arc<Shared>>,
    beside: BesideEvent,
    body: Payload,
) -> Result<Response, Problem> {
    take(&shared, &beside, "start", body.object()?).await
}

/// Ends a session. An end is never refused for its size: fields that do not fit are dropped and named.
#[utoipa::path(
    post,
    path = "/v1/sessions/{id}/end",
    params(
        ("id" = String, Path, description = "The session's id"),
        OwnerQuery,
        WaitQuery,
        ("Idempotency-Key" = Option<String>, Header, description = "The request's name: the same one again does nothing"),
        ("traceparent" = Option<String>, Header, description = "The trace that the request is part of (W3C Trace Context)"),
        ("tracestate" = Option<String>, Header, description = "What tracing systems have added to it")
    ),
    request_body = Option<EndBody>,
    responses(
        (status = 200, description = "It is on record", body = AcceptedEvent),
        (status = 202, description = "It is on record, and something is owed still", body = AcceptedEvent)
    )
)]
pub(crate) async fn end_session(
    State(shared): State<Arc<Shared>>,
    beside: BesideEvent,
    Path(id): Path<String>,
    body: Payload,
) -> Result<Response, Problem> {
    take(&shared, &beside, "end", with_id(body.object()?, id)).await
}

/// Reports that a session is about to be compacted, or was.
#[utoipa::path(
    post,
    path = "/v1/sessions/{id}/compaction",
    params(
        ("id" = String, Path, description = "The session's id"),
        OwnerQuery,
        WaitQuery,
        ("Idempotency-Key" = Option<String>, Header, description = "The request's name: the same one again does nothing"),
        ("traceparent" = Option<String>, Header, description = "The trace that the request is part of (W3C Trace Context)"),
        ("tracestate" = Option<String>, Header, description = "What tracing systems have added to it")
    ),
    request_body = CompactionBody,
    responses(
        (status = 200, description = "It is on record", body = AcceptedEvent),
        (status = 202, description = "It is on record, and something is owed still", body = AcceptedEvent)
    )
)]
pub(crate) async fn compact_session(
    State(shared): State<Arc<Shared>>,
    beside: BesideEvent,
    Path(id): Path<String>,
    body: Payload,
) -> Result<Response, Problem> {
    take(&shared, &beside, "compaction", with_id(body.object()?, id)).await
}

/// Adds the path's session id to the body, which may say more about the session.
fn with_id(mut body: Map<String, Value>, id: String) -> Map<String, Value> {
    let mut session = match body.remove("session") {
        Some(Value::Object(session)) => session,
        _ => Map::new(),
    };
    session.insert("id".to_owned(), Value::String(id));
    body.insert("session".to_owned(), Value::Object(session));
    body
}

async fn take(
    shared: &Arc<Shared>,
    beside: &BesideEvent,
    op: &str,
    body: Map<String, Value>,
) -> Result<Response, Problem> {
    let Input::Event(event) = read(shared, op, body)? else { return Err(not_of_a_session()) };
    accept(shared, &beside.borrowed(), *event).await
}

/// Reads a body, which is a line of stdio without `op`. Frees the body.
fn read(shared: &Shared, op: &str, mut body: Map<String, Value>) -> Result<Input, Problem> {
    body.insert("op".to_owned(), Value::String(op.to_owned()));
    let line = serde_json::to_vec(&body).map_err(|error| Problem::bad("bad_json", error))?;
    Ok(shared.inputs.of(InputFormat::Lastword).read(&line)?)
}

fn not_of_a_session() -> Problem {
    Problem::bad("unknown_op", "this is no event of a session")
}

/// Lists the active sessions, a page at a time.
#[utoipa::path(
    get,
    path = "/v1/sessions",
    params(SessionsQuery),
    responses((status = 200, description = "A page", body = SessionsPage))
)]
pub(crate) async fn list_sessions(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Query(query): Query<SessionsQuery>,
) -> Result<Json<SessionsPage>, Problem> {
    caller.needs(Needs::Read)?;
    let runtime = runtime_with(&shared, query.journal.as_deref())?;
    let limit = page_rows(query.limit);
    let tenant = caller.tenant(query.tenant.as_deref())?;
    let (sessions, next) = match &tenant {
        Some(tenant) => page_of_tenant(&runtime, tenant, query.after.as_deref(), limit)?,
        None => page_of_all(&runtime, query.after.as_deref(), limit)?,
    };
    let is_own = runtime.journal_name() == shared.runtime.journal_name();
    let turn_open = |session: &Session| {
        // Of an id that is active in both journals the owner speaks of the own one's session.
        let is_spoken_of = is_own || shared.runtime.session(&session.identity).is_none();
        if is_spoken_of { shared.owners.is_turn_open(&session.identity) } else { None }
    };
    let rows = sessions
        .iter()
        .filter(|session| is_meant(session, &query))
        .map(|session| SessionRow::new(session, turn_open(session)));
    Ok(Json(SessionsPage { sessions: rows.collect(), next }))
}

/// Returns the first active sessions of a tenant, or of all tenants, and whether there are more.
pub(in crate::http) fn first_sessions(
    runtime: &Runtime,
    tenant: Option<&Arc<str>>,
    limit: usize,
) -> Result<(Vec<Arc<Session>>, bool), Problem> {
    let (sessions, next) = match tenant {
        Some(tenant) => page_of_tenant(runtime, tenant, None, limit)?,
        None => page_of_all(runtime, None, limit)?,
    };
    Ok((sessions, next.is_some()))
}

fn is_meant(session: &Session, query: &SessionsQuery) -> bool {
    let owner = session.owner.as_deref().map(|owner| owner.name.as_str());
    (query.owner.is_none() || query.owner.as_deref() == owner)
        && (query.kind.is_none() || query.kind == session.owner_kind)
}

/// A number after those of all of a tenant's sessions.
const LAST: u64 = u64::MAX;

type Page = (Vec<Arc<Session>>, Option<String>);

fn page_of_tenant(runtime: &Runtime, tenant: &str, after: Option<&str>, limit: usize) -> Result<Page, Problem> {
    let after = after.map(|after| after.parse::<u64>().map_err(|_| bad_page())).transpose()?;
    let page = runtime.sessions_of(tenant, after, limit);
    Ok((page.sessions, page.next.map(|next| next.to_string())))
}

/// Returns a page in the order of tenants and starts. Sessions that start or end between two pages move no other
/// session to another page.
fn page_of_all(runtime: &Runtime, after: Option<&str>, limit: usize) -> Result<Page, Problem> {
    let (mut tenant, mut from) = match after {
        None => (runtime.tenant_after(None), None),
        Some(after) => {
            let (tenant, from) = read_cursor(after).ok_or_else(bad_page)?;
            (Some(tenant), Some(from))
        }
    };
    let mut sessions = Vec::new();
    while let Some(of) = tenant {
        let page = runtime.sessions_of(&of, from.take(), limit.saturating_sub(sessions.len()));
        sessions.extend(page.sessions);
        if let Some(next) = page.next {
            return Ok((sessions, Some(write_cursor(&of, next))));
        }
        tenant = runtime.tenant_after(Some(&of));
        if sessions.len() >= limit && tenant.is_some() {
            return Ok((sessions, Some(write_cursor(&of, LAST))));
        }
    }
    Ok((sessions, None))
}

/// Writes the continuation: the tenant and the number of the page's last session.
fn write_cursor(tenant: &str, number: u64) -> String {
    format!("{number}.{tenant}")
}

fn read_cursor(text: &str) -> Option<(Arc<str>, u64)> {
    let (number, tenant) = text.split_once('.')?;
    Some((tenant.into(), number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_page_is_read_as_it_was_written() {
        assert_eq!(read_cursor(&write_cursor("acme", LAST)), Some(("acme".into(), LAST)));
        for bad in ["x", "17", "x.acme", ".acme", "-1.acme", ""] {
            assert_eq!(read_cursor(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_path_says_which_session_it_is_and_the_body_may_say_more() {
        let body = serde_json::json!({"reason": "reset", "session": {"id": "other", "cwd": "/w"}});
        let Value::Object(body) = body else { panic!() };
        let expected = serde_json::json!({"reason": "reset", "session": {"id": "s1", "cwd": "/w"}});
        assert_eq!(Value::Object(with_id(body, "s1".into())), expected);
    }
}
