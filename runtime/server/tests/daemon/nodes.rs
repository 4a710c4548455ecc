//! A daemon that is a node of a cluster, and has adopted a dead node's journal.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use lastword::events::{EndReason, Identity, Outcome, PluginName, Session};
use lastword::testing::{FaultyJournal, ManualClock};
use lastword::{EndRequest, Runtime, StartRequest, Tenants};
use lastword_server::{Cluster, ClusterStatus, LeftStatus, NodeStatus, Role, StreamStatus};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::support::{Build, COMES, Client, Daemon, start_body, tokens};

/// How long owners have for the sessions of the dead node.
const GRACE: Duration = Duration::from_secs(30);

struct Adopted(Runtime);

impl Cluster for Adopted {
    fn status(&self) -> ClusterStatus {
        let left = LeftStatus { sessions: self.0.active_sessions(), slots: 7, ..LeftStatus::default() };
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
    let (daemon, adopted, clock, _journal) = adopting_with_disk().await;
    (daemon, adopted, clock)
}

/// The same on a journal whose disk the test controls. The session `b` has ended there by a request with the name `once`.
async fn adopting_with_disk() -> (Daemon, Runtime, ManualClock, Arc<FaultyJournal>) {
    let journal = Arc::new(FaultyJournal::in_memory());
    let plugin = || {
        let hooks = lastword::events::Hook::ALL.into_iter().collect();
        lastword::Plugin::native(PluginName::new("memory").unwrap(), hooks, |_| Outcome::Delivered).unwrap()
    };
    let dead = Runtime::builder().plugin(plugin(), Tenants::Every).journal(journal.clone()).build().unwrap();
    dead.start_session(StartRequest::new(Session::new("default", "a"))).await.unwrap();
    let end = EndRequest::new(Session::new("default", "b"), EndReason::Reset).with_op_id("once");
    dead.end_session(end).await.unwrap();
    dead.settled().await;
    dead.detach().await.unwrap();
    let clock = ManualClock::new();
    let adopted = Runtime::builder()
        .plugin(plugin(), Tenants::Every)
        .journal(journal.clone())
        .attach_grace(GRACE)
        .clock(clock.clone())
        .build()
        .unwrap();
    let daemon = Build { cluster: Some(Arc::new(Adopted(adopted.clone()))), ..Build::default() }.start();
    (daemon, adopted, clock, journal)
}

/// Says these lines at once on a connection of its own, and gives the answers to them, in their order.
async fn say_all(daemon: &Daemon, lines: &[Value]) -> tokio::task::JoinHandle<Vec<Value>> {
    let (reader, mut writer) = UnixStream::connect(&daemon.socket).await.unwrap().into_split();
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    writer.write_all(text.as_bytes()).await.unwrap();
    let many = lines.len();
    tokio::spawn(async move {
        let (mut lines, mut answers) = (BufReader::new(reader).lines(), Vec::new());
        while answers.len() < many {
            let line = timeout(COMES, lines.next_line()).await.unwrap().unwrap().unwrap();
            let line: Value = serde_json::from_str(&line).unwrap();
            if line["event"] == "accepted" || line["event"] == "error" {
                answers.push(line);
            }
        }
        drop(writer);
        answers
    })
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

/// The session changes from the adopted journal to the own one while all of its requests wait for the adopted one's disk.
#[tokio::test]
async fn requests_that_follow_each_other_at_once_keep_their_order_from_one_journal_to_the_other() {
    let (mut daemon, adopted, _clock, journal) = adopting_with_disk().await;
    journal.hold_appends();
    let end = |reason: &str| json!({"op": "end", "session": {"id": "a"}, "reason": reason});
    let start = json!({"op": "start", "session": {"id": "a"}});
    let compaction = json!({"op": "compaction", "session": {"id": "a"}, "phase": "before"});
    let lines = [end("reset"), start, compaction.clone(), end("idle"), compaction];
    let answers = say_all(&daemon, &lines).await;
    journal.until_held(1).await;
    journal.commit().await;
    let answers = answers.await.unwrap();
    let said = answers.iter().map(|one| json!([one["op"], one["generation"], one["code"]]));
    let expected = json!([
        ["end", 1, null],
        ["start", 1, null],
        ["compaction", 1, null],
        ["end", 1, null],
        ["compaction", 2, null]
    ]);
    assert_eq!(Value::Array(said.collect()), expected, "{answers:?}");
    let told = daemon.next_end().await;
    assert_eq!((&*told.session, told.generation, &*told.reason), ("a", 1, "idle"), "the own journal's session");
    assert!(!is_active(&adopted, "a"), "no session begins in an adopted journal");
    adopted.settled().await;
    assert_eq!(adopted.undelivered_ends(), 0);
}

#[tokio::test]
async fn a_compaction_begins_no_session_in_an_adopted_journal() {
    let (daemon, adopted, _clock, journal) = adopting_with_disk().await;
    let compaction = json!({"op": "compaction", "session": {"id": "a"}, "phase": "before"});
    let answers = say_all(&daemon, std::slice::from_ref(&compaction)).await.await.unwrap();
    assert_eq!(answers[0]["generation"], 1, "{answers:?}");
    assert!(is_active(&adopted, "a") && !daemon.is_active("default", "a"), "it is active there");
    journal.hold_appends();
    let answers = say_all(&daemon, &[json!({"op": "end", "session": {"id": "a"}}), compaction]).await;
    journal.until_held(1).await;
    journal.commit().await;
    let answers = answers.await.unwrap();
    assert!(answers.iter().all(|one| one["event"] == "accepted"), "{answers:?}");
    assert!(daemon.is_active("default", "a") && !is_active(&adopted, "a"));
}

#[tokio::test]
async fn an_end_that_is_sent_again_to_another_node_keeps_its_delivery_id() {
    let (daemon, adopted, _clock) = adopting().await;
    let mut client = daemon.client().await;
    let once = [("idempotency-key", "\"once\"")];
    // The node died before it answered, and the owner sends the end again here.
    let again = client.ask(Method::POST, "/v1/sessions/b/end", r#"{"reason":"reset"}"#, &once).await.ok();
    assert_eq!((&again["code"], &again["generation"]), (&json!("duplicate_op"), &json!(1)), "{again}");
    let first = client.post("/v1/sessions/a/end?wait=delivered", r#"{"reason":"reset"}"#).await.ok();
    assert!(first["deliveries"].to_string().contains(adopted.journal_name().as_str()), "{first}");
    let again = client.post("/v1/sessions/a/end", r#"{"reason":"reset"}"#).await.ok();
    assert_eq!((&again["code"], &again["generation"]), (&json!("duplicate_end"), &json!(1)), "{again}");
    // With another name it is another end, which nobody has yet.
    let twice = [("idempotency-key", "\"twice\"")];
    let new = client.ask(Method::POST, "/v1/sessions/b/end?wait=delivered", "{}", &twice).await.ok();
    assert!(new["deliveries"].to_string().contains(daemon.runtime.journal_name().as_str()), "{new}");
    // A session that lives ends anew.
    client.post("/v1/sessions", &start_body("a")).await.ok();
    client.post("/v1/sessions/a/end", "{}").await.ok();
    daemon.runtime.seen(&Identity::new("default", "a"));
    let last = client.post("/v1/sessions/a/end?wait=delivered", "{}").await.ok();
    assert!(last["deliveries"].to_string().contains(daemon.runtime.journal_name().as_str()), "{last}");
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
async fn sessions_of_an_adopted_journal_are_listed_through_this_node() {
    let (daemon, adopted, _clock) = adopting().await;
    let mut client = daemon.client().await;
    let (own, journal) = (daemon.runtime.journal_name(), adopted.journal_name());
    // Its owner comes back, and works.
    client.post("/v1/sessions", &start_body("a")).await.ok();
    let noted = client.post("/v1/sessions/a/turn", r#"{"phase":"begin"}"#).await.ok();
    assert_eq!(noted["turn_open"], true, "{noted}");
    let of_adopted = format!("/v1/sessions?journal={journal}");
    let listed = client.get(&of_adopted).await.ok();
    let [session] = &listed["sessions"].as_array().unwrap()[..] else { panic!("{listed}") };
    assert_eq!((&session["id"], &session["turn_open"]), (&json!("a"), &json!(true)), "{listed}");
    for own in ["/v1/sessions".to_owned(), format!("/v1/sessions?journal={own}")] {
        assert_eq!(client.get(&own).await.ok()["sessions"], json!([]));
    }
    assert_eq!(client.get(&format!("{of_adopted}&tenant=acme")).await.ok()["sessions"], json!([]));
    assert_eq!(client.get("/v1/sessions?journal=aaaaaaaa").await.problem(400), "unknown_journal");
    assert_eq!(client.get("/v1/sessions?journal=no-name").await.problem(400), "bad_journal");
    // Of an id that is active in both its owner speaks of the own journal's session.
    daemon.runtime.start_session(StartRequest::new(Session::new("default", "a"))).await.unwrap();
    let listed = client.get(&of_adopted).await.ok();
    assert_eq!((&listed["sessions"][0]["id"], &listed["sessions"][0]["turn_open"]), (&json!("a"), &Value::Null));
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
    let lines = [
        r#"lastword_cluster_node{what="adoptions"} 1"#,
        r#"lastword_cluster_node{what="adopted_slots"} 7"#,
        r#"lastword_cluster_journals{state="adopted"} 1"#,
    ];
    for line in lines {
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
