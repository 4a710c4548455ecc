//! The content of each owner's captured payloads.

mod kept;
mod odd;
mod recognised;

use lastword_events::{Event, Session};
use serde_json::Value;

use super::format::Shape;
use super::{InputFormat, InputSettings, format_of};
use crate::input::{Input, OwnerEvent};

macro_rules! corpus {
    ($input_format:ident, $file:literal) => {
        (InputFormat::$input_format, include_str!(concat!("../../../../tests/data/", $file)))
    };
}

/// Every payload that owners were seen to send, or document.
const CORPORA: [(InputFormat, &str); 13] = [
    corpus!(Openclaw, "openclaw-2026.9.6-hooks.ndjson"),
    corpus!(ClaudeCode, "claude-code-2.1.197-hooks.ndjson"),
    corpus!(ClaudeCode, "claude-code-2.1.332-payloads.ndjson"),
    corpus!(Codex, "codex-0.171.0-payloads.ndjson"),
    corpus!(Gemini, "gemini-0.61.0-payloads.ndjson"),
    corpus!(Qwen, "qwen-0.24.4-payloads.ndjson"),
    corpus!(Copilot, "copilot-1.0.102-payloads.ndjson"),
    corpus!(Cursor, "cursor-3.13-documented.ndjson"),
    corpus!(Goose, "goose-1.38-documented.ndjson"),
    corpus!(Cline, "cline-3.0.65-payloads.ndjson"),
    corpus!(Cline, "cline-extension-documented.ndjson"),
    corpus!(Opencode, "opencode-1.18.33-payloads.ndjson"),
    corpus!(Hermes, "hermes-0.19.0-payloads.ndjson"),
];

fn corpus(input_format: InputFormat, nth: usize) -> Vec<&'static str> {
    let of_it = CORPORA.iter().filter(|(from, _)| *from == input_format);
    of_it.map(|(_, text)| text.lines().collect()).nth(nth).unwrap()
}

fn read(input_format: InputFormat, line: &str) -> Input {
    InputSettings::from(input_format)
        .read(line.as_bytes())
        .unwrap_or_else(|bad| panic!("{}: {bad:?}: {line}", input_format.as_str()))
}

fn event(input_format: InputFormat, line: &str) -> (Session, Event) {
    match read(input_format, line) {
        Input::Event(event) => (event.session, event.event),
        other => panic!("{other:?}: {line}"),
    }
}

/// Returns one word or two for each line.
fn said(input_format: InputFormat, lines: &[&str]) -> Vec<String> {
    let say = |line: &&str| match read(input_format, line) {
        Input::Event(event) => match event.event {
            Event::Start(start) => format!("start {}", start.source.as_deref().unwrap_or("-")),
            Event::End(end) => format!("end {}", end.reason),
            Event::Compaction(compaction) => format!("compaction {}", compaction.phase.as_str()),
        },
        Input::Unrelated { name, session: Some(_) } => format!("({name})"),
        Input::Unrelated { name, session: None } => format!("({name}, of nobody)"),
        other => panic!("{other:?}"),
    };
    lines.iter().map(say).collect()
}

#[test]
fn claude_codes_payloads() {
    let expected = ["start startup", "(Stop)", "end other", "start startup", "end other"];
    assert_eq!(said(InputFormat::ClaudeCode, &corpus(InputFormat::ClaudeCode, 0)), expected);
    assert_eq!(
        said(InputFormat::ClaudeCode, &corpus(InputFormat::ClaudeCode, 1)),
        [
            "start startup",
            "(UserPromptSubmit)",
            "end other",
            "(Stop)",
            "start resume",
            "end user-exit",
            "compaction before",
            "start compact",
            "compaction after",
            "end clear",
            "start clear",
        ]
    );
    let (session, Event::Start(start)) = event(InputFormat::ClaudeCode, corpus(InputFormat::ClaudeCode, 1)[7]) else {
        panic!()
    };
    assert_eq!(session.owner_kind.as_deref(), Some("claude-code"));
    assert_eq!(session.cwd.as_deref(), Some("/home/user/work"));
    assert!(session.transcript.unwrap().uri.starts_with("/home/user/.claude/projects/"));
    assert_eq!(start.attributes[0], ("model".into(), "claude-opus-5-5".into()));
}

#[test]
fn codexs_payloads() {
    assert_eq!(
        said(InputFormat::Codex, &corpus(InputFormat::Codex, 0)),
        [
            "start startup",
            "(UserPromptSubmit)",
            "(Interrupt)",
            "end other",
            "(Stop)",
            "start resume",
            "compaction before",
            "compaction after",
            "start compact",
            "start clear",
        ]
    );
    let (session, Event::Compaction(before)) = event(InputFormat::Codex, corpus(InputFormat::Codex, 0)[6]) else {
        panic!()
    };
    assert_eq!(session.owner_kind.as_deref(), Some("codex-cli"));
    assert_eq!(before.attributes[0], ("model".into(), "gpt-5.1-codex".into()));
}

#[test]
fn geminis_payloads_and_only_a_compression_that_was_asked_for_is_one() {
    assert_eq!(
        said(InputFormat::Gemini, &corpus(InputFormat::Gemini, 0)),
        [
            "start startup",
            "(BeforeAgent)",
            "(PreCompress)",
            "(AfterAgent)",
            "end user-exit",
            "start resume",
            "compaction before",
            "end clear",
            "start clear",
        ]
    );
}

#[test]
fn qwens_payloads() {
    assert_eq!(
        said(InputFormat::Qwen, &corpus(InputFormat::Qwen, 0)),
        [
            "start startup",
            "(Notification)",
            "(UserPromptSubmit)",
            "(Stop)",
            "start resume",
            "end user-exit",
            "compaction before",
            "end clear",
            "start clear",
        ]
    );
}

#[test]
fn copilots_payloads_with_the_names_of_their_events_or_without() {
    let lines = corpus(InputFormat::Copilot, 0);
    let expected = [
        "start new",
        "(userPromptSubmitted)",
        "(agentStop)",
        "end completed",
        "start resume",
        "end user-exit",
        "compaction before",
    ];
    assert_eq!(said(InputFormat::Copilot, &lines), expected);
    let bare: Vec<String> =
        lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap()["payload"].to_string()).collect();
    assert_eq!(said(InputFormat::Copilot, &bare.iter().map(String::as_str).collect::<Vec<_>>()), expected);

    let (session, Event::End(end)) = event(InputFormat::Copilot, lines[3]) else { panic!() };
    assert_eq!(end.ended_at.to_string(), "2026-11-28T03:51:30.952Z");
    assert_eq!(end.raw_reason.as_deref(), Some("complete"));
    assert_eq!(session.identity.id.as_ref(), "0fab4973-cdcf-4219-8c6d-4cdbc57b7c3a");
    let (session, _) = event(InputFormat::Copilot, lines[6]);
    assert!(session.transcript.unwrap().uri.ends_with("/events.jsonl"));

    // Configured as `SessionEnd`, as in editors.
    let line = r#"{"hook_event_name":"SessionEnd","session_id":"s","timestamp":"2026-11-28T03:32:25.019Z","cwd":"/w","reason":"abort"}"#;
    assert_eq!(said(InputFormat::Copilot, &[line]), ["end aborted"]);
    // A payload without a name that resembles no known event is no end, and no error.
    let odd = r#"{"sessionId":"s","timestamp":1,"cwd":"/w","news":1}"#;
    assert_eq!(said(InputFormat::Copilot, &[odd]), ["(an event without a name)"]);
}

#[test]
fn cursors_payloads() {
    let lines = corpus(InputFormat::Cursor, 0);
    assert_eq!(
        said(InputFormat::Cursor, &lines),
        ["start -", "(beforeSubmitPrompt)", "(subagentStart)", "compaction before", "(stop)", "end user-exit"]
    );
    let (session, Event::End(end)) = event(InputFormat::Cursor, lines[5]) else { panic!() };
    assert_eq!(session.cwd.as_deref(), Some("/home/user/work"));
    assert_eq!(end.duration_ms, Some(45_000));
    let (session, Event::Compaction(before)) = event(InputFormat::Cursor, lines[3]) else { panic!() };
    assert_eq!(session.identity.id.as_ref(), "c-1", "without a session_id it is the conversation's");
    assert_eq!((before.message_count, before.compacted_count, before.token_count), (Some(45), Some(30), Some(120_000)));
}

#[test]
fn gooses_payloads() {
    let lines = corpus(InputFormat::Goose, 0);
    assert_eq!(
        said(InputFormat::Goose, &lines),
        ["start -", "(UserPromptSubmit)", "(PostToolUse)", "(Stop)", "end unknown"]
    );
    assert_eq!(event(InputFormat::Goose, lines[4]).0.cwd.as_deref(), Some("/home/user/work"));
}

#[test]
fn clines_payloads_of_its_cli_and_of_its_extension() {
    let lines = corpus(InputFormat::Cline, 0);
    assert_eq!(said(InputFormat::Cline, &lines), ["start -", "end shutdown", "(agent_end)"]);
    let (session, _) = event(InputFormat::Cline, lines[0]);
    assert_eq!(session.identity.id.as_ref(), "1795837615706_bs1g5", "a task is a turn of it");
    assert_eq!(session.cwd.as_deref(), Some("/home/user/work"));

    let lines = corpus(InputFormat::Cline, 1);
    assert_eq!(
        said(InputFormat::Cline, &lines),
        ["start -", "(UserPromptSubmit)", "compaction before", "end aborted", "start resume", "end completed"]
    );
    let (session, Event::Compaction(before)) = event(InputFormat::Cline, lines[2]) else { panic!() };
    assert_eq!((session.identity.id.as_ref(), before.token_count), ("1795837616", Some(90_000)));
}

#[test]
fn opencodes_payloads() {
    let lines = corpus(InputFormat::Opencode, 0);
    assert_eq!(
        said(InputFormat::Opencode, &lines),
        [
            "start -",
            "(session.status)",
            "(session.idle)",
            "(dispose, of nobody)",
            "compaction before",
            "compaction after"
        ]
    );
    let (session, Event::Start(start)) = event(InputFormat::Opencode, lines[0]) else { panic!() };
    assert_eq!(session.cwd.as_deref(), Some("/home/user/work"));
    assert_eq!(start.attributes, [("projectID".into(), "global".into()), ("version".into(), "1.18.33".into())]);
    let disposed = r#"{"hook":"dispose","payload":{"sessionID":"s"}}"#;
    let deleted = r#"{"type":"session.deleted","properties":{"info":{"id":"s"}}}"#;
    assert_eq!(said(InputFormat::Opencode, &[disposed, deleted]), ["end shutdown", "end deleted"]);
}

#[test]
fn hermes_payloads_and_what_it_calls_the_end_of_a_session_is_that_of_a_turn() {
    let lines = corpus(InputFormat::Hermes, 0);
    assert_eq!(
        said(InputFormat::Hermes, &lines),
        [
            "start -",
            "(pre_llm_call)",
            "(post_llm_call)",
            "(on_session_end)",
            "end new",
            "start new_session",
            "end shutdown",
            "(on_session_finalize, of nobody)",
        ]
    );
    let (session, Event::Start(start)) = event(InputFormat::Hermes, lines[0]) else { panic!() };
    assert_eq!(session.owner_kind.as_deref(), Some("hermes-agent"));
    assert_eq!(session.cwd.as_deref(), Some("/home/user/work"));
    assert_eq!(start.attributes, [("model".into(), "stand-in".into()), ("platform".into(), "cli".into())]);
    let (_, Event::End(end)) = event(InputFormat::Hermes, lines[4]) else { panic!() };
    assert_eq!(end.raw_reason.as_deref(), Some("session_boundary"));
}

#[test]
fn what_hermes_runs_for_one_turn_ends_with_it_and_its_sub_agents_are_none() {
    let line = |event: &str, extra: &str| {
        format!(r#"{{"hook_event_name":"{event}","session_id":"s","cwd":"/w","extra":{extra}}}"#)
    };
    for (event, extra, expected) in [
        ("on_session_end", r#"{"platform":"cron","completed":true}"#, "end completed"),
        ("on_session_end", r#"{"platform":"curator","reason":"interrupted"}"#, "end aborted"),
        ("on_session_end", r#"{"platform":"telegram"}"#, "(on_session_end)"),
        ("on_session_end", "{}", "(on_session_end)"),
        ("on_session_start", r#"{"platform":"subagent"}"#, "(on_session_start)"),
        ("on_session_finalize", r#"{"platform":"subagent"}"#, "(on_session_finalize)"),
        ("on_session_start", r#"{"platform":"cli","source":"resume"}"#, "start resume"),
        ("on_session_finalize", r#"{"platform":"telegram","reason":"new_session"}"#, "end new"),
        ("on_session_finalize", r#"{"reason":"session_expired"}"#, "end session_expired"),
        ("on_session_finalize", r#"{"reason":"compression"}"#, "end compaction"),
        ("on_session_finalize", "{}", "end unknown"),
    ] {
        assert_eq!(said(InputFormat::Hermes, &[&line(event, extra)]), [expected], "{event} {extra}");
    }
    let bad = InputSettings::from(InputFormat::Hermes)
        .read(br#"{"hook_event_name":"on_session_finalize","session_id":42,"extra":{}}"#)
        .unwrap_err();
    assert_eq!((bad.field.as_deref(), bad.code), (Some("session_id"), "wrong_type"));
}

#[test]
fn a_start_that_follows_a_compaction_does_not_say_when_the_session_began() {
    let at = |source: &str| {
        let line = format!(r#"{{"sessionId":"s","cwd":"/w","timestamp":1000,"source":"{source}"}}"#);
        event(InputFormat::Copilot, &line).0.started_at.map(|at| at.to_string())
    };
    assert_eq!(at("resume").as_deref(), Some("1970-01-01T00:00:01.000Z"));
    assert_eq!(at("compact"), None);
}

#[test]
fn a_sub_agents_event_neither_begins_nor_ends_anything_and_shows_that_its_parent_lives() {
    let lines: Vec<&str> = include_str!("../../../../tests/data/claude-code-sub-agents.ndjson").lines().collect();
    let expected = [
        "start startup",
        "(SubagentStart)",
        "(SessionEnd of a sub-agent)",
        "(PreCompact of a sub-agent)",
        "end user-exit",
    ];
    assert_eq!(said(InputFormat::ClaudeCode, &lines), expected);

    let parent = |input_format, line: &str| match read(input_format, line) {
        Input::Unrelated { session: Some(identity), .. } => identity.id.to_string(),
        other => panic!("{other:?}: {line}"),
    };
    for line in &lines[1..4] {
        assert_eq!(parent(InputFormat::ClaudeCode, line), "s1");
    }
    let ends = [
        (InputFormat::Codex, r#"{"hook_event_name":"SessionEnd","session_id":"p","agent_id":"a"}"#),
        (
            InputFormat::Qwen,
            r#"{"hook_event_name":"SessionEnd","session_id":"p","agent_id":"a","timestamp":"2026-11-28T03:41:54.023Z"}"#,
        ),
        (
            InputFormat::Cursor,
            r#"{"hook_event_name":"sessionEnd","conversation_id":"c","session_id":"c","parent_conversation_id":"p"}"#,
        ),
        (
            InputFormat::Cline,
            r#"{"hookName":"session_shutdown","taskId":"t","sessionContext":{"rootSessionId":"p"},"agent_id":"b","parent_agent_id":"a"}"#,
        ),
        (
            InputFormat::Opencode,
            r#"{"hook":"session.created","payload":{"sessionID":"c","info":{"id":"c","parentID":"p"}}}"#,
        ),
    ];
    for (input_format, line) in ends {
        assert_eq!(parent(input_format, line), "p", "{line}");
    }
    // A whole session that runs as an agent names its type, and is a session.
    let line = r#"{"hook_event_name":"SessionEnd","session_id":"s","agent_type":"reviewer","reason":"clear"}"#;
    assert_eq!(said(InputFormat::ClaudeCode, &[line]), ["end clear"]);
}

#[test]
fn an_end_without_a_session_is_refused_by_name() {
    let table = [
        (InputFormat::ClaudeCode, r#"{"hook_event_name":"SessionEnd"}"#, "session_id"),
        (InputFormat::ClaudeCode, r#"{"session_id":"s"}"#, "hook_event_name"),
        (InputFormat::Copilot, r#"{"hook":"sessionEnd","payload":{}}"#, "payload.sessionId"),
        (InputFormat::Copilot, "{}", "hook_event_name"),
        (InputFormat::Goose, r#"{"event":"SessionEnd"}"#, "session_id"),
        (InputFormat::Cline, r#"{"hookName":"session_shutdown"}"#, "rootSessionId"),
        (InputFormat::Opencode, r#"{"hook":"session.created","payload":{}}"#, "payload.sessionID"),
        (InputFormat::Opencode, "{}", "hook"),
    ];
    for (input_format, line, field) in table {
        let bad = InputSettings::from(input_format).read(line.as_bytes()).unwrap_err();
        assert_eq!((bad.field.as_deref(), bad.code), (Some(field), "missing_field"), "{line}");
    }
}

#[test]
fn an_op_id_may_stand_in_a_payload_or_around_it() {
    for line in [
        r#"{"op_id":"7","sessionId":"s","cwd":"/w","timestamp":1,"reason":"abort"}"#,
        r#"{"hook":"sessionEnd","op_id":"7","payload":{"sessionId":"s"}}"#,
    ] {
        let Input::Event(event) = read(InputFormat::Copilot, line) else { panic!() };
        let OwnerEvent { op_id, .. } = *event;
        assert_eq!(op_id.as_deref(), Some("7"), "{line}");
    }
}

#[cfg(feature = "clap")]
#[test]
fn the_command_lines_words_are_those_of_the_hints() {
    for input_format in InputFormat::ALL {
        let value = clap::ValueEnum::to_possible_value(&input_format).unwrap();
        assert_eq!(value.get_name(), input_format.as_str());
    }
    assert_eq!(<InputFormat as clap::ValueEnum>::value_variants().len(), InputFormat::ALL.len());
}

/// Returns the cells of the rows that begin with this name, in each table of docs/owners.md.
fn rows(name: &str) -> Vec<Vec<&'static str>> {
    let page = include_str!("../../../../docs/owners.md");
    let rows =
        page.lines().filter_map(|line| line.strip_prefix("| ")).map(|row| row.split('|').map(str::trim).collect());
    rows.filter(|row: &Vec<&str>| row.first() == Some(&name)).collect()
}

#[test]
fn the_page_about_owners_says_what_is_read_and_kept() {
    for input_format in InputFormat::ALL {
        let Some(format) = format_of(input_format) else { continue };
        let name = input_format.name();
        let rows = rows(name);
        let [read, kept, lost, wired] = rows.as_slice() else { panic!("{name}: {rows:?}") };
        assert_eq!(read[1], format!("`{}`", input_format.as_str()));
        assert!(read[2].starts_with(format.seen), "{name}: {}", read[2]);
        let list = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        assert_eq!(kept[1], list(format.keeps), "{name}");
        assert_eq!(kept[2], list(format.keeps_on_request), "{name}");
        assert!(lost.len() > 1 && wired.len() > 2, "{name}");
        if let Shape::Flat(flat) = format.shape {
            for (event, _) in flat.events.iter().filter(|(event, _)| !event.starts_with("compacting")) {
                let own = input_format == InputFormat::Copilot && event.starts_with(char::is_uppercase);
                assert!(own || read.iter().any(|cell| cell.contains(&format!("`{event}`"))), "{name}: {event}");
            }
        }
    }
}
