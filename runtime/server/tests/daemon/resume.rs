//! A daemon that was killed, under owners that live.

use std::sync::Arc;
use std::time::Duration;

use lastword::events::{OwnerProcess, Session, SessionOwner};
use lastword::testing::FaultyJournal;
use lastword::{Journal, MemoryJournal, StartRequest};

use crate::support::{Agent, Build, Daemon, GRACE, start_body};

/// The next daemon on the journal, which was let go of.
async fn next<J: Journal>(before: Daemon, journal: &Arc<J>) -> Daemon {
    before.server.close(std::time::Instant::now()).await;
    before.runtime.detach().await.unwrap();
    drop(before);
    Build { journal: journal.clone(), ..Build::default() }.start()
}

#[tokio::test]
async fn the_sessions_of_a_process_that_lives_go_on_in_the_next_run_and_end_when_it_dies() {
    let journal = Arc::new(MemoryJournal::new());
    let daemon = Build { journal: journal.clone(), ..Build::default() }.start();
    let (lives, dies) = (Agent::start(), Agent::start());
    let mut client = daemon.client().await;
    client.post(&format!("/v1/sessions?owner=lives&{}", lives.query()), &start_body("a")).await.ok();
    client.post(&format!("/v1/sessions?owner=dies&{}", dies.query()), &start_body("b")).await.ok();
    client.post("/v1/sessions", &start_body("nobodys")).await.ok();
    dies.kill();
    let mut daemon = next(daemon, &journal).await;
    let resumed = daemon.server.resume().await;
    assert_eq!((resumed.owners, resumed.sessions, resumed.left), (1, 1, 1));
    // The runtime's grace is over: what nobody has come back for ends.
    daemon.clock.advance(Duration::from_secs(60));
    daemon.assert_two_ends([("b", "crashed"), ("nobodys", "crashed")]).await;
    assert!(daemon.is_active("default", "a"));
    lives.kill();
    daemon.lost(1).await;
    daemon.pass(GRACE).await;
    let end = daemon.next_end().await;
    assert_eq!((end.session.as_str(), end.generation, end.reason.as_str()), ("a", 1, "unknown"));
}

#[tokio::test]
async fn a_lease_begins_anew_in_the_next_run() {
    let journal = Arc::new(MemoryJournal::new());
    let daemon = Build { journal: journal.clone(), ..Build::default() }.start();
    daemon.client().await.post("/v1/sessions?owner=o&lease=30s", &start_body("a")).await.ok();
    let mut daemon = next(daemon, &journal).await;
    assert_eq!(daemon.server.resume().await.sessions, 1);
    daemon.pass(Duration::from_secs(29)).await;
    assert_eq!(daemon.server.status().owners_in_grace, 0);
    daemon.pass(Duration::from_secs(1)).await;
    assert_eq!(daemon.server.status().owners_in_grace, 1);
    daemon.pass(GRACE).await;
    assert_eq!(daemon.next_end().await.session, "a");
}

#[tokio::test]
async fn a_session_that_moved_to_another_process_is_that_ones_in_the_next_run() {
    let journal = Arc::new(MemoryJournal::new());
    let daemon = Build { journal: journal.clone(), ..Build::default() }.start();
    let (first, second) = (Agent::start(), Agent::start());
    let mut client = daemon.client().await;
    let start = r#"{"hook_event_name":"SessionStart","session_id":"a"}"#;
    client.post(&format!("/v1/hooks/claude-code?{}", first.query()), start).await.ok();
    // Not a start: it only says that the session lives, and who has it now.
    let prompt = r#"{"hook_event_name":"UserPromptSubmit","session_id":"a"}"#;
    client.post(&format!("/v1/hooks/claude-code?{}", second.query()), prompt).await.ok();
    daemon.runtime.recorded().await.unwrap();
    first.kill();
    let daemon = next(daemon, &journal).await;
    assert_eq!(daemon.server.resume().await.sessions, 1);
    let listed = daemon.client().await.get("/v1/sessions").await.ok();
    assert_eq!(listed["sessions"][0]["owner"]["process"]["pid"], second.process.pid);
}

#[tokio::test]
async fn all_sessions_of_an_owner_go_on_with_the_process_that_it_has_now() {
    let journal = Arc::new(MemoryJournal::new());
    let daemon = Build { journal: journal.clone(), ..Build::default() }.start();
    let (first, second) = (Agent::start(), Agent::start());
    let mut client = daemon.client().await;
    for (agent, id) in [(&first, "a"), (&second, "b")] {
        client.put("/v1/owners/o", &agent.body()).await.ok();
        client.post("/v1/sessions?owner=o", &start_body(id)).await.ok();
    }
    first.kill();
    let daemon = next(daemon, &journal).await;
    let resumed = daemon.server.resume().await;
    assert_eq!((resumed.owners, resumed.sessions, resumed.left), (1, 2, 0));
    let listed = daemon.client().await.get("/v1/sessions").await.ok();
    for session in listed["sessions"].as_array().unwrap() {
        assert_eq!(session["owner"]["process"]["pid"], second.process.pid);
    }
}

#[tokio::test]
async fn a_number_that_another_process_has_by_now_is_no_owner_that_lives() {
    let journal = Arc::new(MemoryJournal::new());
    let daemon = Build { journal: journal.clone(), ..Build::default() }.start();
    let agent = Agent::start();
    let lives = OwnerProcess {
        pid: agent.process.pid,
        start_time: agent.process.start_time,
        boot_id: agent.process.boot_id.clone(),
    };
    // On record are those who had the number before it: in this boot, and in another.
    let earlier = OwnerProcess { start_time: lives.start_time - 1, ..lives.clone() };
    let other_boot = OwnerProcess { boot_id: "another".into(), ..lives.clone() };
    for (id, process) in [("earlier", earlier), ("lives", lives), ("other-boot", other_boot)] {
        let mut session = Session::new("default", id);
        session.owner = Some(Box::new(SessionOwner { name: id.into(), process: Some(process), lease_ms: None }));
        daemon.runtime.start_session(StartRequest::new(session)).await.unwrap();
    }
    let mut daemon = next(daemon, &journal).await;
    let resumed = daemon.server.resume().await;
    assert_eq!((resumed.owners, resumed.sessions, resumed.left), (1, 1, 2));
    daemon.clock.advance(std::time::Duration::from_secs(60));
    daemon.assert_two_ends([("earlier", "crashed"), ("other-boot", "crashed")]).await;
    assert!(daemon.is_active("default", "lives"));
}

#[tokio::test]
async fn a_session_whose_end_is_on_its_way_is_not_begun_anew_for_its_owner() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let daemon = Build { journal: journal.clone(), ..Build::default() }.start();
    daemon.client().await.post("/v1/sessions?owner=o&lease=30s", &start_body("a")).await.ok();
    let mut daemon = next(daemon, &journal).await;
    journal.hold_decided();
    // The runtime's grace is over before the server looks, and the session is active until its end is on record.
    daemon.clock.advance(Duration::from_secs(60));
    journal.until_held(1).await;
    assert!(daemon.is_active("default", "a"));
    let (resumed, ()) = tokio::join!(daemon.server.resume(), journal.commit());
    assert_eq!((resumed.owners, resumed.sessions, resumed.left), (1, 0, 1));
    let end = daemon.next_end().await;
    assert_eq!((end.session.as_str(), end.generation, end.reason.as_str()), ("a", 1, "crashed"));
    assert!(!daemon.is_active("default", "a"), "nobody has started it again");
    assert_eq!(daemon.server.status().owned_sessions, 0, "nothing is kept of it");
    assert_eq!(daemon.client().await.post("/v1/sessions", &start_body("a")).await.ok()["generation"], 2);
}
