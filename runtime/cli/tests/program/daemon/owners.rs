//! An owner that comes back, and one that outlives the daemon.

use crate::support::{Home, Raw};

#[test]
fn an_owner_that_comes_back_within_the_grace_keeps_its_session_and_its_generation() {
    let home = Home::new();
    let program = home.serve().guest("prints").arg("--owner-grace").arg("60s").start().ready();
    let mut owner = Raw::connect(&home.socket());
    owner.start("s1");
    drop(owner);
    let mut again = Raw::connect(&home.socket());
    let resumed = again.start("s1");
    assert_eq!((&resumed["generation"], &resumed["updated"]), (&1.into(), &true.into()));
    again.end("s1");
    assert_eq!(program.stop().printed_ends("prints"), ["s1"], "once");
}

#[test]
fn the_sessions_of_a_killed_daemon_are_there_for_owners_that_come_back() {
    let home = Home::new();
    let serve = || home.serve().guest("prints").arg("--owner-grace").arg("60s").start().ready();
    let program = serve();
    let mut owner = Raw::connect(&home.socket());
    owner.start("s1");
    let ended = program.kill();
    assert!(ended.printed_ends("prints").is_empty());
    let program = serve();
    let mut owner = Raw::connect(&home.socket());
    assert_eq!(owner.start("s1")["generation"], 1);
    owner.end("s1");
    owner.hear("outcome");
    assert_eq!(program.stop().printed_ends("prints"), ["s1"]);
}
