//! Payloads that differ from those of owners' current versions.

use lastword_events::{EndReason, Event};

use crate::bad_line::BadLine;
use crate::input::Input;
use crate::owners::{InputFormat, InputSettings};

fn end_of(input_format: InputFormat, line: &str) -> (String, EndReason) {
    match InputSettings::from(input_format).read(line.as_bytes()) {
        Ok(Input::Event(event)) => match event.event {
            Event::End(end) => (event.session.identity.id.to_string(), end.reason),
            other => panic!("{line}: {other:?}"),
        },
        other => panic!("{line}: {other:?}"),
    }
}

fn refused(input_format: InputFormat, line: &str) -> BadLine {
    InputSettings::from(input_format).read(line.as_bytes()).expect_err(line)
}

#[test]
fn an_id_that_is_there_and_cannot_be_read_is_not_called_missing() {
    let bad = refused(InputFormat::ClaudeCode, r#"{"hook_event_name":"SessionEnd","session_id":42}"#);
    assert_eq!((bad.field.as_deref(), bad.code), (Some("session_id"), "wrong_type"));
    let bad = refused(InputFormat::Openclaw, r#"{"hook":"session_end","event":[],"ctx":{"sessionId":{}}}"#);
    assert_eq!((bad.field.as_deref(), bad.code), (Some("event.sessionId"), "missing_field"));
    assert!(bad.message.contains("event must be an object"), "{}", bad.message);
}

#[test]
fn openclaws_context_says_whose_end_it_is_when_the_event_does_not() {
    for event in ["null", "[]", r#""x""#, "{}"] {
        let line = format!(r#"{{"hook":"session_end","event":{event},"ctx":{{"sessionId":"s"}}}}"#);
        assert_eq!(end_of(InputFormat::Openclaw, &line).0, "s");
    }
}

#[test]
fn an_empty_agent_id_makes_no_sub_agent() {
    let line = r#"{"hook_event_name":"SessionEnd","session_id":"s","agent_id":"","reason":"clear"}"#;
    assert_eq!(end_of(InputFormat::ClaudeCode, line), ("s".to_owned(), EndReason::Clear));
}

#[test]
fn an_end_of_copilots_that_says_what_went_wrong_is_an_end() {
    let line = r#"{"sessionId":"s","timestamp":1795240426400,"cwd":"/w","reason":"error","error":"the model is gone"}"#;
    assert_eq!(end_of(InputFormat::Copilot, line).0, "s");
}

#[test]
fn a_tenant_with_a_character_that_cannot_be_read_is_no_other_tenant() {
    let bad = refused(InputFormat::Lastword, r#"{"op":"end","session":{"id":"s","tenant":"acm\ufffd"}}"#);
    assert_eq!((bad.field.as_deref(), bad.code), (Some("session.tenant"), "bad_tenant"));
}
