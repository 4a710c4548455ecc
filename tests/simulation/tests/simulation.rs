//! Small fleets, with everything that can go wrong, and the mistakes that must be found.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly, its helper functions too")]

use std::time::Duration;

use lastword_simulation::{Fault, Mutation, Report, Settings, WITHIN, WITHIN_WITHOUT_LEADER, run};

/// Seeds are tried one after the other, so that every test is the same each time.
fn runs(seeds: std::ops::Range<u64>, settings: impl Fn(u64) -> Settings) -> Vec<Report> {
    seeds
        .map(|seed| {
            let report = run(&settings(seed), |_| ());
            assert!(report.is_good(), "seed {seed}:\n{report}");
            assert!(report.sessions > 0 && report.delivered >= report.sessions, "seed {seed}:\n{report}");
            report
        })
        .collect()
}

fn sum(reports: &[Report], of: impl Fn(&Report) -> u64) -> u64 {
    reports.iter().map(of).sum()
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_mins(minutes)
}

#[test]
fn whatever_goes_wrong_every_end_is_delivered_and_no_node_loses_a_journal_that_was_heard_a_moment_ago() {
    let reports = runs(0..10, |seed| Settings {
        every: Duration::from_secs(8),
        life: minutes(5),
        ..Settings::of(8, 1_000, minutes(30), seed)
    });
    assert!(sum(&reports, |report| report.deaths) > 50, "there was enough to get wrong");
    assert!(sum(&reports, |report| report.cut_off_and_taken) > 50);
    assert!(sum(&reports, |report| report.upgrades) > 50);
    assert!(sum(&reports, |report| report.delivered_again) > 0, "what is delivered again is counted");
}

#[test]
fn with_real_records_snapshots_purges_and_replay_every_end_is_delivered() {
    let reports = runs(100..104, |seed| Settings {
        every: Duration::from_secs(8),
        life: minutes(1),
        is_full: true,
        ..Settings::of(5, 200, minutes(20), seed)
    });
    assert!(sum(&reports, |report| report.snapshots) > 50);
    assert!(sum(&reports, |report| report.taken_over) > 50);
}

#[test]
fn after_a_death_with_a_leader_of_jetstream_ends_are_delivered_within_ten_seconds() {
    // So seldom that no node dies that has just adopted another's journal, or taken its own one back: the next one waits longer for that.
    let reports = runs(200..203, |seed| Settings {
        faults: vec![Fault::Deaths],
        every: minutes(4),
        ..Settings::of(10, 1_000, minutes(120), seed)
    });
    for report in reports {
        assert!(report.deaths > 20 && report.until_taken.total() >= report.deaths - 1, "{report}");
        assert!(report.until_taken.most() < Duration::from_secs(9), "{report}");
        assert!(report.with_leader.most() < WITHIN, "{report}");
    }
}

#[test]
fn owners_are_waited_for_before_their_sessions_end_and_deaths_meanwhile_lose_nothing() {
    let owner_grace = Duration::from_secs(2);
    let reports = runs(700..702, |seed| Settings {
        owner_grace,
        every: Duration::from_secs(8),
        life: minutes(5),
        ..Settings::of(8, 1_000, minutes(30), seed)
    });
    assert!(sum(&reports, |report| report.deaths) > 10);
    for report in reports {
        assert!(
            report.with_leader.total() > 0 && report.with_leader.quantile(0.1) > Duration::from_secs(6),
            "{report}"
        );
    }
}

#[test]
fn where_nodes_die_again_and_again_and_leaders_are_lost_ninety_nine_of_a_hundred_deaths_are_dealt_with_in_time() {
    // A node dies each half hour on average: a third of them within ten minutes of its death before.
    let [report] = &runs(600..601, |seed| Settings {
        faults: vec![Fault::Deaths, Fault::Leaders],
        every: Duration::from_secs(25),
        ..Settings::of(40, 4_000, minutes(180), seed)
    })[..] else {
        panic!("it is one run");
    };
    assert!(report.with_leader.total() > 150 && report.without_leader.total() > 10, "{report}");
    assert!(report.with_leader.quantile(0.99) <= WITHIN, "{report}");
    assert!(report.without_leader.quantile(0.99) <= WITHIN_WITHOUT_LEADER, "{report}");
}

#[test]
fn a_fleet_that_nothing_happens_to_takes_nothing_over_and_calls_nobody_twice() {
    for report in runs(300..302, |seed| Settings { faults: Vec::new(), ..Settings::of(20, 2_000, minutes(60), seed) }) {
        assert_eq!((report.taken_over, report.delivered_again, report.refused, report.looks), (0, 0, 0, 0), "{report}");
    }
}

#[test]
fn an_election_of_jetstream_is_nobodys_death() {
    for report in runs(400..403, |seed| Settings {
        faults: vec![Fault::Leaders, Fault::Servers],
        every: Duration::from_secs(10),
        ..Settings::of(10, 1_000, minutes(60), seed)
    }) {
        assert_eq!(report.taken_over, 0, "{report}");
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    let settings = Settings { every: Duration::from_secs(5), ..Settings::of(6, 500, minutes(20), 500) };
    let [one, other] = [(); 2].map(|()| run(&settings, |_| ()));
    assert_eq!(one.to_string(), other.to_string());
    let another = run(&Settings { seed: 501, ..settings }, |_| ());
    assert_ne!(one.to_string(), another.to_string());
}

/// What the mutation breaks, in the first run that finds it.
fn found(mutation: Mutation) -> String {
    for seed in 1..=10 {
        let settings = Settings::for_mutation(mutation, seed);
        let Some(broken) = run(&settings, |_| ()).broken else { continue };
        let sound = run(&Settings { mutation: None, ..settings }, |_| ());
        assert!(sound.is_good(), "without the mutation:\n{sound}");
        return broken.what;
    }
    panic!("{mutation:?} is not found");
}

#[test]
fn that_nobody_writes_a_fence_is_found() {
    let what = found(Mutation::NoFence);
    assert!(what.contains("journal"), "{what}");
}

#[test]
fn that_two_groups_are_in_flight_is_found() {
    let what = found(Mutation::TwoInFlight);
    assert!(what.contains("behind the fence"), "{what}");
}

#[test]
fn that_a_node_is_taken_for_dead_too_early_is_found() {
    let what = found(Mutation::SuspectAfter3s);
    assert!(what.contains("which lives"), "{what}");
}
