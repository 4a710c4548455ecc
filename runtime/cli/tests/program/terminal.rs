//! A terminal's Ctrl-C: it reaches the owner too, which decides whether it is the end.

use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::support::{Launch, Program, Signal, end, ids, start};

/// What the log says when it leaves a Ctrl-C to the owner.
const LEFT: &str = "left to the owner";

/// In a terminal, its stdin a pipe that we hold: we are an owner that outlives Ctrl-C.
fn owned() -> Program {
    let program = Launch::stdio().guest("prints").in_a_terminal().start().ready();
    program.open(ids(2));
    program
}

#[test]
fn an_owner_that_goes_on_after_ctrl_c_keeps_its_sessions() {
    let program = owned();
    program.press_ctrl_c();
    program.log(LEFT);
    program.send([end("s000", "reset"), start("later"), r#"{"op":"shutdown","reason":"restart"}"#.to_owned()]);
    let ended = program.ended();
    assert_eq!((ended.code(), &ended.drain()["reason"]), (0, &"restart".into()));
    let reasons = ended.outcomes("prints", "session-end").map(|line| (line["session"].clone(), line["reason"].clone()));
    let mut reasons: Vec<(String, String)> =
        reasons.map(|(id, reason)| (id.as_str().unwrap().into(), reason.as_str().unwrap().into())).collect();
    reasons.sort();
    let expected = [("later", "restart"), ("s000", "reset"), ("s001", "restart")];
    assert_eq!(reasons, expected.map(|(id, reason)| (id.to_owned(), reason.to_owned())));
}

#[test]
fn an_owner_that_leaves_after_ctrl_c_has_shut_down_and_not_crashed() {
    let mut program = owned();
    program.press_ctrl_c();
    program.log(LEFT);
    program.send([end("s000", "reset")]);
    program.close_stdin();
    let ended = program.ended();
    assert_eq!((ended.code(), &ended.drain()["reason"]), (0, &"shutdown".into()));
    // Two sessions, so in either order.
    let mut reasons: Vec<_> =
        ended.outcomes("prints", "session-end").map(|line| line["reason"].as_str().unwrap()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["reset", "shutdown"], "what it said before it left counts");
}

#[test]
fn a_socket_is_held_by_an_owner_as_a_pipe_is() {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let launch = Launch::stdio().guest("prints").in_a_terminal();
    let program = launch.input_stdio(OwnedFd::from(theirs)).start().ready();
    writeln!(ours, "{}", start("s1")).unwrap();
    program.count("accepted", 1);
    program.press_ctrl_c();
    program.log(LEFT);
    drop(ours);
    let ended = program.ended();
    assert_eq!((ended.code(), &ended.drain()["reason"]), (0, &"shutdown".into()));
}

#[test]
fn a_second_ctrl_c_soon_after_the_first_drains() {
    // Two presses are one signal until the first was heard, so the first has to have been.
    let program = owned();
    program.press_ctrl_c();
    program.log(LEFT);
    program.press_ctrl_c();
    let ended = program.ended();
    assert_eq!((ended.code(), &ended.drain()["reason"]), (0, &"shutdown".into()));
    assert_eq!(ended.printed_ends("prints"), ids(2));
}

#[test]
fn a_signal_that_a_process_sent_drains_at_once_also_in_a_terminal() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let program = owned();
        program.signal(signal);
        let ended = program.ended();
        assert_eq!((ended.code(), &ended.drain()["reason"]), (0, &"shutdown".into()), "{signal:?}");
        assert!(!ended.stderr().contains(LEFT), "{signal:?}: {}", ended.stderr());
    }
}

#[test]
fn a_process_that_sends_an_interrupt_after_ctrl_c_drains_at_once() {
    let program = owned();
    program.press_ctrl_c();
    program.log(LEFT);
    program.signal(Signal::INT);
    let ended = program.ended();
    assert_eq!((ended.code(), &ended.drain()["reason"]), (0, &"shutdown".into()));
}

#[test]
fn a_terminal_that_goes_away_is_a_shutdown() {
    let mut program = owned();
    program.close_terminal();
    let ended = program.ended();
    assert_eq!((ended.code(), &ended.drain()["reason"]), (0, &"shutdown".into()));
    assert_eq!(ended.printed_ends("prints"), ids(2));
}

#[test]
fn ctrl_c_drains_at_once_when_a_person_is_the_owner() {
    let program = Launch::stdio().guest("prints").input_from_the_terminal().start().ready();
    program.press_ctrl_c();
    let ended = program.ended();
    assert_eq!((ended.code(), &ended.drain()["reason"]), (0, &"shutdown".into()));
    assert!(!ended.stderr().contains(LEFT), "{}", ended.stderr());
}

#[test]
fn ctrl_c_before_ready_leaves_at_once() {
    // Its configuration comes through stdin and has no end: it never is ready.
    let (theirs, mut ours) = io::pipe().unwrap();
    let launch = Launch::stdio().arg("--config").arg("-").in_a_terminal();
    let program = launch.input_stdio(theirs).start();
    // More than a pipe holds: it is being read.
    ours.write_all("# A comment.\n".repeat(16_000).as_bytes()).unwrap();
    program.press_ctrl_c();
    let ended = program.ended();
    assert_eq!(ended.code(), 0);
    assert!(ended.lines.is_empty(), "{:?}", ended.lines);
}

/// What a person types: the other end of the pipe dies of the Ctrl-C, and that is the end.
#[test]
fn ctrl_c_on_tail_piped_into_it_is_a_shutdown() {
    let launch = Launch::stdio().guest("prints").in_a_terminal();
    launch.write("events.ndjson", format!("{}\n{}\n", start("s000"), start("s001")));
    // The shell outlives the signal to tell the exit code of the last one.
    let program = launch.shell("trap : INT; tail -n +1 -f events.ndjson | \"$@\"").start().ready();
    program.count("accepted", 2);
    program.press_ctrl_c();
    let ended = program.ended();
    assert_eq!((ended.code(), &ended.drain()["reason"]), (0, &"shutdown".into()));
    assert_eq!(ended.printed_ends("prints"), ids(2));
}

/// It waits for so long, and asserts no time.
#[test]
fn an_owner_that_outlives_ctrl_c_by_more_than_5_s_and_then_dies_has_crashed() {
    let mut program = owned();
    program.press_ctrl_c();
    program.log(LEFT);
    let over = Instant::now() + Duration::from_millis(5_100);
    while let Some(left) = over.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(left);
    }
    program.close_stdin();
    let ended = program.ended();
    assert_eq!((ended.code(), &ended.drain()["reason"]), (0, &"crashed".into()));
}
