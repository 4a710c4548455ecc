//! What every request may use.

use std::sync::Arc;

use lastword::Runtime;

use crate::catalog::Catalog;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::shutdown::Shutdown;

/// The service's state: its runtime, and what the service adds to it.
pub(crate) struct Gateway {
    pub(crate) runtime: Runtime,
    pub(crate) catalog: Catalog,
    pub(crate) health: Health,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) shutdown: Shutdown,
}

impl Gateway {
    pub(crate) fn new(runtime: Runtime, catalog: Catalog, metrics: Arc<Metrics>) -> Self {
        Self { health: Health::new(runtime.clone()), runtime, catalog, metrics, shutdown: Shutdown::default() }
    }
}

#[cfg(test)]
impl Gateway {
    /// One with this plugin, a journal in memory, and an empty folder that is gone with its handle.
    pub(crate) fn with(plugin: lastword::Plugin) -> (Self, tempfile::TempDir) {
        use lastword::{Sandbox, SandboxConfig, Tenants};

        let folder = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::new(SandboxConfig::default()).unwrap();
        let runtime = Runtime::builder().sandbox(sandbox.clone()).plugin(plugin, Tenants::Every).build().unwrap();
        let plugins = crate::folder::Folder::open(folder.path()).unwrap();
        let catalog = Catalog::new(runtime.clone(), sandbox, plugins, ["acme".to_owned()].into());
        (Self::new(runtime, catalog, Arc::new(Metrics::new().unwrap())), folder)
    }
}
