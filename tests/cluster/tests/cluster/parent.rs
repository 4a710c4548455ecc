//! What a test starts does not outlive it.

use std::io::Read;
use std::process::{Command, Stdio};

use crate::support::WITH_ITS_PARENT;

/// Starts a program that would run for ever, and says so.
const SCRIPT: &str = "\"$0\" $$ sh -c 'echo runs; exec sleep 100000' & wait";

#[test]
fn a_server_is_killed_when_its_test_is() {
    let mut parent = Command::new("sh");
    let mut parent = parent.args(["-c", SCRIPT, WITH_ITS_PARENT]).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = parent.stdout.take().unwrap();
    let mut first = [0; 4];
    said.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"runs");
    parent.kill().unwrap();
    parent.wait().unwrap();
    // The end comes when nobody has the pipe any more.
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "\n");
}

#[test]
fn a_server_whose_test_is_gone_before_it_begins_is_not_started() {
    let nobody = "1";
    let output = Command::new(WITH_ITS_PARENT).args([nobody, "echo", "started"]).output().unwrap();
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
}
