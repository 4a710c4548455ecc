//! Whatever a hook is given, the agent notices nothing; and nothing is lost.

use super::{assert_silent, end, header, hook, refused, until, waiting};
use crate::support::{Home, Launch};

/// Each kind of bad input, and what is said of it to who asks.
fn table(home: &Home) -> Vec<(&'static str, Launch, &'static str)> {
    let emit = |words: &[&str]| words.iter().fold(home.command("emit"), |launch, word| launch.arg(*word));
    vec![
        ("no owner", emit(&[]), "OWNER"),
        ("an owner that nobody knows", emit(&["claud-code"]), "claud-code"),
        ("an option that nobody knows", emit(&["claude-code", "--sokcet", "x"]), "--sokcet"),
        ("an option without its value", emit(&["claude-code", "--socket"]), "--socket"),
        ("a word too many", emit(&["claude-code", "SessionEnd", "more"]), "more"),
    ]
}

#[test]
fn wrong_arguments_are_silent_and_what_came_with_them_is_kept() {
    let home = Home::new();
    let many = table(&home).len();
    for (what, launch, _) in table(&home) {
        let ended = launch.input(end("s1")).run();
        assert_eq!((ended.code(), ended.stdout(), ended.stderr()), (0, String::new(), String::new()), "{what}");
    }
    let kept = refused(&home);
    assert_eq!(kept.len(), many);
    assert!(kept.iter().all(|file| header(file)["refused"].is_string()));
    assert!(kept.iter().any(|file| header(file)["owner"] == "claud-code"));
}

#[test]
fn strict_says_what_is_wrong_with_the_arguments() {
    let home = Home::new();
    for (what, launch, said) in table(&home) {
        let ended = launch.arg("--strict").input(end("s1")).run();
        assert_eq!((ended.code(), ended.stdout()), (2, String::new()), "{what}");
        assert!(ended.stderr().contains(said), "{what}: {}", ended.stderr());
    }
}

#[test]
fn a_payload_that_no_daemon_takes_is_silent_and_kept_with_the_reason() {
    let home = Home::new();
    let program = home.serve().start().ready();
    let bad = ["nothing of the kind", "[1]", "{\"hook_event_name\":\"SessionEnd\"}"];
    for payload in bad {
        assert_silent(&hook(&home, payload));
    }
    until("all are kept", || refused(&home).len() == bad.len());
    let kept = refused(&home);
    for (file, payload) in kept.iter().zip(bad) {
        assert!(std::fs::read(file).unwrap().ends_with(payload.as_bytes()), "{payload}");
        assert!(header(file)["refused"].as_str().unwrap().contains(": "), "{}", header(file));
    }
    // Without an answer in time nothing is wrong yet.
    until("strict says so", || {
        let strict = home.command("emit").arg("claude-code").arg("--strict").input(bad[0]).run();
        strict.code() == 2 && strict.stderr().contains("bad_json")
    });
    until("nothing waits", || waiting(&home).is_empty());
    assert_eq!(program.stop().code(), 0);
}

#[test]
fn no_payload_and_an_enormous_one_are_silent() {
    let home = Home::new();
    assert_silent(&hook(&home, ""));
    assert_silent(&hook(&home, " \n"));
    assert!(waiting(&home).is_empty() && refused(&home).is_empty());
    let large = format!(r#"{{"hook_event_name":"SessionEnd","session_id":"s1","text":"{}"}}"#, "x".repeat(3 << 20));
    assert_silent(&hook(&home, &large));
    assert_eq!(waiting(&home).len(), 1, "what is read of it is kept");
    let program = home.serve().guest("prints").start().ready();
    program.log("session-end s1");
    assert_eq!(program.stop().printed_ends("prints"), ["s1"]);
}

#[test]
fn strict_says_that_an_event_waits_which_is_no_error() {
    let home = Home::new();
    let ended = home.command("emit").arg("claude-code").arg("--strict").input(end("s1")).run();
    assert_eq!((ended.code(), ended.stdout()), (0, String::new()));
    assert!(ended.stderr().contains("no daemon answers"), "{}", ended.stderr());
}

#[test]
fn its_help_is_that_of_any_command() {
    for launch in [Launch::command("emit").arg("--help"), Launch::command("help").arg("emit")] {
        let ended = launch.run();
        assert_eq!(ended.code(), 0);
        assert!(ended.stdout().contains("claude-code, codex, gemini"), "{}", ended.stdout());
    }
}
