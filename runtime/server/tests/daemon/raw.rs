//! The stdio protocol over the socket.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lastword::OutcomeRecord;
use lastword::events::{Hook, PluginName};
use lastword::testing::FaultyJournal;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use crate::support::{Build, COMES, Daemon, GRACE};
use lastword_server::{OwnerSettings, ServerLimits};

/// A line that nothing holds up comes within this time on an idle processor. A test passes if it does not.
const LINE_WOULD_COME: Duration = Duration::from_millis(300);

/// One owner's connection.
struct Owner {
    writer: OwnedWriteHalf,
    lines: Lines<BufReader<OwnedReadHalf>>,
    /// Lines that came while another one was waited for: an outcome may come before the answer.
    kept: Vec<Value>,
}

impl Owner {
    async fn connect(daemon: &Daemon) -> Self {
        let (reader, writer) = UnixStream::connect(&daemon.socket).await.unwrap().into_split();
        Self { writer, lines: BufReader::new(reader).lines(), kept: Vec::new() }
    }

    async fn say(&mut self, line: &Value) {
        self.writer.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// The next line; none at the end of them.
    async fn line(&mut self) -> Option<Value> {
        let line = timeout(COMES, self.lines.next_line()).await.unwrap().unwrap();
        line.map(|line| serde_json::from_str(&line).unwrap())
    }

    /// The next line of this kind.
    async fn next(&mut self, event: &str) -> Value {
        if let Some(place) = self.kept.iter().position(|line| line["event"] == event) {
            return self.kept.remove(place);
        }
        loop {
            let line = self.line().await.unwrap();
            if line["event"] == event {
                return line;
            }
            self.kept.push(line);
        }
    }
}

fn start(id: &str) -> Value {
    json!({"op": "start", "session": {"id": id}})
}

#[tokio::test]
async fn a_connection_whose_first_byte_is_a_brace_is_an_owners_stdio() {
    let daemon = Daemon::start();
    let mut owner = Owner::connect(&daemon).await;
    owner.say(&start("a")).await;
    let ready = owner.line().await.unwrap();
    assert_eq!((&ready["event"], &ready["plugins"][0]["name"]), (&"ready".into(), &"memory".into()));
    let accepted = owner.next("accepted").await;
    assert_eq!((&accepted["op"], &accepted["line"], &accepted["generation"]), (&"start".into(), &1.into(), &1.into()));
    owner.say(&json!({"op": "end", "session": {"id": "a"}, "reason": "reset"})).await;
    let accepted = owner.next("accepted").await;
    assert_eq!((&accepted["op"], &accepted["line"]), (&"end".into(), &2.into()));
    for _hook in ["session-start", "session-end"] {
        let outcome = owner.next("outcome").await;
        assert_eq!((&outcome["session"], &outcome["outcome"]), (&"a".into(), &"delivered".into()));
    }
    owner.say(&json!({"op": "nonsense"})).await;
    let error = owner.next("error").await;
    assert_eq!((&error["code"], &error["line"]), (&"unknown_op".into(), &3.into()));
}

#[tokio::test]
async fn a_connection_that_closes_without_a_goodbye_is_a_dead_owner() {
    let mut daemon = Daemon::start();
    let mut owner = Owner::connect(&daemon).await;
    owner.say(&start("a")).await;
    owner.next("accepted").await;
    drop(owner);
    daemon.lost(1).await;
    assert!(daemon.is_active("default", "a"));
    daemon.pass(GRACE).await;
    let end = daemon.next_end().await;
    assert_eq!(
        (end.session.as_str(), end.reason.as_str(), end.raw_reason.as_deref()),
        ("a", "unknown", Some("exited"))
    );
}

#[tokio::test]
async fn a_connection_that_closes_in_an_open_turn_leaves_a_session_that_crashed() {
    let mut daemon = Daemon::start();
    let mut owner = Owner::connect(&daemon).await;
    for (id, phases) in [("a", vec!["begin"]), ("b", vec!["begin", "end"])] {
        owner.say(&start(id)).await;
        for phase in phases {
            owner.say(&json!({"op": "turn", "session": {"id": id}, "phase": phase})).await;
        }
    }
    // A turn has no answer, unless its line is wrong. Lines have their turns in their order, so this one comes after them.
    owner.say(&json!({"op": "turn", "session": {"id": "a"}})).await;
    let error = owner.next("error").await;
    assert_eq!((&error["code"], &error["line"]), (&"missing_field".into(), &6.into()));
    assert_eq!(owner.kept.iter().filter(|line| line["event"] == "accepted").count(), 2);
    drop(owner);
    daemon.lost(1).await;
    daemon.pass(GRACE).await;
    daemon.assert_two_ends([("a", "crashed"), ("b", "unknown")]).await;
}

#[tokio::test]
async fn an_owner_that_connects_again_within_the_grace_has_its_sessions_again() {
    let mut daemon = Daemon::start();
    let mut owner = Owner::connect(&daemon).await;
    owner.say(&start("a")).await;
    owner.next("accepted").await;
    drop(owner);
    daemon.lost(1).await;
    let mut again = Owner::connect(&daemon).await;
    again.say(&start("a")).await;
    let accepted = again.next("accepted").await;
    assert_eq!((&accepted["generation"], &accepted["updated"]), (&1.into(), &true.into()));
    daemon.pass(GRACE * 5).await;
    daemon.pass(GRACE).await;
    assert!(daemon.is_active("default", "a"));
}

#[tokio::test]
async fn an_owner_that_says_goodbye_is_told_how_its_drain_went_and_others_sessions_go_on() {
    let daemon = Daemon::start();
    let (mut owner, mut other) = (Owner::connect(&daemon).await, Owner::connect(&daemon).await);
    other.say(&start("other")).await;
    other.next("accepted").await;
    for id in ["a", "b"] {
        owner.say(&start(id)).await;
    }
    owner.say(&json!({"op": "shutdown", "reason": "restart"})).await;
    let drain = owner.next("drain").await;
    assert_eq!((&drain["reason"], &drain["sessions"], &drain["delivered"]), (&"restart".into(), &2.into(), &2.into()));
    assert_eq!(owner.line().await, None, "the drain's line is the last");
    assert!(daemon.is_active("default", "other"));
    assert_eq!(daemon.server.status().owners_lost, 0);
}

/// The runtime has an outcome on record before it tells of it. Here that takes until the drain's line has come, or long
/// enough for a line that does not wait for the outcome. Each session has a tenant of its own, so another worker delivers
/// the other ends meanwhile.
#[tokio::test]
async fn outcomes_that_are_told_late_come_before_the_line_of_the_drain_that_counts_them() {
    let (line_came, is_told) = std::sync::mpsc::channel();
    let is_told = Mutex::new(Some(is_told));
    let first_told = move |record: &OutcomeRecord<'_>| {
        if record.id.event.hook() == Hook::SessionEnd {
            // The lock is free while this waits.
            let first = is_told.lock().unwrap().take();
            first.map(|is_told| is_told.recv_timeout(LINE_WOULD_COME));
        }
    };
    let daemon = Build { first_told: Box::new(first_told), ..Build::default() }.start();
    let mut owner = Owner::connect(&daemon).await;
    for id in 0..300 {
        owner.say(&json!({"op": "start", "session": {"id": "a", "tenant": format!("t{id}")}})).await;
    }
    owner.say(&json!({"op": "shutdown", "reason": "restart"})).await;
    let drain = owner.next("drain").await;
    line_came.send(()).ok();
    let ends = owner.kept.iter().filter(|line| line["event"] == "outcome" && line["hook"] == "session-end");
    assert_eq!((&drain["delivered"], ends.count()), (&300.into(), 300));
    assert_eq!(owner.line().await, None, "the drain's line is the last");
}

#[tokio::test]
async fn a_client_that_closes_its_half_is_told_what_came_of_its_lines() {
    let daemon = Daemon::start();
    let mut owner = Owner::connect(&daemon).await;
    let end = json!({"op": "end", "session": {"id": "a"}, "reason": "reset"});
    // No newline after the last, as `printf | nc -N` writes it.
    owner.writer.write_all(format!("{}\n{end}", start("a")).as_bytes()).await.unwrap();
    owner.writer.shutdown().await.unwrap();
    for op in ["start", "end"] {
        assert_eq!(owner.next("accepted").await["op"], op);
    }
    let hooks = [owner.next("outcome").await, owner.next("outcome").await].map(|outcome| outcome["hook"].clone());
    assert!(hooks.contains(&"session-end".into()), "{hooks:?}");
    assert_eq!(owner.line().await, None, "when all is told the connection is closed");
}

#[tokio::test]
async fn a_client_that_has_closed_its_half_does_not_wait_for_what_an_operator_has_dropped() {
    // Longer than this test waits: nothing else closes the connection.
    let owners = OwnerSettings { grace: Duration::from_secs(3600), ..OwnerSettings::default() };
    let daemon = Build { owners, ..Build::default() }.start();
    let paused = daemon.runtime.pause(&PluginName::new("memory").unwrap().into()).unwrap();
    let mut owner = Owner::connect(&daemon).await;
    owner.say(&start("a")).await;
    owner.say(&json!({"op": "end", "session": {"id": "a"}, "reason": "reset"})).await;
    owner.writer.shutdown().await.unwrap();
    for op in ["start", "end"] {
        assert_eq!(owner.next("accepted").await["op"], op);
    }
    let dropped = daemon.client().await.post("/v1/deliveries/drop", r#"{"filter":{}}"#).await.ok();
    assert_eq!(dropped["changed"], 2);
    assert_eq!(owner.line().await, None, "there is nothing to be told any more");
    drop(paused);
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_cut_and_counts_as_dead() {
    let limits = ServerLimits { write_timeout: Duration::from_millis(100), ..ServerLimits::default() };
    let daemon = Build { limits, ..Build::default() }.start();
    let mut owner = Owner::connect(&daemon).await;
    owner.say(&start("a")).await;
    owner.next("accepted").await;
    // Errors come back until nothing goes through any more, in neither direction.
    let lines = "{\"op\":\"nonsense\"}\n".repeat(10_000);
    while owner.writer.write_all(lines.as_bytes()).await.is_ok() {}
    daemon.lost(1).await;
}

#[tokio::test]
async fn a_shutdown_keeps_its_budget_when_the_disk_hangs_and_the_ends_are_written_later() {
    let journal = Arc::new(FaultyJournal::in_memory());
    let mut daemon = Build { journal: journal.clone(), ..Build::default() }.start();
    let mut owner = Owner::connect(&daemon).await;
    owner.say(&start("a")).await;
    owner.next("accepted").await;
    journal.hold_appends();
    // The second start is not answered when the owner says goodbye.
    let lines = format!("{}\n{}\n", start("b"), json!({"op": "shutdown", "reason": "restart"}));
    owner.writer.write_all(lines.as_bytes()).await.unwrap();
    journal.until_held(1).await;
    daemon.clock.advance(lastword_server::limits::DEFAULT_OWNER_DRAIN);
    let drain = owner.next("drain").await;
    assert_eq!((&drain["sessions"], &drain["timed_out"]), (&0.into(), &true.into()), "{drain}");
    journal.commit().await;
    // What is to be tried again is due by then.
    daemon.clock.advance(Duration::from_secs(1));
    daemon.assert_two_ends([("a", "restart"), ("b", "restart")]).await;
}
