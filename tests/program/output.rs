//! Readers of our output that stall or go away: they stop nothing, and what they miss is counted.

use crate::support::{Launch, Signal, end, ids, start};

/// More output than is kept for a reader that does not read: ids of 500 bytes, three lines for each session.
const SESSIONS: usize = 11_000;

fn long_start(n: usize) -> String {
    start(&format!("{n:05}-{}", "x".repeat(494)))
}

#[test]
fn lines_that_a_stalled_reader_misses_are_counted_and_the_drain_line_is_not_among_them() {
    let config = r#"
        [drain]
        budget = "1m"
        [[plugin]]
        name = "good"
        component = "good.wasm"
        [[plugin]]
        name = "as-good"
        component = "good.wasm"
    "#;
    let mut program = Launch::stdio().with_guest("good").config(config).stalled_stdout().start();
    program.send((0..SESSIONS).map(long_start));
    program.send([r#"{"op":"shutdown"}"#]);
    // The answers alone would have fitted, so this comes while it drains.
    program.log("the reader of stdout is too slow");
    program.read_stdout();
    let ended = program.ended();

    assert_eq!(ended.code(), 0);
    assert_eq!(ended.lines.last(), Some(ended.drain()));
    let sessions = SESSIONS as u64;
    assert_eq!([ended.drained("sessions"), ended.drained("delivered")], [sessions, 2 * sessions]);
    let dropped = ended.drained("dropped_lines");
    let (ready, accepted, outcomes) = (1, sessions, 2 * sessions);
    let read = ended.lines.len() as u64 - 1;
    assert!(dropped > 0, "nothing was dropped, so this tested nothing");
    assert_eq!(read + dropped, ready + accepted + outcomes, "every line was read or counted");
}

#[test]
fn a_reader_that_went_away_costs_nobody_their_end() {
    let program = Launch::stdio().guest("prints").closed_stdout().start();
    program.send(ids(50).iter().map(|id| start(id)));
    program.log("session-start s049 ");
    program.signal(Signal::TERM);
    let ended = program.ended();
    assert_eq!(ended.code(), 0);
    assert_eq!(ended.printed_ends("prints"), ids(50));
    let told = ended.log.iter().filter(|line| line.contains("stdout")).count();
    assert_eq!(told, 1, "an operator is told, and once");
}

#[test]
fn a_reader_that_goes_away_in_the_middle_costs_nobody_their_end() {
    let mut program = Launch::stdio().guest("prints").stalled_stdout().start();
    program.send([start("s1")]);
    program.log("session-start s1 ");
    program.close_stdout();
    program.send([start("s2"), r#"{"op":"shutdown"}"#.to_owned()]);
    let ended = program.ended();
    assert_eq!(ended.code(), 0);
    assert_eq!(ended.printed_ends("prints"), ["s1", "s2"]);
}

#[test]
fn logs_have_no_colours_in_a_pipe_and_can_be_filtered() {
    let program = Launch::stdio().guest("prints").start().ready();
    program.open(["s1"]);
    program.signal(Signal::TERM);
    let ended = program.ended();
    assert!(!ended.stderr().contains('\x1b'), "{}", ended.stderr());

    let program = Launch::stdio().guest("prints").env("LASTWORD_LOG", "off").start().ready();
    program.open(["s1"]);
    program.signal(Signal::TERM);
    let ended = program.ended();
    assert_eq!((ended.code(), ended.stderr()), (0, String::new()));
    assert_eq!(ended.ends("prints", "delivered"), ["s1"], "the protocol is no log");
}

#[test]
fn a_failure_is_one_line_of_the_log_whatever_the_guest_answers() {
    let program = Launch::stdio().guest("forges").start().ready();
    program.send([end("s1", "reset")]);
    program.count("outcome", 1);
    program.signal(Signal::TERM);
    let ended = program.ended();
    let failed: Vec<_> = ended.log.iter().filter(|line| line.contains("plugin=forges")).collect();
    let [line] = failed[..] else { panic!("one attempt, one line: {}", ended.stderr()) };
    assert!(line.contains(" WARN lastword: failed ") && line.contains("detail="), "{line}");
    assert!(!ended.stderr().contains('\x1b') && !ended.log.iter().any(|line| line.starts_with(" ERROR")));
}
