//! An owner's death, in time.

use std::time::{Duration, Instant};

use crate::support::{Home, Raw};

/// From the end of the grace to the end in the plugin.
const SLACK: Duration = Duration::from_millis(200);
const GRACE: Duration = Duration::from_secs(1);

#[test]
fn the_sessions_of_an_owner_that_is_killed_end_after_the_grace_and_its_neighbours_stay() {
    let home = Home::new();
    let program = home.serve().guest("prints").arg("--owner-grace").arg("1s").start().ready();
    let mut neighbour = Raw::connect(&home.socket());
    neighbour.start("stays");
    let mut owner = Raw::connect(&home.socket());
    owner.start("goes");
    let mut process = owner.give_to_a_process();
    let killed = Instant::now();
    process.kill().unwrap();
    process.wait().unwrap();
    program.log("session-end goes");
    let took = killed.elapsed();
    assert!((GRACE..=GRACE + SLACK).contains(&took), "told {took:?} after the death, with a grace of {GRACE:?}");
    let sessions = home.command("sessions").run().stdout();
    assert!(sessions.contains("stays") && !sessions.contains("goes"), "{sessions}");
    neighbour.end("stays");
    assert_eq!(program.stop().printed_ends("prints"), ["goes", "stays"]);
}
