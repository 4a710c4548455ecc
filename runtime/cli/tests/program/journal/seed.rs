//! Random numbers that a failed test tells the seed of.

use std::thread;

use fastrand::Rng;

/// A test's seed: the same one draws the same numbers. What the program does with them is up to the machine as well.
pub(super) struct Seed(u64);

impl Seed {
    /// `LASTWORD_SEED`, or a new one.
    pub(super) fn draw() -> Self {
        let given = std::env::var("LASTWORD_SEED").ok().and_then(|seed| seed.parse().ok());
        Self(given.unwrap_or_else(|| fastrand::u64(..)))
    }

    /// Numbers for one purpose.
    pub(super) fn numbers(&self, purpose: u64) -> Rng {
        Rng::with_seed(self.0 ^ purpose.rotate_left(32))
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- LASTWORD_SEED={}", self.0);
        }
    }
}
