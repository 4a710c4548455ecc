//! How a daemon stops: draining, or leaving its sessions to the next one.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::support::{Home, Raw, Signal, http};

#[test]
fn a_signal_drains_the_sessions_of_every_owner_within_the_budget() {
    for signal in [Signal::TERM, Signal::INT] {
        let home = Home::new();
        let program = home.serve().guest("prints").start().ready();
        let mut owners = [1, 2].map(|_| Raw::connect(&home.socket()));
        owners[0].start("s1");
        owners[1].start("s2");
        program.signal(signal);
        for owner in &mut owners {
            assert_eq!(owner.hear("drain")["reason"], "shutdown");
        }
        let ended = program.ended();
        assert_eq!(ended.code(), 0, "{}", ended.stderr());
        assert_eq!(ended.printed_ends("prints"), ["s1", "s2"]);
        assert!(ended.stderr().contains("drained in"), "{}", ended.stderr());
    }
}

#[test]
fn what_a_drain_could_not_deliver_is_owed_and_the_exit_code_says_so() {
    let home = Home::new();
    let program = home.serve().guest("trap").start().ready();
    let mut owner = Raw::connect(&home.socket());
    owner.start("s1");
    let ended = program.stop();
    assert_eq!(ended.code(), 3, "{}", ended.stderr());
    assert!(home.command("deliveries").arg("--journal").arg(home.journal()).run().stdout().contains("owed"));
}

#[test]
fn with_on_stop_keep_the_next_daemon_goes_on_with_the_sessions() {
    let home = Home::new();
    let config = "[daemon]\non-stop = \"keep\"\nowner-grace = \"60s\"\n";
    let program = home.serve().guest("prints").config(config).start().ready();
    let mut owner = Raw::connect(&home.socket());
    owner.start("s1");
    let ended = program.stop();
    assert_eq!(ended.code(), 0, "{}", ended.stderr());
    assert!(ended.printed_ends("prints").is_empty(), "nobody was told of an end");
    assert!(ended.stderr().contains("left to the next daemon"), "{}", ended.stderr());

    let program = home.serve().guest("prints").config(config).start().ready();
    let mut owner = Raw::connect(&home.socket());
    assert_eq!(owner.start("s1")["generation"], 1);
    let outcome = owner.end_and_be_told("s1");
    assert_eq!((&outcome["attempt"], &outcome["outcome"]), (&1.into(), &"delivered".into()));
    assert_eq!(program.stop().code(), 0);
}

#[test]
fn with_on_stop_keep_a_plugin_that_hangs_and_a_client_that_is_slow_cost_one_budget_together() {
    let home = Home::new();
    let config = "[daemon]\non-stop = \"keep\"\n[drain]\nbudget = \"2s\"\n\
                  [[plugin]]\nname = \"sleep\"\ncomponent = \"sleep.wasm\"\nlimits = { deadline = \"10m\" }\n";
    let program = home.serve().with_guest("sleep").config(config).start().ready();
    Raw::connect(&home.socket()).end("s1");
    let deadline = Instant::now() + Duration::from_secs(60);
    while http(&home.socket(), "GET", "/v1/status", "").1["plugins"][0]["running"] != 1 {
        assert!(Instant::now() < deadline, "it is called");
    }
    // Its body never comes.
    let mut slow = UnixStream::connect(home.socket()).unwrap();
    write!(slow, "POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n").unwrap();
    let ended = program.stop();
    assert_eq!(ended.code(), 0, "{}", ended.stderr());
    assert!(ended.stderr().contains("left to the next daemon"), "{}", ended.stderr());
}

#[test]
fn an_operator_can_have_it_drain_and_leave_and_is_told_how_that_went() {
    let home = Home::new();
    let program = home.serve().guest("prints").start().ready();
    let mut owner = Raw::connect(&home.socket());
    owner.start("s1");
    let (status, report) = http(&home.socket(), "POST", "/v1/drain", "");
    assert_eq!((status, &report["delivered"]), (200, &1.into()), "{report}");
    let ended = program.ended();
    assert_eq!((ended.code(), ended.printed_ends("prints")), (0, vec!["s1".to_owned()]), "{}", ended.stderr());
}

#[test]
fn what_is_in_memory_cannot_be_kept() {
    let home = Home::new();
    let launch = home.command("serve").arg("--journal").arg("memory").config("[daemon]\non-stop = \"keep\"\n");
    let ended = launch.run();
    assert_eq!(ended.code(), 2);
    assert!(ended.stderr().contains("keeps nothing with a journal in memory"), "{}", ended.stderr());
}

/// A SIGHUP that a process sends is another thing: see `reload`.
#[cfg(target_os = "linux")]
#[test]
fn a_terminal_that_goes_away_and_ctrl_c_are_a_shutdown() {
    for closes in [true, false] {
        let home = Home::new();
        let mut program = home.serve().guest("prints").in_a_terminal().start().ready();
        let mut owner = Raw::connect(&home.socket());
        owner.start("s1");
        if closes {
            program.close_terminal();
        } else {
            program.press_ctrl_c();
        }
        let ended = program.ended();
        assert_eq!((ended.code(), ended.printed_ends("prints")), (0, vec!["s1".to_owned()]), "{}", ended.stderr());
    }
}
