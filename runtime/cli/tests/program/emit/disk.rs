//! A disk that is slow, full or broken under the spool.

use std::collections::BTreeSet;

use lastword_faults::{Fault, Kind};

use super::{assert_silent, end, hook, sessions, start, until, waiting};
use crate::support::Home;

#[test]
fn a_hook_that_is_killed_while_it_waits_for_the_disk_has_kept_its_event() {
    let home = Home::new();
    // The first operation writes the file, and the second one is its sync.
    let fault = Fault::at(2, Kind::Kill, "/spool/");
    let killed = home.command("emit").arg("claude-code").fault(&fault).input(end("s1")).run();
    assert!(killed.was_killed());
    assert_eq!(waiting(&home).len(), 1);
    let program = home.serve().guest("prints").start().ready();
    program.log("session-end s1");
    assert_eq!(program.stop().printed_ends("prints"), ["s1"]);
}

#[test]
fn an_event_for_which_the_spool_has_no_room_goes_to_the_daemon_that_answers() {
    let home = Home::new();
    let program = home.serve().config("[quota]\nactive-sessions = 1\n").guest("prints").start().ready();
    assert_silent(&hook(&home, &start("s1")));
    until("s1 is active", || sessions(&home).len() == 1 && waiting(&home).is_empty());
    assert_silent(&hook(&home, &start("s2")));
    until("s2 waits for the quota", || waiting(&home).len() == 1);
    // So others come before this one, which cannot be kept.
    let fault = Fault::at(1, Kind::FailFrom, "/spool/");
    until("s1 has ended", || {
        assert_silent(&home.command("emit").arg("claude-code").fault(&fault).input(end("s1")).run());
        !sessions(&home).iter().any(|session| session.to_string().contains("\"s1\""))
    });
    program.log("session-end s1");
    program.kill();
}

#[test]
fn a_limit_of_the_size_of_files_ends_no_hook() {
    let home = Home::new();
    let emit = || home.command("emit").arg("claude-code").after("ulimit -f 0");
    assert_silent(&emit().input(end("s1")).run());
    let strict = emit().arg("--strict").input(end("s1")).run();
    assert_eq!(strict.code(), 1);
    assert!(strict.stderr().contains("cannot write an event to"), "{}", strict.stderr());
    assert!(waiting(&home).is_empty());
}

#[test]
fn a_signal_while_the_spool_is_taken_in_loses_nothing_of_what_was_taken() {
    let home = Home::new();
    home.serve().start().ready().stop();
    let ids: BTreeSet<String> = (0..10).map(|number| format!("s{number}")).collect();
    for id in &ids {
        assert_silent(&hook(&home, &start(id)));
        assert_silent(&hook(&home, &end(id)));
    }
    let many = waiting(&home).len();
    // Each end waits for its start, and each of both takes a sync.
    let slow = Fault::at(1, Kind::SlowFrom, "journal.db");
    let program = home.serve().guest("prints").fault(&slow).start();
    until("some are taken", || waiting(&home).len() < many);
    let ended = program.stop();
    assert!(!ended.stderr().contains("nothing was accepted"), "{}", ended.stderr());
    let next = home.serve().guest("prints").start().ready().stop();
    let told = ended.printed_ends("prints").into_iter().chain(next.printed_ends("prints"));
    assert_eq!(told.collect::<BTreeSet<_>>(), ids);
}

mod timed {
    use std::time::Instant;

    use super::super::timed::BOUND;
    use super::*;

    #[test]
    fn a_slow_disk_costs_the_agent_less_than_a_second_and_the_event_is_kept() {
        let home = Home::new();
        // The file, the spool and what that is in are synced: 400 ms longer each.
        let fault = Fault::at(1, Kind::SlowFrom, "lastword");
        let launch = home.command("emit").arg("claude-code").fault(&fault).input(end("s1"));
        let began = Instant::now();
        assert_silent(&launch.run());
        let took = began.elapsed();
        assert!(took < BOUND, "{took:?}");
        assert_eq!(waiting(&home).len(), 1);
    }
}
