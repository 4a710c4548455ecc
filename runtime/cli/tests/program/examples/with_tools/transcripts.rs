//! Examples beside transcripts as they are found: torn, empty, of another format, or made to hurt whoever parses them.

use serde_json::json;

use super::super::with_example;
use crate::support::{Ended, Launch};

/// A line that counts as a message of the user's.
const LINE: &str = "{\"type\":\"user\",\"timestamp\":\"2026-11-21T07:00:01.000Z\",\"message\":{\"role\":\"user\",\"content\":\"x\"}}\n";

/// What is odd, between two ordinary lines; and whether the second is torn.
fn odd() -> Vec<(&'static str, Vec<u8>)> {
    let lists = "[".repeat(20_000) + &"]".repeat(20_000);
    let objects = format!("{{\"message\":{}1{}}}", "{\"a\":".repeat(20_000), "}".repeat(20_000));
    let between = |middle: &[u8]| [LINE.as_bytes(), middle, b"\n", LINE.as_bytes()].concat();
    vec![
        ("ordinary", between(b"")),
        ("empty", Vec::new()),
        ("torn", LINE.as_bytes()[..60].to_vec()),
        ("lists, 20 000 levels deep", between(lists.as_bytes())),
        ("objects, 20 000 levels deep", between(objects.as_bytes())),
        ("brackets that are never closed", between("[".repeat(200_000).as_bytes())),
        ("NUL bytes", between(&[0; 5_000])),
        ("a NUL byte in a word", between(b"{\"message\":\"a\0b\"}")),
        ("bytes that are no UTF-8", between(b"\"\xff\xfe\xed\xa0\x80\"")),
        (
            "other types",
            between(b"null\n5\n[]\n{\"message\":null}\n{\"message\":{\"role\":5,\"content\":[null]},\"timestamp\":{}}"),
        ),
        ("names of a prototype's", between(b"{\"__proto__\":null,\"message\":{\"role\":\"__proto__\",\"id\":{}}}")),
    ]
}

/// `lastword run` with a transcript of these bytes.
fn run(example: &str, transcript: &[u8], args: &[&str]) -> Ended {
    let launch = with_example(Launch::command("run"), example);
    let file = launch.write("transcript.jsonl", transcript);
    let root = file.parent().unwrap().to_owned();
    let event = json!({"session": {"id": "s1", "transcript": {"uri": file}}, "reason": "reset"});
    let launch = launch.arg(format!("{example}.wasm")).arg("--event").arg("-").input(event.to_string());
    // Another test has compiled it already.
    let cache = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
    let launch = launch.arg("--cache-dir").arg(cache).arg("--deadline").arg("60s").arg("--grant-keyvalue");
    let launch = launch.arg(format!("--grant-transcript={}", root.display()));
    args.iter().fold(launch, |launch, arg| launch.arg(*arg)).run()
}

#[test]
fn the_typescript_example_counts_what_is_around_what_is_odd() {
    for (what, transcript) in odd() {
        let ended = run("typescript_session_summary", &transcript, &[]);
        assert!(ended.text[0].ends_with(": delivered"), "{what}: {}{}", ended.stdout(), ended.stderr());
        let users = transcript.windows(LINE.len()).filter(|part| *part == LINE.as_bytes()).count();
        let counted = format!("\"user\":{users},");
        assert!(ended.stdout().contains(&counted), "{what}: {}", ended.stdout());
    }
}

/// It reports the event alone, and must not mind what lies beside it.
#[test]
fn the_python_example_is_not_hurt_by_what_it_does_not_read() {
    for (what, transcript) in odd().into_iter().filter(|(what, _)| what.contains("deep") || what.contains("NUL")) {
        let args = ["--grant-http=http://127.0.0.1:9", "--grant-config=report-url=http://127.0.0.1:9/reports"];
        let ended = run("python_session_report", &transcript, &args);
        assert!(ended.text[0].contains("failed(retry): no report to"), "{what}: {}{}", ended.stdout(), ended.stderr());
    }
}
