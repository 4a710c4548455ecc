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

/// The tenant of the owner.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TenantQuery {
    /// The owner's tenant: the token's, else `default`.
    tenant: Option<String>,
}

/// The options of an owner's goodbye.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct GoodbyeQuery {
    /// The owner's tenant: the token's, else `default`.
    tenant: Option<String>,
    /// The reason: `shutdown`, which is the default, `restart` or `crashed`.
    reason: Option<String>,
    /// The time that the answer waits for deliveries, e.g. `2s`. At most the daemon's own budget.
    budget: Option<String>,
}

/// A registered owner.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RegisteredOwner {
    /// The owner's tenant.
    tenant: String,
    /// The owner's name.
    owner: String,
    /// How the daemon notices the owner's death: `process`, `lease`, or `nothing`.
    watched_by: &'static str,
    /// Whether the owner lives. An owner whose process has already exited is dead at once.
    alive: bool,
    /// Whether no owner of that name was known.
    new: bool,
    /// Whether the owner was in its grace, and has its sessions again.
    came_back: bool,
    /// The dropped fields, a sentence with the reason each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dropped: Vec<String>,
}

/// Registers an owner, or renews its registration.
///
/// When the owner dies, its sessions end after a grace. The daemon believes a pid only over the Unix socket, with the
/// right start time, and if the process belongs to the caller's user. Otherwise the answer is `not_visible`, and the
/// owner needs a lease.
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

/// Ends an owner's sessions. The answer has the outcomes of their deliveries within the budget.
///
/// A delivery that is not made by then stays owed, and is made later.
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
    let (owners, runtime) = (shared.owners.clone(), shared.runtimes.clone());
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
