//! Sessions of a tenant: they start, end, begin anew, and are listed.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use lastword::events::{EndReason, Session};
use lastword::{Acceptance, Accepted, EndRequest, MAX_PAGE_ROWS, StartRequest};
use serde::{Deserialize, Serialize};

use crate::api_error::ApiError;
use crate::gateway::Gateway;

/// A client's own name for its request: the same one again changes nothing.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

#[derive(Deserialize)]
pub(crate) struct SessionPath {
    tenant: String,
    id: String,
}

/// What a client may say of a session that starts.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct About {
    agent_id: Option<String>,
    cwd: Option<String>,
    /// How it began, in the client's word.
    source: Option<String>,
}

/// `POST /tenants/{tenant}/sessions/{id}`: 201 when the session has begun, 200 when it was there already.
pub(crate) async fn start(
    State(gateway): State<Arc<Gateway>>,
    Path(path): Path<SessionPath>,
    headers: HeaderMap,
    about: Result<Option<Json<About>>, JsonRejection>,
) -> Result<(StatusCode, Json<Accepted>), ApiError> {
    gateway.catalog.check_tenant(&path.tenant)?;
    let About { agent_id, cwd, source } = about?.map(|Json(about)| about).unwrap_or_default();
    let mut request = StartRequest::new(Session { agent_id, cwd, ..Session::new(&path.tenant, &path.id) });
    request.event.source = source;
    request.op_id = op_id(&headers)?;
    let accepted = gateway.runtime.start_session(request).await?;
    let is_new = accepted.how == Acceptance::Registered;
    Ok((if is_new { StatusCode::CREATED } else { StatusCode::OK }, Json(accepted)))
}

#[derive(Deserialize)]
pub(crate) struct EndQuery {
    reason: Option<String>,
}

/// `DELETE /tenants/{tenant}/sessions/{id}?reason=…`: 200 when the end is on the disk. A plugin is called afterwards.
pub(crate) async fn end(
    State(gateway): State<Arc<Gateway>>,
    Path(path): Path<SessionPath>,
    query: Result<Query<EndQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Json<Accepted>, ApiError> {
    gateway.catalog.check_tenant(&path.tenant)?;
    let Query(EndQuery { reason }) = query?;
    let reason = reason.map_or(EndReason::Unknown, |word| EndReason::from_word(&word));
    let mut request = EndRequest::new(Session::new(&path.tenant, &path.id), reason);
    request.op_id = op_id(&headers)?;
    Ok(Json(gateway.runtime.end_session(request).await?))
}

/// What a client may say of a reset.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Next {
    /// The id of the session that begins; the same one anew if it is missing.
    next: Option<String>,
}

/// What a reset has ended, and what it has started.
#[derive(Serialize)]
pub(crate) struct Replaced {
    ended: Accepted,
    started: Accepted,
}

/// `POST /tenants/{tenant}/sessions/{id}/reset`: the session ends and the next one begins, both or none.
pub(crate) async fn reset(
    State(gateway): State<Arc<Gateway>>,
    Path(path): Path<SessionPath>,
    headers: HeaderMap,
    next: Result<Option<Json<Next>>, JsonRejection>,
) -> Result<Json<Replaced>, ApiError> {
    gateway.catalog.check_tenant(&path.tenant)?;
    let Next { next } = next?.map(|Json(next)| next).unwrap_or_default();
    let mut end = EndRequest::new(Session::new(&path.tenant, &path.id), EndReason::Reset);
    end.op_id = op_id(&headers)?;
    let start = StartRequest::new(Session::new(&path.tenant, next.as_deref().unwrap_or(&path.id)));
    let (ended, started) = gateway.runtime.replace_session(end, start).await?;
    Ok(Json(Replaced { ended, started }))
}

#[derive(Deserialize)]
pub(crate) struct ListQuery {
    after: Option<u64>,
    limit: Option<usize>,
}

/// A page of a tenant's sessions, in the order of their starts.
#[derive(Serialize)]
pub(crate) struct Sessions {
    sessions: Vec<Arc<Session>>,
    /// `after` of the next page, if there is one.
    next: Option<u64>,
}

/// `GET /tenants/{tenant}/sessions?after=…&limit=…`
pub(crate) async fn list(
    State(gateway): State<Arc<Gateway>>,
    Path(tenant): Path<String>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<Sessions>, ApiError> {
    gateway.catalog.check_tenant(&tenant)?;
    let Query(ListQuery { after, limit }) = query?;
    let page = gateway.runtime.sessions_of(&tenant, after, limit.unwrap_or(MAX_PAGE_ROWS));
    Ok(Json(Sessions { sessions: page.sessions, next: page.next }))
}

/// The client's name for its request, if it has one.
fn op_id(headers: &HeaderMap) -> Result<Option<Arc<str>>, ApiError> {
    let Some(key) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    match key.to_str() {
        Ok(key) => Ok(Some(key.into())),
        Err(_) => Err(ApiError::bad_field("Idempotency-Key", "bad_op_id", "Idempotency-Key must be ASCII text")),
    }
}
