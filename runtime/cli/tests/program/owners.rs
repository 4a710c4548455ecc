//! Owners in their own words: what a person sees who wires one up, and who names the wrong one.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Ended, Home, Launch};

fn data(file: &str) -> String {
    fs::read_to_string(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data")).join(file)).unwrap()
}

/// The input ends with its last line, and with it a drain begins: a start that still waits for a slow disk would be refused. So the
/// journal is in memory.
fn fed(owner: &str, input: impl AsRef<[u8]>) -> Ended {
    Launch::stdio().arg("--from").arg(owner).arg("--journal").arg("memory").guest("prints").input(input).run()
}

/// What its log says of others' words.
fn told(ended: &Ended) -> Vec<&str> {
    ended.log.iter().map(String::as_str).filter(|line| line.contains("this looks like")).collect()
}

fn ends(ended: &Ended) -> Vec<(&str, &str)> {
    let of = ended.of("outcome").filter(|line| line["hook"] == "session-end");
    of.map(|line| (line["session"].as_str().unwrap(), line["reason"].as_str().unwrap())).collect()
}

#[test]
fn each_owners_captured_payloads_are_taken_without_an_error() {
    let captured = [
        ("claude-code", "claude-code-2.1.332-payloads.ndjson"),
        ("codex", "codex-0.171.0-payloads.ndjson"),
        ("gemini", "gemini-0.61.0-payloads.ndjson"),
        ("qwen", "qwen-0.24.4-payloads.ndjson"),
        ("copilot", "copilot-1.0.102-payloads.ndjson"),
        ("cursor", "cursor-3.13-documented.ndjson"),
        ("goose", "goose-1.38-documented.ndjson"),
        ("cline", "cline-3.0.65-payloads.ndjson"),
        ("cline", "cline-extension-documented.ndjson"),
        ("opencode", "opencode-1.18.33-payloads.ndjson"),
        ("hermes", "hermes-0.19.0-payloads.ndjson"),
    ];
    for (owner, file) in captured {
        let ended = fed(owner, data(file));
        assert_eq!(ended.code(), 0, "{file}");
        assert_eq!(ended.of("error").count(), 0, "{file}: {:?}", ended.lines);
        assert!(ended.of("accepted").count() >= 2, "{file}: {:?}", ended.lines);
        assert_eq!(told(&ended), Vec::<&str>::new(), "{file}");
    }
}

#[test]
fn a_sub_agents_end_is_not_its_parents() {
    let ended = fed("claude-code", data("claude-code-sub-agents.ndjson"));
    assert_eq!(ended.of("error").count(), 0);
    assert_eq!(ends(&ended), [("s1", "user-exit")]);
    let accepted: Vec<u64> = ended.of("accepted").map(|line| line["line"].as_u64().unwrap()).collect();
    assert_eq!(accepted, [1, 5], "what is said of its sub-agents has no answer");
    assert!(ended.stderr().contains("SessionEnd of a sub-agent 1"), "{}", ended.stderr());
}

#[test]
fn an_event_of_an_owner_that_is_not_named_is_told_once_and_is_nobodys_error() {
    let mut input = data("claude-code-2.1.332-payloads.ndjson");
    for _ in 0..3 {
        input.push_str(&data("cursor-3.13-documented.ndjson"));
    }
    let ended = fed("claude-code", input);
    assert_eq!((ended.code(), ended.of("error").count()), (0, 0));
    let told = told(&ended);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("this looks like Cursor's sessionStart; --from cursor reads it"), "{told:?}");
    assert!(ended.stderr().contains("--from does not name: Cursor 18"), "{}", ended.stderr());
    assert!(ends(&ended).iter().all(|(session, _)| *session != "c-1"));
}

#[test]
fn an_owners_event_among_our_own_words_is_an_error_that_says_what_to_do_and_told_once() {
    let mut input = String::from("{\"op\":\"start\",\"session\":{\"id\":\"s1\"}}\n");
    input.push_str(&data("claude-code-2.1.332-payloads.ndjson"));
    let ended = Launch::stdio().guest("prints").input(input).run();
    assert_eq!(ended.code(), 0);
    let errors: Vec<&Value> = ended.of("error").collect();
    assert_eq!(errors.len(), 11);
    assert_eq!((&errors[2]["field"], &errors[2]["code"]), (&"op".into(), &"missing_field".into()));
    let hint = "this looks like Claude Code's SessionEnd; --from claude-code reads it";
    assert_eq!(errors[2]["message"], format!("op is missing: {hint}"));
    assert_eq!(told(&ended).len(), 1);
    assert_eq!(ended.printed_ends("prints"), ["s1"]);
}

#[test]
fn what_is_asked_for_is_kept_and_nothing_else_reaches_the_journal() {
    let journal = |keep: &str| {
        let home = Home::new();
        let launch = home.stdio().arg("--from").arg("copilot").arg("--journal").arg("j.db");
        // The plugin does not take a start, so all that it is to be told stays in the journal.
        let ended = launch.config(keep).guest("start-fails").input(data("copilot-1.0.102-payloads.ndjson")).run();
        assert_eq!(ended.of("error").count(), 0);
        let files = ["j.db", "j.db-wal"].map(|name| fs::read(home.path().join(name)).unwrap_or_default());
        String::from_utf8_lossy(&files.concat()).into_owned()
    };
    let by_default = journal("");
    assert!(by_default.contains("27177385-c24b-4b27-9858-784b4a5d536b") && !by_default.contains("reply ok"));
    assert!(journal("[owner]\nkeep = [\"initialPrompt\"]\n").contains("reply ok"));
}

#[test]
fn a_field_that_nobody_has_is_a_mistake_in_the_configuration() {
    let launch = |keep: &str| {
        let keep = format!("[owner]\nkeep = [\"{keep}\"]\n");
        Launch::stdio().arg("--from").arg("copilot").config(&keep).input("").run()
    };
    let ended = launch("initialPromt");
    assert_eq!(ended.code(), 2);
    let said = ended.stderr();
    assert!(said.contains("lastword.toml:2:9: keep: \"initialPromt\" is no field that Copilot's payloads"), "{said}");
    assert!(said.contains("did you mean \"initialPrompt\"?"), "{said}");
}

/// The first block in that language of the page, which begins like this.
fn block(language: &str, first: &str) -> String {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/owners.md")).unwrap();
    let fence = format!("```{language}\n");
    let mut blocks = page.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.find(|block| block.starts_with(first)).unwrap().to_owned()
}

#[test]
fn the_hook_of_the_page_about_owners_hands_on_what_it_gets() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("lastword-hook");
    fs::write(&script, block("sh", "#!/bin/sh")).unwrap();
    let events = dir.path().join("events.ndjson");
    let hook = |event: Option<&str>, payload: &str| {
        let mut command = Command::new("sh");
        command.arg(&script).args(event).env("LASTWORD_EVENTS", &events).stdin(Stdio::piped());
        let mut hook = command.spawn().unwrap();
        // As owners write it: with or without a line's end, and with what a shell must not touch.
        hook.stdin.take().unwrap().write_all(payload.as_bytes()).unwrap();
        assert!(hook.wait().unwrap().success());
    };
    hook(None, r#"{"sessionId":"a","timestamp":1,"cwd":"/w \\ $HOME `x` %s","source":"new"}"#);
    hook(Some("sessionEnd"), "{\"sessionId\":\"a\",\"timestamp\":2,\"cwd\":\"/w\",\"reason\":\"user_exit\"}\n");
    let ended = fed("copilot", fs::read(&events).unwrap());
    assert_eq!(ended.of("error").count(), 0, "{:?}", ended.lines);
    assert_eq!(ends(&ended), [("a", "user-exit")]);
}
