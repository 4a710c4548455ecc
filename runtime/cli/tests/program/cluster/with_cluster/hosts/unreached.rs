//! A node reaches no server any more, and its owner reaches it.

use std::collections::BTreeSet;

use lastword_cluster_tests::{Hosts, SERVERS, look_for};
use lastword_jetstream::SILENT_AFTER;
use serde_json::json;

use super::super::servers::{Node, Servers};
use super::super::told::{ends, stop_all};
use super::{OF_SERVERS, WITHOUT_SERVER};
use crate::support::reports::ReportServer;
use crate::support::{Home, Raw, end, http, start};

const DAEMON: &str = "owner-grace = \"1s\"";
/// Milliseconds of silence in which heartbeats are missing, of which there is one a second. After 6 s a node is suspected.
const MISSED: u64 = 1_500;

/// The node `a` on a host without a server, and the node `b` on one with a server.
fn two_nodes(hosts: &Hosts, start: impl Fn(&str) -> Node) -> [Node; 2] {
    let on = |host, name| hosts.host(host).inside(|| start(name));
    let [a, b] = [on(WITHOUT_SERVER, "a"), on(0, "b")];
    a.knows_all(&["b"]);
    b.knows_all(&["a"]);
    [a, b]
}

fn cut_off_from_servers(hosts: &Hosts) {
    let servers: Vec<_> = (0..SERVERS).collect();
    hosts.cut(WITHOUT_SERVER, &servers);
}

#[test]
#[ignore = "it needs root and network namespaces: cargo xtask test --cluster hosts"]
fn a_node_that_reaches_no_server_for_a_moment_answers_late_and_keeps_its_journal() {
    let hosts = Hosts::start(OF_SERVERS + 1);
    let servers = Servers::start_on(&hosts);
    let [a, b] = two_nodes(&hosts, |name| servers.node(name, DAEMON));
    let silence = || b.knows("a").and_then(|a| a["silent_ms"].as_u64());
    let mut owner = a.owner();
    owner.start("ended");
    owner.start("stays");
    cut_off_from_servers(&hosts);
    owner.say(end("ended", "reset"));
    owner.say(start("late"));
    look_for("writes that wait for the servers", || a.unacknowledged_ms());
    look_for("missing heartbeats", || silence().filter(|silent| *silent >= MISSED));
    hosts.heal();
    for session in ["ended", "late"] {
        assert_eq!(owner.hear("accepted")["session"], session);
    }
    look_for("a heartbeat", || silence().filter(|silent| *silent < MISSED));
    look_for("a node that nobody suspects", || b.knows("a").filter(|a| a["state"] == "active"));
    owner.start("after");
    let [ended_a, ended_b] = [a, b].map(|node| node.program.stop());
    assert_eq!(ended_a.code(), 0, "{}", ended_a.stderr());
    assert_eq!(ended_a.printed_ends("prints"), ["after", "ended", "late", "stays"]);
    assert_eq!(ended_b.code(), 0, "{}", ended_b.stderr());
    assert!(ended_b.printed_ends("prints").is_empty(), "{}", ended_b.stderr());
}

#[test]
#[ignore = "it needs root and network namespaces: cargo xtask test --cluster hosts"]
fn what_a_node_that_reaches_no_server_has_told_its_owner_holds_when_another_has_taken_its_journal() {
    let hosts = Hosts::start(OF_SERVERS + 1);
    let servers = Servers::start_on(&hosts);
    let reports = ReportServer::serve_at_once_on(hosts.address_of_the_test());
    let [a, b] = two_nodes(&hosts, |name| servers.reporting_node_at(Home::new(), name, DAEMON, &reports));
    let journal = b.journal_of("a");
    let start = |id: &str| json!({"op": "start", "session": {"id": id, "key": reports.authority()}}).to_string();
    let mut owner = a.owner();
    for id in ["ended", "ends", "stays"] {
        owner.say(start(id));
        assert_eq!(owner.hear("accepted")["session"], id);
    }
    owner.say(end("ended", "reset"));
    assert_eq!(owner.hear("accepted")["session"], "ended");
    cut_off_from_servers(&hosts);
    owner.say(end("ends", "reset"));
    owner.say(start("begins"));
    look_for("a node that says so", || {
        a.unacknowledged_ms().filter(|silent| u128::from(*silent) >= SILENT_AFTER.as_millis())
    });
    let body = json!({"session": {"id": "refused", "key": reports.authority()}}).to_string();
    let (status, answer) = http(&a.home.socket(), "POST", "/v1/sessions", &body);
    assert_eq!((status, &answer["code"]), (503, &json!("journal")), "{answer}");
    assert!(answer["detail"].as_str().unwrap().contains("ask another node"), "{answer}");
    look_for("b to have a's journal", || b.has_adopted("a").then_some(()));
    look_for("nothing to be left in it", || b.has_nothing_left_of("a").then_some(()));
    hosts.heal();
    let ended = a.program.ended();
    assert_eq!(ended.code(), 7, "{}", ended.stderr());
    // What came while it was cut off is on record nowhere, and nobody was told that it is.
    assert_eq!(accepted(owner), [""; 0]);

    let reports = stop_all([b], &reports);
    let told: BTreeSet<&str> = reports.iter().map(|report| &*report.session).collect();
    let told_ends: BTreeSet<&str> = ends(&reports).map(|report| &*report.session).collect();
    let on_record = BTreeSet::from(["ended", "ends", "stays"]);
    assert_eq!((&told, &told_ends), (&on_record, &on_record));
    assert!(reports.iter().all(|report| report.id.journal.to_string() == journal), "{reports:?}");
}

/// The sessions of the lines that are still accepted before the connection is closed.
fn accepted(owner: Raw) -> Vec<String> {
    let accepted = owner.rest().into_iter().filter(|line| line["event"] == "accepted");
    accepted.map(|line| line["session"].as_str().unwrap().to_owned()).collect()
}
