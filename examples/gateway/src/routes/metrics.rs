//! The scrape.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use prometheus::TEXT_FORMAT;

use crate::api_error::ApiError;
use crate::gateway::Gateway;

/// `GET /metrics`, in the text format of Prometheus.
pub(crate) async fn metrics(State(gateway): State<Arc<Gateway>>) -> Result<impl IntoResponse, ApiError> {
    let text = gateway.metrics.scrape(&gateway.runtime).map_err(ApiError::internal)?;
    Ok(([(CONTENT_TYPE, TEXT_FORMAT)], text))
}
