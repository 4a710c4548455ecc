//! The plugin of opencode, called by a stand-in for opencode under Node.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::user::User;

/// Calls the plugin as opencode does.
const OPENCODE: &str = include_str!("opencode.mjs");

/// No wait is longer.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

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

/// What a scenario prints at its end.
#[track_caller]
fn said(user: &User, scenario: &str, socket: &Path) -> Value {
    let output = opencode(user, scenario, socket).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// A user whose plugin keeps events with a program that writes down in `kept` how it was called and what it was given,
/// a line each. No daemon is left behind by it.
fn user_with_recorder(bin: &User, socket: &Path, kept: &Path) -> User {
    let script = format!("#!/bin/sh\n{{ printf '%s ' \"$@\"; cat; echo; }} >> '{}'\n", kept.display());
    let program = bin.program("lastword", &script);
    let user = user(socket, &["--command", program.to_str().unwrap()]);
    // On a busy machine an answer may take longer than the plugin waits.
    let plugin = ".config/opencode/plugins/lastword.js";
    let patient = user.read(plugin).replace("ANSWER_WAIT = 2000", "ANSWER_WAIT = 60000");
    assert!(patient.contains("60000"));
    user.write(plugin, patient);
    user
}

/// The lines of `kept`, once there are so many. opencode may leave before the last child has: that one goes on by
/// itself.
#[track_caller]
fn lines(kept: &Path, count: usize) -> Vec<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = fs::read_to_string(kept).unwrap_or_default();
        // A line that is being written has no end yet.
        if text.matches('\n').count() >= count {
            return text.lines().map(str::to_owned).collect();
        }
        assert!(Instant::now() < deadline, "{text}");
        thread::yield_now();
    }
}

#[test]
fn the_plugin_tells_of_sessions_turns_and_compactions_and_holds_nothing_up() {
    if !has_node() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s.sock");
    let bin = User::new();
    let user = user_with_recorder(&bin, &socket, &folder.path().join("kept"));
    let said = said(&user, "slow", &socket);
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
    let (socket, kept) = (folder.path().join("no.sock"), folder.path().join("kept"));
    let bin = User::new();
    let user = user_with_recorder(&bin, &socket, &kept);
    let said = said(&user, "away", &socket);
    let lines = lines(&kept, 2);
    for (event, line) in ["session.created", "session.idle"].into_iter().zip(&lines) {
        let words = format!("emit opencode {event} --spawn --socket {} --op-id ", socket.display());
        assert!(line.starts_with(&words) && line.contains(" {\"sessionID\":\"s1\""), "{line}");
        if cfg!(target_os = "linux") {
            assert!(line.contains(&format!(" --process {},", said["pid"])), "{line}");
        }
    }
}

#[test]
fn what_the_daemon_has_taken_without_an_answer_is_kept_under_the_same_name() {
    if !has_node() || !cfg!(target_os = "linux") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (socket, kept) = (folder.path().join("s.sock"), folder.path().join("kept"));
    let bin = User::new();
    let user = user_with_recorder(&bin, &socket, &kept);
    let said = said(&user, "lost", &socket);
    let key = said["arrived"][0]["key"].as_str().unwrap();
    let lines = lines(&kept, 1);
    assert!(lines[0].contains(&format!(" --op-id {key} ")), "{lines:?}: {said}");
}

#[test]
fn when_too_much_waits_turns_are_dropped_and_no_session() {
    if !has_node() || !cfg!(target_os = "linux") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s.sock");
    let bin = User::new();
    let user = user_with_recorder(&bin, &socket, &folder.path().join("kept"));
    let said = said(&user, "full", &socket);
    let arrived = said["arrived"].as_array().unwrap();
    let of = |request: &Value| (request["path"].as_str().unwrap().to_owned(), request["body"]["sessionID"].clone());
    let begun = arrived.iter().map(of).filter(|(path, _)| path.ends_with("/session.created"));
    assert_eq!(begun.map(|(_, id)| id).collect::<Vec<_>>(), ["s1", "s2"]);
    assert_eq!(arrived.len(), 257, "what was under way, and what may wait");
    assert_eq!(of(&arrived[256]), ("/v1/hooks/opencode/session.deleted".to_owned(), "s2".into()));
}
