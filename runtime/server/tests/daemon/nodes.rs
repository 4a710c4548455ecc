//! A daemon that is a node of a cluster, and has adopted a dead node's journal.

use std::sync::Arc;
use std::time::Duration;

use lastword::events::{Identity, Outcome, PluginName, Session};
use lastword::testing::ManualClock;
use lastword::{MemoryJournal, Runtime, StartRequest, Tenants};
use lastword_server::{Cluster, ClusterStatus, LeftStatus, NodeStatus, Role, StreamStatus};
use serde_json::json;

use crate::support::{Build, Client, Daemon, start_body, tokens};

/// How long owners have for the sessions of the dead node.
const GRACE: Duration = Duration::from_secs(30);

struct Adopted(Runtime);

impl Cluster for Adopted {
    fn status(&self) -> ClusterStatus {
        let left = LeftStatus { sessions: self.0.active_sessions(), ..LeftStatus::default() };
        let node = NodeStatus {
            node: "dead".to_owned(),
            journal: self.0.journal_name().to_string(),
            state: "adopted".to_owned(),
            by: Some("this".to_owned()),
            left: Some(left),
            ..NodeStatus::default()
        };
        let stream = StreamStatus { connected: true, epoch: 7, ..StreamStatus::default() };
        ClusterStatus { node: "this".to_owned(), adoptions: 1, stream, nodes: vec![node], ..ClusterStatus::default() }
    }

    fn adopted(&self) -> Vec<Runtime> {
        vec![self.0.clone()]
    }
}

/// A daemon with an adopted journal in which the session `a` is active, and the clock of its grace.
async fn adopting() -> (Daemon, Runtime, ManualClock) {
    let journal = Arc::new(MemoryJournal::new());
    let plugin = || {
        let hooks = lastword::events::Hook::ALL.into_iter().collect();
        lastword::Plugin::native(PluginName::new("memory").unwrap(), hooks, |_| Outcome::Delivered).unwrap()
    };
    let dead = Runtime::builder().plugin(plugin(), Tenants::Every).journal(journal.clone()).build().unwrap();
    dead.start_session(StartRequest::new(Session::new("default", "a"))).await.unwrap();
    dead.settled().await;
    dead.detach().await.unwrap();
    let clock = ManualClock::new();
    let adopted = Runtime::builder()
        .plugin(plugin(), Tenants::Every)
        .journal(journal)
        .attach_grace(GRACE)
        .clock(clock.clone())
        .build()
        .unwrap();
    let daemon = Build { cluster: Some(Arc::new(Adopted(adopted.clone()))), ..Build::default() }.start();
    (daemon, adopted, clock)
}

fn is_active(runtime: &Runtime, id: &str) -> bool {
    runtime.session(&Identity::new("default", id)).is_some()
}

#[tokio::test]
async fn an_owner_that_comes_back_to_another_node_goes_on_with_its_session() {
    let (daemon, adopted, clock) = adopting().await;
    let mut client = daemon.client().await;
    let answer = client.post("/v1/sessions", &start_body("a")).await.ok();
    assert_eq!((&answer["session"], &answer["generation"], &answer["updated"]), (&json!("a"), &json!(1), &json!(true)));
    assert!(!daemon.is_active("default", "a"), "it is not begun a second time");
    // Another session is this node's own.
    client.post("/v1/sessions", &start_body("b")).await.ok();
    assert!(daemon.is_active("default", "b") && !is_active(&adopted, "b"));
    clock.advance(GRACE);
    adopted.recorded().await.unwrap();
    assert!(is_active(&adopted, "a"), "its owner is back");
    let ended = client.post("/v1/sessions/a/end?wait=delivered", r#"{"reason":"reset"}"#).await.ok();
    assert!(ended["deliveries"].to_string().contains(adopted.journal_name().as_str()), "{ended}");
    assert!(ended.to_string().contains("delivered"), "{ended}");
    assert!(!is_active(&adopted, "a"));
    // From then on the id begins anew, here.
    client.post("/v1/sessions", &start_body("a")).await.ok();
    assert!(daemon.is_active("default", "a") && !is_active(&adopted, "a"));
}

#[tokio::test]
async fn a_session_of_the_own_journal_comes_before_one_of_that_name_in_an_adopted_one() {
    let (daemon, adopted, _clock) = adopting().await;
    daemon.runtime.start_session(StartRequest::new(Session::new("default", "a"))).await.unwrap();
    daemon.client().await.post("/v1/sessions/a/end", "{}").await.ok();
    assert!(!daemon.is_active("default", "a") && is_active(&adopted, "a"));
}

#[tokio::test]
async fn deliveries_of_an_adopted_journal_are_looked_after_through_this_node() {
    let (daemon, adopted, _clock) = adopting().await;
    let held = adopted.pause(&PluginName::new("memory").unwrap().into()).unwrap();
    let mut client = daemon.client().await;
    client.post("/v1/sessions/a/end", "{}").await.ok();
    let journal = adopted.journal_name();
    let listed = client.get(&format!("/v1/deliveries?journal={journal}")).await.ok();
    let id = listed["deliveries"][0]["delivery"].as_str().unwrap().to_owned();
    assert!(client.get("/v1/deliveries").await.ok()["deliveries"].as_array().unwrap().is_empty());
    assert_eq!(client.get("/v1/deliveries?journal=aaaaaaaa").await.problem(400), "unknown_journal");
    let dropped = client.post("/v1/deliveries/drop", &json!({"deliveries": [id]}).to_string()).await.ok();
    assert_eq!(dropped["changed"], 1, "{dropped}");
    drop(held);
}

#[tokio::test]
async fn operators_of_every_tenant_see_the_nodes_and_nobody_else_does() {
    let (store, texts) =
        tokens(&[("all", Role::Operator, None), ("reader", Role::ReadOnly, None), ("a", Role::Operator, Some("a"))]);
    let (with_cluster, _, _clock) = adopting().await;
    let nodes = with_cluster.client().await.get("/v1/nodes").await.ok();
    assert_eq!((&nodes["node"], &nodes["nodes"][0]["node"]), (&json!("this"), &json!("dead")), "{nodes}");
    assert_eq!(nodes["nodes"][0]["left"]["sessions"], 1, "{nodes}");
    let metrics = with_cluster.client().await.get("/metrics").await.text();
    for line in [r#"lastword_cluster_node{what="adoptions"} 1"#, r#"lastword_cluster_journals{state="adopted"} 1"#] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    let alone = Build { tokens: store, ..Build::default() }.start();
    let address = alone.listen().await;
    assert_eq!(Client::tcp(address, Some(&texts[0])).await.get("/v1/nodes").await.problem(404), "no_cluster");
    for text in texts.iter().skip(1) {
        let answer = Client::tcp(address, Some(text)).await.get("/v1/nodes").await;
        assert_ne!(answer.problem(answer.status), "no_cluster");
    }
}
