//! `lastword test`, `lastword compile` and `lastword run --print-wasmtime`: what a plugin's author types before an operator
//! sees the plugin.

use std::fs;

use serde_json::Value;

use crate::support::{Ended, Launch};

/// `lastword test <guest>.wasm <args…>`.
fn test(guest: &str, args: &[&str]) -> Ended {
    let launch = Launch::command("test").with_guest(guest).arg(format!("{guest}.wasm"));
    args.iter().fold(launch, |launch, arg| launch.arg(*arg)).run()
}

/// Every case as `--json` tells it, and the summary.
fn cases(guest: &str, args: &[&str]) -> (Vec<Value>, Value) {
    let ended = test(guest, &[args, &["--json"]].concat());
    let mut lines: Vec<Value> = ended.text.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = lines.pop().unwrap();
    assert_eq!(ended.code() == 0, summary["passed"] == true, "{}", ended.stderr());
    (lines, summary)
}

fn failed(cases: &[Value]) -> Vec<(&str, &str)> {
    let failed = cases.iter().filter(|case| case["verdict"] == "failed");
    failed.map(|case| (case["case"].as_str().unwrap(), case["message"].as_str().unwrap())).collect()
}

#[test]
fn a_plugin_that_answers_everything_passes_and_is_told_its_limits() {
    let ended = test("prints", &[]);
    let said = ended.stdout();
    assert_eq!(ended.code(), 0, "{said}");
    for said_of in [
        "session-start\n",
        "session-compaction\n",
        "every reason (19)",
        "both phases (2)",
        "a deadline that is nearly over",
        "the same fuel both times, in every case",
        "limits = { fuel = ",
        "0, memory = \"1MiB\", deadline = \"500ms\" }",
        "passed: ",
    ] {
        assert!(said.contains(said_of), "{said_of} is missing in:\n{said}");
    }
    let (cases, summary) = cases("prints", &[]);
    assert_eq!((summary["failed"].as_u64(), summary["cases"].as_u64()), (Some(0), Some(cases.len() as u64)));
    let late = cases.iter().find(|case| case["case"] == "late").unwrap();
    assert_eq!(late["calls"][0]["outcome"], "delivered");
    let again = cases.iter().find(|case| case["case"] == "redelivery" && case["hook"] == "session-end").unwrap();
    let printed: Vec<&str> = (0..2).map(|call| again["calls"][call]["printed"][0].as_str().unwrap()).collect();
    assert_eq!(printed, ["session-end sample-session attempt=1", "session-end sample-session attempt=2"]);
}

#[test]
fn a_plugin_that_traps_fails_and_one_that_answers_retry_is_told_of() {
    let (trap, summary) = cases("trap", &[]);
    assert_eq!(failed(&trap).len() as u64, summary["cases"].as_u64().unwrap());
    assert!(failed(&trap)[0].1.starts_with("failed(trap: unreachable)"), "{:?}", failed(&trap)[0]);
    assert_eq!(summary["suggested_limits"], Value::Null, "nothing is known of what it needs");
    let ended = test("retry", &[]);
    assert_eq!(ended.code(), 0, "{}", ended.stdout());
    assert!(ended.stdout().contains("an ordinary event: it answered retry: not now"), "{}", ended.stdout());
}

#[test]
fn a_plugin_that_cannot_do_without_what_it_was_granted_fails() {
    let (cases, _) = cases("kv-counts", &["--grant-keyvalue"]);
    let failed = failed(&cases);
    assert!(matches!(failed.as_slice(), [("without its keyvalue", _)]), "{failed:?}");
    let ended = test("kv-counts", &[]);
    assert_eq!(ended.code(), 2, "{}", ended.stdout());
    assert!(ended.stderr().contains("needs the grant `keyvalue`"), "{}", ended.stderr());
}

#[test]
fn a_plugin_that_does_not_behave_the_same_twice_fails() {
    let (cases, _) = cases("flips-a-coin", &[]);
    let failed = failed(&cases);
    let differs = |(_, why): &(&str, &str)| why.starts_with("the same call ended in another way the second time: ");
    assert!(failed.iter().all(differs) && failed.len() > 3, "{failed:?}");
}

#[test]
fn being_cut_in_a_hurry_is_no_failure() {
    let (cases, _) = cases("sleep-50ms", &[]);
    assert_eq!(failed(&cases), []);
    let hurried = cases.iter().find(|case| case["case"] == "nearly over").unwrap();
    assert_eq!(hurried["calls"][0]["cause"], "deadline");
}

/// What the guest printed in the two calls of a case.
fn printed<'a>(cases: &'a [Value], case: &str) -> [Vec<&'a str>; 2] {
    let case = cases.iter().find(|found| found["case"] == case && found["hook"] == "session-end").unwrap();
    [0, 1].map(|call| {
        let lines = case["calls"][call]["printed"].as_array().unwrap();
        lines.iter().map(|line| line.as_str().unwrap()).collect()
    })
}

#[test]
fn a_plugin_that_is_cut_at_its_deadline_fails_unless_it_was_in_a_hurry() {
    let (cases, _) = cases("sleep-50ms", &["--deadline", "20ms"]);
    let (hurried, rest): (Vec<_>, Vec<_>) = cases.iter().partition(|case| case["case"] == "nearly over");
    assert_eq!((hurried.len(), &hurried[0]["verdict"]), (1, &"passed".into()));
    assert!(rest.iter().all(|case| case["verdict"] == "failed"), "{rest:?}");
}

#[test]
fn a_redelivery_finds_what_its_first_attempt_stored_and_every_other_call_begins_anew() {
    let (cases, _) = cases("kv-counts", &["--grant-keyvalue"]);
    assert_eq!(printed(&cases, "redelivery"), [["ends=1"], ["ends=2"]]);
    assert_eq!(printed(&cases, "an ordinary event"), [["ends=1"], ["ends=1"]]);
}

#[test]
fn a_plugin_is_tried_with_what_it_was_granted_and_with_nothing_behind_it() {
    let (config, _) = cases("config-prints", &["--grant-config", "greeting=hello"]);
    assert_eq!(printed(&config, "an ordinary event")[0], ["greeting=hello", "pairs=1"]);
    assert_eq!(printed(&config, "without its config")[0], ["greeting absent", "pairs=0"]);

    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("s1.jsonl"), "some lines").unwrap();
    let (transcript, _) = cases("transcript-reads", &["--grant-transcript", folder.path().to_str().unwrap()]);
    assert_eq!(printed(&transcript, "an ordinary event")[0], ["first=some lines", "bytes=10"]);
    assert_eq!(printed(&transcript, "without its transcript")[0], ["absent"]);
}

#[test]
fn a_late_event_says_so() {
    let (cases, _) = cases("prints-late", &[]);
    assert_eq!(printed(&cases, "late")[0], ["session-end sample-session attempt=3 late"]);
    assert_eq!(printed(&cases, "an ordinary event")[0], ["session-end sample-session attempt=1"]);
}

#[test]
fn a_ci_system_gets_a_junit_report() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("report.xml");
    test("kv-counts", &["--grant-keyvalue", "--junit", path.to_str().unwrap()]);
    let report = fs::read_to_string(&path).unwrap();
    assert!(report.contains(r#"<testsuite name="kv-counts session-end""#), "{report}");
    assert_eq!(report.matches("<failure ").count(), 1, "{report}");
    let nowhere = dir.path().join("nowhere/report.xml");
    let ended = test("good", &["--junit", nowhere.to_str().unwrap()]);
    assert_eq!(ended.code(), 2);
    assert!(ended.stderr().contains("nowhere/report.xml"), "{}", ended.stderr());
}

#[test]
fn what_was_compiled_ahead_of_time_is_not_compiled_again() {
    let cache = tempfile::tempdir().unwrap();
    let dir = cache.path().join("compiled");
    let compile = || {
        let launch = Launch::command("compile").with_guest("prints").arg("prints.wasm");
        launch.arg("--cache-dir").arg(&dir).run()
    };
    let first = compile();
    assert_eq!(first.code(), 0, "{}", first.stderr());
    assert!(
        first.text[0].starts_with("prints.wasm: ") && first.text[0].contains(", compiled in "),
        "{}",
        first.text[0]
    );
    assert!(compile().text[0].ends_with(", compiled already"));
    let ended = test("prints", &["--cache-dir", dir.to_str().unwrap()]);
    assert!(ended.text[0].ends_with("; compiled before"), "{}", ended.text[0]);
    // It needs a grant, and who compiles does not give any.
    let needs = Launch::command("compile").with_guest("kv-counts").arg("kv-counts.wasm").arg("--cache-dir").arg(&dir);
    assert_eq!(needs.run().code(), 0);
    let no_component = Launch::command("compile").file("x.wasm", b"garbage").arg("x.wasm").arg("--cache-dir").arg(&dir);
    let ended = no_component.run();
    assert_eq!(ended.code(), 2);
    assert!(ended.stderr().contains("x.wasm: "), "{}", ended.stderr());
}

#[test]
fn the_call_for_wasmtime_is_printed_with_limits_and_grants_and_not_made() {
    let launch = Launch::command("run").with_guest("kv-counts").arg("kv-counts.wasm").arg("--print-wasmtime");
    let ended = launch.arg("--grant-keyvalue").arg("--fuel").arg("5_000").arg("--memory").arg("1MiB").run();
    let [line] = ended.text.as_slice() else { panic!("{:?}", ended.text) };
    let begins = "wasmtime run -W fuel=5000,timeout=500ms,max-memory-size=1048576 -S keyvalue --invoke 'session-end({";
    assert!(line.starts_with(begins) && line.ends_with("})' kv-counts.wasm"), "{line}");
}

/// As Python does: the exception, and then what the language's runtime says of it.
const THROWN: &str = "Traceback (most recent call last):\n  File \"hooks.py\", line 12, in inner\nKeyError: 'no greeting'\nthread \
                      panicked at runtime/src/lib.rs:1:\nPython function threw an unexpected exception\nnote: run with \
                      `RUST_BACKTRACE=1` environment variable to display a backtrace\n";

#[test]
fn the_exception_that_a_plugin_threw_is_shown_before_what_its_runtime_says_of_it() {
    let wat = format!(
        "(module\n;; include: stdout\n;; include: memory\n(data (i32.const 1024) \"{}\")
        (func (export \"session-end\") (param i32) (result i32)
          (call $write (call $get-stdout) (i32.const 1024) (i32.const {}) (i32.const 512)) unreachable))",
        THROWN.replace('\n', "\\n").replace('"', "\\\""),
        THROWN.len()
    );
    let throws = lastword_test_guests::from_wat(&wat, lastword_test_guests::World::SessionEnd).unwrap();
    let ended = Launch::command("test").file("throws.wasm", throws).run();
    assert_eq!(ended.code(), 6, "{}", ended.stderr());
    for line in THROWN.lines() {
        assert!(ended.stdout().contains(&format!("      | {line}")), "{line:?} is missing in:\n{}", ended.stdout());
    }
}

#[test]
fn a_plugin_that_cannot_print_is_told_so() {
    let hint =
        "none: it imports neither wasi:cli/stdout nor stderr. A Rust plugin that was built for wasm32-unknown-unknown";
    for command in ["check", "run", "test"] {
        let said = |guest: &str| Launch::command(command).with_guest(guest).arg(format!("{guest}.wasm")).run().stdout();
        let (mute, prints) = (said("good"), said("prints"));
        assert!(mute.contains(hint), "{command}: {mute}");
        assert!(!prints.contains(hint), "{command}: {prints}");
    }
}
