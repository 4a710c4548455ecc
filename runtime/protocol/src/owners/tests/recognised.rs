//! The recognised formats of payloads.

use serde_json::json;

use super::super::payload::Payload;
use super::super::recognise::recognise;
use super::super::{InputFormat, InputSettings};
use super::{CORPORA, read};
use crate::fields::Fields;
use crate::input::Input;

#[test]
fn no_captured_payload_is_taken_for_anothers() {
    for (input_format, text) in CORPORA {
        for line in text.lines() {
            let payload = Payload::of(Fields::of_line(line.as_bytes()).unwrap());
            let looks = recognise(&payload).unwrap_or_else(|| panic!("nobody's: {line}"));
            assert_eq!((looks.from, looks.certain), (input_format, true), "{line}");
            assert!(
                !matches!(InputSettings::from(input_format).read(line.as_bytes()), Ok(Input::Foreign(_))),
                "its own: {line}"
            );
            for other in InputFormat::ALL {
                if other == input_format {
                    continue;
                }
                match InputSettings::from(other).read(line.as_bytes()) {
                    Ok(Input::Foreign(foreign)) => {
                        assert_eq!(foreign.from, input_format, "{line}");
                        assert_eq!(foreign.error.is_some(), other == InputFormat::Lastword, "{line}");
                    }
                    read => panic!("--from {}: {read:?}: {line}", other.as_str()),
                }
            }
        }
    }
}

#[test]
fn without_a_path_to_tell_them_apart_an_owner_that_is_named_is_believed() {
    let line = r#"{"hook_event_name":"SessionEnd","session_id":"s","timestamp":"2026-11-28T03:46:31.998Z","permission_mode":"auto","reason":"exit"}"#;
    for input_format in
        [InputFormat::ClaudeCode, InputFormat::Codex, InputFormat::Gemini, InputFormat::Qwen, InputFormat::Copilot]
    {
        assert!(matches!(read(input_format, line), Input::Event(_)), "{}", input_format.as_str());
    }
    let guessed = |line: &str| match InputSettings::from(InputFormat::Lastword).read(line.as_bytes()) {
        Ok(Input::Foreign(foreign)) => foreign.from,
        other => panic!("{other:?}"),
    };
    assert_eq!(guessed(line), InputFormat::Qwen);
    assert_eq!(guessed(r#"{"hook_event_name":"SessionEnd","session_id":"s"}"#), InputFormat::ClaudeCode);
    assert_eq!(guessed(r#"{"hook_event_name":"AfterAgent","session_id":"s"}"#), InputFormat::Gemini);
    assert_eq!(guessed(r#"{"hook_event_name":"PreCompact","session_id":"s","turn_id":"t"}"#), InputFormat::Codex);
    // A home below another owner's folder, and Windows.
    let path = |path: &str| {
        guessed(&json!({"hook_event_name": "Stop", "session_id": "s", "transcript_path": path}).to_string())
    };
    assert_eq!(path("/srv/.codex/home/.claude/projects/x/s.jsonl"), InputFormat::ClaudeCode);
    assert_eq!(path(r"C:\Users\u\.qwen\projects\x\s.jsonl"), InputFormat::Qwen);
}

#[test]
fn what_it_looks_like_and_what_to_do_is_said_in_an_error_for_us() {
    let told = |from: InputFormat, line: &str| match InputSettings::from(from).read(line.as_bytes()) {
        Ok(Input::Foreign(foreign)) => (foreign.to_string(), foreign.error.map(|bad| (bad.code, bad.message))),
        other => panic!("{other:?}"),
    };
    let cursors = r#"{"hook_event_name":"sessionEnd","cursor_version":"3","conversation_id":"c"}"#;
    let hint = "this looks like Cursor's sessionEnd; --from cursor reads it";
    assert_eq!(
        told(InputFormat::Lastword, cursors),
        (hint.to_owned(), Some(("missing_field", format!("op is missing: {hint}"))))
    );
    assert_eq!(told(InputFormat::ClaudeCode, cursors), (hint.to_owned(), None));
    let ours = r#"{"op":"end","session":{"id":"s"}}"#;
    let hint = "this looks like the end of Lastword's own words; leave --from out";
    assert_eq!(
        told(InputFormat::Openclaw, ours),
        (hint.to_owned(), Some(("missing_field", format!("hook is missing: {hint}"))))
    );
    let evil = json!({"hook_event_name": "\u{1b}[31m\n", "cursor_version": "3"}).to_string();
    assert_eq!(told(InputFormat::Gemini, &evil).0, r"this looks like Cursor's \u{1b}[31m\n; --from cursor reads it");
    // No owner's payload.
    for line in ["{}", r#"{"op":3}"#, r#"{"session":{"id":"s"}}"#, r#"{"op":"strat","hook_event_name":"Stop"}"#] {
        assert!(InputSettings::from(InputFormat::Lastword).read(line.as_bytes()).is_err(), "{line}");
    }
}
