//! `cargo xtask test`: the tests, on a machine that has what the demo needs; `--all` adds those that need more.

use anyhow::{bail, ensure};

use crate::console::{BAD, DIM, WARN, say};
use crate::tools::{NEXTEST, WASMTIME};
use crate::{ci, guests, process, repository};

mod needs;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Also the tests that need the tools of other languages, the plain wasmtime CLI or the network; nothing is left out
    #[arg(long)]
    all: bool,
    /// Handed to `cargo nextest run`: names of tests, `-E 'package(lastword)'`, … With any, only these tests run
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    nextest: Vec<String>,
}

impl Args {
    pub(crate) fn everything() -> Self {
        Self { all: true, nextest: Vec::new() }
    }

    /// Whether only certain tests are asked for.
    fn is_selection(&self) -> bool {
        !self.nextest.is_empty()
    }
}

/// A kind of test that fails does not keep the others from running: a newcomer wants to know all that is wrong.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    // What somebody asked for by its name is not left out.
    let lacking = if args.is_selection() { Vec::new() } else { needs::lacking() };
    if let Some(summary) = needs::summary(&lacking)
        && (args.all || ci::is_here())
    {
        bail!("a check that runs less than it should is worse than one that fails; {summary}");
    }
    // Many tests run the example plugins.
    guests::build_for_tests(args.all)?;
    let mut kinds: Vec<(&str, anyhow::Result<()>)> = Vec::new();
    if !args.is_selection() {
        say("tests of the example plugins");
        kinds.push(("tests of the example plugins", guests::test_all(args.all)));
        say("examples in the documentation");
        kinds.push(("examples in the documentation", documentation()));
    }
    // Last, for its summary to be what a reader sees last.
    say("tests");
    kinds.push(("tests", nextest(args, &lacking)));
    tell_what_was_left_out(args, &lacking);
    conclude(kinds)
}

fn documentation() -> anyhow::Result<()> {
    let mut tests = process::cargo(&repository::root());
    process::run(tests.args(["test", "--quiet", "--doc", "--workspace", "--all-features", "--no-fail-fast"]))
}

fn nextest(args: &Args, lacking: &[needs::Need]) -> anyhow::Result<()> {
    let mut nextest = NEXTEST.command()?;
    nextest.args(["nextest", "run", "--workspace", "--all-features"]);
    if args.all {
        // For the tests that type what the pages say.
        nextest.arg("--ignore-default-filter");
        nextest.env("LASTWORD_WASMTIME", WASMTIME.find_or_install()?);
        nextest.env("LASTWORD_GUEST_TOOLS", guests::programs()?);
    }
    if let Some(filter) = needs::filter(lacking) {
        nextest.args(["-E", &filter]);
    }
    process::run(nextest.args(&args.nextest))
}

fn tell_what_was_left_out(args: &Args, lacking: &[needs::Need]) {
    if let Some(summary) = needs::summary(lacking) {
        say(format_args!("{WARN}{summary}{WARN:#}"));
    }
    if !args.all && !args.is_selection() {
        let what = "`cargo xtask test --all` runs besides what needs the tools of other languages, the wasmtime CLI or the network";
        say(format_args!("{DIM}{what}{DIM:#}"));
    }
}

fn conclude(kinds: Vec<(&str, anyhow::Result<()>)>) -> anyhow::Result<()> {
    let mut failed = Vec::new();
    for (kind, result) in kinds {
        if let Err(error) = result {
            say(format_args!("{BAD}{kind}:{BAD:#} {error:#}"));
            failed.push(kind);
        }
    }
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_failed_is_named_at_the_end() {
        let failed = || Err(anyhow::anyhow!("a reason"));
        assert!(conclude(vec![("one", Ok(())), ("two", Ok(()))]).is_ok());
        let said = conclude(vec![("one", failed()), ("two", Ok(())), ("three", failed())]).unwrap_err().to_string();
        assert_eq!(said, "failed: one, three");
    }
}
