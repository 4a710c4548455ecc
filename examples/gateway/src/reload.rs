//! Makes the plugins, tenants and quotas those of the folder, after somebody has changed it.

use std::collections::HashMap;
use std::fmt;

use lastword::events::PluginKey;
use lastword::{Leave, Plugin};

use crate::api_error::ApiError;
use crate::catalog::Catalog;
use crate::folder::Contents;

/// What a reload has changed.
#[derive(Debug, Default)]
pub(crate) struct Reloaded {
    installed: usize,
    replaced: usize,
    uninstalled: usize,
    /// Could not be loaded or installed, and are as they were.
    refused: usize,
}

impl fmt::Display for Reloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { installed, replaced, uninstalled, refused } = self;
        write!(f, "{installed} installed, {replaced} replaced, {uninstalled} uninstalled, {refused} refused")
    }
}

/// Makes the plugins, tenants and quotas those of the folder. One plugin that cannot be loaded stays as it was, and the others change.
/// What plugins are owed that are gone is kept for when they come back.
pub(crate) async fn reload(catalog: &Catalog) -> Result<Reloaded, ApiError> {
    let change = catalog.change().await;
    let Contents { plugins, tenants } = catalog.read_folder().await?;
    let mut reloaded = Reloaded::default();
    for tenant in catalog.tenants() {
        if !tenants.contains_key(&tenant) {
            change.remove_tenant(&tenant, Leave::Orphaned).await?;
        }
    }
    for (tenant, quota) in tenants {
        change.admit(tenant, quota)?;
    }
    let mut installed: HashMap<PluginKey, Plugin> =
        catalog.plugins().into_iter().map(|plugin| (plugin.key(), plugin)).collect();
    // First those that are gone: what was every tenant's may have become one tenant's, under the same name.
    let is_gone = |key: &PluginKey| plugins.iter().all(|(found, _)| found != key);
    let gone: Vec<PluginKey> = installed.keys().filter(|key| is_gone(key)).cloned().collect();
    for key in gone {
        change.remove(key, Leave::Orphaned).await?;
        reloaded.uninstalled += 1;
    }
    for (key, source) in plugins {
        let before = installed.remove(&key);
        // The same bytes are not compiled again.
        let changed = match catalog.load(key.clone(), source).await {
            Ok(plugin) if before.as_ref().is_some_and(|before| before.sha256() == plugin.sha256()) => continue,
            Ok(plugin) => change.install(plugin).map_err(ApiError::from),
            Err(error) => Err(error),
        };
        match changed {
            Ok(true) => reloaded.replaced += 1,
            Ok(false) => reloaded.installed += 1,
            Err(error) => {
                tracing::error!(%key, %error, "the plugin stays as it was");
                reloaded.refused += 1;
            }
        }
    }
    Ok(reloaded)
}
