//! Liveness, readiness and metrics.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::Needs;
use crate::http::caller::Caller;
use crate::http::problem::Problem;
use crate::shared::Shared;

/// The format of metrics, which Prometheus accepts.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The daemon is well.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Well {
    /// `ok`.
    status: &'static str,
}

/// Whether the daemon lives. If not, restart it.
#[utoipa::path(get, path = "/healthz", responses((status = 200, description = "It lives", body = Well)))]
pub(crate) async fn is_healthy(State(shared): State<Arc<Shared>>) -> Result<Json<Well>, Problem> {
    if shared.runtime.has_failed() {
        let detail = "a worker has panicked, which is a defect of lastword: start the daemon again";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "failed", detail));
    }
    Ok(Json(Well { status: "ok" }))
}

/// Whether the daemon can serve: it can write its journal, and is not about to exit.
#[utoipa::path(get, path = "/readyz", responses((status = 200, description = "It can serve", body = Well)))]
pub(crate) async fn is_ready(State(shared): State<Arc<Shared>>) -> Result<Json<Well>, Problem> {
    if shared.connections.is_closing() || shared.runtime.is_draining() {
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "draining", "the daemon is about to leave"));
    }
    if !shared.readiness.of_journal(&shared.runtime).await {
        let detail = "the journal cannot be written just now; the log of the daemon says why";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "journal", detail));
    }
    Ok(Json(Well { status: "ok" }))
}

/// Returns metrics for Prometheus. For callers of every tenant.
#[utoipa::path(
    get,
    path = "/metrics",
    responses((status = 200, description = "The metrics", body = String, content_type = "application/openmetrics-text"))
)]
pub(crate) async fn show_metrics(State(shared): State<Arc<Shared>>, caller: Caller) -> Result<Response, Problem> {
    caller.needs_all_tenants(Needs::Read)?;
    let text = shared.observer.metrics().encode(&shared.scraped());
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}
