//! What the tests share: servers, journals on them, and a client that is not ours.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::ConnectOptions;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, stream};
use lastword_cluster_tests::{APPLICATION, Hosts, Load, NatsCluster, NatsSettings, PATIENCE, settings};
use lastword_events::JournalName;
use lastword_jetstream::subjects::Subjects;
use lastword_jetstream::{Cluster, ClusterSettings, Ended, JetStreamJournal};
use lastword_journal::{Journal, Recovered};
use tokio::time::interval;

/// Becomes a server that does not outlive the test.
pub(crate) const WITH_ITS_PARENT: &str = env!("CARGO_BIN_EXE_with-its-parent");
/// What streams and buckets begin with.
const PREFIX: &str = "LW";
/// How long a client that is not ours waits for an acknowledgement. Some tests wait for all of it, so it is not longer.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(5);
/// How often a new stream is asked for.
const BETWEEN_PROBES: Duration = Duration::from_millis(5);
/// So many starts show that a journal is written to.
pub(crate) const SOME: usize = 200;

pub(crate) fn three_servers() -> NatsCluster {
    show_what_journals_say();
    NatsCluster::start(Path::new(WITH_ITS_PARENT))
}

pub(crate) fn three_servers_as(settings: &NatsSettings) -> NatsCluster {
    show_what_journals_say();
    NatsCluster::start_as(Path::new(WITH_ITS_PARENT), settings)
}

pub(crate) fn three_servers_on(hosts: &Hosts) -> NatsCluster {
    show_what_journals_say();
    NatsCluster::start_on(hosts, Path::new(WITH_ITS_PARENT))
}

/// Runs a test whose tasks are where this thread is: on a network of hosts, which it has entered, or on one of them.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(test);
}

/// The test runner shows it when the test fails.
fn show_what_journals_say() {
    let log = tracing_subscriber::fmt().with_env_filter("lastword_jetstream=debug").with_test_writer();
    // Another test of this process may have done it.
    log.try_init().ok();
}

/// How a node reaches these servers.
pub(crate) fn settings_of(servers: &NatsCluster) -> ClusterSettings {
    settings(servers.urls(), servers.monitoring(), APPLICATION, &servers.password(APPLICATION))
}

/// A node. Each has connections and a proof of its own.
pub(crate) fn node(servers: &NatsCluster, name: &str) -> Cluster {
    Cluster::new(settings_of(servers), name).unwrap()
}

/// A node that connects to these servers only.
pub(crate) fn node_at(servers: &NatsCluster, of_these: &[usize], name: &str) -> Cluster {
    let all = servers.urls();
    let settings =
        ClusterSettings { servers: of_these.iter().map(|at| all[*at].clone()).collect(), ..settings_of(servers) };
    Cluster::new(settings, name).unwrap()
}

/// The stream of a journal.
pub(crate) fn stream_of(journal: JournalName) -> String {
    Subjects::new(PREFIX, journal).stream
}

/// A new journal whose run has begun, with nothing in it.
pub(crate) fn begun(node: &Cluster) -> Arc<JetStreamJournal> {
    let journal = JetStreamJournal::begin(node, JetStreamJournal::random_name()).unwrap();
    let recovered = journal.recover().unwrap();
    assert!(recovered.sessions.is_empty(), "{recovered:?}");
    Arc::new(journal)
}

/// A journal that was taken over, and what was found in it.
pub(crate) fn taken_over(node: &Cluster, journal: JournalName) -> (Arc<JetStreamJournal>, Recovered) {
    let journal = JetStreamJournal::take_over(node, journal).unwrap();
    let recovered = journal.recover().unwrap();
    (Arc::new(journal), recovered)
}

/// Starts sessions.
pub(crate) fn load(journal: &Arc<JetStreamJournal>) -> Load {
    Load::begin(journal, "s", |_| ())
}

/// Ends the load and the run, and checks what the next run finds: all that is on record with its number and once, and nothing that was
/// refused. The messages have to say the same.
pub(crate) async fn everything_is_there(
    servers: &NatsCluster,
    journal: Arc<JetStreamJournal>,
    load: Load,
) -> Recovered {
    let loaded = load.end().await;
    journal.release().await.unwrap();
    assert_eq!(*journal.ended().borrow(), Some(Ended::Released));
    let name = journal.name();
    drop(journal);
    let (next, recovered) = taken_over(&node(servers, "the next"), name);
    loaded.is_in(&recovered);
    loaded.has_refused_what_is_not_in(&recovered);
    next.release().await.unwrap();
    crate::messages::of(servers, name).await.have_nothing_behind_a_fence();
    recovered
}

/// A client that is not ours, to look at streams and to make wrong ones.
pub(crate) async fn client(urls: &[String]) -> jetstream::Context {
    let options = ConnectOptions::with_user_and_password(APPLICATION.name.into(), APPLICATION.password.into());
    let client = options.ignore_discovered_servers().connect(urls.to_vec()).await.unwrap();
    let mut context = jetstream::new(client);
    context.set_timeout(ACKNOWLEDGED_WITHIN);
    context
}

/// Makes a stream as a journal's is, and waits until each server knows whom to give its messages to. The server that has answered is not
/// always the one that a client is connected to: there, a message that is sent at once may have no responder yet.
pub(crate) async fn make_stream(servers: &NatsCluster, name: &str) {
    client(&servers.urls()).await.create_stream(stream(name)).await.unwrap();
    for server in servers.urls() {
        let client = client(&[server]).await;
        let (begun, mut next) = (Instant::now(), interval(BETWEEN_PROBES));
        // No stream stores what another one is to have, so this one refuses it as soon as it hears of it.
        let probe = || PublishMessage::build().expected_stream("another");
        while let Err(error) = client.send_publish(format!("{name}.probe"), probe()).await.unwrap().await
            && matches!(error.kind(), PublishErrorKind::StreamNotFound | PublishErrorKind::TimedOut)
        {
            assert!(begun.elapsed() < PATIENCE, "{name} is not reached: {error}");
            next.tick().await;
        }
    }
}

fn stream(name: &str) -> stream::Config {
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
