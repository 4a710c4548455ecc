//! Readers of our output that stall or go away: they stop nothing, and what they miss is counted.

use crate::support::{Launch, Signal, end, ids, start};

/// More output than is kept for a reader that does not read: ids of 500 bytes, three lines for each session.
const SESSIONS: usize = 14_000;

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
    // Answers are not dropped, so this comes while it drains.
    program.log("the reader of stdout is too slow");
    program.read_stdout();
    let ended = program.ended();

    assert_eq!(ended.code(), 0);
    assert_eq!(ended.lines.last(), Some(ended.drain()));
    let sessions = SESSIONS as u64;
    assert_eq!([ended.drained("sessions"), ended.drained("delivered")], [sessions, 2 * sessions]);
    let dropped = ended.drained("dropped_lines");
    let read = ended.of("outcome").count() as u64;
    assert!(dropped > 0, "nothing was dropped, so this tested nothing");
    assert_eq!(read + dropped, 2 * sessions, "every outcome was read or counted");
    assert_eq!(ended.answers(), (1..=sessions).map(|line| (line, true)).collect::<Vec<_>>(), "no answer was dropped");
}

/// A plugin that is told of one tenant only: what it prints says how far the program is, without its stdout.
const MARKED: &str = r#"
    [[plugin]]
    name = "prints"
    component = "prints.wasm"
    tenants = ["marked"]
"#;

fn marker(id: &str) -> String {
    format!(r#"{{"op":"start","session":{{"id":"{id}","tenant":"marked"}}}}"#)
}

/// Every hundredth line is wrong.
fn is_good(line: u64) -> bool {
    !line.is_multiple_of(100)
}

fn lines(numbers: std::ops::RangeInclusive<u64>) -> impl Iterator<Item = String> {
    numbers.map(|line| if is_good(line) { start(&format!("s{line}")) } else { "{".to_owned() })
}

#[test]
fn a_reader_that_stalls_stops_no_input_and_can_account_for_each_of_its_lines_when_it_reads_again() {
    const LINES: u64 = 50_000;
    let mut program = Launch::stdio().with_guest("prints").config(MARKED).stalled_stdout().start();
    program.send(lines(1..=LINES));
    program.send([marker("last")]);
    program.log("session-start last ");
    program.read_stdout();
    program.send([r#"{"op":"shutdown"}"#]);
    let ended = program.ended();
    assert_eq!(ended.code(), 0);
    let expected: Vec<_> = (1..=LINES + 1).map(|line| (line, line > LINES || is_good(line))).collect();
    assert!(ended.answers() == expected, "each line is answered once, in order");
    assert_eq!(ended.drained("dropped_lines"), 0);
    let told = ended.lines.len();
    assert!(told < 4_000, "{told} lines: memory is for those that somebody reads");
}

#[test]
fn a_reader_that_stalls_can_account_for_each_of_its_lines_also_when_a_drain_begins_meanwhile() {
    const LINES: u64 = 20_000;
    let config = format!(
        r#"
        {MARKED}
        [[plugin]]
        name = "sleeper"
        component = "sleep.wasm"
        tenants = ["slow"]
        limits = {{ deadline = "10m" }}
        "#
    );
    let launch = Launch::stdio().with_guest("prints").with_guest("sleep").config(&config);
    let mut program = launch.stalled_stdout().start();
    program.send(lines(1..=LINES));
    // It holds the drain until the budget ends.
    program.send([r#"{"op":"start","session":{"id":"held","tenant":"slow"}}"#.to_owned(), marker("last")]);
    program.log("session-start last ");
    program.signal(Signal::TERM);
    program.log("SIGTERM: shutting down");
    program.send((0..5_000).map(|n| start(&format!("late-{n}"))));
    program.read_stdout();
    let ended = program.ended();
    let answers = ended.answers();
    let read: Vec<u64> = answers.iter().map(|(line, _)| *line).collect();
    assert!(read.iter().copied().eq(1..=read.len() as u64), "each line is answered once, in order");
    assert!(read.len() as u64 >= LINES + 2, "{}: all that came before the drain", read.len());
    let (before, _late) = answers.split_at(usize::try_from(LINES + 2).unwrap());
    assert!(before.iter().all(|(line, accepted)| *accepted == (*line > LINES || is_good(*line))));
    assert_eq!(ended.drained("sessions"), answers.iter().filter(|(_, accepted)| *accepted).count() as u64);
}

#[test]
fn a_reader_that_keeps_up_gets_an_answer_of_its_own_for_each_line() {
    let program = Launch::stdio().start().ready();
    for round in 0..10 {
        program.send((0..500).map(|n| start(&format!("s{round}-{n}"))));
        program.count("accepted", 500 * (round + 1));
    }
    let ended = program.stop();
    assert_eq!(ended.of("accepted").filter(|line| line["line"].is_u64() && line["session"].is_string()).count(), 5_000);
}

#[test]
fn a_reader_that_went_away_costs_nobody_their_end() {
    let program = Launch::stdio().guest("prints").closed_stdout().start();
    program.send(ids(50).iter().map(|id| start(id)));
    program.log("session-start s049 ");
    let ended = program.stop();
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
    let ended = program.stop();
    assert!(!ended.stderr().contains('\x1b'), "{}", ended.stderr());

    let program = Launch::stdio().guest("prints").env("LASTWORD_LOG", "off").start().ready();
    program.open(["s1"]);
    let ended = program.stop();
    assert_eq!((ended.code(), ended.stderr()), (0, String::new()));
    assert_eq!(ended.ends("prints", "delivered"), ["s1"], "the protocol is no log");
}

#[test]
fn a_failure_is_one_line_of_the_log_whatever_the_guest_answers() {
    let program = Launch::stdio().guest("forges").start().ready();
    program.send([end("s1", "reset")]);
    program.count("outcome", 1);
    let ended = program.stop();
    let failed: Vec<_> = ended.log.iter().filter(|line| line.contains("plugin=forges")).collect();
    let [line] = failed[..] else { panic!("one attempt, one line: {}", ended.stderr()) };
    assert!(line.contains(" WARN lastword: failed ") && line.contains("detail="), "{line}");
    assert!(!ended.stderr().contains('\x1b') && !ended.log.iter().any(|line| line.starts_with(" ERROR")));
}
