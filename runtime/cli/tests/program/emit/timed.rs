//! An agent that ends its hook after a second.

use std::time::{Duration, Instant};

use super::stand_in::StandIn;
use super::{assert_silent, end, hook, waiting};
use crate::support::Home;

/// What is promised, and what a process takes to begin and to end on two busy cores.
pub(super) const BOUND: Duration = Duration::from_millis(700 + 200);

#[test]
fn a_daemon_that_does_not_answer_costs_the_agent_less_than_a_second_and_the_event_is_kept() {
    let home = Home::new();
    std::fs::create_dir(home.join("lastword")).unwrap();
    let hangs = StandIn::that_hangs(home.socket());
    let began = Instant::now();
    assert_silent(&hook(&home, &end("s1")));
    let took = began.elapsed();
    assert!(took < BOUND, "{took:?}");
    assert_eq!((hangs.requests(), waiting(&home).len()), (1, 1));
}

#[test]
fn an_input_that_is_not_closed_is_not_waited_for() {
    let home = Home::new();
    let began = Instant::now();
    let program = home.command("emit").arg("claude-code").start();
    program.send_bytes(end("s1"));
    assert_silent(&program.ended());
    let took = began.elapsed();
    assert!(took < BOUND, "{took:?}");
    assert_eq!(waiting(&home).len(), 1);
}
