//! The plugin of Hermes Agent, called by a stand-in for Hermes under Python.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::user::User;

/// Calls the plugin as Hermes does.
const HERMES: &str = include_str!("hermes.py");
const PLUGIN: &str = ".hermes/plugins/lastword";

/// A user with the plugin.
pub(super) fn user(words: &[&str]) -> User {
    let user = User::new();
    user.does(&[&["install", "hermes"], words].concat());
    user.write("hermes.py", HERMES);
    user
}

pub(super) fn hermes(user: &User, scenario: &str) -> Command {
    // Where Python is only the tests' own path says.
    let mut command = user.command("python3");
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.arg(user.path("hermes.py")).arg(user.path(PLUGIN)).arg(scenario);
    command
}

/// How the plugin has called `lastword` in a scenario: its words, and what it was given.
#[track_caller]
fn said(scenario: &str) -> Vec<(String, Value)> {
    let bin = User::new();
    let kept = bin.path("kept");
    let script = format!("#!/bin/sh\n{{ printf '%s ' \"$@\"; cat; echo; }} >> '{}'\n", kept.display());
    let program = bin.program("lastword", &script);
    let user = user(&["--socket", "/run/s.sock", "--command", program.to_str().unwrap()]);
    // On a busy machine a child may take longer than the plugin waits, and another one overtake it.
    let plugin = format!("{PLUGIN}/__init__.py");
    let patient = user.read(&plugin).replace("WAIT = 0.7", "WAIT = 60.0");
    assert!(patient.contains("60.0"));
    user.write(&plugin, patient);
    let output = hermes(&user, scenario).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = fs::read_to_string(kept).unwrap();
    assert!(!text.contains("secret"), "{text}");
    let line = |line: &str| {
        let (words, payload) = line.split_at(line.find('{').unwrap());
        (words.trim_end().to_owned(), serde_json::from_str(payload).unwrap())
    };
    text.lines().map(line).collect()
}

/// The event, the session, and what is said of how or why, of each call.
fn events(said: &[(String, Value)]) -> Vec<String> {
    let text = |value: &Value| value.as_str().map(|text| format!(" {text}")).unwrap_or_default();
    let event = |(_, payload): &(String, Value)| {
        let extra = &payload["extra"];
        let (event, session) = (payload["hook_event_name"].as_str().unwrap(), text(&payload["session_id"]));
        format!("{event}{session}{}{}", text(&extra["source"]), text(&extra["reason"]))
    };
    said.iter().map(event).collect()
}

#[test]
fn the_plugin_tells_of_sessions_and_turns_and_of_nothing_that_was_said_in_them() {
    let said = said("sessions");
    assert_eq!(
        events(&said),
        [
            "on_session_start s1",
            "pre_llm_call s1",
            "on_session_end s1",
            "on_session_finalize s1 session_boundary",
            "on_session_reset s2 new_session",
            "pre_llm_call s2",
            "on_session_end s2",
            "on_session_finalize s2 shutdown",
        ],
        "a sub-agent's session is none, each session begins once, and nothing comes after its end"
    );
    let (words, payload) = &said[0];
    assert!(words.starts_with("emit hermes --spawn --socket /run/s.sock"), "{words}");
    assert_eq!(words.contains(" --process "), cfg!(target_os = "linux"), "{words}");
    assert_eq!(payload["extra"], serde_json::json!({"platform": "cli", "model": "m"}));
    assert!(payload["cwd"].as_str().is_some_and(|folder| Path::new(folder).is_absolute()), "{payload}");
}

#[test]
fn a_session_that_is_resumed_begins_and_one_that_is_compacted_into_another_ends() {
    assert_eq!(
        events(&said("resumed")),
        [
            "on_session_start s1 resume",
            "pre_llm_call s1",
            "on_session_finalize s1 compression",
            "on_session_start s2 compression",
            "on_session_end s2",
            "pre_llm_call s2",
            "on_session_end s2",
            "on_session_finalize s2 compression",
            "on_session_start s3 compression",
            "pre_llm_call s3",
            "on_session_end s3",
        ]
    );
}

#[test]
fn a_session_that_was_quiet_is_said_to_begin_again_as_the_daemon_may_have_ended_it() {
    let turn = ["pre_llm_call s1", "on_session_end s1"];
    let expected = [&["on_session_start s1"][..], &turn, &turn, &["on_session_start s1 resume"], &turn].concat();
    assert_eq!(events(&said("quiet")), expected);
}

#[test]
fn a_gateways_jobs_end_with_their_turn_and_sessions_of_the_process_before_it_do_not_end_twice() {
    assert_eq!(
        events(&said("gateway")),
        [
            "on_session_start job",
            "pre_llm_call job",
            "on_session_end job completed",
            "on_session_start s1",
            "pre_llm_call s1",
            "on_session_end s1",
            "on_session_finalize s1 new_session",
        ]
    );
}

#[test]
fn hermes_goes_on_when_the_program_is_gone_and_what_python_has_made_of_the_plugin_goes_with_it() {
    let user = user(&["--command", "/no/such/lastword"]);
    let output = hermes(&user, "sessions").output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert!(user.path(PLUGIN).join("__pycache__").is_dir());
    user.does(&["uninstall", "hermes"]);
    assert!(!user.path(PLUGIN).exists());
    assert!(!user.path(".hermes").exists(), "it was made for the plugin alone");
    for kept in [".hermes/config.yaml", ".hermes/plugins/other/plugin.yaml"] {
        user.write(kept, "");
        user.does(&["install", "hermes"]);
        user.does(&["uninstall", "hermes"]);
        assert!(user.path(kept).exists() && !user.path(PLUGIN).exists(), "{kept}");
    }
}

#[test]
fn a_long_text_is_cut_and_what_hermes_says_of_another_kind_is_nothing_to_it() {
    let said = said("hostile");
    assert_eq!(events(&said), ["on_session_start s1", "pre_llm_call s1", "on_session_end s1"]);
    assert_eq!(said[1].1["extra"]["model"], "m".repeat(1024));
    assert_eq!(said[2].1["extra"]["model"], Value::Null);
}

#[test]
fn a_program_that_takes_nothing_and_never_ends_holds_up_no_hook() {
    let bin = User::new();
    let pids = bin.path("pids");
    let script = format!("#!/bin/sh\necho $$ >> '{}'\nexec sleep 1000\n", pids.display());
    let program = bin.program("lastword", &script);
    let user = user(&["--command", program.to_str().unwrap()]);
    // More than a pipe holds, so that the program would have to take it.
    let plugin = format!("{PLUGIN}/__init__.py");
    let long = user.read(&plugin).replace("MAX_TEXT = 1024", "MAX_TEXT = 1 << 20");
    assert!(long.contains("1 << 20"));
    user.write(&plugin, long);
    let runs = |scenario: &str| {
        let output = hermes(&user, scenario).output().unwrap();
        assert!(output.status.success() && output.stdout == b"done\n", "{output:?}");
    };
    runs("long_name");
    // That one is gone already. Those that have taken all go on by themselves.
    fs::write(&pids, "").unwrap();
    runs("resumed");
    for pid in fs::read_to_string(pids).unwrap().lines() {
        Command::new("kill").args(["-KILL", pid]).output().unwrap();
    }
}
