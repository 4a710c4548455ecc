//! Configurations that nobody would write: those that are kept in `fuzz/corpus/`, and what becomes of them when parts are
//! removed, doubled, put elsewhere or changed.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails loudly, its helper functions too")]

use std::fs;
use std::path::Path;

use fastrand::Rng;
use lastword_fuzzed::configuration;

/// For each file that is kept, on a person's machine.
const MUTATIONS: usize = 500;
const MUTATIONS_IN_CI: usize = 5_000;
const SEED: u64 = 1;

fn kept() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/configuration");
    let mut files: Vec<_> = folder.read_dir().unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| fs::read(file).unwrap()).collect()
}

/// A text of parts of two.
fn mutated(random: &mut Rng, text: &[u8], other: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    for _ in 0..random.usize(1..6) {
        let (at, from) = (random.usize(..=text.len()), random.usize(..=other.len()));
        let (end, to) = (random.usize(at..=text.len()), random.usize(from..=other.len()));
        let part = &other[from..to];
        match random.u8(..6) {
            0 => drop(text.drain(at..end)),
            1 => drop(text.splice(at..at, part.iter().copied())),
            2 => drop(text.splice(at..end, part.iter().copied())),
            3 => text.extend_from_within(at..end),
            4 => text.insert(at, random.choice(b"[]{}=\"'\n#.,-_0 \x00\xff".iter().copied()).unwrap()),
            _ => text.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << random.u8(..8)),
        }
    }
    text
}

#[test]
fn whatever_is_written_it_is_read_or_each_mistake_has_a_place() {
    let in_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false");
    let (kept, mut random) = (kept(), Rng::with_seed(SEED));
    assert!(kept.len() > 5, "the kept files are gone");
    for text in &kept {
        configuration(text);
        for _ in 0..if in_ci { MUTATIONS_IN_CI } else { MUTATIONS } {
            let other = &kept[random.usize(..kept.len())];
            configuration(&mutated(&mut random, text, other));
        }
    }
}
