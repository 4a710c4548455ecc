//! The parts of a payload that reach the journal and plugins.

use lastword_events::{CompactionPhase, Event};
use serde_json::Value;

use super::super::{InputFormat, InputSettings, format_of};
use super::{CORPORA, corpus};
use crate::input::Input;

/// Names whose value reaches the journal without being an attribute.
const READ: [&str; 28] = [
    "agentId",
    "conversation_id",
    "cwd",
    "directory",
    "event",
    "hook",
    "hookName",
    "hook_event_name",
    "id",
    "nextSessionId",
    "nextSessionKey",
    "parentID",
    "parent_conversation_id",
    "reason",
    "resumedFrom",
    "rootSessionId",
    "sessionFile",
    "sessionId",
    "sessionID",
    "sessionKey",
    "session_id",
    "source",
    "transcriptPath",
    "transcript_path",
    "working_dir",
    "workspaceDir",
    "workspaceRoots",
    "workspace_roots",
];

/// A kept name never contains one of these parts, unless it is one of the next list.
const TELLING: [&str; 12] = [
    "attach",
    "content",
    "email",
    "input",
    "instruction",
    "message",
    "output",
    "prompt",
    "summary",
    "text",
    "title",
    "user",
];
const NOT_TELLING: [&str; 2] = ["messageProvider", "prompt_id"];

const MARK: &str = "Said in confidence";

/// Returns every copy of the value with the mark in place of one text, and the field's name. Texts in a list have the
/// list's name.
fn marked(value: &Value) -> Vec<(String, Value)> {
    fn places(value: &Value, name: &str, at: &str, out: &mut Vec<(String, String)>) {
        match value {
            Value::String(_) => out.push((name.to_owned(), at.to_owned())),
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(i, item)| places(item, name, &format!("{at}/{i}"), out));
            }
            Value::Object(map) => map.iter().for_each(|(key, item)| {
                places(item, key, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), out);
            }),
            _ => {}
        }
    }
    let mut found = Vec::new();
    places(value, "", "", &mut found);
    let mark = |(name, at): (String, String)| {
        let mut copy = value.clone();
        *copy.pointer_mut(&at).unwrap() = MARK.into();
        (name, copy)
    };
    found.into_iter().map(mark).collect()
}

fn gets_through(format: &InputSettings, line: &Value) -> bool {
    match format.read(line.to_string().as_bytes()) {
        // Only the owner that wrote the field is told that it was dropped.
        Ok(Input::Event(event)) => format!("{:?}", (event.op_id, event.session, event.event)).contains(MARK),
        // The log contains the event's name.
        _ => false,
    }
}

#[test]
fn of_every_text_in_every_payload_only_what_is_listed_gets_through() {
    let mut through = 0;
    for (input_format, text) in CORPORA {
        let keeps = format_of(input_format).unwrap().keeps;
        for line in text.lines() {
            for (name, line) in marked(&serde_json::from_str(line).unwrap()) {
                if gets_through(&input_format.into(), &line) {
                    assert!(READ.contains(&name.as_str()) || keeps.contains(&name.as_str()), "{name}: {line}");
                    through += 1;
                }
            }
        }
    }
    assert!(through > 100, "{through}: the test looks at nothing");
}

#[test]
fn no_prompt_summary_message_or_address_is_among_what_is_listed() {
    let keeps = InputFormat::ALL.into_iter().filter_map(format_of).flat_map(|format| format.keeps);
    for name in keeps.chain(&READ).filter(|name| !NOT_TELLING.contains(name)) {
        let lower = name.to_lowercase();
        assert!(!TELLING.iter().any(|part| lower.contains(part)), "{name}");
    }
}

#[test]
fn no_prompt_summary_message_or_address_that_is_added_to_a_payload_gets_through() {
    let secrets = [
        "prompt",
        "initialPrompt",
        "initial_prompt",
        "summary",
        "compact_summary",
        "message",
        "last_assistant_message",
        "custom_instructions",
        "customInstructions",
        "user_email",
        "userEmail",
        "email",
        "userId",
        "title",
        "session_title",
        "preview",
        "error_message",
        "outputText",
        "a field of tomorrow",
    ];
    fn add(value: &mut Value, name: &str) {
        let Value::Object(map) = value else { return };
        map.values_mut().for_each(|inner| add(inner, name));
        map.insert(name.to_owned(), MARK.into());
    }
    for (input_format, text) in CORPORA {
        for line in text.lines() {
            for name in secrets {
                let mut line: Value = serde_json::from_str(line).unwrap();
                add(&mut line, name);
                assert!(!gets_through(&input_format.into(), &line), "{name}: {line}");
            }
        }
    }
}

#[test]
fn what_the_configuration_asks_for_is_kept() {
    let format =
        |input_format, names: &[&str]| InputSettings::from(input_format).keeping(names.iter().copied()).unwrap();
    let with = |input_format, nth: usize, line: usize, names: &[&str]| match format(input_format, names)
        .read(corpus(input_format, nth)[line].as_bytes())
    {
        Ok(Input::Event(event)) => match event.event {
            Event::Start(start) => start.attributes,
            Event::End(end) => end.attributes,
            Event::Compaction(compaction) => {
                assert_eq!(compaction.phase, CompactionPhase::After);
                compaction.attributes
            }
        },
        other => panic!("{other:?}"),
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert!(with(InputFormat::ClaudeCode, 1, 8, &["compact_summary"]).contains(&pair("compact_summary", "ok")));
    assert_eq!(with(InputFormat::Copilot, 0, 0, &["initialPrompt"]), [pair("initialPrompt", "reply ok")]);
    assert_eq!(with(InputFormat::Copilot, 0, 0, &[]), []);
    assert!(with(InputFormat::Cursor, 0, 5, &["user_email"]).contains(&pair("user_email", "user@example.com")));
    assert!(with(InputFormat::Cline, 0, 0, &["userId"]).contains(&pair("userId", "user")));
    assert_eq!(
        with(InputFormat::Opencode, 0, 0, &["title", "title", "version"]).last().unwrap(),
        &pair("title", "New session - 2026-11-28T03:39:34.181Z")
    );
    // A field that is kept on request is kept when the configuration names it.
    for input_format in InputFormat::ALL {
        let Some(format) = format_of(input_format) else { continue };
        assert!(format.keeps_on_request.iter().all(|name| !format.keeps.contains(name)), "{input_format:?}");
    }
}
