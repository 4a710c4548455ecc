//! What the servers of a journal are asked again while it is written to.

use lastword_cluster_tests::{NatsSettings, SERVERS, look_for};
use lastword_journal::Journal;

use crate::access::says;
use crate::support::{begun, node, three_servers};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
async fn a_server_that_is_away_takes_nothing_back_and_one_that_comes_back_without_sync_is_told_until_it_syncs() {
    let servers = three_servers();
    let journal = begun(&node(&servers, "n"));
    // The servers are asked again because the connection is made again.
    let server = (0..SERVERS).find(|server| servers.clients_of(*server) > 0).unwrap();
    let (is_away, does_not_sync) = (|| journal.status().unanswered, || journal.status().unproven);
    servers.kill(server);
    says(&look_for("a server that does not answer", is_away), &["2 of 3", &servers.monitoring()[server]]);
    assert_eq!(does_not_sync(), None, "what it proved before holds");
    servers.restart_as(server, &NatsSettings { sync_interval: [None; SERVERS], ..NatsSettings::default() });
    says(&look_for("a server that does not sync", does_not_sync), &["sync_interval: always"]);
    assert_eq!(is_away(), None);
    servers.kill(server);
    look_for("a server that is away again", is_away);
    assert!(does_not_sync().is_some(), "silence takes nothing back");
    servers.restart_as(server, &NatsSettings::default());
    look_for("servers that prove it", || (is_away().is_none() && does_not_sync().is_none()).then_some(()));
    journal.release().await.unwrap();
}
