//! What an owner may get wrong, and that it costs nobody else anything.

use serde_json::{Value, json};

use crate::support::{Ended, Launch, end, ids, start};

/// A MiB: the most that is held of a line.
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
    vec![
        ("{".into(), None, "bad_json"),
        ("null and void".into(), None, "bad_json"),
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
        (r#"{"op":"end","session":{"id":"C:\Users"}}"#.into(), Some("session.id"), "bad_escape"),
        (r#"{"op":"end","session":{"id":NaN}}"#.into(), Some("session.id"), "bad_number"),
        (r#"{"op":"end","session":{"id":s1}}"#.into(), Some("session.id"), "bad_word"),
        (session(json!({"id": "s", "tenant": ["acme"]})), Some("session.tenant"), "wrong_type"),
        (session(json!({"id": "s", "tenant": ""})), Some("session.tenant"), "empty_tenant"),
        (session(json!({"id": "s", "tenant": long(129)})), Some("session.tenant"), "tenant_too_long"),
        (text(json!({"op": "end", "session": {"id": ""}})), Some("session.id"), "empty_id"),
        (text(json!({"op": "compaction", "session": {"id": "s"}})), Some("phase"), "missing_field"),
        (text(json!({"op": "compaction", "session": {"id": "s"}, "phase": "aftr"})), Some("phase"), "unknown_phase"),
        (text(json!({"op": "shutdown", "reason": "reset"})), Some("reason"), "unknown_reason"),
    ]
}

/// What each accepted line was taken without: the first word of each entry, with its session.
fn dropped(ended: &Ended) -> Vec<(&str, Vec<&str>)> {
    let accepted = ended.of("accepted").map(|line| {
        let entries = line["dropped"].as_array().map(Vec::as_slice).unwrap_or_default();
        let names = entries.iter().map(|entry| entry.as_str().unwrap().split(' ').next().unwrap());
        (line["session"].as_str().unwrap(), names.collect())
    });
    accepted.collect()
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
fn an_event_of_any_kind_is_taken_without_what_it_can_do_without() {
    let many: serde_json::Map<String, Value> = (0..65).map(|i| (format!("a{i}"), "v".into())).collect();
    let many = Value::Object(many.into_iter().chain([("id".into(), "s".into())]).collect());
    let of_session = [
        (json!({"id": "s", "key": long(1025)}), vec!["session.key"]),
        (json!({"id": "s", "cwd": long(4097)}), vec!["session.cwd"]),
        (json!({"id": "s", "transcript": {}}), vec!["session.transcript.uri"]),
        (json!({"id": "s", "transcript": "/t"}), vec!["session.transcript"]),
        (json!({"id": "s", "started_at": "today"}), vec!["session.started_at"]),
        (many, vec!["session"]),
    ];
    let of_event = [
        (json!({"op": "start", "source": 1}), vec!["source"]),
        (json!({"op": "start", "op_id": 1, "resumed_from": [1]}), vec!["op_id", "resumed_from"]),
        (json!({"op": "start", "op_id": long(257)}), vec!["op_id"]),
        (
            json!({"op": "compaction", "phase": "after", "token_count": -1, "message_count": "7"}),
            vec!["message_count", "token_count"],
        ),
        (
            json!({"op": "end", "reason": 1, "ended_at": "", "duration_ms": -1}),
            vec!["reason", "ended_at", "duration_ms"],
        ),
    ];
    let mut lines = Vec::new();
    let mut expected = Vec::new();
    for op in ["start", "compaction", "end"] {
        for (session, names) in &of_session {
            lines.push(json!({"op": op, "phase": "before", "session": session}).to_string());
            // On a start that is no compaction the phase is a word of the owner's.
            expected.push(("s", names.clone()));
        }
    }
    for (mut event, names) in of_event {
        event["session"] = json!({"id": "s"});
        lines.push(event.to_string());
        expected.push(("s", names));
    }
    let ended = fed(lines.join("\n"));
    assert_eq!(errors(&ended), []);
    assert_eq!(dropped(&ended), expected);
}

/// Field data: what people and programs write, one file for each kind.
fn field(file: &str, owner: &str) -> Ended {
    let file = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/sloppy")).join(file);
    let ended = Launch::stdio().arg("--from").arg(owner).guest("prints").input_file(&file).run();
    assert_eq!(ended.code(), 0);
    assert_eq!(errors(&ended), []);
    ended
}

/// The sessions whose ends were delivered with each reason, in the order of the ends.
fn reasons(ended: &Ended) -> Vec<(&str, &str)> {
    let mut accepted: Vec<&str> =
        ended.of("accepted").filter(|line| line["op"] == "end").map(|line| line["session"].as_str().unwrap()).collect();
    accepted.dedup();
    let reason = |session: &str| {
        let mut ends = ended
            .outcomes("prints", "session-end")
            .filter(|line| line["session"] == session && line["outcome"] == "delivered");
        ends.next().unwrap_or_else(|| panic!("{session} was not delivered"))["reason"].as_str().unwrap()
    };
    accepted.into_iter().map(|session| (session, reason(session))).collect()
}

#[test]
fn half_a_character_costs_no_end() {
    for (file, owner, expected) in [
        ("half-characters-claude-code.ndjson", "claude-code", &[("s1", "other"), ("s2", "other"), ("s3", "other")][..]),
        ("half-characters-openclaw.ndjson", "openclaw", &[("s1", "new")]),
        ("half-characters.ndjson", "lastword", &[("s1", "reset")]),
    ] {
        let ended = field(file, owner);
        assert_eq!(reasons(&ended), expected, "{file}");
        assert!(dropped(&ended).iter().all(|(_, names)| names.is_empty()), "it is replaced, and nothing left out");
    }
}

#[test]
fn a_path_with_single_backslashes_is_left_out_and_named() {
    let ended = field("windows-paths.ndjson", "claude-code");
    assert_eq!(reasons(&ended), ["s1", "s2", "s3", "s4"].map(|session| (session, "other")));
    assert_eq!(
        dropped(&ended),
        [("s1", vec![]), ("s1", vec!["cwd", "transcript_path"]), ("s2", vec![]), ("s3", vec![]), ("s4", vec![])]
    );
    let hint = ended.of("accepted").nth(1).unwrap()["dropped"][0].as_str().unwrap();
    assert_eq!(hint, r#"cwd has a backslash that begins no escape: write two for each, as in "C:\\Users""#);
}

#[test]
fn a_newline_and_a_tab_in_a_string_cost_nothing() {
    let ended = field("expanded-by-a-shell.ndjson", "claude-code");
    assert_eq!(reasons(&ended), [("s1", "other")]);
    let lines: Vec<u64> = ended.of("accepted").map(|line| line["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [1, 2], "of lines that are joined the first one's number counts");
}

#[test]
fn odd_numbers_and_times_are_read_or_left_out_and_named() {
    let ended = field("numbers-and-times.ndjson", "lastword");
    let ids = ["neg", "secs", "ms", "naive", "space", "ns", "leap", "empty", "order", "year", "zero"];
    assert_eq!(reasons(&ended), ids.map(|id| (id, "reset")));
    let named: Vec<_> = dropped(&ended).into_iter().filter(|(_, names)| !names.is_empty()).collect();
    assert_eq!(
        named,
        [("neg", vec!["duration_ms"]), ("empty", vec!["ended_at", "message_count"]), ("zero", vec!["ended_at"])]
    );
    let ended = field("numbers-and-times-openclaw.ndjson", "openclaw");
    assert_eq!(reasons(&ended), ["f", "g", "h", "i", "j", "k"].map(|id| (id, "new")));
    let named: Vec<_> = dropped(&ended).into_iter().filter(|(_, names)| !names.is_empty()).collect();
    assert_eq!(named, [("i", vec!["t"]), ("j", vec!["t", "event.durationMs"])]);
}

#[test]
fn numbers_that_json_lacks_and_any_depth_cost_nothing_where_nobody_reads_them() {
    let ended = field("numbers-and-depth.ndjson", "claude-code");
    assert_eq!(ended.printed_ends("prints"), ["s1", "s2", "s3", "s4", "s5", "s6b"]);
    assert!(dropped(&ended).iter().all(|(_, names)| names.is_empty()));
    let deep = format!(
        r#"{{"op":"end","session":{{"id":"s1"}},"reason":"reset","x":{}{}}}"#,
        "[".repeat(200_000),
        "]".repeat(200_000)
    );
    let ended = fed(deep);
    assert_eq!((errors(&ended), reasons(&ended)), (vec![], vec![("s1", "reset")]));
}

#[test]
fn an_end_of_any_length_is_taken_without_what_is_too_long_of_it() {
    let big = long(3 * MAX_LINE_BYTES / 2);
    let claude = [
        json!({"hook_event_name": "SessionStart", "session_id": "s1", "source": "startup"}),
        json!({"hook_event_name": "PostToolUse", "session_id": "s1", "tool_response": {"stdout": big}}),
        json!({"hook_event_name": "SessionEnd", "session_id": "s1", "reason": "other", "transcript_path": big}),
    ];
    let openclaw = [
        json!({"t": 1_795_240_420_000_u64, "hook": "session_start", "event": {"sessionId": "s1"}, "ctx": {}}),
        json!({"t": 1_795_240_421_000_u64, "hook": "session_end", "event": {"sessionId": "s1", "reason": "other", "messages": [big]}, "ctx": {}}),
    ];
    let own = [
        json!({"op": "start", "session": {"id": "s1"}, "source": big}),
        json!({"op": "end", "session": {"id": "s1"}, "reason": "other", "summary": big}),
    ];
    for (owner, lines, named) in [
        ("claude-code", &claude[..], vec![vec![], vec!["transcript_path"]]),
        ("openclaw", &openclaw, vec![vec![], vec![]]),
        ("lastword", &own, vec![vec!["source"], vec!["summary"]]),
    ] {
        let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
        let ended = Launch::stdio().arg("--from").arg(owner).guest("prints").input(lines.join("\n")).run();
        assert_eq!((ended.code(), errors(&ended)), (0, vec![]), "{owner}");
        assert_eq!(reasons(&ended), [("s1", "other")], "{owner}");
        assert_eq!(dropped(&ended), named.into_iter().map(|names| ("s1", names)).collect::<Vec<_>>(), "{owner}");
    }
}

#[test]
fn a_line_of_1_mib_is_held_whole_and_one_byte_more_is_taken_too() {
    let padded = |id: &str, bytes: usize| {
        let line = start(id);
        format!("{line}{}\n", " ".repeat(bytes - line.len()))
    };
    let ended = fed(padded("fits", MAX_LINE_BYTES) + &padded("longer", MAX_LINE_BYTES + 1));
    assert_eq!(errors(&ended), []);
    assert_eq!(ended.printed_ends("prints"), ["fits", "longer"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_line_of_64_mib_takes_little_memory() {
    let program = Launch::stdio().guest("prints").start().ready();
    let peak = |pid: String| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    };
    let pid = program.pid().to_string();
    program.open(["s1"]);
    let before = peak(pid.clone());
    let big = long(32 * MAX_LINE_BYTES);
    let texts = format!("\"{}\",", long(999)).repeat(32 * 1024);
    program.send([format!(
        r#"{{"op":"end","summary":"{big}","list":[{texts}{{}}],"session":{{"id":"s1"}},"reason":"reset"}}"#
    )]);
    let ended = program.line("the answer", |line| line["op"] == "end" || line["event"] == "error");
    assert_eq!((&ended["session"], &ended["dropped"]), (&json!("s1"), &json!(["summary has more than 8192 bytes"])));
    let grown = peak(pid) - before;
    assert!(grown < 24 * MAX_LINE_BYTES, "{grown}");
}

#[test]
fn utf_16_is_answered_with_what_to_do() {
    let text = format!("{}\r\n{}\r\n", start("a"), end("a", "reset"));
    let ended =
        fed([0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect::<Vec<u8>>());
    assert_eq!(errors(&ended), [(1, None, "utf16"), (2, None, "utf16")]);
    assert!(ended.of("error").all(|line| line["message"].as_str().unwrap().contains("Out-File -Encoding utf8")));
}

#[test]
fn bytes_that_are_not_utf_8_are_replaced() {
    let mut input = b"{\"op\":\"start\",\"session\":{\"id\":\"a\xffb\"}}\n\0\n".to_vec();
    input.extend_from_slice(b"\xef\xbb\xbf");
    input.extend_from_slice(start("good").as_bytes());
    let ended = fed(input);
    assert_eq!(errors(&ended), [(2, None, "bad_json")]);
    assert_eq!(ended.printed_ends("prints"), ["a\u{fffd}b", "good"]);
}

#[test]
fn each_object_on_a_line_has_an_answer_with_the_lines_number() {
    let ended = fed(format!("{}{}{{\"op\":\"strat\"}}\n{}", start("a"), start("b"), start("c")));
    let answers: Vec<(u64, &str)> = ended
        .lines
        .iter()
        .filter_map(|line| Some((line["line"].as_u64()?, line["session"].as_str().or(line["code"].as_str())?)))
        .collect();
    assert_eq!(answers, [(1, "a"), (1, "b"), (1, "unknown_op"), (2, "c")]);
}

#[test]
fn a_torn_line_is_an_error_when_its_rest_does_not_come() {
    let program = Launch::stdio().guest("prints").start().ready();
    program.send([&start("a"), "{\"op\":\"end\",\"session\":{\"id\":\"a"]);
    // After a silence, of which the program is the judge; then another, and a signal.
    let torn = program.line("an error", |line| line["event"] == "error");
    assert_eq!((&torn["line"], &torn["code"]), (&json!(2), &json!("bad_json")));
    program.send([&start("b"), "{\"op\":\"end\","]);
    program.count("accepted", 2);
    let ended = program.stop();
    // Whether or not it was read before the signal.
    let errors = errors(&ended);
    assert!(
        errors == [(2, None, "bad_json")] || errors == [(2, None, "bad_json"), (4, None, "bad_json")],
        "{errors:?}"
    );
    assert_eq!(ended.printed_ends("prints"), ["a", "b"]);
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
fn a_start_of_an_active_session_is_an_update_and_a_second_end_is_a_duplicate() {
    let lines = [start("s1"), start("s1"), end("s1", "reset"), end("s1", "reset"), start("s1")];
    let ended = Launch::stdio().guest("prints").answering(lines.len(), lines.join("\n"));
    let accepted: Vec<_> = ended
        .of("accepted")
        .map(|line| (line["generation"].as_u64().unwrap(), line["updated"].as_bool(), line["code"].as_str()))
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
    // Of the starts some may have come too late: the input is at its end, and the machine may be slow.
    assert_eq!(ended.of("error").filter(|line| line["code"] == "bad_json").count(), 2500);
}
