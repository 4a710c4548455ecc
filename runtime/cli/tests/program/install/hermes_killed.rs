//! A Hermes Agent that is killed: only Linux tells a plugin which process it is.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use super::hermes::{hermes, user};
use super::killed::Killed;
use crate::support::{Home, http};

#[test]
fn a_hermes_that_is_killed_has_its_sessions_ended_by_the_daemon() {
    let home = Home::new();
    let program = home.serve().guest("prints").start().ready();
    let user = user(&["--socket", home.socket().to_str().unwrap()]);
    let mut child = hermes(&user, "stay");
    // On a busy machine the daemon may not answer in time: it takes in the spool in which events are kept then.
    child.env("XDG_STATE_HOME", home.path());
    let mut child = Killed(child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "said\n");
    child.0.kill().unwrap();
    program.log("session-end s1");
    let (_, status) = http(&home.socket(), "GET", "/v1/status", "");
    assert_eq!(status["last_hooks"][0]["kind"], "hermes", "{status}");
    program.stop();
}
