//! Plugins, of every tenant or of one: they are installed, replaced and uninstalled while sessions go on.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use lastword::events::{Hook, PluginKey, PluginName};
use lastword::{Leave, Plugin, Source};
use serde::{Deserialize, Serialize};

use super::carried_out;
use crate::api_error::ApiError;
use crate::folder::plugin_key;
use crate::gateway::Gateway;

/// `/plugins/{name}` or `/tenants/{tenant}/plugins/{name}`.
#[derive(Deserialize)]
pub(crate) struct PluginPath {
    tenant: Option<String>,
    name: String,
}

impl PluginPath {
    fn key(&self) -> Result<PluginKey, ApiError> {
        Ok(plugin_key(self.tenant.as_deref(), PluginName::new(&self.name)?))
    }
}

/// An installed plugin.
#[derive(Serialize)]
pub(crate) struct Installed {
    /// `memory`, or `acme/memory` if it is one tenant's.
    plugin: String,
    sha256: String,
    hooks: Vec<Hook>,
}

impl Installed {
    fn of(plugin: &Plugin) -> Self {
        let (sha256, hooks) = (plugin.sha256().to_owned(), plugin.hooks().iter().collect());
        Self { plugin: plugin.key().to_string(), sha256, hooks }
    }
}

/// `GET /plugins`
pub(crate) async fn list(State(gateway): State<Arc<Gateway>>) -> Json<Vec<Installed>> {
    Json(gateway.catalog.plugins().iter().map(Installed::of).collect())
}

/// `PUT …/plugins/{name}`, with a component: 201 when it is installed, 200 when it has taken the place of another one. Calls that are
/// under way finish on that one.
pub(crate) async fn put(
    State(gateway): State<Arc<Gateway>>,
    Path(path): Path<PluginPath>,
    component: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Installed>), ApiError> {
    let (key, component) = (path.key()?, component?);
    if let Some(tenant) = &path.tenant {
        gateway.catalog.check_tenant(tenant)?;
    }
    carried_out(async move {
        let plugin = gateway.catalog.load(key, Source::Bytes(component.to_vec())).await?;
        let installed = Installed::of(&plugin);
        let replaced = gateway.catalog.change().await.put(plugin, component).await?;
        Ok((if replaced { StatusCode::OK } else { StatusCode::CREATED }, Json(installed)))
    })
    .await
}

/// What is to become of what a plugin is owed.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Owed {
    /// It is kept, and delivered when a plugin of the name is installed again.
    #[default]
    Orphaned,
    /// It is forgotten.
    Dropped,
}

impl From<Owed> for Leave {
    fn from(owed: Owed) -> Self {
        match owed {
            Owed::Orphaned => Self::Orphaned,
            Owed::Dropped => Self::Dropped,
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct RemoveQuery {
    #[serde(default)]
    pub(super) owed: Owed,
}

/// How many deliveries were kept or dropped.
#[derive(Serialize)]
pub(crate) struct Removed {
    owed: u64,
}

/// `DELETE …/plugins/{name}?owed=orphaned|dropped`: answered when its calls under way are over.
pub(crate) async fn remove(
    State(gateway): State<Arc<Gateway>>,
    Path(path): Path<PluginPath>,
    query: Result<Query<RemoveQuery>, QueryRejection>,
) -> Result<Json<Removed>, ApiError> {
    let (key, Query(RemoveQuery { owed })) = (path.key()?, query?);
    carried_out(async move {
        let owed = gateway.catalog.change().await.remove(key, owed.into()).await?;
        Ok(Json(Removed { owed }))
    })
    .await
}
