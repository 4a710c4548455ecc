//! Three servers, with journals and other clients on them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use anyhow::Context as _;
use async_nats::ConnectOptions;
use async_nats::jetstream::{self, Context};
use lastword::Journal as _;
use lastword_cluster_tests::{APPLICATION, NatsCluster, settings};
use lastword_jetstream::{Cluster, JetStreamJournal};
use tempfile::TempDir;

/// For one answer of the servers, on a machine that has others to serve.
pub(super) const ANSWERS_WITHIN: Duration = Duration::from_secs(30);
/// The server that journals are connected to.
pub(super) const OF_JOURNALS: usize = 0;

/// Becomes a server that goes with this process, where the system has a command for that.
const STARTER: &str =
    "#!/bin/sh\nshift\ncommand -v setpriv > /dev/null && exec setpriv --pdeathsig KILL -- \"$@\"\nexec \"$@\"\n";

/// Three servers that sync each write, as the journal asks for it.
pub(super) struct Servers {
    cluster: NatsCluster,
    _starter: TempDir,
}

impl Servers {
    /// # Errors
    /// When a file cannot be written. Servers that do not become one cluster are a panic.
    pub(super) fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let starter = folder.path().join("starter");
        fs::write(&starter, STARTER)?;
        fs::set_permissions(&starter, Permissions::from_mode(0o700))?;
        Ok(Self { cluster: NatsCluster::start(&starter), _starter: folder })
    }

    /// A node, whose journals are connected to the server [`OF_JOURNALS`].
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub(super) fn node(&self) -> anyhow::Result<Cluster> {
        let (servers, password) = (vec![self.url(OF_JOURNALS)?], self.cluster.password(APPLICATION));
        Ok(Cluster::new(settings(servers, self.cluster.monitoring(), APPLICATION, &password), "bench")?)
    }

    /// A new journal, whose run has begun. It waits for the servers.
    ///
    /// # Errors
    /// When the servers refuse it.
    pub(super) fn begin(&self, node: &Cluster) -> anyhow::Result<JetStreamJournal> {
        let journal = JetStreamJournal::begin(node, JetStreamJournal::random_name())?;
        journal.recover()?;
        Ok(journal)
    }

    /// The number of the server that leads this stream. It waits until there is one.
    pub(super) fn leader_of(&self, stream: &str) -> usize {
        self.cluster.leader_of(stream)
    }

    /// A client that is connected to the server with this number.
    ///
    /// # Errors
    /// When it cannot be connected.
    pub(super) async fn client(&self, server: usize) -> anyhow::Result<Context> {
        let options = ConnectOptions::with_user_and_password(APPLICATION.name.into(), APPLICATION.password.into());
        let mut client = jetstream::new(options.ignore_discovered_servers().connect(self.url(server)?).await?);
        client.set_timeout(ANSWERS_WITHIN);
        Ok(client)
    }

    /// Deletes streams, so that the servers have their room for the next ones.
    ///
    /// # Errors
    /// When one cannot be deleted.
    pub(super) async fn delete(&self, streams: &[&str]) -> anyhow::Result<()> {
        let client = self.client(OF_JOURNALS).await?;
        for stream in streams {
            client.delete_stream(stream).await?;
        }
        Ok(())
    }

    fn url(&self, server: usize) -> anyhow::Result<String> {
        self.cluster.urls().into_iter().nth(server).context("there are fewer servers")
    }
}
