//! A thread that the system does not start, whichever it is.

use lastword_faults::{Fault, Kind};

use super::{assert_served, twenty_ends};
use crate::support::in_ci;

/// More than the program starts.
const MOST_THREADS: u64 = 100;
/// More than the process that compiles starts. Those of the program that come later are looked at with compiled code.
const THREADS_OF_THE_COMPILER: u64 = 8;

#[test]
fn whichever_thread_cannot_be_started_the_program_says_so_and_never_waits_for_it() {
    let cache = tempfile::tempdir().unwrap();
    let with_code = || twenty_ends().arg("--cache-dir").arg(cache.path());
    assert_served(&with_code().run(), "every thread");
    // Each of them in CI; elsewhere every third.
    let step = if in_ci() { 1 } else { 3 };
    let (mut served, mut refused) = (false, 0);
    for number in (1..=MOST_THREADS).step_by(step) {
        let launch = if number <= THREADS_OF_THE_COMPILER { twenty_ends() } else { with_code() };
        // No file is watched.
        let ended = launch.fault(&Fault::at(number, Kind::NoThreadsFrom, "\n")).run();
        let what = format!("no thread from number {number} on");
        if ended.code() == 0 {
            assert_served(&ended, &what);
            served = true;
            break;
        }
        // The journal's thread is the journal's to tell.
        assert!([2, 5].contains(&ended.code()), "{what}: {}", ended.stderr());
        assert!(ended.lines.is_empty(), "{what}: {:?}", ended.lines);
        assert!(ended.stderr().contains("`ulimit -u`"), "{what}: {}", ended.stderr());
        refused += 1;
    }
    assert!(served && refused > 20 / step, "{refused} refused");
}
