//! The program is killed at random moments, again and again, on the same journal. LASTWORD_SEED repeats what was drawn.

use super::scenario::{Moment, Scenario};

/// Plays so many scenarios of these rounds. Short ones end in a check more often.
fn play(scenarios: usize, moments: &[Moment]) {
    for _ in 0..scenarios {
        let mut scenario = Scenario::begin();
        moments.iter().for_each(|moment| scenario.round(*moment));
        scenario.conclude();
    }
}

#[test]
fn killed_under_load_every_accepted_end_is_delivered_after_the_next_start() {
    play(3, &[Moment::Load; 7]);
}

#[test]
fn killed_in_a_drain_every_end_is_delivered_after_the_next_start() {
    play(3, &[Moment::Drain; 5]);
}

#[test]
fn killed_in_recovery_every_end_is_delivered_after_the_next_start() {
    play(3, &[Moment::Load, Moment::Recovery, Moment::Drain, Moment::Recovery]);
}

#[test]
fn killed_twice_in_a_row_every_end_is_delivered_after_the_next_start() {
    play(2, &[Moment::Load, Moment::Recovery, Moment::Recovery, Moment::Drain, Moment::Recovery, Moment::Recovery]);
}

/// `just soak-kills`: without end, unless a number of rounds is given.
#[test]
#[ignore = "for people: `just soak-kills`"]
fn soak() {
    const MOMENTS: [Moment; 6] =
        [Moment::Load, Moment::Drain, Moment::Recovery, Moment::Load, Moment::Recovery, Moment::Recovery];
    let rounds = std::env::var("LASTWORD_SOAK_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(usize::MAX);
    for round in 0..rounds {
        play(1, &MOMENTS);
        if round % 10 == 0 {
            eprintln!("{} kills", (round + 1) * MOMENTS.len());
        }
    }
}
