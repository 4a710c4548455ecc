//! Tenants: they are added and removed while the others go on, and have quotas.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use lastword::TenantQuota;
use serde::Serialize;

use super::carried_out;
use super::plugins::RemoveQuery;
use crate::api_error::ApiError;
use crate::folder::check_tenant_name;
use crate::gateway::Gateway;

/// `PUT /tenants/{tenant}`: its sessions are taken from now on. 201, or 200 when it was there already.
pub(crate) async fn add(
    State(gateway): State<Arc<Gateway>>,
    Path(tenant): Path<String>,
) -> Result<StatusCode, ApiError> {
    check_tenant_name(&tenant)?;
    carried_out(async move {
        let is_new = gateway.catalog.change().await.add_tenant(tenant).await?;
        Ok(if is_new { StatusCode::CREATED } else { StatusCode::OK })
    })
    .await
}

/// What a tenant left.
#[derive(Serialize)]
pub(crate) struct Removed {
    /// Sessions that were ended.
    sessions: usize,
    /// Deliveries that its plugins were still owed, and that were kept or dropped.
    owed: u64,
}

/// `DELETE /tenants/{tenant}?owed=orphaned|dropped`: its sessions end, its plugins hear of it and are uninstalled.
pub(crate) async fn remove(
    State(gateway): State<Arc<Gateway>>,
    Path(tenant): Path<String>,
    query: Result<Query<RemoveQuery>, QueryRejection>,
) -> Result<Json<Removed>, ApiError> {
    let Query(RemoveQuery { owed }) = query?;
    carried_out(async move {
        let change = gateway.catalog.change().await;
        gateway.catalog.check_tenant(&tenant)?;
        let removed = change.remove_tenant(&tenant, owed.into()).await?;
        Ok(Json(Removed { sessions: removed.sessions, owed: removed.owed }))
    })
    .await
}

/// `PUT /tenants/{tenant}/quota`, with what it may use: `{"active_sessions": 100, "fuel_per_second": 1000000000}`.
pub(crate) async fn set_quota(
    State(gateway): State<Arc<Gateway>>,
    Path(tenant): Path<String>,
    quota: Result<Json<TenantQuota>, JsonRejection>,
) -> Result<StatusCode, ApiError> {
    let Json(quota) = quota?;
    change_quota(gateway, tenant, Some(quota)).await
}

/// `DELETE /tenants/{tenant}/quota`: it has the default again.
pub(crate) async fn clear_quota(
    State(gateway): State<Arc<Gateway>>,
    Path(tenant): Path<String>,
) -> Result<StatusCode, ApiError> {
    change_quota(gateway, tenant, None).await
}

async fn change_quota(
    gateway: Arc<Gateway>,
    tenant: String,
    quota: Option<TenantQuota>,
) -> Result<StatusCode, ApiError> {
    carried_out(async move {
        gateway.catalog.change().await.set_quota(&tenant, quota).await?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}
