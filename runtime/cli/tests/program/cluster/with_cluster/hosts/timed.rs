//! Of three hosts with a server and a node each, one is cut off from the other two.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use lastword_cluster_tests::{Hosts, look_for};
use lastword_jetstream::SILENT_AFTER;
use serde_json::json;

use super::super::owner::{Manner, Owner};
use super::super::servers::Servers;
use super::super::told::{assert_every_end_is_told, stop_all};
use super::super::watched::Watched;
use super::OF_SERVERS;
use crate::support::reports::ReportServer;
use crate::support::{Home, http};

const NAMES: [&str; 3] = ["a", "b", "c"];
const DAEMON: &str = "owner-grace = \"1s\"";
/// Sessions of each node before one is cut off.
const SESSIONS: usize = 200;
/// So many more, again and again, show that an owner goes on.
const SOME: usize = 30;
const MANNER: Manner = Manner { hurries_for: SESSIONS, comes_back: false };
/// Until another node has the journal, and with the grace its sessions end.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(16 + 1);
/// An election that fails is held once more.
const SLACK: Duration = Duration::from_secs(9);

#[test]
#[ignore = "it needs root and network namespaces: cargo xtask test --cluster hosts"]
fn the_sessions_of_a_node_that_is_cut_off_with_its_server_end_at_another_and_it_stops_when_it_hears_of_that() {
    let hosts = Hosts::start(OF_SERVERS);
    let servers = Servers::start_on(&hosts);
    let reports = ReportServer::serve_at_once_on(hosts.address_of_the_test());
    // A client draws among the servers that it is given, so each node knows only the one of its host.
    let of_hosts = servers.cluster.urls();
    let start = |host: usize, home| {
        let server = std::slice::from_ref(&of_hosts[host]);
        hosts.host(host).inside(|| servers.reporting_node_of(server, home, NAMES[host], DAEMON, &reports))
    };
    let mut nodes = Vec::from([0, 1, 2].map(|host| start(host, Home::new())));
    nodes.iter().for_each(|node| node.knows_all(&NAMES));
    let journals = NAMES.map(|name| nodes[0].journal_of(name));
    let owners = [0, 1, 2].map(|host| Owner::begin(&nodes[host], NAMES[host], &reports, MANNER));
    owners.iter().for_each(|owner| owner.wait_for(SESSIONS));

    // The server there goes on to tell its node of that stream, for a while.
    let cut = servers.cluster.leader_of(nodes[0].stream()["name"].as_str().unwrap());
    let others: Vec<_> = (0..NAMES.len()).filter(|host| *host != cut).collect();
    let watched: Vec<_> = others.iter().map(|host| Watched::begin(&nodes[*host])).collect();
    hosts.cut(cut, &others);
    let since = Instant::now();
    let adopter = look_for("an adopter", || others.iter().find(|host| nodes[**host].has_adopted(NAMES[cut])));
    look_for("its sessions to have ended", || nodes[*adopter].has_nothing_left_of(NAMES[cut]).then_some(()));
    let took = since.elapsed();
    assert!(took <= TAKEN_OVER_WITHIN + SLACK, "it took {took:?}");
    look_for("the node to say that nothing is acknowledged", || {
        nodes[cut].unacknowledged_ms().filter(|silent| u128::from(*silent) >= SILENT_AFTER.as_millis())
    });
    let (status, answer) = http(&nodes[cut].home.socket(), "POST", "/v1/sessions", r#"{"session":{"id":"refused"}}"#);
    assert_eq!((status, &answer["code"]), (503, &json!("journal")), "{answer}");
    hosts.heal();

    let node = nodes.remove(cut);
    let home = node.home.clone();
    let ended = node.program.ended();
    assert_eq!(ended.code(), 7, "{}", ended.stderr());
    nodes.insert(cut, start(cut, home));
    owners.iter().for_each(|owner| owner.wait_for_more(SOME));
    let said = owners.map(Owner::end_all);
    assert_every_end_is_told(&reports, said.iter().map(|said| &said.started));

    let reports = stop_all(nodes, &reports);
    assert!(reports.iter().all(|report| report.session != "refused"), "it is on record nowhere");
    for host in others {
        let mut of_node = reports.iter().filter(|report| report.session.starts_with(NAMES[host]));
        let strange = of_node.find(|report| report.id.journal.to_string() != journals[host]);
        assert!(strange.is_none(), "it was not cut off, and has had another journal: {strange:?}");
    }
    let told: Vec<_> = watched.into_iter().flat_map(Watched::told).collect();
    let crashed: BTreeSet<_> = told.iter().filter(|told| told.reason == "crashed").map(|told| &told.session).collect();
    let left: BTreeSet<_> = said[cut].started.difference(&said[cut].ends).collect();
    assert!(!left.is_empty() && left.is_subset(&crashed), "{left:?} were left, and {crashed:?} crashed");
    assert!(crashed.iter().all(|session| session.starts_with(NAMES[cut])), "{crashed:?}");
}
