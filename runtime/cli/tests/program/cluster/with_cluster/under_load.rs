//! Of three nodes under load one is killed and one stands still, and the third makes what they owed.

use std::collections::BTreeMap;

use lastword_cluster_tests::look_for;

use super::owner::{Manner, Owner};
use super::servers::Servers;
use super::told::{assert_every_end_is_told, ends, stop_all};
use crate::support::reports::ReportServer;
use crate::support::{Home, Signal};

/// Sessions of each node before anything happens to one.
const SESSIONS: usize = 2_000;
/// So many more, as fast as they can be started, show that its owner is at it in that moment.
const MORE: usize = 200;
const MANNER: Manner = Manner { hurries_for: SESSIONS, comes_back: false };
const NAMES: [&str; 3] = ["a", "b", "c"];

#[test]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
fn of_nodes_under_load_one_is_killed_and_one_stands_still_and_every_end_is_delivered_under_the_id_that_it_had() {
    let servers = Servers::start();
    let reports = ReportServer::serve_at_once();
    let start = |name| servers.reporting_node_at(Home::new(), name, "owner-grace = \"1s\"", &reports);
    let [a, b, c] = NAMES.map(start);
    c.knows_all(&["a", "b"]);
    let journals: BTreeMap<&str, String> = NAMES.iter().map(|name| (*name, c.journal_of(name))).collect();
    let owners = [(&a, "a"), (&b, "b"), (&c, "c")].map(|(node, name)| Owner::begin(node, name, &reports, MANNER));
    owners.iter().for_each(|owner| owner.wait_for(SESSIONS));
    owners.iter().for_each(Owner::hurry);
    owners.iter().for_each(|owner| owner.wait_for_more(MORE));

    // In this order: b must not be the one that adopts the other's journal.
    b.program.signal(Signal::STOP);
    assert!(a.program.kill().was_killed());
    let [of_a, of_b, of_c] = owners;
    let (of_a, of_c) = (of_a.stop(), of_c.end_all());
    look_for("c to have b's journal", || c.has_adopted("b").then_some(()));
    // c begins to make b's ends, and b goes on with those that it had begun.
    b.program.signal(Signal::CONT);
    let ended = b.program.ended();
    assert_eq!(ended.code(), 7, "{}", ended.stderr());
    let of_b = of_b.stop();
    let said = [of_a, of_b, of_c];
    assert_every_end_is_told(&reports, said.iter().map(|said| &said.started));
    look_for("nothing to be left to do", || NAMES[..2].iter().all(|name| c.has_nothing_left_of(name)).then_some(()));

    let reports = stop_all([c], &reports);
    for report in &reports {
        let (node, _) = report.session.split_once('-').unwrap();
        assert_eq!(report.id.journal.to_string(), journals[node], "{report:?}");
    }
    // What nobody had ended was ended by c: under a second number, because the first run may have told it.
    for report in ends(&reports) {
        let is_left =
            |node: usize| said[node].started.contains(&report.session) && !said[node].ends.contains(&report.session);
        assert!(report.attempt > 1 || !(is_left(0) || is_left(1)), "{report:?}");
    }
}
