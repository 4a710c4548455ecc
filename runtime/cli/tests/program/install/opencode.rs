//! The plugin of opencode, called by a stand-in for opencode under Node.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::user::User;

/// Calls the plugin as opencode does.
const OPENCODE: &str = include_str!("opencode.mjs");

pub(super) fn has_node() -> bool {
    let version = Command::new("node").arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    version
        .trim_start_matches('v')
        .split('.')
        .next()
        .and_then(|major| major.parse().ok())
        .is_some_and(|major: u32| major >= 20)
}

/// A user with the plugin.
pub(super) fn user(socket: &Path, words: &[&str]) -> User {
    let user = User::new();
    let install = ["install", "opencode", "--socket", socket.to_str().unwrap()];
    user.does(&[&install[..], words].concat());
    // Node reads a file as a module where this says so; opencode does in any case.
    user.write(".config/opencode/plugins/package.json", "{\"type\": \"module\"}");
    user.write("opencode.mjs", OPENCODE);
    user
}

pub(super) fn opencode(user: &User, scenario: &str, socket: &Path) -> Command {
    // Where Node is only the tests' own path says.
    let mut command = user.command("node");
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.arg(user.path("opencode.mjs")).arg(user.path(".config/opencode/plugins/lastword.js"));
    command.arg(scenario).arg(socket);
    command
}

#[test]
fn the_plugin_tells_of_sessions_turns_and_compactions_and_holds_nothing_up() {
    if !has_node() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s.sock");
    let user = user(&socket, &[]);
    let output = opencode(&user, "slow", &socket).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let said: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    assert_eq!(said["before"], 0, "no hook has waited for the daemon");
    let arrived = said["arrived"].as_array().unwrap();
    let events: Vec<(&str, &str)> = arrived
        .iter()
        .map(|request| {
            let event = request["path"].as_str().unwrap().strip_prefix("/v1/hooks/opencode/").unwrap();
            (event, request["body"]["sessionID"].as_str().unwrap())
        })
        .collect();
    let expected = [
        ("session.created", "s1"),
        ("chat.message", "s1"),
        ("experimental.session.compacting", "s1"),
        ("session.compacted", "s1"),
        ("session.idle", "s1"),
        ("session.created", "s2"),
        ("session.deleted", "s2"),
    ];
    assert_eq!(events, expected, "a sub-agent's session is none, and a plugin that is loaded again ends none");
    for request in arrived {
        assert!(!request.to_string().contains("secret"), "{request}");
        assert!(request["key"].as_str().is_some_and(|key| key.len() > 8), "{request}");
        if cfg!(target_os = "linux") {
            assert_eq!(request["query"]["pid"], said["pid"].to_string());
        }
    }
}

#[test]
fn without_a_daemon_a_child_keeps_what_is_said() {
    if !has_node() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("no.sock");
    let kept = folder.path().join("kept");
    let bin = User::new();
    let script = format!("#!/bin/sh\n{{ printf '%s ' \"$@\"; cat; echo; }} >> '{}'\n", kept.display());
    let program = bin.program("lastword", &script);
    let user = user(&socket, &["--command", program.to_str().unwrap()]);
    let output = opencode(&user, "away", &socket).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let lines = || std::fs::read_to_string(&kept).unwrap_or_default();
    // opencode may leave before the last child has: that one goes on by itself.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while lines().lines().count() < 2 {
        assert!(std::time::Instant::now() < deadline, "{}", lines());
        std::thread::yield_now();
    }
    let lines = lines();
    let mut lines = lines.lines();
    for event in ["session.created", "session.idle"] {
        let line = lines.next().unwrap();
        let words = format!("emit opencode {event} --spawn --socket {} {{\"sessionID\":\"s1\"", socket.display());
        assert!(line.starts_with(&words), "{line}");
    }
}
