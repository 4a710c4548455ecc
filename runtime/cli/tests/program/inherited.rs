//! What the program's parent has decided for it: signals that are ignored, and limits.

use crate::support::{Ended, Home, Launch, Program, Signal, end, ids, start};

fn started_by(script: &'static str) -> Program {
    let program = Launch::stdio().guest("prints").shell(script).start().ready();
    program.open(["s000"]);
    program
}

/// Still takes a line, and then leaves for a SIGTERM.
fn assert_it_serves(program: Program) {
    program.send([start("s001")]);
    program.count("accepted", 2);
    let ended = program.stop();
    assert_eq!((ended.code(), &ended.drain()["reason"]), (0, &"shutdown".into()));
    assert_eq!(ended.printed_ends("prints"), ids(2));
    let log = ended.stderr();
    assert!(!["SIGHUP", "SIGINT", "SIGQUIT"].iter().any(|signal| log.contains(signal)), "{log}");
}

#[test]
fn nohup_outlives_its_terminal() {
    let program = started_by(r#"exec nohup "$@""#);
    program.signal(Signal::HUP);
    assert_it_serves(program);
}

#[test]
fn signals_that_were_ignored_at_the_start_stay_ignored() {
    let program = started_by(r#"trap "" HUP INT QUIT; exec "$@""#);
    for signal in [Signal::HUP, Signal::INT, Signal::QUIT] {
        program.signal(signal);
    }
    assert_it_serves(program);
}

/// A shell without job control starts its background jobs with SIGINT ignored: Ctrl-C on the script is not for them.
#[test]
fn a_scripts_background_job_outlives_ctrl_c_on_the_script() {
    let launch = Launch::stdio().guest("prints").in_a_terminal();
    let script = r#"trap 'echo interrupted >&2' INT; exec 3<&0; "$@" <&3 & wait; wait"#;
    let program = launch.shell(script).start().ready();
    program.open(["s000"]);
    program.press_ctrl_c();
    program.log("interrupted");
    program.send([start("s001"), r#"{"op":"shutdown","reason":"restart"}"#.to_owned()]);
    let ended = program.ended();
    assert_eq!(ended.drain()["reason"], "restart");
    assert!(!ended.stderr().contains("SIGINT"), "{}", ended.stderr());
}

#[test]
fn sigterm_drains_also_when_it_was_ignored_at_the_start() {
    let program = started_by(r#"trap "" TERM; exec "$@""#);
    let ended = program.stop();
    assert_eq!((ended.code(), &ended.drain()["reason"]), (0, &"shutdown".into()));
}

/// It has no handler: whoever sends it wants the process gone, and its core.
#[test]
fn sigquit_ends_the_process_at_once_and_the_journal_has_what_is_owed() {
    let home = Home::new();
    let program = home.stdio().guest("prints").shell(r#"ulimit -c 0; exec "$@""#).start().ready();
    program.open(ids(2));
    program.signal(Signal::QUIT);
    let ended = program.ended();
    assert!(ended.was_killed());
    assert_eq!(ended.of("drain").count(), 0);

    let next = home.stdio().guest("prints").start().ready();
    next.count("outcome", 2);
    let next = next.stop();
    assert_eq!((next.code(), next.printed_ends("prints")), (0, ids(2)));
    assert!(next.outcomes("prints", "session-end").all(|line| line["reason"] == "crashed"));
}

/// More bytes than the limits below allow.
fn ends(number: usize) -> Vec<String> {
    ids(number).iter().map(|id| end(id, "reset")).collect()
}

#[test]
fn a_limit_of_a_files_size_is_a_full_disk_to_the_journal() {
    let home = Home::new();
    let launch = home.stdio().guest("prints");
    let program = launch.shell(r#"ulimit -f 512; exec "$@""#).start().ready();
    let note = "x".repeat(1000);
    let long = |n: usize| format!(r#"{{"op":"start","session":{{"id":"long-{n}","note":"{note}"}}}}"#);
    program.open(ids(3));
    program.send((0..1000).map(long));
    program.until("the answers", |counts| {
        let count = |event: &str| counts.get(event).copied().unwrap_or(0);
        count("accepted") + count("error") >= 1003
    });
    let ended = program.stop();
    let refused: Vec<_> = ended.of("error").collect();
    assert!(!refused.is_empty(), "the limit was met, or this tested nothing");
    assert!(refused.iter().all(|error| error["code"] == "journal"), "{:?}", refused[0]);
    let accepted: Vec<String> = ended.of("accepted").map(|line| line["session"].as_str().unwrap().to_owned()).collect();
    assert!(accepted.len() >= 3);
    // Whatever could not be written down of the drain is done after the next start.
    assert!([0, 3].contains(&ended.code()), "{}", ended.code());

    let mut next = home.stdio().guest("prints").start().ready();
    next.close_stdin();
    let next = next.ended();
    assert_eq!(next.code(), 0);
    let told = |ended: &Ended| ended.printed_ends("prints");
    for id in accepted {
        assert!(told(&ended).contains(&id) || told(&next).contains(&id), "{id} was accepted");
    }
}

#[test]
fn a_limit_of_a_files_size_is_a_full_disk_to_the_log_and_to_the_answers() {
    for script in [r#"ulimit -f 8; exec "$@" 2>>log"#, r#"ulimit -f 8; exec "$@" >>answers"#] {
        let launch = Launch::stdio().guest("prints").arg("--journal").arg("memory");
        let ended = launch.input(ends(300).join("\n")).shell(script).run();
        assert_eq!(ended.code(), 0, "{script}: every end was delivered: {}", ended.stderr());
        if script.contains("2>>") {
            assert_eq!(ended.answers(), (1..=300).map(|line| (line, true)).collect::<Vec<_>>());
        } else {
            assert!(ended.stderr().contains("stdout cannot be written for now"), "{}", ended.stderr());
            assert_eq!(ended.printed_ends("prints"), ids(300));
        }
    }
}
