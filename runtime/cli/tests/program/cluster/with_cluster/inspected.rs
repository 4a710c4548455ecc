//! What an operator looks at while nodes live, and when one is dead: `journal check`, `journal export` and `sessions --of`.

use std::collections::{BTreeMap, BTreeSet};

use lastword_cluster_tests::look_for;
use serde_json::Value;

use super::owner::{Manner, Owner};
use super::servers::{Node, Servers};
use crate::support::reports::ReportServer;
use crate::support::{Ended, start};

/// Sessions of an owner show that its node writes.
const SOME: usize = 50;
const MANNER: Manner = Manner { hurries_for: 0, comes_back: false };
/// So long a dead node's sessions stay active.
const GRACE: &str = "owner-grace = \"5m\"";

/// `lastword journal <words…>` with a node's configuration.
fn journal(node: &Node, words: &[&str]) -> Ended {
    let launch = words.iter().fold(node.home.command("journal"), |launch, word| launch.arg(*word));
    launch.arg("--config").arg(node.home.join("lastword.toml")).run()
}

/// The sessions that are exported, by node and journal.
fn sessions(exported: &Ended) -> BTreeMap<(String, String), BTreeSet<String>> {
    let mut sessions = BTreeMap::<_, BTreeSet<String>>::new();
    for line in &exported.text {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| line[name].as_str().unwrap().to_owned();
        let of = sessions.entry((text("node"), text("journal"))).or_default();
        if let Some(session) = line.get("session") {
            of.insert(session["id"].as_str().unwrap().to_owned());
        }
    }
    sessions
}

fn ids(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[test]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
fn journals_of_a_dead_node_and_of_nodes_that_live_are_checked_and_exported_and_nobody_is_fenced() {
    let servers = Servers::start();
    let reports = ReportServer::serve_at_once();
    let [a, b, c] = ["a", "b", "c"].map(|name| {
        let node = servers.node(name, GRACE);
        let own = node.knows(name).unwrap_or_else(|| panic!("{name} is ready, and is not in its own list"));
        assert!(own["state"] == "active" && own["epoch"].as_u64() > Some(0), "{own}");
        node
    });
    b.knows_all(&["a", "c"]);
    let names = ["a", "b", "c"].map(|name| b.journal_of(name));
    let epoch = |name: &str| b.knows(name).map(|node| node["epoch"].clone());
    let before = ["b", "c"].map(epoch);
    a.owner().start("of-a");
    c.owner().start("of-c");
    let owner = Owner::begin(&b, "of-b", &reports, MANNER);
    owner.wait_for(SOME);
    a.program.kill();

    // Whether it is adopted by now or not: its session is active.
    let exported = journal(&b, &["export"]);
    assert_eq!(exported.code(), 0, "{}", exported.stderr());
    let found = sessions(&exported);
    let of = |node: &str, at: usize| &found[&(node.to_owned(), names[at].clone())];
    assert_eq!((found.len(), of("a", 0), of("c", 2)), (3, &ids(&["of-a"]), &ids(&["of-c"])));
    assert!(of("b", 1).len() >= SOME / 3 && of("b", 1).iter().all(|id| id.starts_with("of-b-")), "{:?}", of("b", 1));
    owner.wait_for_more(SOME);
    let checked = journal(&b, &["check"]);
    assert_eq!(checked.code(), 0, "{}{}", checked.stdout(), checked.stderr());
    assert_eq!(checked.text.len(), 3, "{}", checked.stdout());
    for ((line, name), node) in checked.text.iter().zip(&names).zip(["a", "b", "c"]) {
        assert!(line.starts_with(&format!("{name} of {node} (")) && line.contains(": whole; epoch "), "{line}");
    }
    assert!(
        checked.text[2].contains("1 active sessions; deliveries: 0 owed, 0 dead, 0 orphaned"),
        "{}",
        checked.text[2]
    );
    owner.wait_for_more(SOME);
    let one = journal(&c, &["export", "--of", names[0].as_str()]);
    assert_eq!(sessions(&one), BTreeMap::from([(("a".to_owned(), names[0].clone()), ids(&["of-a"]))]));
    assert_eq!(["b", "c"].map(epoch), before, "nobody has fenced them");

    let of_a = |node: &&Node| {
        let listed = node.home.command("sessions").arg("--of").arg(names[0].clone()).run();
        (listed.code() == 0).then(|| listed.stdout())
    };
    let adopters = || [&b, &c].into_iter().find_map(|node| of_a(&node));
    let listed = look_for("a node that has adopted the journal", adopters);
    assert!(listed.contains("of-a") && !listed.contains("of-b"), "{listed}");
    owner.end_all();
    for node in [b, c] {
        let ended = node.program.stop();
        assert_eq!(ended.code(), 0, "{}", ended.stderr());
    }
}

#[test]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
fn a_stream_with_a_hole_and_one_that_is_lost_are_named_and_the_others_are_checked_and_exported() {
    let servers = Servers::start();
    let [a, b] = ["a", "b"].map(|name| servers.node(name, GRACE));
    b.knows_all(&["a"]);
    let mut owner = a.owner();
    for id in ["s1", "s2", "s3"] {
        owner.start(id);
    }
    b.owner().start("of-b");
    let [of_a, of_b] = ["a", "b"].map(|name| b.journal_of(name));
    servers.cluster.purge_groups(&of_a, 3);

    let checked = journal(&b, &["check"]);
    assert_eq!(checked.code(), 5, "{}{}", checked.stdout(), checked.stderr());
    let [damaged, whole] = &checked.text[..] else { panic!("{}", checked.stdout()) };
    for said in
        [of_a.as_str(), &format!("LW_J_{of_a}"), "at sequence 2:", "has all of it in memory", "nats stream backup"]
    {
        assert!(damaged.contains(said), "{said:?} is missing in {damaged}");
    }
    assert!(whole.starts_with(&of_b) && whole.contains("whole"), "{whole}");
    assert!(checked.stderr().contains(&format!("1 of 2 journals could not be taken over as they are: {of_a}")));
    let exported = journal(&b, &["export"]);
    assert_eq!(exported.code(), 5, "{}", exported.stderr());
    assert_eq!(sessions(&exported), BTreeMap::from([(("b".to_owned(), of_b), ids(&["of-b"]))]));
    assert!(exported.stderr().contains(&format!("LW_J_{of_a} is damaged at sequence 2:")), "{}", exported.stderr());
    assert_eq!(owner.start("s4")["generation"], 1, "its node has all of it in memory, and goes on");

    servers.cluster.delete_journal(&of_a);
    let checked = journal(&b, &["check", "--of", of_a.as_str()]);
    assert_eq!(checked.code(), 5, "{}{}", checked.stdout(), checked.stderr());
    let lost = checked.stdout();
    for said in [of_a.as_str(), &format!("LW_J_{of_a}"), "sequence 1", "nats stream restore", "lastword nodes --forget"]
    {
        assert!(lost.contains(said), "{said:?} is missing in {lost}");
    }
    // Its next write finds that out.
    owner.say(start("s5"));
    assert_eq!(a.program.ended().code(), 5);
    assert_eq!(b.program.stop().code(), 0);
}
