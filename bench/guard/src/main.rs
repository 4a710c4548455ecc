//! Work of a fixed size, for `cargo xtask bench-guard` to count the instructions of.
//!
//! Each case has a process to itself: `lastword-guard CASE ROUNDS FOLDER`. What a process takes besides its rounds is the same for any
//! number of them, so the difference of two numbers is what the rounds cost. Without arguments the cases are listed, a line each: its
//! name, how often a round does it, and whose instructions count (`main`: the main thread's, `all`: all threads').
//!
//! What asks is of another commit than what answers: these words and lines stay as they are.

#![forbid(unsafe_code)]

mod cases;
mod guest;

use std::path::{Path, PathBuf};

use anyhow::Context;

/// Something that is done again and again.
struct Case {
    name: &'static str,
    /// How often a round does it.
    times: u32,
    /// Whether other threads than the main one do a part of it. Where they do not, what they do meanwhile does not count.
    on_all_threads: bool,
    /// Does it so many times. The folder is kept for the next process.
    run: fn(u32, &Path) -> anyhow::Result<()>,
}

const CASES: [Case; 7] = [
    Case { name: "line", times: 100, on_all_threads: false, run: cases::line },
    Case { name: "line-repaired", times: 2_000, on_all_threads: false, run: cases::repaired_line },
    Case { name: "answer", times: 5_000, on_all_threads: false, run: cases::answer },
    Case { name: "journal", times: 2_000, on_all_threads: false, run: cases::journal },
    Case { name: "dispatch", times: 2_000, on_all_threads: true, run: cases::dispatch },
    Case { name: "lane", times: 1_000, on_all_threads: true, run: cases::lane },
    Case { name: "call", times: 200, on_all_threads: false, run: guest::call },
];

#[expect(clippy::print_stdout, reason = "the list of cases is what is asked for")]
fn main() -> anyhow::Result<()> {
    let mut args = std::env::args_os().skip(1);
    let Some(name) = args.next() else {
        for Case { name, times, on_all_threads, .. } in CASES {
            println!("{name} {times} {}", if on_all_threads { "all" } else { "main" });
        }
        return Ok(());
    };
    let case = CASES.into_iter().find(|case| name == case.name).context("there is no such case")?;
    let rounds = args.next().and_then(|rounds| rounds.to_str()?.parse::<u32>().ok()).context("how many rounds?")?;
    let folder = args.next().map(PathBuf::from).context("in which folder?")?;
    (case.run)(rounds * case.times, &folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_does_its_work() {
        let folder = tempfile::tempdir().unwrap();
        for case in CASES {
            for times in [0, 3] {
                (case.run)(times, folder.path()).unwrap_or_else(|error| panic!("{}: {error:#}", case.name));
            }
        }
    }
}
