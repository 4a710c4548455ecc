//! `POST /v1/sessions/{id}/turn`: a session's agent begins to work, or has done so.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use lastword_protocol::input::Input;
use serde::Serialize;
use utoipa::ToSchema;

use super::{not_of_a_session, read, with_id};
use crate::access::Needs;
use crate::http::accept::{Noted, note};
use crate::http::caller::Caller;
use crate::http::extract::{Path, Payload, Query};
use crate::http::owner_query::OwnerQuery;
use crate::http::problem::Problem;
use crate::shared::Shared;

/// A turn of an agent, from a prompt to the answer.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it describes what the reader of lines reads")]
pub(crate) struct TurnBody {
    /// `begin` or `end`.
    phase: TurnWord,
}

/// Whether a turn begins or has ended.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "it describes what the reader of lines reads")]
pub(crate) enum TurnWord {
    /// The agent begins to work.
    Begin,
    /// The agent has answered, and waits.
    End,
}

/// The noted state of a session's agent. It is not on record: a killed daemon forgets it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NotedTurn {
    /// The session's tenant.
    tenant: String,
    /// The session's id.
    session: String,
    /// Whether the session's agent is at work. Missing for a session without an event since this daemon began.
    #[serde(skip_serializing_if = "Option::is_none")]
    turn_open: Option<bool>,
    /// What was said of the owner and not believed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dropped: Vec<String>,
}

/// Reports that a session's agent begins to work, or has done so. If its owner dies in between, the session ends as
/// `crashed`.
#[utoipa::path(
    post,
    path = "/v1/sessions/{id}/turn",
    params(("id" = String, Path, description = "The session's id"), OwnerQuery),
    request_body = TurnBody,
    responses((status = 200, description = "It is noted", body = NotedTurn))
)]
pub(crate) async fn note_turn(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Path(id): Path<String>,
    Query(owner): Query<OwnerQuery>,
    body: Payload,
) -> Result<Json<NotedTurn>, Problem> {
    caller.needs(Needs::Own)?;
    let input = read(&shared, "turn", with_id(body.object()?, id))?;
    let Input::Unrelated { name, session: session @ Some(_) } = input else { return Err(not_of_a_session()) };
    let Noted { identity, dropped } = note(&shared, &caller, &owner, None, &name, session)??;
    let active = shared.runtimes.session(&identity).map(|session| session.identity.clone());
    let turn_open = shared.owners.is_turn_open(active.as_ref().unwrap_or(&identity));
    if active.is_none() && turn_open.is_none() {
        return Err(Problem::not_found());
    }
    let (tenant, session) = (identity.tenant.to_string(), identity.id.to_string());
    Ok(Json(NotedTurn { tenant, session, turn_open, dropped }))
}
