//! Routes for the daemon as a whole.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use lastword::Durability;
use lastword::events::DrainReport;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::owners::drain_reason;
use crate::access::Needs;
use crate::controls::{Controls, Reloaded};
use crate::http::caller::Caller;
use crate::http::extract::Payload;
use crate::http::problem::Problem;
use crate::shared::Shared;
use crate::status::Status;

/// The reason of a drain of the daemon.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DrainBody {
    /// `shutdown`, which is the default, `restart` or `crashed`.
    reason: Option<String>,
}

/// The outcome of a drain of the daemon. Counts are of `session-end` deliveries, and `delivered + failed + deferred` is
/// what was owed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DaemonDrain {
    /// The reason of the drain.
    reason: String,
    /// The budget, in milliseconds.
    budget_ms: u64,
    /// The duration, in milliseconds.
    elapsed_ms: u64,
    /// Active sessions that the drain ended.
    sessions: u64,
    /// Deliveries that their plugins have.
    delivered: u64,
    /// Deliveries that had an attempt, which failed.
    failed: u64,
    /// Deliveries that are left for the next start.
    deferred: u64,
    /// Whether the budget ended the drain.
    timed_out: bool,
    /// Warnings for the operator.
    warnings: Vec<String>,
}

impl From<DrainReport> for DaemonDrain {
    fn from(report: DrainReport) -> Self {
        let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            reason: report.reason.to_string(),
            budget_ms: millis(report.budget),
            elapsed_ms: millis(report.elapsed),
            sessions: report.sessions,
            delivered: report.delivered,
            failed: report.failed,
            deferred: report.deferred,
            timed_out: report.timed_out,
            warnings: report.warnings.iter().map(|warning| format!("{}: {}", warning.name, warning.message)).collect(),
        }
    }
}

fn controls(shared: &Shared) -> Result<Arc<dyn Controls>, Problem> {
    let missing = || {
        let detail = "the program that serves has nothing for this";
        Problem::new(StatusCode::NOT_IMPLEMENTED, "not_implemented", detail)
    };
    shared.controls.clone().ok_or_else(missing)
}

/// Ends every session, and then the daemon. For operators of every tenant.
#[utoipa::path(
    post,
    path = "/v1/drain",
    request_body = Option<DrainBody>,
    responses((status = 200, description = "It is drained, and the daemon leaves", body = DaemonDrain))
)]
pub(crate) async fn drain_daemon(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    body: Payload,
) -> Result<Json<DaemonDrain>, Problem> {
    caller.needs_all_tenants(Needs::Operate)?;
    let reason = drain_reason(body.json::<DrainBody>()?.reason.as_deref())?;
    let report = controls(&shared)?.drain(reason).await;
    Ok(Json(report.into()))
}

/// A daemon that is about to leave.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HandingOver {
    /// The daemon's process id.
    pid: u32,
    /// The daemon's version.
    version: &'static str,
}

/// Ends the daemon, and leaves every session active and every delivery owed for the next one. For operators of every
/// tenant.
///
/// The answer comes at once. The next daemon can begin when this one's process has ended, after its drain's budget at
/// most.
#[utoipa::path(
    post,
    path = "/v1/hand-over",
    responses((status = 202, description = "It leaves", body = HandingOver))
)]
pub(crate) async fn hand_over(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
) -> Result<(StatusCode, Json<HandingOver>), Problem> {
    caller.needs_all_tenants(Needs::Operate)?;
    if shared.runtime.durability() == Durability::Memory {
        let detail = "the journal is in memory: nothing would be left for the next daemon";
        return Err(Problem::new(StatusCode::CONFLICT, "journal_in_memory", detail));
    }
    controls(&shared)?.hand_over();
    Ok((StatusCode::ACCEPTED, Json(HandingOver { pid: std::process::id(), version: env!("CARGO_PKG_VERSION") })))
}

/// Reads the configuration again. For operators of every tenant.
#[utoipa::path(
    post,
    path = "/v1/reload",
    responses((status = 200, description = "What was changed", body = Reloaded))
)]
pub(crate) async fn reload_daemon(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
) -> Result<Json<Reloaded>, Problem> {
    caller.needs_all_tenants(Needs::Operate)?;
    match controls(&shared)?.reload().await {
        Ok(reloaded) => Ok(Json(reloaded)),
        Err(why) => Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_configuration", why)),
    }
}

/// Returns what is active, owed and wrong. For callers of every tenant.
#[utoipa::path(
    get,
    path = "/v1/status",
    responses((status = 200, description = "What there is now", body = Status))
)]
pub(crate) async fn show_status(State(shared): State<Arc<Shared>>, caller: Caller) -> Result<Json<Status>, Problem> {
    caller.needs_all_tenants(Needs::Read)?;
    Ok(Json(shared.status()))
}
