//! `/v1/owners`: the registration of an owner, and its goodbye.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use lastword::events::DrainReason;
use lastword_protocol::input::DEFAULT_TENANT;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::Needs;
use crate::http::caller::Caller;
use crate::http::extract::{Path, Payload, Query};
use crate::http::owner_query::{OwnerBody, check_tenant, read_duration};
use crate::http::problem::Problem;
use crate::owners::{Life, NotRegistered, OwnerDrain, Registration};
use crate::shared::Shared;

/// Which owner is meant.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TenantQuery {
    /// The owner's tenant: the token's, else `default`.
    tenant: Option<String>,
}

/// How an owner says goodbye.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct GoodbyeQuery {
    /// The owner's tenant: the token's, else `default`.
    tenant: Option<String>,
    /// Why it goes: `shutdown`, which is the default, `restart` or `crashed`.
    reason: Option<String>,
    /// For how long the answer waits for deliveries, e.g. `2s`. At most the daemon's own budget.
    budget: Option<String>,
}

/// An owner that is registered.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RegisteredOwner {
    /// Its tenant.
    tenant: String,
    /// Its name.
    owner: String,
    /// How its death is noticed: `process`, `lease`, or `nothing`.
    watched_by: &'static str,
    /// Whether it lives. One whose process was gone already is dead at once.
    alive: bool,
    /// Nobody of that name was known.
    new: bool,
    /// It was taken for dead, and has its sessions again.
    came_back: bool,
    /// What of its word was left out, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dropped: Vec<String>,
}

/// Registers an owner, or says again that it lives.
///
/// When it dies, its sessions end after a grace. A pid is believed over the Unix socket only, when the start time is right and the process
/// is the caller's user's; else the answer is `not_visible`, and a lease is the way.
#[utoipa::path(
    put,
    path = "/v1/owners/{owner}",
    params(("owner" = String, Path, description = "The owner's name, unique in its tenant"), TenantQuery),
    request_body = OwnerBody,
    responses((status = 200, description = "It is registered", body = RegisteredOwner))
)]
pub(crate) async fn register_owner(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Path(owner): Path<String>,
    Query(query): Query<TenantQuery>,
    body: Payload,
) -> Result<Json<RegisteredOwner>, Problem> {
    caller.needs(Needs::Own)?;
    let tenant = tenant(&caller, query.tenant.as_deref())?;
    let said = body.json::<OwnerBody>()?.said(&owner)?;
    let Registration { registered, is_dead, life, dropped } =
        shared.owners.register(&said, &tenant, caller.witness()).map_err(|why| match why {
            NotRegistered::NotVisible(why) => Problem::not_visible(&why),
            NotRegistered::TooMany => {
                let detail = "there are too many owners: some have to say goodbye";
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_owners", detail)
            }
        })?;
    let watched_by = match life {
        Life::Process(_) => "process",
        Life::Lease(_) => "lease",
        Life::Connection | Life::Unwatched => "nothing",
    };
    Ok(Json(RegisteredOwner {
        tenant,
        owner,
        watched_by,
        alive: !is_dead,
        new: registered.is_new,
        came_back: registered.came_back,
        dropped,
    }))
}

/// An owner says goodbye: its sessions end, and the answer says what became of their deliveries within the budget.
///
/// What is not made by then stays owed, and goes out later.
#[utoipa::path(
    delete,
    path = "/v1/owners/{owner}",
    params(("owner" = String, Path, description = "The owner's name"), GoodbyeQuery),
    responses((status = 200, description = "Its sessions are ended", body = OwnerDrain))
)]
pub(crate) async fn drain_owner(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Path(owner): Path<String>,
    Query(query): Query<GoodbyeQuery>,
) -> Result<Json<OwnerDrain>, Problem> {
    caller.needs(Needs::Own)?;
    let tenant = tenant(&caller, query.tenant.as_deref())?;
    let reason = drain_reason(query.reason.as_deref())?;
    let budget = query.budget.as_deref().map(|text| read_duration("budget", text)).transpose()?;
    let id = shared.owners.find(&tenant, &owner).ok_or_else(Problem::not_found)?;
    let (owners, runtime) = (shared.owners.clone(), shared.runtime.clone());
    // The drain is carried out even if the caller does not wait for the answer.
    let drain = tokio::spawn(async move { owners.drain(&runtime, id, reason, budget).await });
    let drain = drain.await.map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error))?;
    Ok(Json(drain))
}

/// Returns the owner's tenant: the named one, else the caller's, else the default.
fn tenant(caller: &Caller, named: Option<&str>) -> Result<String, Problem> {
    if let Some(named) = named {
        check_tenant(named)?;
    }
    Ok(caller.tenant(named)?.map_or_else(|| DEFAULT_TENANT.to_owned(), |tenant| tenant.to_string()))
}

/// Parses the reason of a drain.
pub(crate) fn drain_reason(word: Option<&str>) -> Result<DrainReason, Problem> {
    match word {
        None | Some("shutdown") => Ok(DrainReason::Shutdown),
        Some("restart") => Ok(DrainReason::Restart),
        Some("crashed") => Ok(DrainReason::Crashed),
        Some(_) => {
            let detail = "reason must be `shutdown`, `restart` or `crashed`";
            Err(Problem::bad_field("reason", "unknown_reason", detail))
        }
    }
}
