//! Components with parts that are removed, doubled, put elsewhere or changed: each is refused, or loaded and called, and the
//! next guest is served as before.

mod common;

use std::time::Duration;

use common::{call_end, load, name, sandbox};
use fastrand::Rng;
use lastword_events::Outcome;
use lastword_sandbox::{Limits, Source};
use lastword_test_guests::component;

const GUESTS: [&str; 4] = ["prints", "good", "sleep-50ms", "retry"];
/// Of each guest, on a person's machine. Most are refused in less than a millisecond; what is valid is compiled.
const MUTATIONS: usize = 150;
const MUTATIONS_IN_CI: usize = 1_500;
const SEED: u64 = 1;

/// A component of parts of two.
fn mutated(random: &mut Rng, bytes: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..random.usize(1..4) {
        let (at, from) = (random.usize(..=bytes.len()), random.usize(..=other.len()));
        let (end, to) = (random.usize(at..=bytes.len().min(at + 64)), random.usize(from..=other.len().min(from + 64)));
        let part = other.get(from..to).unwrap_or_default().iter().copied();
        match random.u8(..8) {
            0 => drop(bytes.drain(at..end)),
            1 => drop(bytes.splice(at..at, part)),
            2 => drop(bytes.splice(at..end, part)),
            3 => bytes.truncate(at),
            // One bit, which leaves most of them valid.
            _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << random.u8(..8)),
        }
    }
    bytes
}

#[tokio::test]
async fn whatever_a_component_is_made_of_it_is_refused_or_called_in_bounded_time() {
    let in_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false");
    let (sandbox, mut random) = (sandbox(), Rng::with_seed(SEED));
    let guests = GUESTS.map(component);
    let (mut refused, mut called) = (0, 0);
    for guest in &guests {
        for _ in 0..if in_ci { MUTATIONS_IN_CI } else { MUTATIONS } {
            let other = random.choice(&guests).expect("there are some");
            let bytes = mutated(&mut random, guest, other);
            let limits = Limits { deadline: Duration::from_millis(200), ..Limits::default() };
            match sandbox.load(name("mutated"), &Source::Bytes(bytes), limits) {
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    refused += 1;
                }
                Ok(plugin) => {
                    let report = call_end(&sandbox, &plugin).await;
                    assert!(report.active < Duration::from_secs(10), "{report:?}");
                    called += 1;
                }
            }
        }
    }
    assert!(refused > 0 && called > 0, "{refused} refused, {called} called");
    let good = load(&sandbox, "good", Limits::default());
    assert_eq!(call_end(&sandbox, &good).await.outcome, Outcome::Delivered, "others are served as before");
}
