//! Servers that cannot hold a journal are refused before anything is recorded, each with a sentence that says which one and what to set.

use lastword_cluster_tests::{APPLICATION, NatsSettings, SYSTEM};
use lastword_jetstream::{Cluster, ClusterSettings, Credentials, JetStreamJournal, SyncProof};
use lastword_journal::Journal;

use crate::access::{refused, says};
use crate::support::{begun, client, node, settings_of, stream_of, three_servers, three_servers_as};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
async fn a_server_that_does_not_sync_each_write_is_refused_until_it_is_restarted_with_that() {
    let wrong = NatsSettings { sync_interval: [Some("always"), None, Some("always")], ..NatsSettings::default() };
    let servers = three_servers_as(&wrong);
    says(&refused(settings_of(&servers)), &["n2", "sync_interval: always"]);
    let system = Credentials::User { user: SYSTEM.name.to_owned(), password: servers.password(SYSTEM) };
    let by_account =
        |credentials| ClusterSettings { sync_proof: SyncProof::SystemAccount(credentials), ..settings_of(&servers) };
    says(&refused(by_account(system.clone())), &["n2", "sync_interval: always"]);
    servers.kill(1);
    says(&refused(settings_of(&servers)), &["2 of 3"]);
    servers.restart_as(1, &NatsSettings::default());
    servers.wait_until_whole();
    let journal = begun(&node(&servers, "n"));
    journal.release().await.unwrap();
    let journal = begun(&Cluster::new(by_account(system), "n").unwrap());
    journal.release().await.unwrap();
    let application = Credentials::User { user: APPLICATION.name.to_owned(), password: servers.password(APPLICATION) };
    says(&refused(by_account(application)), &["system account"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
async fn servers_that_are_not_all_named_or_not_reached_are_refused() {
    let servers = three_servers();
    let twice = |mut urls: Vec<String>| {
        urls[2] = urls[0].clone();
        urls
    };
    let proof = SyncProof::Monitoring(twice(servers.monitoring()));
    says(&refused(ClusterSettings { sync_proof: proof, ..settings_of(&servers) }), &["2 of 3"]);
    servers.kill(2);
    says(&refused(settings_of(&servers)), &["2 of 3", &servers.monitoring()[2]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
async fn a_server_that_takes_only_small_messages_is_refused() {
    let servers = three_servers_as(&NatsSettings { max_payload: 64 << 10, ..NatsSettings::default() });
    says(&refused(settings_of(&servers)), &["65536", "max_payload: 1MB"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
async fn a_server_without_room_for_the_stream_is_refused() {
    let gib = 1 << 30;
    let servers =
        three_servers_as(&NatsSettings { max_file_store: [4 * gib, 4 * gib, gib / 2], ..NatsSettings::default() });
    says(&refused(settings_of(&servers)), &["max_file_store", "max_bytes"]);
    let small = ClusterSettings { max_bytes: gib / 4, ..settings_of(&servers) };
    begun(&Cluster::new(small, "n").unwrap()).release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
async fn a_stream_with_one_copy_is_not_taken_over_until_it_has_three() {
    let servers = three_servers();
    let node = node(&servers, "n");
    let journal = begun(&node);
    journal.release().await.unwrap();
    let client = client(&servers.urls()).await;
    let mut config = client.get_stream(stream_of(journal.name())).await.unwrap().cached_info().config.clone();
    config.num_replicas = 1;
    client.update_stream(&config).await.unwrap();
    let error = JetStreamJournal::take_over(&node, journal.name()).unwrap_err().to_string();
    says(&error, &[&stream_of(journal.name()), "num_replicas: 3"]);
    config.num_replicas = 3;
    client.update_stream(&config).await.unwrap();
    JetStreamJournal::take_over(&node, journal.name()).unwrap();
}
