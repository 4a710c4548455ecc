//! Owners' events as they were captured from real programs, replayed.

use std::path::Path;

use serde_json::Value;

use crate::support::{Ended, Launch, sorted};

const OPENCLAW: &str = "openclaw-2026.9.6-hooks.ndjson";
const CLAUDE_CODE: &str = "claude-code-2.1.197-hooks.ndjson";

fn captured(file: &str) -> String {
    let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data")).join(file);
    std::fs::read_to_string(file).unwrap()
}

/// With the events that it answers, of all that there are.
fn replayed(owner: &str, answers: usize, events: &str) -> Ended {
    Launch::stdio().arg("--from").arg(owner).guest("prints").answering(answers, events)
}

/// What the file says, in its order: session, and what happened to it.
fn said(line: &Value) -> (&str, &str) {
    (line["session"].as_str().unwrap(), line["op"].as_str().or(line["hook"].as_str()).unwrap())
}

/// One session's outcome lines, in their order: hook, generation, reason.
fn history<'a>(ended: &'a Ended, session: &str) -> Vec<(&'a str, u64, Option<&'a str>)> {
    let lines = ended.of("outcome").filter(|line| line["session"] == session);
    lines.map(|l| (l["hook"].as_str().unwrap(), l["generation"].as_u64().unwrap(), l["reason"].as_str())).collect()
}

/// An event that is not ours is named when it first comes, and counted in one summary.
#[track_caller]
fn assert_named_once(ended: &Ended, event: &str, count: u32) {
    let naming: Vec<&String> = ended.log.iter().filter(|line| line.contains(event)).collect();
    let summary = format!("{event} {count}");
    assert_eq!(naming.iter().filter(|line| line.contains(&summary)).count(), 1, "{summary:?}: {naming:?}");
    assert!(naming.len() <= 2, "it is not named each time that it comes: {naming:?}");
}

const SESSIONS: [&str; 3] = [
    "30978718-9dbb-47ca-81cf-00f4c4329df8",
    "3e484d51-7a3b-4fd1-b161-e0be21fd54d9",
    "75845192-d6bf-4520-8ef7-049f02928999",
];

#[test]
fn openclaws_three_resets_and_its_shutdown_are_six_ends() {
    let ended = replayed("openclaw", 9, &captured(OPENCLAW));
    assert_eq!(ended.code(), 0);
    assert_eq!(ended.of("error").count(), 0);

    // The gateway had resumed each session and never said that it started, so the first end is a generation of its own.
    for session in SESSIONS {
        assert_eq!(
            history(&ended, session),
            [("session-end", 1, Some("new")), ("session-start", 2, None), ("session-end", 2, Some("shutdown")),]
        );
    }
    assert!(ended.of("outcome").all(|line| line["outcome"] == "delivered" && line["attempt"] == 1));
    assert_eq!(ended.of("outcome").count(), 9);

    // As the guest itself counts them.
    for session in SESSIONS {
        let printed = ended.printed("prints").into_iter().filter(|text| text.contains(session));
        let expected =
            ["session-end", "session-start", "session-end"].map(|hook| format!("{hook} {session} attempt=1"));
        assert_eq!(printed.collect::<Vec<_>>(), expected);
    }
    assert_eq!(ended.printed("prints").len(), 9);
    assert_eq!(ended.drained("sessions"), 0, "the owner had ended every one");
}

#[test]
fn openclaws_events_are_accepted_in_the_order_of_the_file() {
    let ended = replayed("openclaw", 9, &captured(OPENCLAW));
    let [a, b, c] = SESSIONS;
    let accepted: Vec<_> = ended.of("accepted").map(said).collect();
    assert_eq!(
        accepted,
        [
            (a, "end"),
            (a, "start"),
            (b, "end"),
            (b, "start"),
            (c, "end"),
            (c, "start"),
            (a, "end"),
            (b, "end"),
            (c, "end")
        ]
    );
    let lines: Vec<u64> = ended.of("accepted").map(|line| line["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [3, 4, 7, 8, 11, 12, 15, 16, 17], "each names its line in the file");
}

#[test]
fn openclaws_other_events_are_named_once_with_their_number() {
    let ended = replayed("openclaw", 9, &captured(OPENCLAW));
    for (event, count) in [("gateway_start", 1), ("before_reset", 3), ("subagent_ended", 3), ("gateway_stop", 1)] {
        assert_named_once(&ended, event, count);
    }
}

#[test]
fn claude_codes_two_runs_are_two_starts_and_two_ends() {
    let ended = replayed("claude-code", 4, &captured(CLAUDE_CODE));
    assert_eq!(ended.code(), 0);
    assert_eq!(ended.of("error").count(), 0);
    let sessions = ["27e24bc2-a54c-4322-9a82-daafc4709815", "c225406f-5215-4c71-b316-ded84ed36de6"];
    for session in sessions {
        assert_eq!(history(&ended, session), [("session-start", 1, None), ("session-end", 1, Some("other"))]);
    }
    let expected =
        sessions.iter().flat_map(|s| [format!("session-end {s} attempt=1"), format!("session-start {s} attempt=1")]);
    assert_eq!(sorted(ended.printed("prints")), sorted(expected));
    assert_named_once(&ended, "Stop", 1);
    assert_eq!(ended.drained("sessions"), 0);
}

#[test]
fn an_owner_that_dies_in_the_middle_leaves_no_session_without_its_end() {
    let whole = captured(OPENCLAW);
    // Up to the last reset: three sessions are open, and the gateway never says its last words.
    let cut: Vec<&str> = whole.lines().take(13).collect();
    let ended = replayed("openclaw", 6, &cut.join("\n"));
    assert_eq!(ended.code(), 0);
    for session in SESSIONS {
        assert_eq!(history(&ended, session).last().unwrap(), &("session-end", 2, Some("crashed")));
    }
    assert_eq!(ended.drained("sessions"), 3);
    assert_eq!(ended.printed_ends("prints").len(), 6);
}

#[test]
fn what_is_not_a_payload_of_the_owner_is_an_error_and_the_run_goes_on() {
    let lines = [
        r#"{"hook":"session_end","event":{"reason":"new"},"ctx":{}}"#,
        r#"{"op":"start","session":{"id":"s1"}}"#,
        "not json",
        r#"{"t":1,"hook":"session_end","event":{"sessionId":"s1","reason":"idle"},"ctx":{"sessionId":"s1"}}"#,
    ];
    let ended = Launch::stdio().arg("--from").arg("openclaw").guest("prints").input(lines.join("\n")).run();
    let errors: Vec<_> =
        ended.of("error").map(|e| (e["line"].as_u64().unwrap(), e["code"].as_str().unwrap())).collect();
    assert_eq!(errors, [(1, "missing_field"), (2, "missing_field"), (3, "bad_json")]);
    assert_eq!(ended.printed_ends("prints"), ["s1"]);
    assert_eq!(ended.code(), 0);
}
