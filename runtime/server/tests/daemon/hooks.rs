//! Hooks that come from a spool, and not over HTTP.

use http::Method;
use lastword_process::Process;
use lastword_server::Server;

use crate::support::{Agent, Daemon, GRACE};

async fn take(server: &Server, op_id: &str, process: Option<Process>, payload: &str) {
    let read = server.read_hook("claude-code", None, payload.as_bytes()).unwrap();
    server.take_hook(read, op_id, process).await.unwrap();
}

const START: &str = r#"{"hook_event_name":"SessionStart","session_id":"a","source":"startup"}"#;
const END: &str = r#"{"hook_event_name":"SessionEnd","session_id":"a","reason":"logout"}"#;

#[tokio::test]
async fn a_hook_with_the_op_id_of_one_that_was_taken_does_nothing() {
    let mut daemon = Daemon::start();
    take(&daemon.server, "k-1", None, START).await;
    take(&daemon.server, "k-2", None, END).await;
    assert_eq!(daemon.next_end().await.session, "a");
    for (op_id, payload) in [("k-1", START), ("k-2", END)] {
        take(&daemon.server, op_id, None, payload).await;
        assert!(!daemon.is_active("default", "a"));
    }
    // Whatever was begun is on record.
    take(&daemon.server, "k-3", None, &END.replace("\"a\"", "\"b\"")).await;
    assert_eq!(daemon.next_end().await.session, "b", "nothing was told twice");
}

#[tokio::test]
async fn a_hook_that_is_called_three_times_for_one_end_ends_the_session_once() {
    let mut daemon = Daemon::start();
    take(&daemon.server, "k-1", None, START).await;
    for op_id in ["k-2", "k-3"] {
        take(&daemon.server, op_id, None, END).await;
    }
    let mut client = daemon.client().await;
    let third = client.ask(Method::POST, "/v1/hooks/claude-code", END, &[("idempotency-key", "k-4")]).await.ok();
    assert_eq!((&third["code"], &third["generation"]), (&"duplicate_end".into(), &1.into()));
    assert_eq!(daemon.next_end().await.session, "a");
    // Another end of its own name is another end where the owner itself has named it.
    let named = r#"{"hook_event_name":"SessionEnd","session_id":"a","reason":"logout","op_id":"own"}"#;
    take(&daemon.server, "k-5", None, named).await;
    assert_eq!(daemon.next_end().await.generation, 2);
    take(&daemon.server, "k-6", None, START).await;
    take(&daemon.server, "k-7", None, END).await;
    assert_eq!(daemon.next_end().await.generation, 3, "it was started again");
}

#[tokio::test]
async fn the_process_that_a_hook_names_is_watched_and_its_death_ends_the_session() {
    let mut daemon = Daemon::start();
    let agent = Agent::start();
    take(&daemon.server, "k-1", Some(agent.process.clone()), START).await;
    let listed = daemon.client().await.get("/v1/sessions").await.ok();
    assert_eq!(listed["sessions"][0]["owner"]["process"]["pid"], agent.process.pid);
    agent.kill();
    daemon.lost(1).await;
    daemon.pass(GRACE).await;
    let end = daemon.next_end().await;
    assert_eq!(
        (end.session.as_str(), end.reason.as_str(), end.raw_reason.as_deref()),
        ("a", "unknown", Some("exited"))
    );
}

#[tokio::test]
async fn an_owner_whose_process_is_gone_is_dead_at_once_and_its_own_word_counts_within_the_grace() {
    let mut daemon = Daemon::start();
    let agent = Agent::start();
    let process = agent.process.clone();
    agent.kill();
    take(&daemon.server, "k-1", Some(process.clone()), START).await;
    take(&daemon.server, "k-2", Some(process.clone()), &START.replace("\"a\"", "\"b\"")).await;
    assert_eq!((daemon.server.status().owners_lost, daemon.is_active("default", "a")), (1, true));
    take(&daemon.server, "k-3", Some(process), END).await;
    assert_eq!(daemon.next_end().await.session, "a");
    daemon.pass(GRACE).await;
    let end = daemon.next_end().await;
    assert_eq!((end.session.as_str(), end.raw_reason.as_deref()), ("b", Some("exited")));
}

#[tokio::test]
async fn a_process_of_another_boot_is_gone() {
    let daemon = Daemon::start();
    let process = Process { boot_id: "another".into(), ..Process::current().unwrap() };
    take(&daemon.server, "k-1", Some(process), START).await;
    assert_eq!(daemon.server.status().owners_lost, 1);
}

#[tokio::test]
async fn what_no_server_would_take_is_told_from_what_may_be_taken_later() {
    let daemon = Daemon::start();
    let refused = |owner: &str, payload: &str| daemon.server.read_hook(owner, None, payload.as_bytes()).unwrap_err();
    assert_eq!((refused("nobody", START).code, refused("nobody", START).may_pass), ("not_found", false));
    for payload in ["", "nothing of the kind", "{\"hook_event_name\":\"SessionEnd\"}"] {
        assert!(!refused("claude-code", payload).may_pass, "{payload}");
    }
    daemon.runtime.drain(lastword::events::DrainReason::Shutdown).await;
    let read = daemon.server.read_hook("claude-code", None, START.as_bytes()).unwrap();
    let later = daemon.server.take_hook(read, "k-1", None).await.unwrap_err();
    assert!(later.may_pass, "{later:?}");
}
