//! The registry and heartbeats, while a server is lost.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt;
use lastword_cluster_tests::look_for;
use lastword_jetstream::{Registry, Update};
use parking_lot::Mutex;

use crate::support::{node, three_servers};

/// The bucket's stream.
const BUCKET: &str = "KV_LW_NODES";
const JOURNALS: [&str; 2] = ["aaaaaaaa", "bbbbbbbb"];

/// Heartbeats need no leader: whoever leads the registry may be lost, and everyone is heard meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
async fn heartbeats_are_heard_while_the_registry_has_no_leader_and_an_entry_changes_once() {
    let servers = three_servers();
    let (one, other) = (registry(&servers, "n1").await, registry(&servers, "n2").await);
    let Update::Done { revision } = one.update(JOURNALS[0], &"active", 0).await else { panic!("the first entry") };
    assert_eq!(other.update(JOURNALS[0], &"adopted", revision - 1).await, Update::Refused);
    let heard = Arc::<Mutex<BTreeMap<String, usize>>>::default();
    let (mut beats, counted) = (other.beats().await.unwrap(), heard.clone());
    tokio::spawn(async move {
        while let Some(name) = beats.next().await {
            *counted.lock().entry(name).or_default() += 1;
        }
    });
    let leader = servers.leader_of(BUCKET);
    servers.kill(leader);
    for (registry, journal) in [(&one, JOURNALS[0]), (&other, JOURNALS[1])] {
        look_for("three heartbeats", || {
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(registry.beat(journal)));
            (heard.lock().get(journal).copied().unwrap_or(0) >= 3).then_some(())
        });
    }
    let carried_out = look_for("an entry that can be written", || {
        let update = other.update(JOURNALS[0], &"adopted", revision);
        let update = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(update));
        // What nobody knows is tried again, with the revision that was seen.
        (update != Update::Unknown).then_some(update)
    });
    assert_ne!(servers.leader_of(BUCKET), leader);
    // Refused: one of those of which nobody knew was carried out. In no case two were.
    assert!(matches!(carried_out, Update::Done { .. } | Update::Refused), "{carried_out:?}");
    assert_eq!(one.update(JOURNALS[0], &"adopted by another", revision).await, Update::Refused);
}

async fn registry(servers: &lastword_cluster_tests::NatsCluster, name: &str) -> Registry {
    Registry::open(&node(servers, name)).await.unwrap()
}
