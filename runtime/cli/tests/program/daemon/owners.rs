//! An owner that comes back, and one that outlives the daemon.

#[cfg(target_os = "linux")]
use std::process::{Child, Command, Stdio};

#[cfg(target_os = "linux")]
use serde_json::json;

#[cfg(target_os = "linux")]
use crate::support::http;
use crate::support::{Home, Raw};

#[test]
fn an_owner_that_comes_back_within_the_grace_keeps_its_session_and_its_generation() {
    let home = Home::new();
    let program = home.serve().guest("prints").arg("--owner-grace").arg("60s").start().ready();
    let mut owner = Raw::connect(&home.socket());
    owner.start("s1");
    drop(owner);
    let mut again = Raw::connect(&home.socket());
    let resumed = again.start("s1");
    assert_eq!((&resumed["generation"], &resumed["updated"]), (&1.into(), &true.into()));
    again.end("s1");
    assert_eq!(program.stop().printed_ends("prints"), ["s1"], "once");
}

#[test]
fn the_sessions_of_a_killed_daemon_are_there_for_owners_that_come_back() {
    let home = Home::new();
    let serve = || home.serve().guest("prints").arg("--owner-grace").arg("60s").start().ready();
    let program = serve();
    let mut owner = Raw::connect(&home.socket());
    owner.start("s1");
    let ended = program.kill();
    assert!(ended.printed_ends("prints").is_empty());
    let program = serve();
    let mut owner = Raw::connect(&home.socket());
    assert_eq!(owner.start("s1")["generation"], 1);
    owner.end_and_be_told("s1");
    assert_eq!(program.stop().printed_ends("prints"), ["s1"]);
}

/// A process that does nothing until it is killed.
#[cfg(target_os = "linux")]
struct Agent(Child);

#[cfg(target_os = "linux")]
impl Agent {
    fn start() -> Self {
        Self(Command::new("sleep").arg("1000").stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
    }

    /// Registers as an owner, and starts a session of its own name.
    fn lives_through(&self, home: &Home, name: &str) {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let start_time: u64 = stat.split(' ').nth(21).unwrap().parse().unwrap();
        let body = json!({ "kind": "test", "pid": self.0.id(), "start_time": start_time }).to_string();
        let (status, registered) = http(&home.socket(), "PUT", &format!("/v1/owners/{name}"), &body);
        assert_eq!((status, &registered["watched_by"]), (200, &"process".into()), "{registered}");
        let body = json!({ "session": { "id": name } }).to_string();
        let (status, started) = http(&home.socket(), "POST", &format!("/v1/sessions?owner={name}"), &body);
        assert_eq!(status, 200, "{started}");
    }
}

#[cfg(target_os = "linux")]
impl Drop for Agent {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_daemon_that_is_killed_goes_on_with_the_owners_that_live_and_ends_those_that_died_meanwhile() {
    let home = Home::new();
    let serve = || home.serve().guest("prints").arg("--owner-grace").arg("1s").start().ready();
    let program = serve();
    let (lives, dies) = (Agent::start(), Agent::start());
    lives.lives_through(&home, "lives");
    dies.lives_through(&home, "dies");
    let mut connected = Raw::connect(&home.socket());
    connected.start("connected");
    let ended = program.kill();
    assert!(ended.printed_ends("prints").is_empty());
    drop(dies);

    let program = serve();
    program.log("session-end dies");
    program.log("session-end connected");
    let active = || http(&home.socket(), "GET", "/v1/sessions", "").1["sessions"].clone();
    let sessions = active();
    assert_eq!((sessions.as_array().unwrap().len(), &sessions[0]["id"]), (1, &"lives".into()), "{sessions}");
    assert_eq!((&sessions[0]["owner"]["name"], &sessions[0]["generation"]), (&"lives".into(), &1.into()));
    // The kernel tells the second daemon as well.
    drop(lives);
    program.log("session-end lives");
    assert_eq!(active(), json!([]));
    assert_eq!(program.stop().printed_ends("prints"), ["connected", "dies", "lives"], "each once");
}
