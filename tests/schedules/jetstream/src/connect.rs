//! A connection that is there for as long as its journal is. What becomes of requests is the test's.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::cluster::Cluster;
use crate::error::ClusterError;
use crate::servers::Servers;
use crate::settings::Credentials;
use crate::sync::{Instant, sleep_until};

#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) servers: Arc<dyn Servers>,
    /// Nobody says anything there.
    _events: Arc<watch::Sender<Link>>,
}

pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) link: watch::Receiver<Link>,
}

#[derive(Clone, Copy)]
pub(crate) struct Link {
    pub(crate) is_up: bool,
}

pub(crate) async fn connect(cluster: &Cluster, _: &Credentials, _name: &str) -> Result<Connection, ClusterError> {
    let (events, link) = watch::channel(Link { is_up: true });
    Ok(Connection { client: Client { servers: cluster.settings().servers.clone(), _events: Arc::new(events) }, link })
}

/// Waits where nothing tells when to try again.
pub(crate) async fn pause(time: Duration) {
    sleep_until(Instant::now() + time).await;
}
