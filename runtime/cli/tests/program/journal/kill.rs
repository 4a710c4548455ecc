//! The program is killed at random moments, again and again, on the same journal. LASTWORD_SEED repeats what was drawn.

use super::story::{Moment, Story};

/// Rounds on one journal. Short stories end in a check more often.
fn tell(stories: usize, moments: &[Moment]) {
    for _ in 0..stories {
        let mut story = Story::begin();
        moments.iter().for_each(|moment| story.round(*moment));
        story.conclude();
    }
}

#[test]
fn w5_killed_under_load_every_accepted_end_is_delivered_after_the_next_start() {
    tell(3, &[Moment::Load; 7]);
}

#[test]
fn w5_killed_in_a_drain_every_end_is_delivered_after_the_next_start() {
    tell(3, &[Moment::Drain; 5]);
}

#[test]
fn w5_killed_in_recovery_every_end_is_delivered_after_the_next_start() {
    tell(3, &[Moment::Load, Moment::Recovery, Moment::Drain, Moment::Recovery]);
}

#[test]
fn w5_killed_twice_in_a_row_every_end_is_delivered_after_the_next_start() {
    tell(2, &[Moment::Load, Moment::Recovery, Moment::Recovery, Moment::Drain, Moment::Recovery, Moment::Recovery]);
}

/// `just soak-kills`: without end, unless a number of rounds is given.
#[test]
#[ignore = "for people: `just soak-kills`"]
fn soak() {
    const MOMENTS: [Moment; 6] =
        [Moment::Load, Moment::Drain, Moment::Recovery, Moment::Load, Moment::Recovery, Moment::Recovery];
    let rounds = std::env::var("LASTWORD_SOAK_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(usize::MAX);
    for round in 0..rounds {
        tell(1, &MOMENTS);
        if round % 10 == 0 {
            eprintln!("{} kills", (round + 1) * MOMENTS.len());
        }
    }
}
