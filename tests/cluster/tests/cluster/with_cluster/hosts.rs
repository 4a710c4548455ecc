//! Servers and nodes on hosts of their own, which are cut off from each other without a word.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use lastword_cluster::EntryState;
use lastword_cluster_tests::{Hosts, Load, NatsCluster, PATIENCE, SERVERS, look_for};
use lastword_events::JournalName;
use lastword_jetstream::Ended;
use lastword_journal::Journal;

use crate::nodes::{Node, all_hear_all, nobody_was_taken_for_dead};
use crate::support::{
    SOME, begun, everything_is_there, load, make_stream, node, node_at, run, stream_of, taken_over, three_servers_on,
};

/// Nothing comes within this, and much more time than a packet needs.
const AWHILE: Duration = Duration::from_millis(500);
/// One for each server.
const OF_SERVERS: u8 = 3;
/// So many that a third of them shows what each would do.
const NODES: u64 = 24;
/// Heartbeats, of which there is one a second: longer than the silence after which a node is suspected.
const BEATS: usize = 10;

#[test]
#[ignore = "it needs root and network namespaces: cargo xtask test --cluster hosts"]
fn a_cut_host_and_the_others_lose_without_a_word_what_they_send_each_other_until_it_is_healed() {
    let hosts = Hosts::start(OF_SERVERS);
    let [one, two, three] = [0, 1, 2].map(|number| hosts.host(number));
    let listener = two.inside(|| TcpListener::bind((two.address(), 0)).unwrap());
    let there = listener.local_addr().unwrap();
    let connect = || TcpStream::connect_timeout(&there, AWHILE);
    let mut near = one.inside(connect).unwrap();
    let (mut far, from) = listener.accept().unwrap();
    assert_eq!(from.ip(), one.address());
    hosts.cut(0, &[1]);
    near.write_all(b"over there").unwrap();
    far.write_all(b"back again").unwrap();
    for end in [&mut near, &mut far] {
        end.set_read_timeout(Some(AWHILE)).unwrap();
        assert_eq!(end.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    }
    assert_eq!(one.inside(connect).unwrap_err().kind(), ErrorKind::TimedOut, "nobody refuses it either");
    three.inside(connect).unwrap();
    connect().unwrap();
    hosts.heal();
    for (end, said) in [(&mut near, b"back again"), (&mut far, b"over there")] {
        end.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut heard = [0; 10];
        end.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, said);
    }
    one.inside(connect).unwrap();
}

/// The writer reaches the leader of its stream all the time, and nobody else. That one goes on as if nothing were.
#[test]
#[ignore = "it needs root and network namespaces: cargo xtask test --cluster hosts"]
fn a_leader_that_is_cut_off_with_its_writer_acknowledges_nothing_and_who_takes_over_has_all_that_was_on_record() {
    let hosts = Hosts::start(OF_SERVERS);
    let servers = three_servers_on(&hosts);
    run(async {
        let (name, leader, others) = a_journal(&servers).await;
        let (first, _) = taken_over(&node_at(&servers, &[leader], "the first"), name);
        let of_first = load(&first);
        of_first.wait_for_more(SOME);
        assert_eq!(servers.leader_of(&stream_of(name)), leader);
        hosts.cut(leader, &others);
        let next = servers.leader_among(&others, &stream_of(name));
        let (second, recovered) = taken_over(&node_at(&servers, &[next], "the second"), name);
        let of_second = Load::begin(&second, "t", |_| ());
        of_second.wait_for_more(SOME);
        assert!(first.ended().borrow().is_none(), "nobody could tell it");
        hosts.heal();
        let loaded = of_first.wait().await;
        let ended = first.ended().borrow().clone();
        assert!(matches!(&ended, Some(Ended::TakenOver { by: Some(by), .. }) if by == "the second"), "{ended:?}");
        // Neither was anything lost, nor was the first one told of anything that the second did not find.
        loaded.is_in(&recovered);
        servers.wait_until_whole();
        of_second.wait_for_more(SOME);
        loaded.is_in(&everything_is_there(&servers, second, of_second).await);
    });
}

#[test]
#[ignore = "it needs root and network namespaces: cargo xtask test --cluster hosts"]
fn a_stream_whose_leader_is_cut_off_from_the_other_servers_goes_on_with_another_and_loses_nothing() {
    let hosts = Hosts::start(OF_SERVERS);
    let servers = three_servers_on(&hosts);
    run(async {
        let (name, leader, others) = a_journal(&servers).await;
        let (journal, _) = taken_over(&node_at(&servers, &others, "n"), name);
        let load = load(&journal);
        load.wait_for_more(SOME);
        assert_eq!(servers.leader_of(&stream_of(name)), leader);
        hosts.cut(leader, &others);
        assert_ne!(servers.leader_among(&others, &stream_of(name)), leader);
        load.wait_for_more(SOME);
        hosts.heal();
        servers.wait_until_whole();
        assert_ne!(servers.leader_of(&stream_of(name)), leader, "it has learned that it leads no more");
        load.wait_for_more(SOME);
        everything_is_there(&servers, journal, load).await;
    });
}

/// A machine that is gone refuses no connection, as one does whose server is gone. Who tries it again first loses the time in which the
/// others wait for a heartbeat.
#[test]
#[ignore = "it needs root and network namespaces: cargo xtask test --cluster hosts"]
fn nodes_whose_servers_machine_is_gone_are_at_another_server_before_anybody_takes_them_for_dead() {
    let hosts = Hosts::start(OF_SERVERS + 1);
    let servers = three_servers_on(&hosts);
    let of_the_nodes = SERVERS;
    hosts.host(of_the_nodes).inside(|| {
        run(async {
            let mut nodes = Vec::new();
            for number in 0..NODES {
                nodes.push(Node::start(&servers, number).await);
            }
            all_hear_all(&nodes, 2);
            let gone = (0..SERVERS).max_by_key(|server| servers.clients_of(*server)).unwrap();
            let others: Vec<_> = (0..=of_the_nodes).filter(|host| *host != gone).collect();
            hosts.cut(gone, &others);
            all_hear_all(&nodes, BEATS);
            nobody_was_taken_for_dead(&nodes);
        });
    });
}

/// The leader of a stream that is cut off from the other servers answers its node for some 12 s more. What that one asks of the registry
/// meanwhile is on its way until the cut is healed, and arrives then.
#[test]
#[ignore = "it needs root and network namespaces: cargo xtask test --cluster hosts"]
fn a_node_that_is_cut_off_together_with_the_leader_of_a_stream_takes_nothing_from_the_others() {
    let hosts = Hosts::start(OF_SERVERS);
    let servers = three_servers_on(&hosts);
    run(async {
        let mut nodes = Vec::new();
        for (host, number) in (0..SERVERS).zip(0..) {
            nodes.push(Node::start_as(&node_at(&servers, &[host], &format!("n{number}")), number).await);
        }
        all_hear_all(&nodes, 2);
        for node in &nodes {
            make_stream(&servers, &stream_of(node.name)).await;
        }
        let cut = servers.leader_of(&stream_of(nodes[0].name));
        let others: Vec<_> = (0..SERVERS).filter(|host| *host != cut).collect();
        hosts.cut(cut, &others);
        let alone = nodes.remove(cut);
        let heard = || alone.seen().heard[&alone.name];
        let before = heard();
        look_for("so many heartbeats of its own", || (heard() >= before + BEATS).then_some(()));
        hosts.heal();
        look_for("word that its journal is another's", || alone.seen().dropped.then_some(()));
        all_hear_all(&nodes, 2);
        assert_eq!(alone.seen().taken, [] as [JournalName; 0]);
        for node in &nodes {
            let seen = node.seen();
            assert!(!seen.dropped, "it was never cut off: {seen:?}");
            assert_eq!(seen.entries[&node.name].state, EntryState::Active);
        }
    });
}

/// A journal that nobody writes: its name, who leads its stream, and the other servers.
async fn a_journal(servers: &NatsCluster) -> (JournalName, usize, [usize; SERVERS - 1]) {
    let journal = begun(&node(servers, "n"));
    let (name, stream) = (journal.name(), stream_of(journal.name()));
    journal.release().await.unwrap();
    (name, servers.leader_of(&stream), servers.followers_of(&stream))
}
