//! A cluster of NATS servers, as a program uses it.

use std::sync::Arc;

use async_nats::Client;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::error::ClusterError;
use crate::limits::PROVE_AGAIN;
use crate::lost_servers::LostServers;
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
    lost_servers: LostServers,
}

impl Cluster {
    /// A cluster. `node` is this node's name, for operators. Nothing is connected yet.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn new(settings: ClusterSettings, node: &str) -> Result<Self, SettingsError> {
        settings.check()?;
        let (node, proven, lost_servers) = (node.to_owned(), Mutex::default(), LostServers::default());
        Ok(Self(Arc::new(Inner { settings, node, proven, lost_servers })))
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

    /// The servers that connections have lost of late.
    pub(crate) fn lost_servers(&self) -> &LostServers {
        &self.0.lost_servers
    }

    /// What the servers have proved, for a journal that begins. What they proved within the last hour holds for another journal too.
    pub(crate) async fn proven(&self, client: &Client) -> Result<Proven, ClusterError> {
        if let Some((at, proven)) = &*self.0.proven.lock()
            && at.elapsed() < PROVE_AGAIN
        {
            return Ok(proven.clone());
        }
        self.prove(client).await
    }

    /// What the servers have proved, for a journal that was there before. A server that is away, for however long, is no reason to leave it
    /// alone: two of three have each write, and what they proved before holds as long as none of those that answer says otherwise.
    pub(crate) async fn proven_before(&self, client: &Client) -> Result<Proven, ClusterError> {
        let before = self.0.proven.lock().as_ref().map(|(_, proven)| proven.clone());
        let error = match self.proven(client).await {
            Ok(proven) => return Ok(proven),
            Err(error) => error,
        };
        match before {
            Some(proven) if error.is_only_silence() => {
                tracing::error!(%error, "not all NATS servers prove that they sync: what they proved before has to do for this take-over");
                Ok(proven)
            }
            _ => Err(error),
        }
    }

    /// Asks the servers now.
    pub(crate) async fn prove(&self, client: &Client) -> Result<Proven, ClusterError> {
        let proven = prove(self, client).await?;
        *self.0.proven.lock() = Some((Instant::now(), proven.clone()));
        Ok(proven)
    }
}
