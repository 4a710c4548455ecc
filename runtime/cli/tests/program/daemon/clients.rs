//! Clients that are not ours: what the pages print for `curl` and `nc`, typed as it is printed.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::docs::page::{Block, blocks};
use crate::support::{Home, http, in_ci};

/// What `nc -NU` of OpenBSD does, where that is not.
const STANDS_IN: &str = r#"#!/bin/sh
exec python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[2])
s.sendall(sys.stdin.buffer.read())
s.shutdown(socket.SHUT_WR)
while piece := s.recv(4096):
    sys.stdout.buffer.write(piece)' "$@"
"#;

/// Whether a program answers, in whichever way. In CI it has to be there.
fn is_there(program: &str, argument: &str) -> bool {
    let answer = Command::new(program).arg(argument).stdin(Stdio::null()).output();
    assert!(answer.is_ok() || !in_ci(), "there is no {program}");
    if answer.is_err() {
        println!("skipped: there is no {program}");
    }
    answer.is_ok()
}

/// The commands of the page on the API whose first line begins so.
fn commands(begin: &str) -> Vec<String> {
    let is_it = |block: &Block| block.is_commands() && block.lines[0].starts_with(begin);
    let block = blocks("docs/api.md").into_iter().find(is_it);
    block.unwrap_or_else(|| panic!("docs/api.md has no commands that begin with {begin:?}")).lines
}

/// A shell whose runtime directory is the daemon's.
fn shell(home: &Home) -> Command {
    let mut shell = Command::new("sh");
    shell.env("XDG_RUNTIME_DIR", home.path()).current_dir(home.path());
    shell
}

/// The objects of JSON that were printed.
fn lines(stdout: &[u8]) -> Vec<Value> {
    let said = serde_json::Deserializer::from_slice(stdout).into_iter::<Value>();
    let said: Result<Vec<Value>, serde_json::Error> = said.collect();
    said.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(stdout)))
}

#[test]
fn the_pages_script_with_curl_is_a_session_from_its_start_to_its_end() {
    if !is_there("curl", "--version") {
        return;
    }
    let home = Home::new();
    let program = home.serve().guest("prints").start().ready();
    let typed = shell(&home).arg("-euc").arg(commands("S=").join("\n")).output().unwrap();
    assert!(typed.status.success(), "{}", String::from_utf8_lossy(&typed.stderr));
    let said = lines(&typed.stdout);
    assert_eq!(said.len(), 3, "{said:?}");
    assert_eq!((&said[0]["watched_by"], &said[0]["alive"]), (&"process".into(), &true.into()));
    assert_eq!((&said[1]["op"], &said[1]["session"]), (&"start".into(), &"s1".into()));
    assert!(said[1].get("dropped").is_none(), "the owner is believed: {}", said[1]);
    assert_eq!(said[2]["outcomes"][0]["state"], "delivered");
    assert_eq!(program.stop().printed_ends("prints"), ["s1"], "the shell has died since, and that is no second end");
}

#[test]
fn a_shell_that_is_killed_before_the_pages_last_line_has_its_session_ended() {
    if !is_there("curl", "--version") {
        return;
    }
    let home = Home::new();
    // What was given up is listed with its reason.
    let program = home.serve().guest("prints").guest("fatal").start().ready();
    let mut script = commands("S=");
    let last = script.pop().unwrap();
    assert!(last.contains("/end"), "{last}");
    let mut typing = shell(&home).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    // The shell stays, as one at a terminal does: its input has no end.
    writeln!(typing.stdin.as_mut().unwrap(), "{}", script.join("\n")).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let is_active = || http(&home.socket(), "GET", "/v1/sessions", "").1["sessions"][0]["id"] == "s1";
    while !is_active() {
        assert!(Instant::now() < deadline, "the session is started");
    }
    typing.kill().unwrap();
    typing.wait().unwrap();
    program.log("session-end s1");
    let dead = || http(&home.socket(), "GET", "/v1/deliveries?state=dead", "").1["deliveries"][0].clone();
    while dead().is_null() {
        assert!(Instant::now() < deadline, "it is given up");
    }
    assert!(dead()["reason"].as_str().unwrap().starts_with("unknown"), "{}", dead());
    assert_eq!(program.stop().printed_ends("prints"), ["s1"]);
}

/// A pid namespace as a container has it, with a `/proc` of its own.
#[cfg(target_os = "linux")]
const CONTAINER: [&str; 6] = ["--user", "--map-root-user", "--pid", "--kill-child", "--mount-proc", "sh"];

/// Whether this machine lets a user have one. Some forbid it, and nothing of ours is missing then.
#[cfg(target_os = "linux")]
fn has_containers() -> bool {
    let tried = Command::new("unshare").args(CONTAINER).args(["-c", "true"]).output();
    let works = tried.is_ok_and(|tried| tried.status.success());
    if !works {
        println!("skipped: unshare makes no pid namespace here");
    }
    works
}

/// There the shell has the number 1, which is another process's outside.
#[cfg(target_os = "linux")]
#[test]
fn the_pages_script_in_a_container_is_told_to_use_a_lease_and_its_session_is_taken() {
    if !is_there("curl", "--version") || !has_containers() {
        return;
    }
    let home = Home::new();
    let program = home.serve().guest("prints").start().ready();
    let mut script = commands("S=");
    script.pop();
    // The event says of its owner what the owner said of itself.
    let start = script.last().unwrap().replace("?owner=me", "?owner=me&pid=1&start_time='$START'");
    script.push(start.replace("\"s1\"", "\"s2\""));
    let mut contained = Command::new("unshare");
    contained.args(CONTAINER).env("XDG_RUNTIME_DIR", home.path()).current_dir(home.path());
    let typed = contained.arg("-euc").arg(script.join("\n")).output().unwrap();
    assert!(typed.status.success(), "{}", String::from_utf8_lossy(&typed.stderr));
    let said = lines(&typed.stdout);
    assert_eq!((&said[0]["code"], &said[0]["hint"]), (&"not_visible".into(), &"use a lease".into()), "{}", said[0]);
    assert!(said[1]["dropped"][0].as_str().unwrap().starts_with("owner: "), "{}", said[1]);
    let dropped = said[2]["dropped"][0].as_str().unwrap();
    assert!(dropped.contains("not_visible") && dropped.contains("use a lease"), "{dropped}");
    // The container is gone by now, and the process with the number 1 here is no concern of it.
    let leased = http(&home.socket(), "PUT", "/v1/owners/me", r#"{"lease":"1h"}"#);
    assert_eq!((leased.0, &leased.1["watched_by"]), (200, &"lease".into()));
    let active = http(&home.socket(), "GET", "/v1/sessions", "").1;
    assert_eq!(active["sessions"].as_array().unwrap().len(), 2, "{active}");
    assert_eq!(program.stop().printed_ends("prints"), ["s1", "s2"], "at its own end");
}

/// The folder of a program that stands in for `nc`; none where the real one is.
fn stand_in(home: &Home) -> Option<PathBuf> {
    // There are several programs of the name, and only one has these options.
    let help = Command::new("nc").arg("-h").stdin(Stdio::null()).output();
    let is_openbsds = help.is_ok_and(|help| {
        let said = [help.stdout, help.stderr].concat();
        String::from_utf8_lossy(&said).contains("Shutdown the network socket after EOF")
    });
    if is_openbsds {
        return None;
    }
    println!("there is no nc of OpenBSD: python3 stands in for it");
    let folder = home.join("bin");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("nc"), STANDS_IN).unwrap();
    fs::set_permissions(folder.join("nc"), Permissions::from_mode(0o755)).unwrap();
    Some(folder)
}

#[test]
fn the_pages_line_with_nc_is_an_owner_that_is_told_what_came_of_its_session() {
    let home = Home::new();
    let stand_in = stand_in(&home);
    if stand_in.is_some() && !is_there("python3", "--version") {
        return;
    }
    let program = home.serve().guest("prints").start().ready();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(stand_in.into_iter().chain(std::env::split_paths(&path))).unwrap();
    let script = format!("{}\n{}", commands("S=")[0], commands("printf").join("\n"));
    let typed = shell(&home).env("PATH", path).arg("-euc").arg(script).output().unwrap();
    assert!(typed.status.success(), "{}", String::from_utf8_lossy(&typed.stderr));
    let said = lines(&typed.stdout);
    assert_eq!(said[0]["event"], "ready");
    let accepted: Vec<_> = said.iter().filter(|line| line["event"] == "accepted").map(|line| &line["op"]).collect();
    assert_eq!(accepted, ["start", "end"]);
    let is_end = |line: &&Value| line["event"] == "outcome" && line["hook"] == "session-end";
    let end = said.iter().find(is_end).unwrap_or_else(|| panic!("it hears of its end: {said:?}"));
    assert_eq!((&end["session"], &end["outcome"]), (&"s1".into(), &"delivered".into()));
    assert_eq!(program.stop().printed_ends("prints"), ["s1"]);
}
