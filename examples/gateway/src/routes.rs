//! Which paths there are, and on which of the two addresses.

mod deliveries;
mod health;
mod metrics;
mod plugins;
mod sessions;
mod tenants;

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post, put};

use crate::api_error::ApiError;
use crate::gateway::Gateway;

/// Bytes of a request that is JSON: ten times what the largest session says of itself here.
const MAX_JSON_BYTES: usize = 64 << 10;
/// Bytes of a component. The largest that are known are Python's, of 18 MB.
const MAX_COMPONENT_BYTES: usize = 64 << 20;

/// For those whose sessions these are. Who asks is not checked here: put that before it, with a layer or a proxy.
pub(crate) fn for_owners(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/tenants/{tenant}/sessions", get(sessions::list))
        .route("/tenants/{tenant}/sessions/{id}", post(sessions::start).delete(sessions::end))
        .route("/tenants/{tenant}/sessions/{id}/reset", post(sessions::reset))
        .merge(health_routes())
        .layer(DefaultBodyLimit::max(MAX_JSON_BYTES))
        .with_state(gateway)
}

/// For operators: they install code, and see and change what every tenant has. So it has an address of its own, which by default
/// nobody reaches from outside of the machine.
pub(crate) fn for_operators(gateway: Arc<Gateway>) -> Router {
    let plugin = || put(plugins::put).delete(plugins::remove).layer(DefaultBodyLimit::max(MAX_COMPONENT_BYTES));
    Router::new()
        .route("/plugins", get(plugins::list))
        .route("/plugins/{name}", plugin())
        .route("/tenants/{tenant}", put(tenants::add).delete(tenants::remove))
        .route("/tenants/{tenant}/plugins/{name}", plugin())
        .route("/tenants/{tenant}/quota", put(tenants::set_quota).delete(tenants::clear_quota))
        .route("/deliveries", get(deliveries::list))
        .route("/deliveries/redeliver", post(deliveries::redeliver))
        .route("/deliveries/forget", post(deliveries::forget))
        // A delivery's id has slashes.
        .route("/deliveries/{*id}", get(deliveries::settled))
        .route("/metrics", get(metrics::metrics))
        .merge(health_routes())
        .with_state(gateway)
}

fn health_routes() -> Router<Arc<Gateway>> {
    Router::new().route("/healthz", get(health::healthz)).route("/readyz", get(health::readyz))
}

/// Carries out a change even when its client goes away: else half of it would be done.
async fn carried_out<T: Send + 'static>(
    change: impl Future<Output = Result<T, ApiError>> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::spawn(change).await.unwrap_or_else(|error| Err(ApiError::internal(error)))
}
