//! Hooks that start the daemon, and a daemon that leaves when nobody needs it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;

use rustix::process::{Pid, Signal, kill_process};

use super::stand_in::StandIn;
use super::{command, end, hook, run, sessions, start, until, waiting};
use crate::support::{Home, http};

/// The daemon that hooks have started there. It is killed when this is dropped.
pub(super) struct Spawned(Pid);

impl Spawned {
    pub(super) fn of(home: &Home) -> Self {
        until("a daemon answers", || UnixStream::connect(home.socket()).is_ok());
        let (_, status) = http(&home.socket(), "GET", "/v1/status", "");
        Self(Pid::from_raw(i32::try_from(status["pid"].as_i64().unwrap()).unwrap()).unwrap())
    }

    fn lives(&self) -> bool {
        rustix::process::test_kill_process(self.0).is_ok()
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        kill_process(self.0, Signal::KILL).ok();
    }
}

#[test]
fn twenty_hooks_at_once_start_one_daemon_that_outlives_them_and_takes_in_all_that_they_said() {
    let home = Home::new();
    std::thread::scope(|scope| {
        for number in 0..20 {
            let home = &home;
            scope.spawn(move || {
                let output = run(command(home, &["claude-code", "--spawn"]), &start(&format!("s{number}")));
                assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
            });
        }
    });
    let daemon = Spawned::of(&home);
    until("all sessions are active", || sessions(&home).len() == 20);
    until("the spool is empty", || waiting(&home).is_empty());
    let log = home.join("lastword").join("daemon.log");
    assert_eq!(fs::metadata(&log).unwrap().mode() & 0o777, 0o600);
    let text = || fs::read_to_string(&log).unwrap();
    until("it has said that it is ready", || text().contains("\"ready\""));
    let text = text();
    assert_eq!(text.matches("\"ready\"").count(), 1, "{text}");
    assert_eq!(text.matches("is served already").count(), 0, "{text}");
    // The next ones find it.
    let ended = run(command(&home, &["claude-code", "--spawn"]), &end("s0"));
    assert!(ended.status.success());
    until("its session has ended", || sessions(&home).len() == 19);
    let (status, leaves) = http(&home.socket(), "POST", "/v1/hand-over", "");
    assert_eq!(status, 202, "{leaves}");
    until("it has left", || !home.socket().exists());
    drop(daemon);
}

#[test]
fn a_daemon_that_nobody_needs_leaves_and_what_is_active_keeps_it() {
    let home = Home::new();
    hook(&home, &start("s1"));
    let program = home.serve().guest("prints").arg("--exit-when-idle").arg("400ms").start().ready();
    assert_eq!(sessions(&home).len(), 1);
    hook(&home, &end("s1"));
    let ended = program.ended();
    assert_eq!((ended.code(), ended.printed_ends("prints")), (0, vec!["s1".to_owned()]), "{}", ended.stderr());
    assert!(ended.stderr().contains("nobody needs the daemon any more"), "{}", ended.stderr());
    assert!(!home.socket().exists());
}

#[test]
fn an_operator_can_have_it_hand_over_and_nothing_ends() {
    let home = Home::new();
    let serve = || home.serve().guest("prints").arg("--owner-grace").arg("60s").start().ready();
    let program = serve();
    hook(&home, &start("s1"));
    until("the session is active", || sessions(&home).len() == 1);
    assert_eq!(http(&home.socket(), "POST", "/v1/hand-over", "").0, 202);
    let ended = program.ended();
    assert_eq!((ended.code(), ended.printed_ends("prints").len()), (0, 0), "{}", ended.stderr());
    let program = serve();
    assert_eq!(sessions(&home).len(), 1);
    assert_eq!(program.stop().printed_ends("prints"), ["s1"]);
}

#[test]
fn what_is_in_memory_cannot_be_left_to_another_daemon() {
    let home = Home::new();
    let memory = || home.command("serve").arg("--journal").arg("memory");
    let ended = memory().arg("--exit-when-idle").arg("10m").run();
    assert_eq!(ended.code(), 2);
    assert!(ended.stderr().contains("name a file"), "{}", ended.stderr());
    let program = memory().start();
    until("it answers", || UnixStream::connect(home.socket()).is_ok());
    let (status, problem) = http(&home.socket(), "POST", "/v1/hand-over", "");
    assert_eq!((status, &problem["code"]), (409, &"journal_in_memory".into()));
    program.stop();
}

#[test]
fn an_older_daemon_hands_over_to_one_of_the_hooks_version() {
    let home = Home::new();
    fs::create_dir(home.join("lastword")).unwrap();
    fs::set_permissions(home.join("lastword"), fs::Permissions::from_mode(0o700)).unwrap();
    let older = StandIn::of_version(home.socket(), "0.0.1", "200 OK");
    assert!(run(command(&home, &["claude-code"]), &start("s1")).status.success());
    assert!(!older.has_heard("POST /v1/hand-over "), "it was not asked to start a daemon");
    // One that had no answer in time knows of no version.
    until("it was asked", || {
        assert!(run(command(&home, &["claude-code", "--spawn"]), &start("s2")).status.success());
        older.has_heard("POST /v1/hand-over ")
    });
    drop(older);
    let daemon = Spawned::of(&home);
    assert!(daemon.lives());
    let (_, status) = http(&home.socket(), "GET", "/v1/status", "");
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
}
