//! A collector that is slow or away holds up no exit.

use std::time::Duration;

use super::collector::Collector;
use super::{ENDPOINT, end_with, is_end};
use crate::support::{Launch, Signal};

/// Far less than the budget, which a wait for a collector must not use up; more than the 100 ms that spans may take, on a busy machine.
const AT_ONCE: Duration = Duration::from_millis(500);
const BUDGET: &str = "10s";

#[test]
fn a_collector_that_hangs_costs_the_exit_a_tenth_of_a_second_and_what_is_lost_is_counted() {
    let said = leaves_at_once_beside(&Collector::that_hangs());
    assert!(said.contains("5 spans did not reach the collector"), "{said}");
}

#[test]
fn a_collector_that_is_away_costs_nothing_and_what_is_lost_is_counted() {
    let said = leaves_at_once_beside(&Collector::that_is_away());
    assert!(said.contains("traces do not reach the collector") && said.contains("5 spans did not reach"), "{said}");
}

/// What the program says that makes an end, and then is told to leave.
#[track_caller]
fn leaves_at_once_beside(collector: &Collector) -> String {
    let launch = Launch::stdio().guest("prints").arg("--drain-budget").arg(BUDGET);
    let program = launch.env(ENDPOINT, collector.url()).start().ready();
    program.send([end_with("s1", "")]);
    program.line("the end's outcome", is_end);
    let signalled = program.signal(Signal::TERM);
    let ended = program.ended();
    let took = ended.at.duration_since(signalled);
    assert_eq!(ended.code(), 0, "{}", ended.stderr());
    assert!(took <= AT_ONCE, "left {took:?} after the signal");
    ended.stderr().to_owned()
}
