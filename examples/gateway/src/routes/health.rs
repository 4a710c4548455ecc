//! Whether the gateway is alive, and whether it can take sessions.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use crate::api_error::ApiError;
use crate::gateway::Gateway;

/// `GET /healthz`: 500 when only a restart helps.
pub(crate) async fn healthz(State(gateway): State<Arc<Gateway>>) -> Result<StatusCode, ApiError> {
    if gateway.runtime.has_failed() {
        return Err(ApiError::internal("the runtime has failed: a restart delivers what is owed"));
    }
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Serialize)]
pub(crate) struct Ready {
    /// How long the journal took to write something and to have it on the disk.
    journal_ms: f64,
}

/// `GET /readyz`: 503 while nothing could be accepted, because the disk is full for instance, or the gateway stops.
pub(crate) async fn readyz(State(gateway): State<Arc<Gateway>>) -> Result<Json<Ready>, ApiError> {
    if gateway.shutdown.has_begun() {
        return Err(ApiError::unavailable("draining", "the gateway stops"));
    }
    let took = gateway.health.probe().await.map_err(|why| ApiError::unavailable("journal", why))?;
    Ok(Json(Ready { journal_ms: took.as_secs_f64() * 1e3 }))
}
