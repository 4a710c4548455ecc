//! `rust-claude-mem`: no row of claude-mem's worker is left active, whatever ended the gateway or the worker.

mod worker;

use serde_json::{Value, json};
use worker::{Condition, Worker};

use super::{Installed, outcomes};
use crate::support::{Home, Program, ids, sorted};

const PLUGIN: Installed = Installed {
    file: "rust_claude_mem",
    name: "claude-mem",
    setting: "worker",
    more: "limits = { deadline = \"10s\" }",
};

/// A gateway's home and its worker, which is up.
struct Gateway {
    home: Home,
    worker: Worker,
}

impl Gateway {
    fn new() -> Self {
        Self { home: Home::new(), worker: Worker::new() }
    }

    fn start(&self) -> Program {
        PLUGIN.start(&self.home, &self.worker.url())
    }

    /// A gateway whose sessions have each a row that is active.
    fn with_open_sessions(&self, sessions: &[String]) -> Program {
        let program = self.start();
        program.send(sessions.iter().map(|id| said("start", &openclaw(id))));
        outcomes(&program, "session-start", "delivered", sessions.len());
        assert_eq!(self.worker.active(), rows_of(sessions));
        program
    }

    #[track_caller]
    fn assert_each_row_ended(&self, sessions: &[String], reason: &str) {
        assert_eq!(self.worker.active(), [] as [&str; 0], "no ghosts");
        let expected: Vec<_> = rows_of(sessions).into_iter().map(|row| (row, reason.to_owned())).collect();
        assert_eq!(self.worker.ended(), expected);
    }
}

fn openclaw(id: &str) -> Value {
    json!({"id": id, "key": format!("agent:main:{id}"), "agent_id": "main", "owner_kind": "openclaw", "cwd": "/w/project"})
}

fn claude_code(id: &str) -> Value {
    json!({"id": id, "owner_kind": "claude-code", "cwd": "/w/project"})
}

fn rows_of(sessions: &[String]) -> Vec<String> {
    sorted(sessions.iter().map(|id| format!("openclaw-agent:main:{id}-default/{id}#1")))
}

fn said(op: &str, session: &Value) -> String {
    json!({"op": op, "session": session, "reason": "reset"}).to_string()
}

#[test]
fn a_clean_drain_leaves_no_row_active() {
    let (gateway, sessions) = (Gateway::new(), ids(20));
    let ended = gateway.with_open_sessions(&sessions).stop();
    assert_eq!(ended.code(), 0, "{}", ended.stderr());
    gateway.assert_each_row_ended(&sessions, "shutdown");
}

#[test]
fn sigkill_and_a_restart_leave_no_row_active() {
    let (gateway, sessions) = (Gateway::new(), ids(20));
    assert!(gateway.with_open_sessions(&sessions).kill().was_killed());
    assert_eq!(gateway.worker.active().len(), sessions.len(), "nobody could tell the worker");
    let program = gateway.start();
    outcomes(&program, "session-end", "delivered", sessions.len());
    gateway.assert_each_row_ended(&sessions, "crashed");
    assert_eq!(program.stop().code(), 0);
}

#[test]
fn a_worker_that_is_down_during_the_drain_is_told_after_the_next_start() {
    let (mut gateway, sessions) = (Gateway::new(), ids(20));
    let program = gateway.with_open_sessions(&sessions);
    gateway.worker.down();
    let ended = program.stop();
    assert_eq!(ended.code(), 3, "the ends are owed, and safe in the journal");
    assert_eq!(ended.ends("claude-mem", "failed(retry)"), sessions);
    assert_eq!(gateway.worker.active().len(), sessions.len());
    gateway.worker.up();
    let program = gateway.start();
    outcomes(&program, "session-end", "delivered", sessions.len());
    gateway.assert_each_row_ended(&sessions, "shutdown");
    assert_eq!(program.stop().code(), 0);
}

#[test]
fn a_worker_that_answers_500_is_told_again() {
    let (gateway, sessions) = (Gateway::new(), ids(3));
    let program = gateway.with_open_sessions(&sessions);
    gateway.worker.is(Condition::Broken);
    program.send(sessions.iter().map(|id| said("end", &openclaw(id))));
    outcomes(&program, "session-end", "failed", sessions.len());
    assert_eq!(gateway.worker.active().len(), sessions.len());
    gateway.worker.is(Condition::Well);
    outcomes(&program, "session-end", "delivered", sessions.len());
    gateway.assert_each_row_ended(&sessions, "reset");
    assert_eq!(program.stop().code(), 0);
}

#[test]
fn a_row_is_closed_under_the_name_under_which_it_was_opened() {
    let (gateway, sessions) = (Gateway::new(), ids(1));
    let program = gateway.with_open_sessions(&sessions);
    let mut renamed = openclaw(&sessions[0]);
    renamed["key"] = json!("agent:main:renamed");
    program.send([said("start", &renamed), said("end", &renamed)]);
    outcomes(&program, "session-end", "delivered", 1);
    gateway.assert_each_row_ended(&sessions, "reset");
    assert_eq!(program.stop().code(), 0);
}

#[test]
fn a_row_whose_start_was_never_answered_is_closed_and_stays_closed() {
    let (gateway, sessions) = (Gateway::new(), ids(1));
    let program = Installed { more: "", ..PLUGIN }.start(&gateway.home, &gateway.worker.url());
    gateway.worker.is(Condition::Slow);
    program.send([said("start", &openclaw(&sessions[0]))]);
    outcomes(&program, "session-start", "failed", 1);
    assert_eq!(gateway.worker.active(), rows_of(&sessions));
    // The start gets one more attempt before the end, fails again, and is late from then on.
    program.send([said("end", &openclaw(&sessions[0]))]);
    outcomes(&program, "session-end", "delivered", 1);
    gateway.assert_each_row_ended(&sessions, "reset");
    gateway.worker.is(Condition::Well);
    outcomes(&program, "session-start", "delivered", 1);
    gateway.assert_each_row_ended(&sessions, "reset");
    assert_eq!(program.stop().code(), 0);
}

#[test]
fn the_late_end_of_a_session_that_was_resumed_leaves_its_row_to_the_newer_run() {
    let mut gateway = Gateway::new();
    let program = gateway.start();
    program.send([said("start", &claude_code("c1"))]);
    outcomes(&program, "session-start", "delivered", 1);
    assert_eq!(gateway.worker.active(), ["c1"], "the name that claude-mem's own hooks use");
    gateway.worker.down();
    program.send([said("end", &claude_code("c1"))]);
    outcomes(&program, "session-end", "failed", 1);
    // The end gets one more attempt before the start, fails again, and is late from then on.
    program.send([said("start", &claude_code("c1"))]);
    outcomes(&program, "session-end", "failed", 2);
    gateway.worker.up();
    outcomes(&program, "session-start", "delivered", 2);
    outcomes(&program, "session-end", "delivered", 1);
    assert_eq!(gateway.worker.active(), ["c1"]);
    program.send([said("end", &claude_code("c1"))]);
    outcomes(&program, "session-end", "delivered", 2);
    assert_eq!(gateway.worker.ended(), [("c1".to_owned(), "reset".to_owned())]);
    assert_eq!(program.stop().code(), 0);
}

#[test]
fn it_passes_the_conformance_test() {
    let ended = PLUGIN.test(&Worker::new().url(), &[]);
    assert_eq!(ended.code(), 0, "{}", ended.stdout());
    assert!(!ended.stdout().contains("it answered"), "every ordinary event is delivered:\n{}", ended.stdout());
}
