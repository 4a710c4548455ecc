//! Which session an event is of, when owners' programs tell of it.

use crate::support::{Ended, Home, Launch, end};

/// Session, generation and reason of each end, all of which were delivered, in the order of the generations.
fn ends(ended: &Ended) -> Vec<(&str, u64, &str)> {
    let mut ends = Vec::new();
    for line in ended.outcomes("prints", "session-end") {
        assert_eq!(line["outcome"], "delivered", "{line}");
        let text = |field: &str| line[field].as_str().unwrap();
        ends.push((text("session"), line["generation"].as_u64().unwrap(), text("reason")));
    }
    ends.sort_unstable();
    ends
}

fn told(owner: &str, lines: &[&str]) -> Ended {
    // Who is who does not depend on a disk. On a slow one, what has to wait for it when the input ends is refused.
    let launch = Launch::stdio().arg("--journal").arg("memory").arg("--from").arg(owner).guest("prints");
    let ended = launch.input(lines.join("\n")).run();
    assert_eq!((ended.code(), ended.of("error").count()), (0, 0));
    ended
}

fn claude(event: &str, more: &str) -> String {
    format!(r#"{{"hook_event_name":"{event}","session_id":"s1","cwd":"/w"{more}}}"#)
}

/// A view is closed, and the conversation goes on: with a compaction, with nothing but a prompt, and with a restart between.
#[test]
fn a_conversation_that_goes_on_after_its_end_ends_again() {
    let start = claude("SessionStart", r#","source":"startup""#);
    let early = claude("SessionEnd", r#","reason":"other""#);
    let prompt = claude("UserPromptSubmit", r#","prompt":"still here""#);
    let compaction = [claude("PreCompact", r#","trigger":"auto""#), claude("PostCompact", r#","trigger":"auto""#)];
    let last = claude("SessionEnd", r#","reason":"prompt_input_exit""#);
    let both = [("s1", 1, "other"), ("s1", 2, "user-exit")];
    let with_compaction = [&start, &early, &compaction[0], &compaction[1], &last].map(String::as_str);
    assert_eq!(ends(&told("claude-code", &with_compaction)), both);
    let with_a_prompt = [&start, &early, &prompt, &last].map(String::as_str);
    assert_eq!(ends(&told("claude-code", &with_a_prompt)), both);

    let home = Home::new();
    let journal = home.path().join("journal.db");
    let launch = |lines: &[&String]| {
        let lines: Vec<&str> = lines.iter().map(|line| line.as_str()).collect();
        let launch = home.stdio().arg("--journal").arg(&journal).arg("--from").arg("claude-code");
        launch.guest("prints").input(lines.join("\n")).run()
    };
    assert_eq!(ends(&launch(&[&start, &early, &prompt])), both[..1]);
    assert_eq!(ends(&launch(&[&last])), both[1..]);
    // With nothing between, that is the same end once more.
    let again = launch(&[&last]);
    assert_eq!(ends(&again), []);
    assert_eq!(again.of("accepted").next().unwrap()["code"], "duplicate_end");
}

#[test]
fn an_end_that_is_told_again_and_knows_more_is_logged() {
    let more = r#"{"op":"end","session":{"id":"s1"},"reason":"user-exit","message_count":42,"summary":"the real one"}"#;
    let lines = [r#"{"op":"start","session":{"id":"s1"}}"#.to_owned(), end("s1", "idle"), more.to_owned()];
    let ended = told("lastword", &lines.each_ref().map(String::as_str));
    assert_eq!(ends(&ended), [("s1", 1, "idle")]);
    let logged = |text: &str| ended.log.iter().filter(|line| line.contains(text)).count();
    assert_eq!(logged("message_count, attributes"), 1, "{:?}", ended.log);
    assert_eq!(logged("not delivered again: 1; 1 of them said more"), 1, "{:?}", ended.log);
}

#[test]
fn two_agents_of_a_gateway_with_one_session_id_both_end() {
    let line = |hook: &str, agent: &str, more: &str| {
        let session = format!(r#""sessionId":"main","sessionKey":"agent:{agent}:main""#);
        format!(
            r#"{{"t":1795240420000,"hook":"{hook}","event":{{{session}{more}}},"ctx":{{{session},"agentId":"{agent}"}}}}"#
        )
    };
    let lines = [
        line("session_start", "a", ""),
        line("session_start", "b", ""),
        line("session_end", "a", r#","reason":"new""#),
        line("session_end", "b", r#","reason":"idle""#),
    ];
    let ended = told("openclaw", &lines.each_ref().map(String::as_str));
    assert_eq!(ends(&ended), [("main", 1, "new"), ("main", 2, "idle")]);
    assert!(ended.of("accepted").all(|line| line.get("code").is_none()), "{:?}", ended.lines);
    // The context of a compaction says no key.
    let lines = [
        &lines[0],
        &lines[1],
        r#"{"hook":"before_compaction","event":{},"ctx":{"sessionId":"main"}}"#,
        &lines[2],
        &lines[3],
    ];
    let ended = told("openclaw", &lines);
    let compaction = ended.of("accepted").find(|line| line["op"] == "compaction").unwrap();
    let dropped = compaction["dropped"][0].as_str().unwrap();
    assert!(dropped.starts_with("session.key:") && dropped.ends_with("\"agent:b:main\""), "{dropped}");
    assert_eq!(ends(&ended), [("main", 1, "new"), ("main", 2, "idle")]);
}
