//! What the tests share: servers, and a plain client of theirs.

use std::path::Path;
use std::time::Duration;

use async_nats::ConnectOptions;
use async_nats::jetstream::{self, stream};
use lastword_cluster_tests::{APPLICATION, NatsCluster, NatsSettings};

/// Becomes a server that does not outlive the test.
const WITH_ITS_PARENT: &str = env!("CARGO_BIN_EXE_with-its-parent");

pub(crate) fn three_servers() -> NatsCluster {
    NatsCluster::start(Path::new(WITH_ITS_PARENT))
}

pub(crate) fn three_servers_as(settings: &NatsSettings) -> NatsCluster {
    NatsCluster::start_as(Path::new(WITH_ITS_PARENT), settings)
}

/// A client that is not ours, to look at streams and to make wrong ones.
pub(crate) async fn client(urls: &[String]) -> jetstream::Context {
    let options = ConnectOptions::with_user_and_password(APPLICATION.name.into(), APPLICATION.password.into());
    let client = options.ignore_discovered_servers().connect(urls.to_vec()).await.unwrap();
    let mut context = jetstream::new(client);
    context.set_timeout(Duration::from_secs(2));
    context
}

/// A stream as a journal's is.
pub(crate) fn stream(name: &str) -> stream::Config {
    stream::Config {
        name: name.into(),
        subjects: vec![format!("{name}.>")],
        num_replicas: 3,
        storage: stream::StorageType::File,
        discard: stream::DiscardPolicy::New,
        max_bytes: 64 << 20,
        ..stream::Config::default()
    }
}
