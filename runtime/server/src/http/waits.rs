//! Requests that take long because they wait for events.

use axum::http::StatusCode;

use super::caller::Caller;
use super::problem::Problem;
use super::tenant_places::TenantPlace;
use crate::shared::Shared;

/// Takes a place for a long request, until it is dropped. `None` for a caller of every tenant.
pub(crate) fn wait_place(shared: &Shared, caller: &Caller) -> Result<Option<TenantPlace>, Problem> {
    let Some(tenant) = caller.access.tenant() else { return Ok(None) };
    match shared.connections.wait_of_tenant(tenant) {
        Some(place) => Ok(Some(place)),
        None => {
            let detail = "too many requests of this tenant wait for deliveries or watch the stream: try it again";
            Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_waits", detail))
        }
    }
}
