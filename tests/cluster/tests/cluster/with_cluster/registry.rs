//! The registry loses its leader: heartbeats are heard meanwhile, and nobody is taken for dead.

use lastword_cluster::EntryState;
use lastword_cluster_tests::look_for;

use crate::nodes::{Node, all_hear_all, nobody_was_taken_for_dead};
use crate::support::three_servers;

/// The bucket's stream.
const BUCKET: &str = "KV_LW_NODES";
/// Heartbeats, of which there is one a second: longer than the silence after which a node is suspected.
const BEATS: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
async fn no_node_is_taken_over_because_the_registry_has_lost_its_leader_and_one_that_dies_is_by_one() {
    let servers = three_servers();
    let mut nodes = Vec::new();
    for number in 0..3 {
        nodes.push(Node::start(&servers, number).await);
    }
    let are_active = || {
        let active = |node: &Node| {
            nodes.iter().all(|other| {
                node.seen()
                    .entries
                    .get(&other.name)
                    .is_some_and(|entry| entry.state == EntryState::Active && entry.epoch == 1)
            })
        };
        nodes.iter().all(active)
    };
    look_for("three nodes in the registry", || are_active().then_some(()));
    let leader = servers.leader_of(BUCKET);
    servers.kill(leader);
    all_hear_all(&nodes, BEATS);
    assert_ne!(servers.leader_of(BUCKET), leader);
    all_hear_all(&nodes, 2);
    assert!(are_active());
    nobody_was_taken_for_dead(&nodes);
    // And it is not for deafness that nobody was.
    let dead = nodes.pop().unwrap();
    dead.kill();
    look_for("a node that takes over", || nodes.iter().any(|node| !node.seen().taken.is_empty()).then_some(()));
    let taken: Vec<_> = nodes.iter().flat_map(|node| node.seen().taken).collect();
    assert_eq!(taken, [dead.name]);
}
