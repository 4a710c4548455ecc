//! The content of a line, and the parser of the Lastword protocol's lines.

use std::sync::Arc;

use lastword_events::limits::MAX_OP_ID_BYTES;
use lastword_events::{
    Attributes, CompactionPhase, DrainReason, EndReason, Event, Identity, Owner, Session, SessionCompaction,
    SessionEnd, SessionStart, TRACEPARENT, TRACESTATE, Timestamp, TraceParent, Transcript, is_tracestate,
};

use crate::bad_line::BadLine;
use crate::dropped::DroppedFields;
use crate::fields::Fields;
use crate::limits::MAX_NAMED_DROPPED;
use crate::owners::Foreign;
use crate::suggest;
use lastword_events::text::quoted;

/// The tenant of a session whose line names no tenant.
pub const DEFAULT_TENANT: &str = "default";

/// The [name](Input::Unrelated) of a line about the beginning of an agent's turn.
pub const TURN_BEGINS: &str = "turn begin";
/// The [name](Input::Unrelated) of a line about the end of an agent's turn.
pub const TURN_ENDS: &str = "turn end";

pub(crate) const OPS: [&str; 5] = ["start", "compaction", "end", "turn", "shutdown"];

/// The content of one line.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// An event of a session.
    Event(Box<OwnerEvent>),
    /// The owner is going away.
    Shutdown(DrainReason),
    /// An event that does not begin, end or compact a session.
    Unrelated {
        /// The owner's word for the event.
        name: String,
        /// The session that the event names. The event shows that the session lives, so its next end is no duplicate.
        session: Option<Identity>,
    },
    /// An event in another format than `--from` names. Without an `error` it is ignored.
    Foreign(Box<Foreign>),
    /// Only white space.
    Blank,
}

/// An owner's event of a session.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnerEvent {
    /// The owner's name for this line. A later line of the same kind and session with the same name has no effect.
    pub op_id: Option<Arc<str>>,
    /// Whether the `op_id` comes from the program that hands the line over, and not from the owner. A later line with
    /// another `op_id` may then report the same end.
    pub may_be_duplicate: bool,
    /// The session of the event.
    pub session: Session,
    /// The event.
    pub event: Event,
    /// The fields that were dropped because they could not be read or did not fit: a sentence or a name for each.
    pub dropped: Vec<String>,
}

impl OwnerEvent {
    pub(crate) fn input(op_id: Option<Arc<str>>, session: Session, event: Event) -> Input {
        Input::Event(Box::new(Self { op_id, may_be_duplicate: false, session, event, dropped: Vec::new() }))
    }

    /// Makes the event part of a trace. Its attributes come first: if there are too many, others are dropped.
    pub(crate) fn part_of(&mut self, trace: Attributes) {
        let attributes = match &mut self.event {
            Event::Start(start) => &mut start.attributes,
            Event::Compaction(compaction) => &mut compaction.attributes,
            Event::End(end) => &mut end.attributes,
        };
        attributes.splice(0..0, trace);
    }

    /// Makes the event part of the trace of the request that has brought it, unless the event names a trace itself. A trace that is
    /// invalid is left out and named.
    pub fn brought_by(&mut self, traceparent: &str, tracestate: Option<&str>) {
        if self.event.trace().is_some() {
            return;
        }
        if traceparent.parse::<TraceParent>().is_err() {
            self.dropped.push(format!("{TRACEPARENT}: {} is no W3C trace context", quoted(traceparent)));
            return;
        }
        let state = tracestate.filter(|state| is_tracestate(state));
        let state = state.map(|state| (TRACESTATE.to_owned(), state.to_owned()));
        self.part_of([(TRACEPARENT.to_owned(), traceparent.to_owned())].into_iter().chain(state).collect());
        self.fit_event();
    }

    /// Drops the fields that do not fit, and adds their names to those that were `dropped` before. A field that is not
    /// required does not refuse an event.
    pub(crate) fn fit(&mut self, dropped: &DroppedFields) {
        self.dropped = dropped.sentences();
        if self.op_id.as_ref().is_some_and(|op_id| op_id.len() > MAX_OP_ID_BYTES) {
            self.op_id = None;
            self.dropped.push("op_id".to_owned());
        }
        self.dropped.append(&mut self.session.fit());
        self.fit_event();
    }

    fn fit_event(&mut self) {
        self.dropped.append(&mut match &mut self.event {
            Event::Start(start) => start.fit(),
            Event::Compaction(compaction) => compaction.fit(),
            Event::End(end) => end.fit(),
        });
        if self.dropped.len() > MAX_NAMED_DROPPED {
            let more = self.dropped.split_off(MAX_NAMED_DROPPED).len();
            self.dropped.push(format!("{more} more fields"));
        }
    }
}

/// Reads one line of the Lastword protocol.
///
/// # Errors
/// When it cannot be carried out; the error names the field.
pub fn read(mut line: Fields) -> Result<Input, BadLine> {
    let op = line.required_string("op")?;
    let op_id = line.string_if("op_id").map(Arc::from);
    let event = |session, event| Ok(OwnerEvent::input(op_id, session, event));
    match op.as_str() {
        "start" => event(session(&mut line)?, Event::Start(start(line))),
        "compaction" => event(session(&mut line)?, Event::Compaction(compaction(line)?)),
        "end" => event(session(&mut line)?, Event::End(end(line))),
        "turn" => turn(&mut line),
        "shutdown" => Ok(Input::Shutdown(drain_reason(&mut line)?)),
        other => Err(BadLine::field(
            "op",
            "unknown_op",
            format!("{} is no op: {}", quoted(other), suggest::hint(other, &OPS)),
        )),
    }
}

/// Reads a line about an agent's turn. It begins and ends no session, but shows that the session lives, and whether its
/// agent is at work.
fn turn(line: &mut Fields) -> Result<Input, BadLine> {
    let session = session(line)?;
    let word = line.required_string("phase")?;
    let name = match word.as_str() {
        "begin" => TURN_BEGINS,
        "end" => TURN_ENDS,
        _ => {
            let message = format!("phase of a turn is {}: {}", quoted(&word), suggest::hint(&word, &["begin", "end"]));
            return Err(BadLine::field("phase", "unknown_phase", message));
        }
    };
    Ok(Input::Unrelated { name: name.to_owned(), session: Some(session.identity) })
}

fn session(line: &mut Fields) -> Result<Session, BadLine> {
    read_session(line.required_object("session")?)
}

/// Reads a session. Its unknown strings become attributes.
///
/// # Errors
/// When the session is unknown, because it has no id or its tenant cannot be read. The error names the field.
pub fn read_session(mut fields: Fields) -> Result<Session, BadLine> {
    let id = fields.required_string("id")?;
    // Without the tenant the session would be another tenant's.
    let tenant = fields.string("tenant")?;
    if tenant.as_deref().is_some_and(|tenant| tenant.contains(char::REPLACEMENT_CHARACTER)) {
        let message =
            "session.tenant has a character that cannot be read, and could be another tenant's: write it in UTF-8";
        return Err(BadLine::field("session.tenant", "bad_tenant", message));
    }
    let mut session = Session::new(tenant.as_deref().unwrap_or(DEFAULT_TENANT), &id);
    session.key = fields.string_if("key");
    session.agent_id = fields.string_if("agent_id");
    session.owner_kind = fields.string_if("owner_kind");
    session.cwd = fields.string_if("cwd");
    session.started_at = fields.time_if("started_at");
    session.transcript = fields.object_if("transcript").and_then(transcript);
    session.attributes = fields.attributes();
    Ok(session)
}

fn transcript(mut fields: Fields) -> Option<Transcript> {
    let archived = fields.boolean_if("archived").unwrap_or(false);
    fields.expected_string("uri").map(|uri| Transcript { uri, archived })
}

/// Reads the fields of a start.
#[must_use]
pub fn start(mut line: Fields) -> SessionStart {
    SessionStart {
        source: line.string_if("source"),
        resumed_from: line.string_if("resumed_from"),
        attributes: line.attributes(),
    }
}

/// Reads the fields of an end.
#[must_use]
pub fn end(mut line: Fields) -> SessionEnd {
    let word = line.string_if("reason");
    let reason = word.as_deref().map_or(EndReason::Unknown, |word| Owner::Lastword.end_reason(word));
    let ended_at = line.time_if("ended_at").unwrap_or_else(Timestamp::now);
    let mut end = SessionEnd::new(reason, ended_at);
    end.raw_reason = line.string_if("raw_reason").or(word);
    end.duration_ms = line.count_if("duration_ms");
    end.message_count = line.count_if("message_count");
    end.next_session_id = line.string_if("next_session_id");
    end.next_session_key = line.string_if("next_session_key");
    end.attributes = line.attributes();
    end
}

/// Reads the fields of a compaction.
///
/// # Errors
/// When its phase is missing or unknown.
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
    compaction.message_count = line.count_if("message_count");
    compaction.compacted_count = line.count_if("compacted_count");
    compaction.token_count = line.count_if("token_count");
    compaction.previous_session_id = line.string_if("previous_session_id");
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
    use crate::owners::InputFormat;
    use crate::owners::InputSettings;

    fn read(line: &[u8]) -> Result<Input, BadLine> {
        InputSettings::from(InputFormat::Lastword).read(line)
    }

    fn event(line: &str) -> OwnerEvent {
        match read(line.as_bytes()).unwrap() {
            Input::Event(event) => *event,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_design_documents_lines_are_understood() {
        let line = r#"{"op":"start","op_id":"a-1","session":{"id":"s1","tenant":"acme","key":"agent:main:a","agent_id":"main","cwd":"/w","transcript":{"uri":"/w/s1.jsonl"},"started_at":"2026-11-21T07:00:00.000Z"},"source":"startup","resumed_from":null}"#;
        let OwnerEvent { op_id, session, event: started, dropped, .. } = event(line);
        assert_eq!(dropped, [""; 0]);
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
    fn a_turn_is_no_event_of_a_session_and_says_that_it_lives() {
        for (phase, name) in [("begin", TURN_BEGINS), ("end", TURN_ENDS)] {
            let line = format!(r#"{{"op":"turn","session":{{"id":"s1","tenant":"acme"}},"phase":"{phase}"}}"#);
            let session = Some(Identity::new("acme", "s1"));
            assert_eq!(read(line.as_bytes()).unwrap(), Input::Unrelated { name: name.to_owned(), session });
        }
        let bad = read(br#"{"op":"turn","session":{"id":"s1"},"phase":"beginn"}"#).unwrap_err();
        assert_eq!((bad.code, bad.field.as_deref()), ("unknown_phase", Some("phase")));
        assert_eq!(bad.message, r#"phase of a turn is "beginn": did you mean "begin"?"#);
        for (line, field) in
            [(r#"{"op":"turn","phase":"end"}"#, "session"), (r#"{"op":"turn","session":{"id":"s"}}"#, "phase")]
        {
            let bad = read(line.as_bytes()).unwrap_err();
            assert_eq!((bad.code, bad.field.as_deref()), ("missing_field", Some(field)));
        }
    }

    #[test]
    fn a_trace_is_on_record_with_its_event_and_an_invalid_one_is_named() {
        const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        for (op, more) in [("start", ""), ("end", ""), ("compaction", r#","phase":"after""#)] {
            let line = |trace: &str| event(&format!(r#"{{"op":"{op}","session":{{"id":"s"}},"a":"b"{more},{trace}}}"#));
            let traced = line(&format!(r#""traceparent":"{PARENT}","tracestate":"v=1""#));
            assert_eq!(traced.event.trace(), Some((PARENT.parse().unwrap(), Some("v=1"))));
            let names: Vec<&str> = traced.event.attributes().iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!((names, traced.dropped.len()), (vec!["traceparent", "tracestate", "a"], 0));

            let invalid = line(r#""traceparent":"00-0af7","tracestate":"v=1""#);
            assert_eq!(invalid.event.attributes(), &[("a".to_owned(), "b".to_owned())]);
            assert!(
                invalid.dropped[0].starts_with("traceparent must be a W3C trace context such as"),
                "{:?}",
                invalid.dropped
            );
            assert!(invalid.dropped[0].ends_with(r#"not the string "00-0af7""#), "{:?}", invalid.dropped);
            assert_eq!(line(r#""traceparent":7"#).dropped.len(), 1);
            let stateless = line(&format!(r#""traceparent":"{PARENT}","tracestate":"\u0007""#));
            assert_eq!(stateless.event.trace(), Some((PARENT.parse().unwrap(), None)));
            assert!(stateless.dropped[0].starts_with("tracestate must be"), "{:?}", stateless.dropped);
        }
    }

    #[test]
    fn the_trace_of_a_request_is_its_events_unless_the_event_names_one() {
        const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        const OTHER: &str = "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let mut plain = event(r#"{"op":"end","session":{"id":"s"}}"#);
        plain.brought_by("nonsense", Some("v=1"));
        assert_eq!(
            (plain.event.trace(), plain.dropped.as_slice()),
            (None, &[r#"traceparent: "nonsense" is no W3C trace context"#.to_owned()][..])
        );
        plain.brought_by(PARENT, Some("v=1"));
        assert_eq!(plain.event.trace(), Some((PARENT.parse().unwrap(), Some("v=1"))));
        plain.brought_by(OTHER, None);
        assert_eq!(plain.event.trace(), Some((PARENT.parse().unwrap(), Some("v=1"))), "the event's own counts");
        let many: String = (0..64).map(|i| format!("\"a{i}\":\"v\",")).collect();
        let mut full = event(&format!(r#"{{"op":"end",{many}"session":{{"id":"s"}}}}"#));
        full.brought_by(PARENT, None);
        assert!(full.event.trace().is_some());
        assert_eq!(full.dropped.len(), 1, "one that is the last has gone: {:?}", full.dropped);
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
        let table: [(&[u8], Option<&str>, &str, &str); 14] = [
            (b"{", None, "bad_json", "the line is not JSON: EOF while parsing an object at column 1"),
            (b"[1]", None, "not_an_object", "the line is a list, not a JSON object"),
            (b"{\"op\":\"\xff\"}", None, "bad_json", "the line is not UTF-8 from byte 8 on"),
            (b"{}", Some("op"), "missing_field", "op is missing"),
            (br#"{"op":3}"#, Some("op"), "wrong_type", "op must be a string, not the number 3"),
            (br#"{"op":"strat"}"#, Some("op"), "unknown_op", r#""strat" is no op: did you mean "start"?"#),
            (br#"{"op":"start"}"#, Some("session"), "missing_field", "session is missing"),
            (
                br#"{"op":"end","session":"s1"}"#,
                Some("session"),
                "wrong_type",
                r#"session must be an object, not the string "s1""#,
            ),
            (br#"{"op":"end","session":{}}"#, Some("session.id"), "missing_field", "session.id is missing"),
            (
                br#"{"op":"end","session":{"id":"s","tenant":7}}"#,
                Some("session.tenant"),
                "wrong_type",
                "session.tenant must be a string, not the number 7",
            ),
            (
                br#"{"op":"end","session":{"id":{"\u0000":"escape"}}}"#,
                Some("session.id"),
                "bad_escape",
                r#"session.id has a backslash that begins no escape: write two for each, as in "C:\\Users""#,
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
    fn what_an_event_can_do_without_is_left_out_and_named() {
        let session = r#""session":{"id":"s","key":7,"agent_id":[],"owner_kind":true,"cwd":{"\u0000":"escape"},"started_at":"today",
            "transcript":{"archived":"no"},"spare":{"\u0000":"long"},"cost":{"\u0000":"number"}}"#;
        let of_session = [
            "session.key must be a string, not the number 7",
            "session.agent_id must be a string, not a list",
            "session.owner_kind must be a string, not true",
            r#"session.cwd has a backslash that begins no escape: write two for each, as in "C:\\Users""#,
            "session.started_at must be a time such as 2026-11-21T07:00:00.000Z, or seconds or milliseconds since 1970, not the string \"today\"",
            "session.transcript.archived must be true or false, not the string \"no\"",
            "session.transcript.uri is missing",
            "session.spare has more than 8192 bytes",
        ];
        let table: [(&str, &[&str]); 3] = [
            (
                r#""op":"start","op_id":7,"source":1,"resumed_from":{}"#,
                &[
                    "op_id must be a string, not the number 7",
                    "source must be a string, not the number 1",
                    "resumed_from must be a string, not an object",
                ],
            ),
            (
                r#""op":"compaction","phase":"after","message_count":-1,"compacted_count":"12","token_count":{"\u0000":"number"},"previous_session_id":1"#,
                &[
                    "message_count must be a number of at least 0, not the number -1",
                    "compacted_count must be a number of at least 0, not the string \"12\"",
                    "token_count is not a number that JSON has",
                    "previous_session_id must be a string, not the number 1",
                ],
            ),
            (
                r#""op":"end","reason":5,"ended_at":"","raw_reason":2,"duration_ms":-3,"message_count":null,"next_session_id":3,"next_session_key":{"\u0000":"word"},"\u0000":"rest""#,
                &[
                    "the line is too long: its first fields were read, and not the rest",
                    "reason must be a string, not the number 5",
                    "ended_at must be a time such as 2026-11-21T07:00:00.000Z, or seconds or milliseconds since 1970, not the string \"\"",
                    "raw_reason must be a string, not the number 2",
                    "duration_ms must be a number of at least 0, not the number -3",
                    "next_session_id must be a string, not the number 3",
                    "next_session_key is nothing that JSON has: texts need quotation marks",
                ],
            ),
        ];
        for (said, of_event) in table {
            let OwnerEvent { session, dropped, .. } = event(&format!("{{{said},{session}}}"));
            assert_eq!(session, Session::new("default", "s"));
            let mut expected = [of_event, &of_session].concat();
            expected.sort_unstable();
            let mut dropped = dropped;
            dropped.sort_unstable();
            assert_eq!(dropped, expected, "{said}");
        }
    }

    #[test]
    fn what_does_not_fit_is_left_out_of_every_event_and_named() {
        let long = |bytes| "x".repeat(bytes);
        let (key, spare, op_id) = (long(2000), long(10_000), long(300));
        for op in ["start", "compaction", "end"] {
            let line = format!(
                r#"{{"op":"{op}","op_id":"{op_id}","phase":"before","session":{{"id":"s","key":"{key}"}},"spare":"{spare}"}}"#
            );
            let OwnerEvent { op_id, session, dropped, .. } = event(&line);
            assert_eq!((op_id, session), (None, Session::new("default", "s")));
            let spare = "event attribute \"spare\"";
            assert_eq!(dropped, ["op_id", "session.key", spare], "{op}");
        }
        let many: String = (0..5000).map(|i| format!("\"a{i}\":\"v\",")).collect();
        let OwnerEvent { dropped, .. } = event(&format!(r#"{{"op":"start",{many}"session":{{"id":"s"}}}}"#));
        assert_eq!((dropped.len(), dropped.last().unwrap().as_str()), (65, "4872 more fields"));
    }

    #[test]
    fn a_blank_line_is_nothing() {
        assert_eq!(read(b"").unwrap(), Input::Blank);
        assert_eq!(read(b" \r").unwrap(), Input::Blank);
    }
}
