//! Three nodes are started again under their names, one after the other, while owners of each go on: as an upgrade does it.

use super::owner::{Manner, Owner, Said};
use super::servers::{Node, Servers};
use super::told::{assert_every_end_is_told, stop_all};
use super::watched::{Told, Watched};
use crate::support::Home;
use crate::support::reports::ReportServer;

/// So many starts of each owner on record, again and again, show that it goes on.
const SOME: usize = 30;
/// Who speaks as fast as possible has more sessions in these seconds than a test needs.
const MANNER: Manner = Manner { hurries_for: 0, comes_back: false };
const NAMES: [&str; 3] = ["a", "b", "c"];

/// Gives what came of what the owner of each node has said, and what all runs of all nodes have told.
fn upgrade(daemon: &str, manner: Manner) -> ([Said; 3], Vec<Told>) {
    let servers = Servers::start();
    let reports = ReportServer::serve_at_once();
    let start = |home, name| servers.reporting_node_at(home, name, daemon, &reports);
    let mut nodes = Vec::from(NAMES.map(|name| start(Home::new(), name)));
    nodes[0].knows_all(&["b", "c"]);
    let mut watched: Vec<Watched> = nodes.iter().map(Watched::begin).collect();
    let owners = [0, 1, 2].map(|at| Owner::begin(&nodes[at], NAMES[at], &reports, manner));
    for name in NAMES {
        owners.iter().for_each(|owner| owner.wait_for_more(SOME));
        // It is the first one each time, and the last one from then on.
        let Node { home, program } = nodes.remove(0);
        let ended = program.stop();
        assert_eq!(ended.code(), 0, "{}", ended.stderr());
        let node = start(home, name);
        watched.push(Watched::begin(&node));
        nodes.push(node);
        owners.iter().for_each(|owner| owner.wait_for_more(SOME));
    }
    let said = owners.map(Owner::end_all);
    assert_every_end_is_told(&reports, said.iter().map(|said| &said.started));
    stop_all(nodes, &reports);
    (said, watched.into_iter().flat_map(Watched::told).collect())
}

#[track_caller]
fn assert_reasons(told: &[Told], reasons: &[&str]) {
    assert!(!told.is_empty(), "no end was told");
    let others = told.iter().filter(|told| !reasons.contains(&&*told.reason));
    let others: Vec<String> = others.map(|told| format!("{} {}", told.session, told.reason)).collect();
    assert!(others.is_empty(), "{} of {} ends have other reasons: {others:?}", others.len(), told.len());
}

#[test]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
fn nodes_that_are_told_to_leave_and_start_again_one_by_one_lose_no_end_and_no_session_crashes() {
    let (_, told) = upgrade("", MANNER);
    assert_reasons(&told, &["reset", "shutdown"]);
}

#[test]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
fn with_on_stop_keep_nodes_that_start_again_one_by_one_end_no_session_and_owners_go_on_with_all_of_them() {
    let daemon = "owner-grace = \"5m\"\non-stop = \"keep\"";
    let (said, told) = upgrade(daemon, Manner { comes_back: true, ..MANNER });
    assert!(said.iter().all(|said| said.went_on > 0), "sessions of each node were active while it started again");
    assert_reasons(&told, &["reset"]);
}
