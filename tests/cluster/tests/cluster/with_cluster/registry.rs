//! The registry loses its leader: heartbeats are heard meanwhile, and nobody is taken for dead.

use lastword_cluster::EntryState;
use lastword_cluster_tests::look_for;

use crate::nodes::Node;
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
    let all_hear_all = |more: usize| {
        let before: Vec<_> = nodes.iter().map(Node::seen).collect();
        look_for("heartbeats", || {
            let heard = nodes.iter().zip(&before).all(|(node, before)| {
                let now = node.seen().heard;
                let count = |heard: &std::collections::BTreeMap<_, usize>, name| heard.get(name).copied().unwrap_or(0);
                nodes.iter().all(|other| count(&now, &other.name) >= count(&before.heard, &other.name) + more)
            });
            heard.then_some(())
        });
    };
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
    all_hear_all(BEATS);
    assert_ne!(servers.leader_of(BUCKET), leader);
    all_hear_all(2);
    assert!(are_active());
    for node in &nodes {
        let seen = node.seen();
        assert!(seen.taken.is_empty() && !seen.dropped, "{seen:?}");
    }
    // And it is not for deafness that nobody was.
    let dead = nodes.pop().unwrap();
    dead.kill();
    look_for("a node that takes over", || nodes.iter().any(|node| !node.seen().taken.is_empty()).then_some(()));
    let taken: Vec<_> = nodes.iter().flat_map(|node| node.seen().taken).collect();
    assert_eq!(taken, [dead.name]);
}
