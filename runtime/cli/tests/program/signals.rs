//! How a run comes to its end: signals, shutdown lines, the end of the input, and what the drain then says.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use rustix::process::{Pid, kill_process_group};

use crate::support::{Ended, Launch, Signal, end, ids, sorted, start};

/// Three sessions with a good plugin, and a signal.
fn drained_by(signal: Signal) -> Ended {
    let program = Launch::stdio().guest("prints").start().ready();
    program.open(ids(3));
    program.signal(signal);
    program.ended()
}

#[test]
fn sigterm_sigint_and_sighup_drain_with_reason_shutdown() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let ended = drained_by(signal);
        assert_eq!(ended.code(), 0, "{signal:?}");
        assert_eq!(ended.drain()["reason"], "shutdown");
        assert_eq!(ended.drain()["budget_ms"], 2000);
        assert_eq!([ended.drained("sessions"), ended.drained("delivered")], [3, 3]);
        assert_eq!([ended.drained("failed"), ended.drained("deferred"), ended.drained("dropped_lines")], [0, 0, 0]);
        assert_eq!(ended.drain()["timed_out"], false);
        assert_eq!(ended.drain()["warnings"].as_array().unwrap().len(), 0);
        assert_eq!(ended.printed_ends("prints"), ids(3));
        assert_eq!(ended.ends("prints", "delivered"), ids(3));
        assert!(ended.outcomes("prints", "session-end").all(|line| line["reason"] == "shutdown"), "{signal:?}");
        assert_eq!(ended.lines.last(), Some(ended.drain()), "the drain line is the last word");
    }
}

#[test]
fn a_shutdown_line_drains_with_reason_restart() {
    let program = Launch::stdio().guest("prints").start().ready();
    program.open(ids(3));
    program.send([r#"{"op":"shutdown","reason":"restart"}"#]);
    let ended = program.ended();
    assert_eq!(ended.code(), 0);
    assert_eq!(ended.drain()["reason"], "restart");
    assert_eq!(ended.printed_ends("prints"), ids(3));
    assert!(ended.outcomes("prints", "session-end").all(|line| line["reason"] == "restart"));
}

#[test]
fn a_shutdown_line_without_a_reason_means_shutdown() {
    let program = Launch::stdio().guest("prints").start().ready();
    program.open(["s1"]);
    program.send([r#"{"op":"shutdown"}"#]);
    let ended = program.ended();
    assert_eq!((ended.code(), &ended.drain()["reason"]), (0, &"shutdown".into()));
}

#[test]
fn what_comes_before_a_delayed_shutdown_line_is_served_first() {
    let program = Launch::stdio().guest("prints").start().ready();
    program.open(["replied", "open"]);
    program.send([end("replied", "reset")]);
    // The owner waits for its reply, and only then says that it leaves.
    program.line("the reply", |line| line["session"] == "replied" && line["hook"] == "session-end");
    program.send([r#"{"op":"shutdown"}"#]);
    let ended = program.ended();
    assert_eq!(ended.code(), 0);
    assert_eq!(ended.drained("sessions"), 1, "the other one had its end already");
    assert_eq!(ended.printed("prints").last().unwrap(), "session-end open attempt=1");
    assert_eq!(ended.printed_ends("prints"), ["open", "replied"]);
    let reasons: Vec<_> = ended.outcomes("prints", "session-end").map(|line| &line["reason"]).collect();
    assert_eq!(reasons, ["reset", "shutdown"]);
}

#[test]
fn lines_that_were_written_together_with_the_shutdown_line_are_all_taken() {
    let program = Launch::stdio().guest("prints").start().ready();
    let compaction = r#"{"op":"compaction","session":{"id":"s000"},"phase":"after"}"#;
    let mut lines: Vec<String> = ids(50).iter().map(|id| start(id)).collect();
    lines.extend([compaction.to_owned(), end("s000", "reset"), r#"{"op":"shutdown"}"#.to_owned()]);
    lines.push(start("after-the-last-word"));
    program.send(lines);
    let ended = program.ended();
    assert_eq!(ended.code(), 0);
    assert_eq!(ended.of("accepted").count(), 52);
    assert_eq!(ended.printed_ends("prints"), ids(50));
    let reason_of = |id: &str| {
        let line = ended.outcomes("prints", "session-end").find(|line| line["session"] == id).unwrap();
        line["reason"].as_str().unwrap()
    };
    assert_eq!((reason_of("s000"), reason_of("s001")), ("reset", "shutdown"));
    let of_the_first: Vec<String> = ended.printed("prints").into_iter().filter(|text| text.contains("s000")).collect();
    assert_eq!(
        of_the_first,
        ["session-start s000 attempt=1", "session-compaction s000 attempt=1", "session-end s000 attempt=1"]
    );
}

#[test]
fn a_drain_that_runs_out_of_budget_warns_and_the_process_still_leaves() {
    let config = r#"
        [drain]
        budget = "2s"
        [[plugin]]
        name = "sleeper"
        component = "sleep.wasm"
        limits = { deadline = "10m" }
        [[plugin]]
        name = "prints"
        component = "prints.wasm"
    "#;
    let program = Launch::stdio().with_guest("sleep").with_guest("prints").config(config).start().ready();
    program.open(ids(3));
    let ended = program.stop();
    assert_eq!(ended.code(), 3, "three ends are owed, safe in the journal");
    assert!(ended.log.iter().any(|line| line.contains(" 3 ") && line.contains("owed")), "stderr says how many");
    assert_eq!(ended.drain()["budget_ms"], 2_000);
    assert_eq!(ended.drain()["timed_out"], true);
    assert_eq!([ended.drained("delivered"), ended.drained("failed"), ended.drained("deferred")], [3, 0, 3]);
    assert_eq!(ended.ends("sleeper", "deferred(budget)"), ids(3));
    assert_eq!(ended.printed_ends("prints"), ids(3));
    let warnings = ended.drain_warnings();
    assert!(matches!(warnings.as_slice(), [one] if one.contains("sleeper")), "{warnings:?}");
    assert!(ended.log.iter().any(|line| line.contains("session-end-drain")), "an operator reads stderr");
}

#[test]
fn without_a_drain_nobody_is_called_and_nothing_is_warned_of() {
    let config = "[drain]\nenabled = false\n[[plugin]]\nname = \"prints\"\ncomponent = \"prints.wasm\"\n";
    let program = Launch::stdio().with_guest("prints").config(config).start().ready();
    program.open(ids(7));
    program.count("outcome", 7);
    let ended = program.stop();
    assert_eq!(ended.code(), 3);
    assert!(ended.log.iter().any(|line| line.contains(" 7 ") && line.contains("owed")), "{}", ended.stderr());
    assert_eq!(ended.of("drain").count(), 0);
    assert!(!ended.stderr().contains("session-end-drain"));
    assert_eq!(ended.printed_ends("prints"), [""; 0]);
    assert_eq!(ended.outcomes("prints", "session-end").count(), 0);
}

#[test]
fn without_a_drain_and_without_sessions_nothing_is_lost() {
    let config = "[drain]\nenabled = false\n[[plugin]]\nname = \"prints\"\ncomponent = \"prints.wasm\"\n";
    let program = Launch::stdio().with_guest("prints").config(config).start().ready();
    assert_eq!(program.stop().code(), 0);
}

#[test]
fn two_signals_within_5_ms_make_one_drain() {
    for pair in [[Signal::TERM, Signal::TERM], [Signal::TERM, Signal::INT], [Signal::INT, Signal::HUP]] {
        // The drain cannot be over between the two: this plugin takes 50 ms for each call.
        let program = Launch::stdio().guest("prints").guest("sleep-50ms").start().ready();
        program.open(ids(20));
        let first = program.signal(pair[0]);
        let second = program.signal(pair[1]);
        assert!(second.duration_since(first).as_millis() < 5, "this test was too slow to test anything");
        let ended = program.ended();
        assert_eq!(ended.code(), 0, "{pair:?}");
        assert_eq!(ended.drain()["reason"], "shutdown");
        assert_eq!([ended.drained("sessions"), ended.drained("delivered")], [20, 40]);
        assert_eq!(ended.printed_ends("prints"), ids(20), "each once");
        assert_eq!(ended.ends("sleep-50ms", "delivered"), ids(20), "each once");
    }
}

#[test]
fn while_it_drains_new_starts_are_refused_and_ends_are_taken() {
    let config = r#"
        [[plugin]]
        name = "prints"
        component = "prints.wasm"
        [[plugin]]
        name = "sleeper"
        component = "sleep.wasm"
        tenants = ["slow"]
        limits = { deadline = "10m" }
    "#;
    let program = Launch::stdio().with_guest("prints").with_guest("sleep").config(config).start().ready();
    program.send([r#"{"op":"start","session":{"id":"held","tenant":"slow"}}"#.to_owned(), start("s1")]);
    program.count("accepted", 2);
    program.signal(Signal::TERM);
    program.line("an end of the drain", |line| line["hook"] == "session-end" && line["session"] == "s1");
    program.send([start("too-late"), end("unknown", "reset"), end("s1", "reset")]);
    let refused = program.line("the refusal", |line| line["event"] == "error");
    assert_eq!((&refused["code"], &refused["line"]), (&"draining".into(), &3.into()));
    let taken =
        program.line("the end's acceptance", |line| line["event"] == "accepted" && line["session"] == "unknown");
    assert_eq!(taken["generation"], 1);
    let again = program
        .line("the second end's", |line| line["event"] == "accepted" && line["op"] == "end" && line["session"] == "s1");
    assert_eq!(again["code"], "duplicate_end");
    let ended = program.ended();
    assert_eq!(ended.printed_ends("prints"), sorted(["held", "s1", "unknown"].map(str::to_owned)));
    assert_eq!([ended.drained("delivered"), ended.drained("deferred")], [3, 1], "an end that came late counts too");
    assert_eq!(ended.code(), 3);
}

#[test]
fn the_end_of_the_input_means_that_the_owner_died() {
    let mut program = Launch::stdio().guest("prints").start().ready();
    program.open(ids(3));
    program.close_stdin();
    let ended = program.ended();
    assert_eq!(ended.code(), 0);
    assert_eq!(ended.drain()["reason"], "crashed");
    assert_eq!(ended.printed_ends("prints"), ids(3));
    assert!(ended.outcomes("prints", "session-end").all(|line| line["reason"] == "crashed"));
}

#[test]
fn the_end_of_the_input_after_a_shutdown_line_changes_nothing() {
    let mut program = Launch::stdio().guest("prints").start().ready();
    program.open(ids(3));
    program.send([r#"{"op":"shutdown","reason":"restart"}"#]);
    program.close_stdin();
    let ended = program.ended();
    assert_eq!((ended.code(), &ended.drain()["reason"]), (0, &"restart".into()));
    assert_eq!(ended.printed_ends("prints"), ids(3));
}

/// As a terminal or a supervisor does it: the owner dies of the signal, so our pipe closes while it is sent to us.
#[test]
fn a_signal_to_the_whole_process_group_is_a_shutdown_and_no_crash() {
    for _ in 0..10 {
        let mut owner =
            Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0).spawn().unwrap();
        let group = Pid::from_child(&owner);
        let launch = Launch::stdio().guest("prints");
        let program = launch.input_from(owner.stdout.take().unwrap(), group.as_raw_nonzero().get()).start().ready();
        let mut input = owner.stdin.take().unwrap();
        writeln!(input, "{}\n{}", start("s1"), start("s2")).unwrap();
        program.count("accepted", 2);
        kill_process_group(group, Signal::TERM).unwrap();
        let ended = program.ended();
        owner.wait().unwrap();
        assert_eq!((ended.code(), &ended.drain()["reason"]), (0, &"shutdown".into()));
        assert_eq!(ended.printed_ends("prints"), ["s1", "s2"]);
        assert!(ended.outcomes("prints", "session-end").all(|line| line["reason"] == "shutdown"));
    }
}

#[test]
fn a_drain_of_nothing_calls_nobody_and_reports_nothing() {
    let program = Launch::stdio().guest("prints").start().ready();
    let ended = program.stop();
    assert_eq!(ended.code(), 0);
    assert_eq!(["sessions", "delivered", "failed", "deferred"].map(|count| ended.drained(count)), [0; 4]);
    assert_eq!(ended.printed("prints"), [""; 0]);
}

#[test]
fn sessions_without_any_plugin_owe_nothing() {
    let program = Launch::stdio().start().ready();
    program.open(ids(3));
    let ended = program.stop();
    assert_eq!(ended.code(), 0);
    assert_eq!([ended.drained("sessions"), ended.drained("delivered")], [3, 0]);
}
