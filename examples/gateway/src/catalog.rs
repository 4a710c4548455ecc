//! Plugins, tenants and quotas while sessions go on: what the runtime has, and the folder that remembers it for the next start.

use std::collections::BTreeSet;

use axum::body::Bytes;
use lastword::events::PluginKey;
use lastword::{
    DeliveryFilter, Grants, InstallError, Leave, Limits, LoadError, Plugin, Runtime, Sandbox, Source, TenantQuota,
    Tenants,
};
use parking_lot::RwLock;
use tokio::sync::{Mutex, MutexGuard};

use crate::api_error::ApiError;
use crate::blocking::blocking;
use crate::farewell::end_sessions;
use crate::folder::{Contents, Folder};

/// What is installed, and for whom.
pub(crate) struct Catalog {
    runtime: Runtime,
    sandbox: Sandbox,
    folder: Folder,
    /// Whose sessions are taken.
    tenants: RwLock<BTreeSet<String>>,
    /// Held by who changes something, so that the folder says what the runtime has.
    turn: Mutex<()>,
}

/// Compiles a component and makes a plugin of it. Blocks: milliseconds, or a minute or two for a large one.
///
/// All have the same limits and no grants here. A service that grants HTTP, storage or transcripts says to whom in its own
/// configuration, and looks that up in this place.
pub(crate) fn load(sandbox: &Sandbox, key: &PluginKey, source: &Source) -> Result<Plugin, LoadError> {
    let plugin = sandbox.load_with(key.name.clone(), source, Limits::default(), Grants::default())?;
    Ok(match &key.tenant {
        Some(tenant) => plugin.scoped(tenant),
        None => plugin,
    })
}

impl Catalog {
    pub(crate) fn new(runtime: Runtime, sandbox: Sandbox, folder: Folder, tenants: BTreeSet<String>) -> Self {
        Self { runtime, sandbox, folder, tenants: RwLock::new(tenants), turn: Mutex::default() }
    }

    /// The plugins that are installed.
    pub(crate) fn plugins(&self) -> Vec<Plugin> {
        self.runtime.plugins()
    }

    /// Whose sessions are taken.
    pub(crate) fn tenants(&self) -> BTreeSet<String> {
        self.tenants.read().clone()
    }

    /// Refuses a tenant that nobody has added.
    pub(crate) fn check_tenant(&self, tenant: &str) -> Result<(), ApiError> {
        if self.tenants.read().contains(tenant) {
            return Ok(());
        }
        Err(ApiError::not_found(
            "unknown_tenant",
            format_args!("there is no tenant {tenant:?}: PUT /tenants/{tenant} adds it"),
        ))
    }

    /// Compiles a component, beside everything else.
    pub(crate) async fn load(&self, key: PluginKey, source: Source) -> Result<Plugin, ApiError> {
        let sandbox = self.sandbox.clone();
        blocking(move || load(&sandbox, &key, &source)).await
    }

    /// What the folder says now.
    pub(crate) async fn read_folder(&self) -> Result<Contents, ApiError> {
        let folder = self.folder.clone();
        blocking(move || folder.read().map_err(|error| ApiError::internal(format_args!("{error:#}")))).await
    }

    /// Waits for its turn to change something.
    pub(crate) async fn change(&self) -> Change<'_> {
        Change { catalog: self, _turn: self.turn.lock().await }
    }
}

/// Somebody's turn to change what is installed.
pub(crate) struct Change<'a> {
    catalog: &'a Catalog,
    _turn: MutexGuard<'a, ()>,
}

/// What a tenant left.
pub(crate) struct Removed {
    /// Sessions that were ended.
    pub(crate) sessions: usize,
    /// Deliveries that its plugins were still owed then, and that were kept or dropped.
    pub(crate) owed: u64,
}

impl Change<'_> {
    /// Installs a plugin, or a new version of one, and keeps its component for the next start. Says whether there was one before.
    pub(crate) async fn put(&self, plugin: Plugin, component: Bytes) -> Result<bool, ApiError> {
        let (folder, key) = (self.catalog.folder.clone(), plugin.key());
        if let Some(tenant) = &key.tenant {
            self.catalog.check_tenant(tenant)?;
        }
        let staged = blocking(move || folder.stage(&component)).await?;
        let replaced = self.install(plugin)?;
        // Last: it is one rename, and an operator who has no answer because the machine went down says it again.
        let folder = self.catalog.folder.clone();
        blocking(move || folder.keep(staged, &key)).await?;
        Ok(replaced)
    }

    /// Installs a plugin whose component is in the folder. Says whether there was one before.
    pub(crate) fn install(&self, plugin: Plugin) -> Result<bool, InstallError> {
        match self.catalog.runtime.replace(plugin.clone()) {
            Ok(_previous) => Ok(true),
            Err(InstallError::NotInstalled(_)) => self.catalog.runtime.install(plugin, Tenants::Every).map(|()| false),
            Err(error) => Err(error),
        }
    }

    /// Uninstalls a plugin when its calls under way are over. Says how many deliveries it was owed.
    pub(crate) async fn remove(&self, key: PluginKey, owed: Leave) -> Result<u64, ApiError> {
        let uninstalled = self.catalog.runtime.uninstall(&key, owed).await?;
        let folder = self.catalog.folder.clone();
        blocking(move || folder.remove(&key)).await?;
        Ok(uninstalled.owed)
    }

    /// Takes a tenant's sessions from now on, also after the next start. Says whether it is a new one.
    pub(crate) async fn add_tenant(&self, tenant: String) -> Result<bool, ApiError> {
        let (folder, name) = (self.catalog.folder.clone(), tenant.clone());
        blocking(move || folder.add_tenant(&name)).await?;
        Ok(self.catalog.tenants.write().insert(tenant))
    }

    /// Takes the sessions of a tenant that the folder has, with the quota that it has there.
    pub(crate) fn admit(&self, tenant: String, quota: Option<TenantQuota>) -> Result<(), InstallError> {
        self.catalog.runtime.set_quota(&tenant, quota)?;
        self.catalog.tenants.write().insert(tenant);
        Ok(())
    }

    /// Takes no session of the tenant any more, ends those that it has, gives its plugins a while to hear of it, and uninstalls them.
    /// What is owed then is kept for when the tenant is added again, or dropped. What fails on the way can be asked for again.
    ///
    /// A start that comes at this very moment may be accepted still. Its session is ended with the others when the gateway stops.
    pub(crate) async fn remove_tenant(&self, tenant: &str, owed: Leave) -> Result<Removed, ApiError> {
        self.catalog.tenants.write().remove(tenant);
        let removed = self.clear_tenant(tenant, owed).await;
        if removed.is_err() {
            self.catalog.tenants.write().insert(tenant.to_owned());
        }
        removed
    }

    async fn clear_tenant(&self, tenant: &str, owed: Leave) -> Result<Removed, ApiError> {
        let runtime = &self.catalog.runtime;
        let mut removed = Removed { sessions: end_sessions(runtime, tenant).await?, owed: 0 };
        for key in self.catalog.plugins().iter().map(Plugin::key) {
            if key.tenant.as_deref() == Some(tenant) {
                removed.owed += runtime.uninstall(&key, owed).await?.owed;
            }
        }
        if owed == Leave::Dropped {
            // What plugins of every tenant are owed for it, and what was given up.
            removed.owed += runtime.forget_all(&DeliveryFilter::default().of_tenant(tenant)).await?;
        }
        runtime.set_quota(tenant, None)?;
        let (folder, tenant) = (self.catalog.folder.clone(), tenant.to_owned());
        blocking(move || folder.remove_tenant(&tenant)).await?;
        Ok(removed)
    }

    /// What the tenant may use from the next start and call on, also after the next start. None: the default.
    pub(crate) async fn set_quota(&self, tenant: &str, quota: Option<TenantQuota>) -> Result<(), ApiError> {
        self.catalog.check_tenant(tenant)?;
        self.catalog.runtime.set_quota(tenant, quota)?;
        let (folder, tenant) = (self.catalog.folder.clone(), tenant.to_owned());
        blocking(move || folder.set_quota(&tenant, quota.as_ref())).await
    }
}
