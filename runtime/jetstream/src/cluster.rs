//! A cluster of NATS servers, as a program uses it.

use std::sync::Arc;

use async_nats::Client;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::error::ClusterError;
use crate::limits::PROVE_AGAIN;
use crate::proof::{Proven, prove};
use crate::settings::{ClusterSettings, SettingsError};

/// A cluster of NATS servers, and the name of this node in it. A clone is the same cluster.
#[derive(Clone, Debug)]
pub struct Cluster(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: ClusterSettings,
    node: String,
    /// What the servers have proved, and when.
    proven: Mutex<Option<(Instant, Proven)>>,
}

impl Cluster {
    /// A cluster. `node` is this node's name, for operators. Nothing is connected yet.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn new(settings: ClusterSettings, node: &str) -> Result<Self, SettingsError> {
        settings.check()?;
        Ok(Self(Arc::new(Inner { settings, node: node.to_owned(), proven: Mutex::default() })))
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &ClusterSettings {
        &self.0.settings
    }

    /// The name of this node.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.0.node
    }

    /// What the servers have proved. What they proved within the last hour holds for another journal too: so a dead node's journal can be
    /// taken over while a server is away.
    pub(crate) async fn proven(&self, client: &Client) -> Result<Proven, ClusterError> {
        if let Some((at, proven)) = &*self.0.proven.lock()
            && at.elapsed() < PROVE_AGAIN
        {
            return Ok(proven.clone());
        }
        self.prove(client).await
    }

    /// Asks the servers now.
    pub(crate) async fn prove(&self, client: &Client) -> Result<Proven, ClusterError> {
        let proven = prove(&self.0.settings, client).await?;
        *self.0.proven.lock() = Some((Instant::now(), proven.clone()));
        Ok(proven)
    }
}
