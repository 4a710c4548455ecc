//! An opencode that is killed: only Linux tells a plugin which process it is.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::thread;
use std::time::Instant;

use super::killed::Killed;
use super::opencode::{PATIENCE, has_node, opencode, user};
use crate::support::{Home, http};

#[test]
fn an_opencode_that_is_killed_has_its_sessions_ended_by_the_daemon() {
    if !has_node() {
        return;
    }
    let home = Home::new();
    let program = home.serve().guest("prints").start().ready();
    let user = user(&home.socket(), &[]);
    let mut child = Killed(opencode(&user, "stay", &home.socket()).stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "said\n");
    // What was said last may be under way still.
    let deadline = Instant::now() + PATIENCE;
    let session = loop {
        let (_, list) = http(&home.socket(), "GET", "/v1/sessions", "");
        if list["sessions"][0]["turn_open"] == true {
            break list["sessions"][0].clone();
        }
        assert!(Instant::now() < deadline, "{list}");
        thread::yield_now();
    };
    assert_eq!((&session["id"], &session["owner_kind"]), (&"s1".into(), &"opencode".into()), "{session}");
    assert_eq!(session["owner"]["process"]["pid"], child.0.id(), "{session}");
    let (_, status) = http(&home.socket(), "GET", "/v1/status", "");
    assert_eq!(status["last_hooks"][0]["kind"], "opencode", "{status}");
    child.0.kill().unwrap();
    program.log("session-end s1");
    program.stop();
}
