//! A cluster that proves all that it has to.

use std::fmt;
use std::sync::Arc;

use crate::connect::Client;
use crate::error::ClusterError;
use crate::proof::Proven;
use crate::servers::Servers;
use crate::settings::Settings;

/// A node, and its connection to the servers of a test.
#[derive(Clone)]
pub struct Cluster {
    settings: Settings,
    node: String,
}

impl Cluster {
    /// A node with this name.
    pub fn new(servers: Arc<dyn Servers>, node: &str) -> Self {
        Self { settings: Settings::new(servers), node: node.to_owned() }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn node(&self) -> &str {
        &self.node
    }

    pub(crate) async fn proven(&self, client: &Client) -> Result<Proven, ClusterError> {
        self.prove(client).await
    }

    pub(crate) async fn proven_before(&self, client: &Client) -> Result<Proven, ClusterError> {
        self.prove(client).await
    }

    #[expect(clippy::unused_async, reason = "the real one asks the servers")]
    pub(crate) async fn prove(&self, _client: &Client) -> Result<Proven, ClusterError> {
        Ok(None)
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("node", &self.node).finish_non_exhaustive()
    }
}
