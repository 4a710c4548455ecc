//! What an owner may get wrong, and that it costs nobody else anything.

use serde_json::{Value, json};

use crate::support::{Ended, Launch, end, ids, start};

/// A MiB: the most that a line may have.
const MAX_LINE_BYTES: usize = 1024 * 1024;

/// Feeds this to a run with a good plugin.
fn fed(input: impl AsRef<[u8]>) -> Ended {
    let ended = Launch::stdio().guest("prints").input(input).run();
    assert_eq!(ended.code(), 0, "bad input is the owner's mistake, and no error of ours");
    ended
}

/// Line, field and code of each error line.
fn errors(ended: &Ended) -> Vec<(u64, Option<&str>, &str)> {
    let told = ended.of("error");
    told.map(|e| (e["line"].as_u64().unwrap(), e["field"].as_str(), e["code"].as_str().unwrap())).collect()
}

fn long(bytes: usize) -> String {
    "x".repeat(bytes)
}

/// Every way in which a line can be wrong, with its field and code.
fn mistakes() -> Vec<(String, Option<&'static str>, &'static str)> {
    let text = |value: Value| value.to_string();
    let session = |session: Value| json!({"op": "start", "session": session}).to_string();
    let many: serde_json::Map<String, Value> = (0..65).map(|i| (format!("a{i}"), "v".into())).collect();
    vec![
        ("{".into(), None, "bad_json"),
        ("null and void".into(), None, "bad_json"),
        (r#"{"op":"start"}{"op":"start"}"#.into(), None, "bad_json"),
        ("[1]".into(), None, "not_an_object"),
        ("\"start\"".into(), None, "not_an_object"),
        ("{}".into(), Some("op"), "missing_field"),
        (text(json!({"op": 3})), Some("op"), "wrong_type"),
        (text(json!({"op": "strat"})), Some("op"), "unknown_op"),
        (text(json!({"op": "start"})), Some("session"), "missing_field"),
        (text(json!({"op": "start", "session": "s1"})), Some("session"), "wrong_type"),
        (session(json!({})), Some("session.id"), "missing_field"),
        (session(json!({"id": 7})), Some("session.id"), "wrong_type"),
        (session(json!({"id": ""})), Some("session.id"), "empty_id"),
        (session(json!({"id": long(513)})), Some("session.id"), "id_too_long"),
        (session(json!({"id": "a\nb"})), Some("session.id"), "bad_id"),
        (session(json!({"id": "s", "tenant": ["acme"]})), Some("session.tenant"), "wrong_type"),
        (session(json!({"id": "s", "tenant": ""})), Some("session.tenant"), "empty_tenant"),
        (session(json!({"id": "s", "tenant": long(129)})), Some("session.tenant"), "tenant_too_long"),
        (session(json!({"id": "s", "key": long(1025)})), Some("session.key"), "too_long"),
        (session(json!({"id": "s", "cwd": long(4097)})), Some("session.cwd"), "too_long"),
        (session(json!({"id": "s", "transcript": {}})), Some("session.transcript.uri"), "missing_field"),
        (session(json!({"id": "s", "transcript": "/t"})), Some("session.transcript"), "wrong_type"),
        (session(json!({"id": "s", "started_at": "today"})), Some("session.started_at"), "bad_time"),
        (text(json!({"op": "start", "session": {"id": "s"}, "source": 1})), Some("source"), "wrong_type"),
        (text(json!({"op": "start", "op_id": 1, "session": {"id": "s"}})), Some("op_id"), "wrong_type"),
        (text(json!({"op": "start", "op_id": long(257), "session": {"id": "s"}})), Some("op_id"), "bad_op_id"),
        (
            session(Value::Object(many.into_iter().chain([("id".into(), "s".into())]).collect())),
            Some("session attributes"),
            "too_many_attributes",
        ),
        (text(json!({"op": "end", "session": {"id": ""}})), Some("session.id"), "empty_id"),
        (text(json!({"op": "end", "session": {"id": "s"}, "reason": 1})), Some("reason"), "wrong_type"),
        (text(json!({"op": "end", "session": {"id": "s"}, "message_count": -1})), Some("message_count"), "wrong_type"),
        (text(json!({"op": "compaction", "session": {"id": "s"}})), Some("phase"), "missing_field"),
        (text(json!({"op": "compaction", "session": {"id": "s"}, "phase": "aftr"})), Some("phase"), "unknown_phase"),
        (text(json!({"op": "shutdown", "reason": "reset"})), Some("reason"), "unknown_reason"),
    ]
}

#[test]
fn every_mistake_is_answered_with_line_field_and_code_and_the_next_line_is_served() {
    let mistakes = mistakes();
    let good = ids(mistakes.len());
    let mut input = String::new();
    for ((line, ..), id) in mistakes.iter().zip(&good) {
        input.push_str(&format!("{line}\n{}\n", start(id)));
    }
    let ended = fed(input);
    let expected: Vec<_> = mistakes.iter().zip(0..).map(|((_, field, code), i)| (2 * i + 1, *field, *code)).collect();
    assert_eq!(errors(&ended), expected);
    assert!(ended.of("error").all(|error| error["message"].as_str().is_some_and(|m| !m.is_empty())));
    let accepted: Vec<_> = ended.of("accepted").map(|line| line["session"].as_str().unwrap()).collect();
    assert_eq!(accepted, good);
    assert_eq!(ended.printed_ends("prints"), good, "no mistake became a session, and no session was lost to one");
}

#[test]
fn a_line_of_2_mib_is_skipped_and_the_next_one_is_served() {
    let long = format!(r#"{{"op":"start","session":{{"id":"{}"}}}}"#, long(2 * MAX_LINE_BYTES));
    let ended = fed(format!("{}\n{long}\n{}\n", start("before"), start("after")));
    assert_eq!(errors(&ended), [(2, None, "line_too_long")]);
    assert_eq!(ended.printed_ends("prints"), ["after", "before"]);
}

#[test]
fn a_line_of_1_mib_is_taken_and_one_byte_more_is_not() {
    let padded = |id: &str, bytes: usize| {
        let line = start(id);
        format!("{line}{}\n", " ".repeat(bytes - line.len()))
    };
    let ended = fed(padded("fits", MAX_LINE_BYTES) + &padded("does-not", MAX_LINE_BYTES + 1));
    assert_eq!(errors(&ended), [(2, None, "line_too_long")]);
    assert_eq!(ended.printed_ends("prints"), ["fits"]);
}

#[test]
fn invalid_utf8_is_answered_and_the_next_line_is_served() {
    let mut input = b"{\"op\":\"start\",\"session\":{\"id\":\"\xff\xfe\"}}\n\0\n".to_vec();
    input.extend_from_slice(start("good").as_bytes());
    let ended = fed(input);
    assert_eq!(errors(&ended), [(1, None, "bad_utf8"), (2, None, "bad_json")]);
    assert_eq!(ended.printed_ends("prints"), ["good"]);
}

#[test]
fn an_empty_file_is_a_run_without_sessions() {
    let ended = fed("");
    assert_eq!(ended.lines.len(), 2, "ready and drain: {:?}", ended.lines);
    assert_eq!((&ended.drain()["reason"], ended.drained("sessions")), (&"crashed".into(), 0));
}

#[test]
fn lines_may_end_in_crlf_may_be_blank_and_the_last_one_needs_no_end() {
    let ended = fed(format!("{}\r\n\r\n\n  \n{}\r\n{}", start("s1"), end("s1", "reset"), start("s2")));
    assert_eq!(errors(&ended), []);
    let accepted: Vec<_> = ended.of("accepted").map(|line| (line["line"].as_u64().unwrap(), &line["op"])).collect();
    assert_eq!(
        accepted,
        [(1, &json!("start")), (5, &json!("end")), (6, &json!("start"))],
        "blank lines count as lines"
    );
    assert_eq!(ended.printed_ends("prints"), ["s1", "s2"]);
}

#[test]
fn an_end_is_never_refused_for_its_size_and_says_what_it_lost() {
    let end = json!({
        "op": "end",
        "session": {"id": "s1", "key": long(2000), "summary": long(10_000), "model": "m"},
        "reason": "reset",
        "next_session_id": long(600),
    });
    let ended = fed(format!("{}\n{end}\n", start("s1")));
    assert_eq!(errors(&ended), []);
    let accepted = ended.of("accepted").find(|line| line["op"] == "end").unwrap();
    let mut dropped: Vec<_> = accepted["dropped"].as_array().unwrap().iter().map(|d| d.as_str().unwrap()).collect();
    dropped.sort_unstable();
    assert_eq!(dropped, ["next_session_id", "session attribute \"summary\"", "session.key"]);
    assert_eq!(ended.printed_ends("prints"), ["s1"]);
}

#[test]
fn a_line_that_is_sent_again_is_acknowledged_and_does_nothing() {
    let again = |op: &str| format!(r#"{{"op":"{op}","op_id":"{op}-1","session":{{"id":"s1"}},"reason":"reset"}}"#);
    let ended = fed([again("start"), again("start"), again("end"), again("end")].join("\n"));
    let accepted: Vec<_> = ended.of("accepted").map(|l| (l["op_id"].as_str().unwrap(), l["code"].as_str())).collect();
    let twice = Some("duplicate_op");
    assert_eq!(accepted, [("start-1", None), ("start-1", twice), ("end-1", None), ("end-1", twice)]);
    assert_eq!(ended.printed("prints"), ["session-start s1 attempt=1", "session-end s1 attempt=1"]);
}

#[test]
fn a_start_of_an_active_session_is_a_renote_and_a_second_end_is_a_duplicate() {
    let ended = fed([start("s1"), start("s1"), end("s1", "reset"), end("s1", "reset"), start("s1")].join("\n"));
    let accepted: Vec<_> = ended
        .of("accepted")
        .map(|line| (line["generation"].as_u64().unwrap(), line["renoted"].as_bool(), line["code"].as_str()))
        .collect();
    let (new, again) = ((1, None, None), (1, Some(true), None));
    assert_eq!(accepted, [new, again, new, (1, None, Some("duplicate_end")), (2, None, None)]);
    assert_eq!(
        ended.printed("prints"),
        ["session-start s1", "session-end s1", "session-start s1", "session-end s1"]
            .map(|text| format!("{text} attempt=1"))
    );
}

#[test]
fn many_bad_lines_are_all_answered_in_the_order_of_the_lines() {
    let input: String =
        (0..5000).map(|i| if i % 2 == 0 { "{\n".to_owned() } else { format!("{}\n", start("s1")) }).collect();
    let ended = fed(input);
    let lines: Vec<u64> = ended.lines.iter().filter_map(|line| line["line"].as_u64()).collect();
    assert_eq!(lines, (1..=5000).collect::<Vec<_>>());
    assert_eq!(ended.of("error").count(), 2500);
}
