//! Owners that die, in every way in which that is noticed.

use std::sync::Arc;
use std::time::Duration;

use lastword::EndRequest;
use lastword::events::{EndReason, Session};
use lastword::testing::FaultyJournal;

use crate::support::{Agent, Build, COMES, Client, Daemon, GRACE, Told, start_body, tokens};
use lastword_server::{OwnerSettings, Role};
use tokio::time::timeout;

fn told(session: &str, reason: &str, raw_reason: Option<&str>) -> Told {
    Told {
        tenant: "default".into(),
        session: session.into(),
        generation: 1,
        reason: reason.into(),
        raw_reason: raw_reason.map(str::to_owned),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sessions_of_an_owner_that_is_killed_end_and_its_neighbours_do_not() {
    let owners = OwnerSettings { grace: Duration::from_millis(200), ..OwnerSettings::default() };
    let mut daemon = Build { real_time: true, owners, ..Build::default() }.start();
    let (dies, lives) = (Agent::start(), Agent::start());
    let mut client = daemon.client().await;
    let registered = client.put("/v1/owners/dies", &dies.body()).await.ok();
    assert_eq!((&registered["watched_by"], &registered["alive"]), (&"process".into(), &true.into()));
    client.put("/v1/owners/lives", &lives.body()).await.ok();
    client.post("/v1/sessions?owner=dies", &start_body("a")).await.ok();
    client.post("/v1/sessions?owner=lives", &start_body("b")).await.ok();
    let began = std::time::Instant::now();
    dies.kill();
    assert_eq!(daemon.next_end().await, told("a", "unknown", Some("exited")));
    assert!(began.elapsed() >= Duration::from_millis(200), "the owner's own word may come for so long");
    assert!(daemon.is_active("default", "b"));
    assert_eq!(daemon.server.status().owners_lost, 1);
}

#[tokio::test]
async fn a_session_whose_agent_was_at_work_crashed() {
    let mut daemon = Daemon::start();
    let agent = Agent::start();
    let mut client = daemon.client().await;
    let path = format!("/v1/hooks/claude-code?{}", agent.query());
    client.post(&path, r#"{"hook_event_name":"SessionStart","session_id":"a","source":"startup"}"#).await.ok();
    let ignored = client.post(&path, r#"{"hook_event_name":"UserPromptSubmit","session_id":"a"}"#).await.ok();
    assert_eq!(ignored["ignored"], "UserPromptSubmit");
    let listed = client.get("/v1/sessions").await.ok();
    let row = &listed["sessions"][0];
    assert_eq!((&row["turn_open"], &row["owner"]["process"]["pid"]), (&true.into(), &agent.process.pid.into()));
    agent.kill();
    daemon.lost(1).await;
    daemon.pass(GRACE).await;
    assert_eq!(daemon.next_end().await, told("a", "crashed", None));
}

#[tokio::test]
async fn an_owner_without_hooks_says_itself_that_its_agent_is_at_work() {
    let mut daemon = Daemon::start();
    let mut client = daemon.client().await;
    client.put("/v1/owners/o", r#"{"lease":"5s"}"#).await.ok();
    for id in ["a", "b"] {
        client.post("/v1/sessions?owner=o", &start_body(id)).await.ok();
        let noted = client.post(&format!("/v1/sessions/{id}/turn?owner=o"), r#"{"phase":"begin"}"#).await.ok();
        assert_eq!(noted, serde_json::json!({"tenant": "default", "session": id, "turn_open": true}));
    }
    let noted = client.post("/v1/sessions/b/turn", r#"{"phase":"end"}"#).await.ok();
    assert_eq!(noted["turn_open"], false);
    let listed = client.get("/v1/sessions").await.ok();
    let rows = listed["sessions"].as_array().unwrap();
    assert_eq!(rows.iter().map(|row| row["turn_open"].clone()).collect::<Vec<_>>(), [true, false]);
    assert_eq!(client.post("/v1/sessions/a/turn", r#"{"phase":"over"}"#).await.problem(400), "unknown_phase");
    assert_eq!(client.post("/v1/sessions/nobodys/turn", r#"{"phase":"begin"}"#).await.problem(404), "not_found");
    daemon.pass(Duration::from_secs(5)).await;
    daemon.pass(GRACE).await;
    let mut ends = [daemon.next_end().await, daemon.next_end().await];
    ends.sort_by(|a, b| a.session.cmp(&b.session));
    assert_eq!(ends, [told("a", "crashed", None), told("b", "unknown", Some("exited"))]);
}

#[tokio::test]
async fn an_owners_own_word_within_the_grace_wins() {
    let mut daemon = Daemon::start();
    let mut client = daemon.client().await;
    client.put("/v1/owners/o", r#"{"lease":"5s"}"#).await.ok();
    client.post("/v1/sessions?owner=o", &start_body("a")).await.ok();
    client.post("/v1/sessions?owner=o", &start_body("b")).await.ok();
    daemon.pass(Duration::from_secs(5)).await;
    assert_eq!(daemon.server.status().owners_in_grace, 1);
    client.post("/v1/sessions/a/end?wait=delivered", r#"{"reason":"user-exit"}"#).await.ok();
    assert_eq!(daemon.next_end().await, told("a", "user-exit", Some("user-exit")));
    daemon.pass(GRACE).await;
    assert_eq!(daemon.next_end().await, told("b", "unknown", Some("exited")));
}

#[tokio::test]
async fn an_owner_that_comes_back_within_the_grace_keeps_its_sessions_and_their_generations() {
    let mut daemon = Daemon::start();
    let mut client = daemon.client().await;
    client.put("/v1/owners/o", r#"{"lease":"5s"}"#).await.ok();
    client.post("/v1/sessions?owner=o", &start_body("a")).await.ok();
    daemon.pass(Duration::from_secs(5)).await;
    let back = client.put("/v1/owners/o", r#"{"lease":"24h"}"#).await.ok();
    assert_eq!((&back["came_back"], &back["new"]), (&true.into(), &false.into()));
    daemon.pass(GRACE * 10).await;
    daemon.pass(GRACE).await;
    let again = client.post("/v1/sessions?owner=o", &start_body("a")).await.ok();
    assert_eq!((&again["generation"], &again["updated"]), (&1.into(), &true.into()));
}

#[tokio::test]
async fn a_session_that_another_process_resumes_outlives_the_first() {
    let mut daemon = Daemon::start();
    let (first, second) = (Agent::start(), Agent::start());
    let mut client = daemon.client().await;
    let start = r#"{"hook_event_name":"SessionStart","session_id":"a","source":"resume"}"#;
    client.post(&format!("/v1/hooks/claude-code?{}", first.query()), start).await.ok();
    client.post(&format!("/v1/hooks/claude-code?{}", second.query()), start).await.ok();
    first.kill();
    daemon.lost(1).await;
    daemon.pass(GRACE * 10).await;
    daemon.pass(GRACE).await;
    assert!(daemon.is_active("default", "a"));
    second.kill();
    daemon.lost(2).await;
    daemon.pass(GRACE).await;
    assert_eq!(daemon.next_end().await, told("a", "unknown", Some("exited")));
}

#[tokio::test]
async fn a_process_that_is_gone_already_is_a_death_at_once() {
    let mut daemon = Daemon::start();
    let agent = Agent::start();
    let (query, body) = (agent.query(), agent.body());
    agent.kill();
    let mut client = daemon.client().await;
    let start = r#"{"hook_event_name":"SessionStart","session_id":"a"}"#;
    client.post(&format!("/v1/hooks/claude-code?{query}"), start).await.ok();
    assert_eq!(daemon.server.status().owners_in_grace, 1);
    daemon.pass(GRACE).await;
    assert_eq!(daemon.next_end().await, told("a", "unknown", Some("exited")));
    assert_eq!(client.put("/v1/owners/o", &body).await.ok()["alive"], false);
}

#[tokio::test]
async fn a_pid_that_is_not_believed_is_no_reason_to_lose_the_event_and_the_answer_says_what_to_do() {
    let (store, texts) = tokens(&[("t", Role::Owner, None)]);
    let daemon = Build { tokens: store, ..Build::default() }.start();
    let address = daemon.listen().await;
    let mut client = Client::tcp(address, Some(&texts[0])).await;
    let agent = Agent::start();
    let refused = client.put("/v1/owners/o", &agent.body()).await;
    assert_eq!(refused.problem(422), "not_visible");
    assert_eq!(refused.json()["hint"], "use a lease");
    let started = client.post(&format!("/v1/sessions?owner=o&{}", agent.query()), &start_body("a")).await.ok();
    let dropped = started["dropped"][0].as_str().unwrap();
    assert!(dropped.contains("not_visible") && dropped.contains("use a lease"), "{dropped}");
    // Over the socket another start time is not believed either: the number is another process's now.
    let mut client = daemon.client().await;
    let body = serde_json::json!({"pid": agent.process.pid, "start_time": agent.process.start_time + 1}).to_string();
    assert_eq!(client.put("/v1/owners/o", &body).await.problem(422), "not_visible");
    // With a lease beside it the lease counts.
    let body = serde_json::json!({"pid": agent.process.pid, "start_time": 1, "lease": "30s"}).to_string();
    assert_eq!(client.put("/v1/owners/o", &body).await.ok()["watched_by"], "lease");
}

#[tokio::test]
async fn an_owner_that_says_goodbye_has_its_sessions_ended_and_is_told_what_became_of_them() {
    let mut daemon = Daemon::start();
    let mut client = daemon.client().await;
    client.put("/v1/owners/o", r#"{"lease":"30s"}"#).await.ok();
    for id in ["a", "b"] {
        client.post("/v1/sessions?owner=o", &start_body(id)).await.ok();
    }
    client.post("/v1/sessions", &start_body("another's")).await.ok();
    let report = client.delete("/v1/owners/o?reason=restart").await.ok();
    assert_eq!((&report["sessions"], &report["delivered"], &report["deferred"]), (&2.into(), &2.into(), &0.into()));
    let mut ends = [daemon.next_end().await, daemon.next_end().await];
    ends.sort_by(|a, b| a.session.cmp(&b.session));
    assert_eq!(
        ends.map(|end| (end.session, end.reason)),
        [("a", "restart"), ("b", "restart")].map(|(s, r)| (s.to_owned(), r.to_owned()))
    );
    assert!(daemon.is_active("default", "another's"));
    assert_eq!(client.delete("/v1/owners/o").await.problem(404), "not_found");
}

#[tokio::test]
async fn what_never_says_goodbye_ends_as_idle() {
    let idle_after = [("gateway".into(), Duration::from_secs(3600))].into_iter().collect();
    let owners = OwnerSettings { grace: GRACE, idle_after, ..OwnerSettings::default() };
    let mut daemon = Build { owners, ..Build::default() }.start();
    let mut client = daemon.client().await;
    let start = serde_json::json!({"session": {"id": "a", "owner_kind": "gateway"}}).to_string();
    client.post("/v1/sessions", &start).await.ok();
    daemon.pass(Duration::from_secs(3000)).await;
    assert!(daemon.is_active("default", "a"));
    daemon.pass(Duration::from_secs(700)).await;
    assert_eq!(daemon.next_end().await, told("a", "idle", Some("idle")));
}

#[tokio::test]
async fn every_event_that_names_an_owner_renews_its_lease_and_revives_it() {
    let mut daemon = Daemon::start();
    let mut client = daemon.client().await;
    client.put("/v1/owners/o", r#"{"lease":"5s"}"#).await.ok();
    client.post("/v1/sessions?owner=o", &start_body("a")).await.ok();
    daemon.pass(Duration::from_secs(4)).await;
    client.post("/v1/sessions/b/end?owner=o", r#"{"reason":"reset"}"#).await.ok();
    daemon.pass(Duration::from_secs(4)).await;
    assert_eq!(daemon.server.status().owners_in_grace, 0);
    daemon.pass(Duration::from_secs(1)).await;
    assert_eq!(daemon.server.status().owners_in_grace, 1);
    let prompt = r#"{"hook_event_name":"UserPromptSubmit","session_id":"a"}"#;
    client.post("/v1/hooks/claude-code?owner=o", prompt).await.ok();
    assert_eq!(daemon.server.status().owners_in_grace, 0);
    daemon.pass(GRACE).await;
    assert!(daemon.is_active("default", "a"));
}

#[tokio::test]
async fn what_cannot_be_a_session_registers_no_owner_and_a_kind_that_cannot_be_is_left_out() {
    let daemon = Daemon::start();
    let agent = Agent::start();
    let mut client = daemon.client().await;
    let path = format!("/v1/sessions?{}", agent.query());
    let bad = serde_json::json!({"session": {"id": "a", "tenant": "x".repeat(10_000)}}).to_string();
    assert_eq!(client.post(&path, &bad).await.status, 400);
    assert_eq!(daemon.server.status().owners.len(), 0);
    let long = serde_json::json!({"session": {"id": "a", "owner_kind": "k".repeat(1000)}}).to_string();
    let started = client.post(&path, &long).await.ok();
    assert!(started["dropped"][0].as_str().unwrap().starts_with("kind: "), "{started}");
    let owners = daemon.server.status().owners;
    assert_eq!(owners.iter().map(|owner| (owner.kind.as_str(), owner.owners)).collect::<Vec<_>>(), [("", 1)]);
}

#[tokio::test]
async fn who_has_a_session_now_is_not_noted_behind_its_end() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let daemon = Build { journal: journal.clone(), ..Build::default() }.start();
    let (mut client, mut other) = (daemon.client().await, daemon.client().await);
    for owner in ["one", "two"] {
        client.put(&format!("/v1/owners/{owner}"), r#"{"lease":"30s"}"#).await.ok();
    }
    client.post("/v1/sessions?owner=one", &start_body("a")).await.ok();
    journal.hold_appends();
    let moves = async {
        journal.until_held(1).await;
        let prompt = r#"{"hook_event_name":"UserPromptSubmit","session_id":"a"}"#;
        other.post("/v1/hooks/claude-code?owner=two", prompt).await.ok();
        journal.commit().await;
    };
    let (ended, ()) = tokio::join!(client.post("/v1/sessions/a/end", r#"{"reason":"reset"}"#), moves);
    ended.ok();
    daemon.runtime.settled().await;
    assert!(!daemon.is_active("default", "a"), "nobody has started it again");
}

#[tokio::test]
async fn who_has_a_session_now_is_not_noted_behind_an_end_that_the_server_has_not_asked_for() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let daemon = Build { journal: journal.clone(), ..Build::default() }.start();
    let mut client = daemon.client().await;
    for owner in ["one", "two"] {
        client.put(&format!("/v1/owners/{owner}"), r#"{"lease":"30s"}"#).await.ok();
    }
    client.post("/v1/sessions?owner=one", &start_body("a")).await.ok();
    journal.hold_appends();
    let ended = daemon.runtime.end_session(EndRequest::new(Session::new("default", "a"), EndReason::Reset));
    journal.until_held(1).await;
    let prompt = r#"{"hook_event_name":"UserPromptSubmit","session_id":"a"}"#;
    client.post("/v1/hooks/claude-code?owner=two", prompt).await.ok();
    journal.commit().await;
    ended.await.unwrap();
    // It has its turn behind what was asked for before.
    assert_eq!(daemon.runtime.update_session(Session::new("default", "a")).await, Ok(None));
    assert!(!daemon.is_active("default", "a"), "nobody has started it again");
    let nothing_is_kept = async {
        while daemon.server.status().owned_sessions > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(COMES, nothing_is_kept).await.expect("its new owner has it no more");
}

#[tokio::test]
async fn a_session_that_the_runtime_has_ended_is_not_kept_for_an_event_of_its_agent() {
    for of in ["one", "two"] {
        let daemon = Daemon::start();
        let mut client = daemon.client().await;
        for owner in ["one", "two"] {
            client.put(&format!("/v1/owners/{owner}"), r#"{"lease":"30s"}"#).await.ok();
        }
        client.post("/v1/sessions?owner=one", &start_body("a")).await.ok();
        let end = EndRequest::new(Session::new("default", "a"), EndReason::Reset);
        daemon.runtime.end_session(end).await.unwrap();
        assert_eq!(daemon.server.status().owned_sessions, 1, "the server was told nothing");
        let prompt = r#"{"hook_event_name":"UserPromptSubmit","session_id":"a"}"#;
        client.post(&format!("/v1/hooks/claude-code?owner={of}"), prompt).await.ok();
        assert_eq!(daemon.server.status().owned_sessions, 0, "an event of {of}'s");
        assert!(!daemon.is_active("default", "a"), "nobody has started it again");
    }
}
