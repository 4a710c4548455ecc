//! The payloads of OpenClaw.

use std::sync::Arc;

use lastword_events::{
    Attributes, CompactionPhase, EndReason, Event, Owner, Session, SessionCompaction, SessionEnd, SessionStart,
    Timestamp, Transcript,
};

use super::format::{Format, Shape};
use super::keep::Keep;
use super::parts::Parts;
use super::payload::Payload;
use super::turns::Turns;
use crate::bad_line::BadLine;
use crate::fields::Fields;
use crate::input::{DEFAULT_TENANT, Input, OwnerEvent};

/// OpenClaw: the arguments of its hooks.
pub(super) static FORMAT: Format = Format {
    owner: Owner::OpenClaw,
    seen: "2026.9.6",
    shape: Shape::Other(read),
    turns: Turns { opened_by: &["before_agent_start"], closed_by: &["agent_end"] },
    keeps: &["channelId", "messageProvider", "modelId", "modelProviderId", "runId", "trigger"],
    keeps_on_request: &["accountId", "conversationId", "preview", "senderId"],
};

/// Reads a line with a hook's arguments in an OpenClaw gateway: `t` is the wall clock in milliseconds, `event` the
/// event, `ctx` its session. Names are those of OpenClaw 2026.9.6.
fn read(payload: Payload, keep: &Keep<'_>) -> Result<Input, BadLine> {
    let Payload { fields: mut line, op_id, .. } = payload;
    let hook = line.required_string("hook")?;
    let phase = match hook.as_str() {
        "session_start" | "session_end" => None,
        "before_compaction" => Some(CompactionPhase::Before),
        "after_compaction" => Some(CompactionPhase::After),
        _ => return Ok(unrelated(hook, line)),
    };
    let at = line.time_if("t");
    let mut event = line.object_or_empty("event");
    let mut ctx = line.object_if("ctx");
    let mut session = session(&mut event, ctx.as_mut())?;
    let event = match (hook.as_str(), phase) {
        (_, Some(phase)) => Event::Compaction(compaction(phase, event, ctx, keep)),
        ("session_start", _) => {
            session.started_at = at;
            Event::Start(start(event, ctx, keep))
        }
        _ => Event::End(end(at, event, ctx, keep)),
    };
    Ok(OwnerEvent::input(op_id.map(Arc::from), session, event))
}

/// Makes an event of another kind, with the session that it names.
fn unrelated(name: String, mut line: Fields) -> Input {
    let mut event = line.object_or_empty("event");
    let mut ctx = line.object_if("ctx");
    let session = session(&mut event, ctx.as_mut());
    Input::Unrelated { name, session: session.ok().map(|session| session.identity) }
}

/// Reads the session that both the event and the context name. Events about compaction name it only in the context.
fn session(event: &mut Fields, ctx: Option<&mut Fields>) -> Result<Session, BadLine> {
    let mut here = [Some(&mut *event), ctx];
    let mut find = |name: &str| here.iter_mut().flatten().map(|fields| fields.string_if(name)).fold(None, Option::or);
    let id = find("sessionId");
    let key = find("sessionKey");
    let agent_id = find("agentId");
    let cwd = find("workspaceDir");
    let uri = find("sessionFile");
    let mut session = Session::new(DEFAULT_TENANT, &id.ok_or_else(|| event.missing("sessionId"))?);
    session.identity.scope = key.as_deref().unwrap_or_default().into();
    session.key = key;
    session.agent_id = agent_id;
    session.cwd = cwd;
    session.owner_kind = Owner::OpenClaw.kind().map(str::to_owned);
    let archived = event.boolean_if("transcriptArchived").unwrap_or(false);
    session.transcript = uri.map(|uri| Transcript { uri, archived });
    Ok(session)
}

fn start(mut event: Fields, ctx: Option<Fields>, keep: &Keep<'_>) -> SessionStart {
    SessionStart { source: None, resumed_from: event.string_if("resumedFrom"), attributes: kept(event, ctx, keep) }
}

fn end(at: Option<Timestamp>, mut event: Fields, ctx: Option<Fields>, keep: &Keep<'_>) -> SessionEnd {
    let word = event.string_if("reason");
    let reason = word.as_deref().map_or(EndReason::Unknown, |word| Owner::OpenClaw.end_reason(word));
    let mut end = SessionEnd::new(reason, at.unwrap_or_else(Timestamp::now));
    end.raw_reason = word;
    end.duration_ms = event.count_if("durationMs");
    // The gateway sends 0 when it has not counted.
    end.message_count = event.count_if("messageCount").filter(|count| *count > 0);
    end.next_session_id = event.string_if("nextSessionId");
    end.next_session_key = event.string_if("nextSessionKey");
    end.attributes = kept(event, ctx, keep);
    end
}

fn compaction(phase: CompactionPhase, mut event: Fields, ctx: Option<Fields>, keep: &Keep<'_>) -> SessionCompaction {
    let mut compaction = SessionCompaction::new(phase);
    compaction.message_count = event.count_if("messageCount");
    // Before the compaction: the number of messages that it will summarise. After: the number that it removed.
    compaction.compacted_count = event.count_if("compactedCount").or_else(|| event.count_if("compactingCount"));
    compaction.token_count = event.count_if("tokenCount");
    compaction.previous_session_id = event.string_if("previousSessionId");
    compaction.attributes = kept(event, ctx, keep);
    compaction
}

fn kept(event: Fields, ctx: Option<Fields>, keep: &Keep<'_>) -> Attributes {
    Parts::from([event].into_iter().chain(ctx).collect::<Vec<_>>()).kept(keep)
}

#[cfg(test)]
mod tests {
    use super::super::InputFormat;
    use super::*;
    use crate::owners::InputSettings;

    fn read_line(line: &str) -> Input {
        InputSettings::from(InputFormat::Openclaw).read(line.as_bytes()).unwrap()
    }

    fn event(line: &str) -> (Session, Event) {
        match read_line(line) {
            Input::Event(event) => (event.session, event.event),
            other => panic!("{other:?}"),
        }
    }

    const CAPTURED: &str = include_str!("../../../../tests/data/openclaw-2026.9.6-hooks.ndjson");

    #[test]
    fn the_captured_gateway_has_three_starts_and_six_ends() {
        let mut said = Vec::new();
        for line in CAPTURED.lines() {
            match read_line(line) {
                Input::Event(said_of) => {
                    let OwnerEvent { session, event, .. } = *said_of;
                    assert_eq!(session.owner_kind.as_deref(), Some("openclaw"));
                    assert_eq!(session.agent_id.as_deref(), Some("main"));
                    said.push(match event {
                        Event::Start(_) => "start".to_owned(),
                        Event::End(end) => end.reason.to_string(),
                        Event::Compaction(_) => "compaction".to_owned(),
                    });
                }
                Input::Unrelated { name, .. } => assert!(!name.starts_with("session_"), "{name}"),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(said, ["new", "start", "new", "start", "new", "start", "shutdown", "shutdown", "shutdown"]);
    }

    #[test]
    fn an_end_says_everything_that_the_gateway_knows() {
        let (session, Event::End(end)) = event(
            r#"{"t":1795240420703,"hook":"session_end","event":{"sessionId":"s","sessionKey":"agent:main:a","messageCount":12,
            "durationMs":1500.5,"reason":"daily","sessionFile":"/w/s.jsonl","transcriptArchived":true,"nextSessionId":"n",
            "nextSessionKey":"agent:main:b","fresh":"news"},"ctx":{"sessionId":"s","agentId":"main","channelId":"c"}}"#,
        ) else {
            panic!()
        };
        assert_eq!(session.key.as_deref(), Some("agent:main:a"));
        assert_eq!(session.transcript, Some(Transcript { uri: "/w/s.jsonl".into(), archived: true }));
        assert_eq!((end.reason, end.raw_reason.as_deref()), (EndReason::Daily, Some("daily")));
        assert_eq!(end.ended_at, Timestamp::from_millisecond(1_795_240_420_703));
        assert_eq!((end.message_count, end.duration_ms), (Some(12), Some(1500)));
        assert_eq!(end.next_session_id.as_deref(), Some("n"));
        assert_eq!(end.next_session_key.as_deref(), Some("agent:main:b"));
        assert_eq!(end.attributes, [("channelId".into(), "c".into())], "what nobody knows is not kept");
    }

    #[test]
    fn no_messages_means_that_nobody_counted() {
        let (_, Event::End(end)) = event(r#"{"hook":"session_end","event":{"sessionId":"s","messageCount":0}}"#) else {
            panic!()
        };
        assert_eq!((end.message_count, end.reason), (None, EndReason::Unknown));
    }

    #[test]
    fn a_compaction_is_told_before_and_after() {
        let (session, Event::Compaction(before)) = event(
            r#"{"hook":"before_compaction","event":{"messageCount":40,"compactingCount":31,"tokenCount":9000},"ctx":{"sessionId":"s"}}"#,
        ) else {
            panic!()
        };
        assert_eq!(session.identity.id.as_ref(), "s");
        assert_eq!((before.phase, before.message_count), (CompactionPhase::Before, Some(40)));
        assert_eq!((before.compacted_count, before.token_count), (Some(31), Some(9000)));
        let (_, Event::Compaction(after)) = event(
            r#"{"hook":"after_compaction","event":{"messageCount":9,"compactedCount":31,"previousSessionId":"p"},"ctx":{"sessionId":"s"}}"#,
        ) else {
            panic!()
        };
        assert_eq!((after.phase, after.compacted_count), (CompactionPhase::After, Some(31)));
        assert_eq!(after.previous_session_id.as_deref(), Some("p"));
    }

    #[test]
    fn a_start_says_when_it_began_and_what_it_resumes() {
        let (session, Event::Start(start)) =
            event(r#"{"t":1000,"hook":"session_start","event":{"sessionId":"s","resumedFrom":"r"},"ctx":{}}"#)
        else {
            panic!()
        };
        assert_eq!(session.started_at, Some(Timestamp::from_millisecond(1000)));
        assert_eq!(start.resumed_from.as_deref(), Some("r"));
    }

    #[test]
    fn a_changed_field_costs_no_session_its_end() {
        let (_, Event::End(end)) = event(
            r#"{"t":"now","hook":"session_end","event":{"sessionId":"s","messageCount":"many","reason":7,"sessionFile":{}}}"#,
        ) else {
            panic!()
        };
        assert_eq!((end.reason, end.message_count), (EndReason::Unknown, None));
        let line = br#"{"hook":"session_end","event":{"sessionId":""},"ctx":{}}"#;
        let bad = InputSettings::from(InputFormat::Openclaw).read(line).unwrap_err();
        assert_eq!((bad.field.as_deref(), bad.code), (Some("event.sessionId"), "missing_field"));
    }
}
