use std::sync::Arc;

use lastword_events::{
    CompactionPhase, EndReason, Event, Identity, Owner, Session, SessionCompaction, SessionEnd, SessionStart,
    Timestamp, Transcript,
};

use super::spare_attributes;
use crate::fields::{BadLine, Fields};
use crate::input::{DEFAULT_TENANT, Input, OwnerEvent};

/// A payload of a Claude Code command hook. Names are those of Claude Code 2.1.197.
pub(super) fn read(mut line: Fields) -> Result<Input, BadLine> {
    let name = line.required_string("hook_event_name")?;
    if !matches!(name.as_str(), "SessionStart" | "SessionEnd" | "PreCompact" | "PostCompact") {
        let id = line.string_if("session_id");
        return Ok(Input::NotOurs { name, session: id.map(|id| Identity::new(DEFAULT_TENANT, &id)) });
    }
    let op_id = line.string_if("op_id").map(Arc::from);
    let session = session(&mut line)?;
    let event = match name.as_str() {
        "SessionStart" => Event::Start(start(line)),
        "SessionEnd" => Event::End(end(line)),
        "PreCompact" => Event::Compaction(compaction(CompactionPhase::Before, line)),
        _ => Event::Compaction(compaction(CompactionPhase::After, line)),
    };
    Ok(OwnerEvent::input(op_id, session, event))
}

fn session(line: &mut Fields) -> Result<Session, BadLine> {
    let id = line.string_if("session_id").ok_or_else(|| line.missing("session_id"))?;
    let mut session = Session::new(DEFAULT_TENANT, &id);
    session.owner_kind = Owner::ClaudeCode.kind().map(str::to_owned);
    session.cwd = line.string_if("cwd");
    session.transcript = line.string_if("transcript_path").map(|uri| Transcript { uri, archived: false });
    Ok(session)
}

fn start(mut line: Fields) -> SessionStart {
    SessionStart { source: line.string_if("source"), resumed_from: None, attributes: spare_attributes([line]) }
}

fn end(mut line: Fields) -> SessionEnd {
    let word = line.string_if("reason");
    let reason = word.as_deref().map_or(EndReason::Unknown, |word| Owner::ClaudeCode.end_reason(word));
    // The payload has no clock: the hook is called when the session ends.
    let mut end = SessionEnd::new(reason, Timestamp::now());
    end.raw_reason = word;
    end.attributes = spare_attributes([line]);
    end
}

/// The payload counts nothing; `trigger` (`manual` or `auto`) goes along as an attribute.
fn compaction(phase: CompactionPhase, line: Fields) -> SessionCompaction {
    let mut compaction = SessionCompaction::new(phase);
    compaction.attributes = spare_attributes([line]);
    compaction
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPTURED: &str = include_str!("../../../../tests/data/claude-code-2.1.197-hooks.ndjson");

    fn read_line(line: &str) -> Input {
        read(Fields::of_line(line.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn the_captured_runs_have_two_starts_and_two_ends() {
        let mut said = Vec::new();
        for line in CAPTURED.lines() {
            match read_line(line) {
                Input::Event(said_of) => {
                    let OwnerEvent { session, event, .. } = *said_of;
                    assert_eq!(session.cwd.as_deref(), Some("/home/user/project"));
                    assert!(session.transcript.unwrap().uri.ends_with(&format!("{}.jsonl", session.identity.id)));
                    said.push(match event {
                        Event::Start(start) => start.source.unwrap(),
                        Event::End(end) => {
                            assert_eq!(end.attributes.first().unwrap().0, "prompt_id");
                            end.reason.to_string()
                        }
                        Event::Compaction(_) => panic!("there was none"),
                    });
                }
                Input::NotOurs { name, session: Some(_) } => said.push(name),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(said, ["startup", "Stop", "other", "startup", "other"]);
    }

    #[test]
    fn a_compaction_is_told_before_and_after() {
        let line = |name: &str| {
            let line =
                format!(r#"{{"session_id":"s","transcript_path":null,"hook_event_name":"{name}","trigger":"auto"}}"#);
            match read_line(&line) {
                Input::Event(event) => {
                    let OwnerEvent { session, event: Event::Compaction(compaction), .. } = *event else { panic!() };
                    assert_eq!(session.transcript, None);
                    assert_eq!(compaction.attributes, [("trigger".into(), "auto".into())]);
                    compaction.phase
                }
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(line("PreCompact"), CompactionPhase::Before);
        assert_eq!(line("PostCompact"), CompactionPhase::After);
    }

    #[test]
    fn an_end_without_a_session_is_refused_by_name() {
        let bad = read(Fields::of_line(br#"{"hook_event_name":"SessionEnd"}"#).unwrap()).unwrap_err();
        assert_eq!((bad.field.as_deref(), bad.code), (Some("session_id"), "missing_field"));
    }
}
