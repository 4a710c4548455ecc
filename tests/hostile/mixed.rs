//! Many drains of many hostile guests at once: the latest of all is what counts.

use std::time::{Duration, Instant};

use lastword::StartRequest;
use lastword_harness::{Harness, machine};

use crate::guest;
use crate::table::rows;

const BUDGET: Duration = Duration::from_millis(500);
const SLACK: Duration = Duration::from_millis(100);
const GUESTS: usize = 12;
const SESSIONS: u32 = 50;

/// As much work fits into it as into [`BUDGET`] on a machine that nobody else uses.
fn budget() -> Duration {
    BUDGET.mul_f64(machine::slowdown())
}

/// One drain of a dozen guests, chosen by `round`, and a good one.
async fn drain(round: usize, budget: Duration) -> Duration {
    let rows: Vec<_> = rows().into_iter().filter(|row| !row.is_refused()).collect();
    let mut harness = Harness::builder().budget(budget).plugin("prints", "prints");
    let mut chosen: Vec<&str> = Vec::new();
    let mut which = Vec::new();
    // A step that has no divisor in common with the number of rows comes by all of them.
    let step = (7..).find(|step| gcd(*step, rows.len()) == 1).unwrap_or(1);
    for n in 0.. {
        let Some(row) = rows.get((round * GUESTS + n) * step % rows.len()) else { break };
        if !chosen.contains(&row.guest) {
            chosen.push(row.guest);
            harness = guest::install(harness, row);
            which.push(row);
        }
        if which.len() == GUESTS || n > rows.len() {
            break;
        }
    }
    let harness = harness.build();
    for n in 0..SESSIONS {
        let session = match which.get(n as usize % which.len().max(1)) {
            Some(row) => guest::session(&harness, row, &format!("x{n}")),
            None => harness.session(&format!("x{n}")),
        };
        harness.runtime.start_session(StartRequest::new(session)).await.expect("it is accepted");
    }
    harness.runtime.settled().await;
    let began = Instant::now();
    let report = harness.drain().await;
    let took = began.elapsed();
    let good = harness.printed("prints").iter().filter(|line| line.starts_with("session-end")).count();
    assert_eq!(good, SESSIONS as usize, "beside {chosen:?}");
    assert_eq!(report.owed(), u64::from(SESSIONS) * (which.len() as u64 + 1), "beside {chosen:?}");
    assert!(took <= budget + SLACK, "{took:?} beside {chosen:?}");
    took
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

mod timed {
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn many_drains_of_a_dozen_hostile_guests_are_all_in_time() {
        // Seven come by all guests.
        for round in 0..if super::machine::is_ci() { 50 } else { 7 } {
            super::drain(round, super::budget()).await;
        }
    }

    /// `just soak`: without end, unless a number of rounds is given.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    #[ignore = "for people: `just soak`"]
    async fn soak() {
        let rounds = std::env::var("LASTWORD_SOAK_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(usize::MAX);
        let mut latest = std::time::Duration::ZERO;
        for round in 0..rounds {
            latest = latest.max(super::drain(round, super::budget()).await);
            if round % 20 == 0 {
                eprintln!("{round} drains of {:?}, the longest took {latest:?}", super::BUDGET);
            }
        }
    }
}
