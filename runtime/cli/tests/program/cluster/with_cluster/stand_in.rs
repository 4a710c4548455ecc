//! That one node stands in for another, a single session each time.

use lastword_cluster_tests::look_for;
use serde_json::Value;

use super::servers::{Node, Servers};
use crate::support::{Home, Signal, start};

#[test]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
fn when_a_node_is_killed_another_one_ends_its_sessions_and_nothing_of_it_is_left() {
    let servers = Servers::start();
    let [a, b, c] = ["a", "b", "c"].map(|name| servers.node(name, "owner-grace = \"1s\""));
    b.knows_all(&["a", "c"]);
    a.owner().start("s1");
    a.program.kill();
    look_for("the dead node's journal to be empty and gone", || b.knows("a").is_none().then_some(()));
    let told: Vec<String> = [b, c]
        .into_iter()
        .flat_map(|node| {
            let ended = node.program.stop();
            assert_eq!(ended.code(), 0, "{}", ended.stderr());
            ended.printed_ends("prints")
        })
        .collect();
    assert_eq!(told, ["s1"], "one of the two was told, once");
}

#[test]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
fn a_node_that_was_taken_for_dead_stops_at_once_and_says_so() {
    let servers = Servers::start();
    let [a, b] = ["a", "b"].map(|name| servers.node(name, "owner-grace = \"1s\""));
    b.knows_all(&["a"]);
    let mut owner = a.owner();
    owner.start("s1");
    a.program.signal(Signal::STOP);
    look_for("its journal to be empty and gone", || b.knows("a").is_none().then_some(()));
    a.program.signal(Signal::CONT);
    let ended = a.program.ended();
    assert_eq!(ended.code(), 7, "{}", ended.stderr());
    assert!(ended.stderr().contains("this run is over"), "{}", ended.stderr());
    assert!(ended.printed_ends("prints").is_empty(), "the other one has told it");
    assert_eq!(b.program.stop().printed_ends("prints"), ["s1"]);
}

#[test]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
fn a_node_whose_servers_have_lost_its_journal_makes_what_it_knows_of_and_says_that_it_is_lost() {
    let servers = Servers::start();
    let a = servers.node("a", "");
    let mut owner = a.owner();
    owner.start("s1");
    let journal = look_for("the node in its own list", || a.knows("a"))["journal"].clone();
    servers.cluster.delete_journal(journal.as_str().unwrap());
    // Its next write finds that out.
    owner.say(start("s2"));
    let ended = a.program.ended();
    assert_eq!(ended.code(), 5, "{}", ended.stderr());
    assert!(ended.stderr().contains("have lost a part of the journal"), "{}", ended.stderr());
    assert_eq!(ended.printed_ends("prints"), ["s1"], "the other one was never on record");
}

#[test]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
fn a_node_that_starts_again_goes_on_with_its_journal_and_its_sessions() {
    let servers = Servers::start();
    let keep = "owner-grace = \"5m\"\non-stop = \"keep\"";
    let [a, b] = ["a", "b"].map(|name| servers.node(name, keep));
    b.knows_all(&["a"]);
    let journal = |node: &Node| node.knows("a").map(|node| node["journal"].clone());
    a.owner().start("s1");
    let before = journal(&b).unwrap();
    let Node { home, program } = a;
    assert_eq!(program.stop().code(), 0);
    let a = servers.node_at(home, "a", keep);
    assert_eq!(look_for("the node in its own list", || journal(&a)), before);
    let mut owner = a.owner();
    assert_eq!(owner.start("s1")["generation"], 1, "it goes on");
    owner.end_and_be_told("s1");
    assert_eq!(a.program.stop().printed_ends("prints"), ["s1"]);
    look_for("nothing to be left", || b.knows("a").is_none().then_some(()));
    assert!(b.program.stop().printed_ends("prints").is_empty());
}

#[test]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
fn a_second_node_of_the_same_name_is_refused() {
    let servers = Servers::start();
    let a = servers.node("a", "");
    let ended = servers.launch(&Home::new(), "a", "").run();
    ended.assert_refused(5, &["a node called a lives"]);
    assert_eq!(a.program.stop().code(), 0);
}

#[test]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
fn what_a_node_leaves_that_does_not_come_back_is_taken_over_and_its_owners_go_on_with_their_sessions() {
    let servers = Servers::start();
    let [a, b] = ["a", "b"].map(|name| servers.node(name, "owner-grace = \"5m\"\non-stop = \"keep\""));
    b.knows_all(&["a"]);
    a.owner().start("s1");
    assert_eq!(a.program.stop().code(), 0);
    let is_adopted = |node: Value| node["left"]["sessions"] == 1;
    look_for("b to have taken it over", || b.knows("a").is_some_and(is_adopted).then_some(()));
    let mut owner = b.owner();
    assert_eq!(owner.start("s1")["generation"], 1, "it goes on");
    owner.end_and_be_told("s1");
    look_for("nothing to be left", || b.knows("a").is_none().then_some(()));
    let ended = b.program.stop();
    assert_eq!((ended.code(), ended.printed_ends("prints")), (0, vec!["s1".to_owned()]), "{}", ended.stderr());
}
