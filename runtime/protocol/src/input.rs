//! What a line says, and the lines of our own words.

use std::sync::Arc;

use lastword_events::{
    CompactionPhase, DrainReason, EndReason, Event, Identity, Owner, Session, SessionCompaction, SessionEnd,
    SessionStart, Timestamp, Transcript,
};

use super::fields::{BadLine, Fields};
use crate::quote::quoted;
use crate::suggest;

/// The tenant of a session whose line names none.
pub const DEFAULT_TENANT: &str = "default";

const OPS: [&str; 4] = ["start", "compaction", "end", "shutdown"];

/// What one line says.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Something happened to a session.
    Event(Box<OwnerEvent>),
    /// The owner is going away.
    Shutdown(DrainReason),
    /// An event of the owner's that is not about the life of a session.
    NotOurs {
        /// The owner's word for it.
        name: String,
        /// The session that it names: that one lives.
        session: Option<Identity>,
    },
    /// Nothing but white space.
    Blank,
}

/// What an owner says of a session.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnerEvent {
    /// Its name for this line: the same one again does nothing.
    pub op_id: Option<Arc<str>>,
    /// Whose.
    pub session: Session,
    /// What happened.
    pub event: Event,
}

impl OwnerEvent {
    pub(crate) fn input(op_id: Option<Arc<str>>, session: Session, event: Event) -> Input {
        Input::Event(Box::new(Self { op_id, session, event }))
    }
}

/// Reads one line of the protocol in our own words.
///
/// # Errors
/// When it cannot be carried out; the error names the field.
pub fn read(line: &[u8]) -> Result<Input, BadLine> {
    if line.iter().all(u8::is_ascii_whitespace) {
        return Ok(Input::Blank);
    }
    let mut line = Fields::of_line(line)?;
    let op = line.required_string("op")?;
    let op_id = line.string("op_id")?.map(Arc::from);
    let event = |session, event| Ok(OwnerEvent::input(op_id, session, event));
    match op.as_str() {
        "start" => event(session(&mut line)?, Event::Start(start(line)?)),
        "compaction" => event(session(&mut line)?, Event::Compaction(compaction(line)?)),
        "end" => event(session(&mut line)?, Event::End(end(line)?)),
        "shutdown" => Ok(Input::Shutdown(drain_reason(&mut line)?)),
        other => Err(BadLine::field(
            "op",
            "unknown_op",
            format!("{} is no op: {}", quoted(other), suggest::hint(other, &OPS)),
        )),
    }
}

fn session(line: &mut Fields) -> Result<Session, BadLine> {
    read_session(line.required_object("session")?)
}

/// Reads a session; its unknown strings become its attributes.
///
/// # Errors
/// When it has no id, or a field is of another type; the error names the field.
pub fn read_session(mut fields: Fields) -> Result<Session, BadLine> {
    let id = fields.required_string("id")?;
    let tenant = fields.string("tenant")?;
    let mut session = Session::new(tenant.as_deref().unwrap_or(DEFAULT_TENANT), &id);
    session.key = fields.string("key")?;
    session.agent_id = fields.string("agent_id")?;
    session.owner_kind = fields.string("owner_kind")?;
    session.cwd = fields.string("cwd")?;
    session.started_at = fields.timestamp("started_at")?;
    session.transcript = fields.object("transcript")?.map(transcript).transpose()?;
    session.attributes = fields.attributes();
    Ok(session)
}

fn transcript(mut fields: Fields) -> Result<Transcript, BadLine> {
    let uri = fields.required_string("uri")?;
    Ok(Transcript { uri, archived: fields.boolean("archived")?.unwrap_or(false) })
}

/// Reads what a line says of a start.
///
/// # Errors
/// When a field is of another type; the error names it.
pub fn start(mut line: Fields) -> Result<SessionStart, BadLine> {
    Ok(SessionStart {
        source: line.string("source")?,
        resumed_from: line.string("resumed_from")?,
        attributes: line.attributes(),
    })
}

/// Reads what a line says of an end.
///
/// # Errors
/// When a field is of another type; the error names it.
pub fn end(mut line: Fields) -> Result<SessionEnd, BadLine> {
    let word = line.string("reason")?;
    let reason = word.as_deref().map_or(EndReason::Unknown, |word| Owner::Lastword.end_reason(word));
    let ended_at = line.timestamp("ended_at")?.unwrap_or_else(Timestamp::now);
    let mut end = SessionEnd::new(reason, ended_at);
    end.raw_reason = line.string("raw_reason")?.or(word);
    end.duration_ms = line.count("duration_ms")?;
    end.message_count = line.count("message_count")?;
    end.next_session_id = line.string("next_session_id")?;
    end.next_session_key = line.string("next_session_key")?;
    end.attributes = line.attributes();
    Ok(end)
}

/// Reads what a line says of a compaction.
///
/// # Errors
/// When a field is missing, or of another type; the error names it.
pub fn compaction(mut line: Fields) -> Result<SessionCompaction, BadLine> {
    let word = line.required_string("phase")?;
    let phase = match word.as_str() {
        "before" => CompactionPhase::Before,
        "after" => CompactionPhase::After,
        _ => {
            let message = format!("phase is {}: {}", quoted(&word), suggest::hint(&word, &["before", "after"]));
            return Err(BadLine::field("phase", "unknown_phase", message));
        }
    };
    let mut compaction = SessionCompaction::new(phase);
    compaction.message_count = line.count("message_count")?;
    compaction.compacted_count = line.count("compacted_count")?;
    compaction.token_count = line.count("token_count")?;
    compaction.previous_session_id = line.string("previous_session_id")?;
    compaction.attributes = line.attributes();
    Ok(compaction)
}

fn drain_reason(line: &mut Fields) -> Result<DrainReason, BadLine> {
    let Some(word) = line.string("reason")? else { return Ok(DrainReason::Shutdown) };
    match word.as_str() {
        "shutdown" => Ok(DrainReason::Shutdown),
        "restart" => Ok(DrainReason::Restart),
        "crashed" => Ok(DrainReason::Crashed),
        _ => {
            let hint = suggest::hint(&word, &["shutdown", "restart", "crashed"]);
            Err(BadLine::field(
                "reason",
                "unknown_reason",
                format!("reason of a shutdown is {}: {hint}", quoted(&word)),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(line: &str) -> OwnerEvent {
        match read(line.as_bytes()).unwrap() {
            Input::Event(event) => *event,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_design_documents_lines_are_understood() {
        let line = r#"{"op":"start","op_id":"a-1","session":{"id":"s1","tenant":"acme","key":"agent:main:a","agent_id":"main","cwd":"/w","transcript":{"uri":"/w/s1.jsonl"},"started_at":"2026-11-21T07:00:00.000Z"},"source":"startup","resumed_from":null}"#;
        let OwnerEvent { op_id, session, event: started } = event(line);
        assert_eq!(op_id.as_deref(), Some("a-1"));
        let mut expected = Session::new("acme", "s1");
        expected.key = Some("agent:main:a".into());
        expected.agent_id = Some("main".into());
        expected.cwd = Some("/w".into());
        expected.transcript = Some(Transcript { uri: "/w/s1.jsonl".into(), archived: false });
        expected.started_at = Some("2026-11-21T07:00:00Z".parse().unwrap());
        assert_eq!(session, expected);
        assert_eq!(started, Event::Start(SessionStart { source: Some("startup".into()), ..SessionStart::default() }));

        let line = r#"{"op":"compaction","session":{"id":"s1","tenant":"acme"},"phase":"after","message_count":40,"compacted_count":31}"#;
        let OwnerEvent { event: Event::Compaction(compaction), .. } = event(line) else { panic!() };
        assert_eq!(compaction.phase, CompactionPhase::After);
        assert_eq!((compaction.message_count, compaction.compacted_count), (Some(40), Some(31)));

        let line = r#"{"op":"end","session":{"id":"s1"},"reason":"reset","message_count":4,"next_session_id":"s2"}"#;
        let OwnerEvent { session, event: Event::End(end), .. } = event(line) else { panic!() };
        assert_eq!(session, Session::new("default", "s1"));
        assert_eq!((end.reason, end.raw_reason.as_deref()), (EndReason::Reset, Some("reset")));
        assert_eq!((end.message_count, end.next_session_id.as_deref()), (Some(4), Some("s2")));

        assert_eq!(read(br#"{"op":"shutdown","reason":"restart"}"#).unwrap(), Input::Shutdown(DrainReason::Restart));
        assert_eq!(read(br#"{"op":"shutdown"}"#).unwrap(), Input::Shutdown(DrainReason::Shutdown));
    }

    #[test]
    fn unknown_strings_become_attributes_of_what_they_stand_in() {
        let line =
            r#"{"op":"end","session":{"id":"s","model":"m","n":3,"x":null},"reason":"melted","why":"hot","o":{}}"#;
        let OwnerEvent { session, event: Event::End(end), .. } = event(line) else { panic!() };
        assert_eq!(session.attributes, [("model".into(), "m".into())]);
        assert_eq!(end.attributes, [("why".into(), "hot".into())]);
        assert_eq!(end.reason, EndReason::Other("melted".into()));
    }

    #[test]
    fn numbers_are_taken_as_javascript_writes_them() {
        let line = r#"{"op":"end","session":{"id":"s"},"message_count":4.0,"duration_ms":1e12}"#;
        let OwnerEvent { event: Event::End(end), .. } = event(line) else { panic!() };
        assert_eq!((end.message_count, end.duration_ms), (Some(4), Some(u32::MAX)));
        assert_eq!((end.reason, end.raw_reason), (EndReason::Unknown, None));
    }

    #[test]
    fn every_mistake_has_a_code_a_field_and_a_message() {
        let table: [(&[u8], Option<&str>, &str, &str); 16] = [
            (b"{", None, "bad_json", "the line is not JSON: EOF while parsing an object at column 1"),
            (b"[1]", None, "not_an_object", "the line is a list, not a JSON object"),
            (b"{\"op\":\"\xff\"}", None, "bad_utf8", "the line is not UTF-8 from byte 8 on"),
            (b"{}", Some("op"), "missing_field", "op is missing"),
            (br#"{"op":3}"#, Some("op"), "wrong_type", "op must be a string, not the number 3"),
            (br#"{"op":"strat"}"#, Some("op"), "unknown_op", r#""strat" is no op: did you mean "start"?"#),
            (br#"{"op":"start","op_id":7}"#, Some("op_id"), "wrong_type", "op_id must be a string, not the number 7"),
            (br#"{"op":"start"}"#, Some("session"), "missing_field", "session is missing"),
            (
                br#"{"op":"end","session":"s1"}"#,
                Some("session"),
                "wrong_type",
                "session must be an object, not a string",
            ),
            (br#"{"op":"end","session":{}}"#, Some("session.id"), "missing_field", "session.id is missing"),
            (
                br#"{"op":"end","session":{"id":"s","transcript":{}}}"#,
                Some("session.transcript.uri"),
                "missing_field",
                "session.transcript.uri is missing",
            ),
            (
                br#"{"op":"start","session":{"id":"s","started_at":"today"}}"#,
                Some("session.started_at"),
                "bad_time",
                r#"session.started_at is "today": write an RFC 3339 time such as 2026-11-21T07:00:00.000Z"#,
            ),
            (
                br#"{"op":"end","session":{"id":"s"},"message_count":-1}"#,
                Some("message_count"),
                "wrong_type",
                "message_count must be a number of at least 0, not the number -1",
            ),
            (br#"{"op":"compaction","session":{"id":"s"}}"#, Some("phase"), "missing_field", "phase is missing"),
            (
                br#"{"op":"compaction","session":{"id":"s"},"phase":"aftr"}"#,
                Some("phase"),
                "unknown_phase",
                r#"phase is "aftr": did you mean "after"?"#,
            ),
            (
                br#"{"op":"shutdown","reason":"reset"}"#,
                Some("reason"),
                "unknown_reason",
                r#"reason of a shutdown is "reset": did you mean "restart"?"#,
            ),
        ];
        for (line, field, code, message) in table {
            let bad = read(line).unwrap_err();
            assert_eq!((bad.field.as_deref(), bad.code, bad.message.as_str()), (field, code, message));
        }
    }

    #[test]
    fn a_blank_line_is_nothing() {
        assert_eq!(read(b"").unwrap(), Input::Blank);
        assert_eq!(read(b" \r").unwrap(), Input::Blank);
    }
}
