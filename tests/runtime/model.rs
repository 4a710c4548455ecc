//! The runtime beside a model of it that is small enough to be read: random runs on one journal, of which both have to say
//! the same.
//!
//! A case is some runs of the program: who is installed, what owners say, how the run ends. [`reference`] and [`delivery`]
//! are the model, [`scenario`] plays a case with both. Compared are the answers to owners, the active sessions, every attempt
//! that the runtime tells of, and what an operator finds in the file between two runs. An attempt has to be owed, with its
//! reason, a new number, the right count of failures, and in the session's order or late. After a last run in which every
//! plugin takes everything, nothing is owed.

mod case;
mod crashing_journal;
mod delivery;
mod numbers;
mod reference;
mod scenario;
mod side_by_side;
mod subject;

use std::sync::atomic::{AtomicBool, Ordering};

use lastword_harness::machine;
use proptest::prelude::*;

use case::{Case, with_loss, without_loss};
use scenario::play;

/// Some 10 ms each. `PROPTEST_CASES` asks for more.
const CASES: u32 = 300;
const CASES_IN_CI: u32 = 3_000;
/// What fails may depend on which thread was faster. Once something has failed, a smaller case has to pass so often to be
/// taken for one that does.
const TRIES_WHILE_SHRINKING: usize = 20;
const MAX_SHRINK_MS: u32 = 60_000;

fn config() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let usual = if machine::is_ci() { CASES_IN_CI } else { CASES };
    ProptestConfig { cases: asked.unwrap_or(usual), max_shrink_time: MAX_SHRINK_MS, ..ProptestConfig::default() }
}

fn check(case: &Case, has_failed: &AtomicBool) -> Result<(), TestCaseError> {
    let tries = if has_failed.load(Ordering::Relaxed) { TRIES_WHILE_SHRINKING } else { 1 };
    let played = (0..tries).try_for_each(|_| play(case));
    played.map_err(|why| {
        has_failed.store(true, Ordering::Relaxed);
        TestCaseError::fail(why)
    })
}

proptest! {
    #![proptest_config(config())]

    /// Each plugin that is owed an event is told of it until it takes it or it is dead, and then not again.
    #[test]
    fn runs_that_write_everything_down_do_what_the_model_does(case in without_loss()) {
        static HAS_FAILED: AtomicBool = AtomicBool::new(false);
        check(&case, &HAS_FAILED)?;
    }

    /// What was accepted is on record, and what is on record is delivered, under the same id and with new numbers.
    #[test]
    fn runs_that_are_killed_at_any_write_do_what_the_model_does(case in with_loss()) {
        static HAS_FAILED: AtomicBool = AtomicBool::new(false);
        check(&case, &HAS_FAILED)?;
    }
}

#[test]
fn the_ends_of_a_grace_that_a_drain_cuts_short_are_on_record_before_their_outcomes() {
    for commands in 1..24 {
        for answers_last in [true, false] {
            let case = Case::drained_in_a_grace(commands, answers_last);
            play(&case).unwrap_or_else(|why| panic!("{why}{case:?}"));
        }
    }
}
