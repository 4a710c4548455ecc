//! `cargo xtask test`: the tests, on a machine that has what the demo needs; `--all` adds those that need more, `--owners` runs
//! those with real agents, `--browser` that of the daemon's page, and `--cluster` those with three NATS servers.

use std::path::PathBuf;

use anyhow::{bail, ensure};

use crate::console::{BAD, DIM, WARN, say};
use crate::tools::{NEXTEST, WASMTIME};
use crate::{ci, guests, process, repository};

mod browser;
mod cluster;
mod needs;
mod npm;
mod owners;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Also the tests that need the tools of other languages, the plain wasmtime CLI or the network; nothing is left out
    #[arg(long)]
    all: bool,
    /// Only the trials with real agents, each ended in every way: those of these agents, or of all that are known
    #[arg(long, value_name = "OWNER", num_args = 0.., conflicts_with = "all")]
    owners: Option<Vec<String>>,
    /// Only the few of them that `cargo xtask check` runs: of the agents with the smallest packages, unless some are named
    #[arg(long, requires = "owners", conflicts_with = "update")]
    few: bool,
    /// Write what came of the trials into the table of README.md
    #[arg(long, requires = "owners")]
    update: bool,
    /// Only the daemon's page, in a real browser
    #[arg(long, conflicts_with_all = ["all", "owners"])]
    browser: bool,
    /// Only the journal on JetStream, with three NATS servers that are killed, stopped and configured wrongly
    #[arg(long, conflicts_with_all = ["all", "owners", "browser"])]
    cluster: bool,
    /// Handed to `cargo nextest run`: names of tests, `-E 'package(lastword)'`, … With any, only these tests run
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    nextest: Vec<String>,
}

impl Args {
    pub(crate) fn everything() -> Self {
        Self { all: true, owners: None, few: false, update: false, browser: false, cluster: false, nextest: Vec::new() }
    }

    /// A few trials with real agents.
    pub(crate) fn few_owners() -> Self {
        Self { all: false, owners: Some(Vec::new()), few: true, ..Self::everything() }
    }

    /// Those with three NATS servers.
    pub(crate) fn cluster() -> Self {
        Self { all: false, cluster: true, ..Self::everything() }
    }

    /// Whether only certain tests are asked for.
    fn is_selection(&self) -> bool {
        !self.nextest.is_empty()
    }

    /// Whether the tests that need more are among them: all are, or somebody names one.
    fn has_those_that_need_more(&self) -> bool {
        self.all || NEED_MORE.iter().any(|module| self.names(module))
    }

    fn names(&self, module: &str) -> bool {
        self.nextest.iter().any(|word| word.contains(module))
    }
}

/// Modules of tests that need what only `--all` has, as the test runner's configuration leaves them out.
const NEED_MORE: [&str; 2] = ["docs::", "with_tools"];

/// A kind of test that fails does not keep the others from running: a newcomer wants to know all that is wrong.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    if let Some(words) = &args.owners {
        ensure!(!args.is_selection(), "--owners takes names of owners, and nothing for the test runner");
        return if args.few { owners::run_few(words) } else { owners::run(words, args.update) };
    }
    if args.browser {
        ensure!(!args.is_selection(), "--browser takes nothing for the test runner");
        return browser::run();
    }
    if args.cluster {
        return cluster::run(&args.nextest);
    }
    // What somebody asked for by its name is not left out.
    let lacking = if args.is_selection() { Vec::new() } else { needs::lacking() };
    if let Some(summary) = needs::summary(&lacking)
        && (args.all || ci::is_here())
    {
        bail!("a check that runs less than it should is worse than one that fails; {summary}");
    }
    // Many tests run the example plugins.
    guests::build_for_tests(args.has_those_that_need_more())?;
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
    if args.has_those_that_need_more() {
        // For the tests that type what the pages say, the one that asks what the daemon's API says of itself, and those that read
        // what containers are made of.
        nextest.arg("--ignore-default-filter");
        nextest.env("LASTWORD_WASMTIME", WASMTIME.find_or_install()?);
        nextest.env("LASTWORD_GUEST_TOOLS", guests::programs()?);
        nextest.env("LASTWORD_SCHEMATHESIS", schemathesis()?);
        nextest.env("LASTWORD_DEPLOY_PYTHON", deploy_python()?);
    }
    if let Some(filter) = needs::filter(lacking) {
        nextest.args(["-E", &filter]);
    }
    process::run(nextest.args(&args.nextest))
}

/// What asks an API all that its description allows. This version of it runs on Python 3.11 and newer.
fn schemathesis() -> anyhow::Result<PathBuf> {
    let requirements = repository::root().join("tests/openapi/requirements.txt");
    guests::python_program("schemathesis", &requirements, (3, 11))
}

/// The Python beside which the linters of docs/deploy are.
fn deploy_python() -> anyhow::Result<PathBuf> {
    let requirements = repository::root().join("tests/deploy/requirements.txt");
    guests::python_program("python", &requirements, (3, 11))
}

fn tell_what_was_left_out(args: &Args, lacking: &[needs::Need]) {
    if let Some(summary) = needs::summary(lacking) {
        say(format_args!("{WARN}{summary}{WARN:#}"));
    }
    if !args.has_those_that_need_more() {
        let what = "`cargo xtask test --all` runs besides what needs the tools of other languages, the wasmtime CLI or the network";
        let names = "these tests are named docs::… and with_tools::…, and not selected otherwise";
        let names = if args.is_selection() { format!(": {names}") } else { String::new() };
        say(format_args!("{DIM}{what}{names}{DIM:#}"));
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
    fn who_names_a_test_that_needs_more_gets_it() {
        let has = |words: &[&str]| {
            let nextest = words.iter().map(ToString::to_string).collect();
            Args { nextest, all: false, ..Args::everything() }.has_those_that_need_more()
        };
        assert!(Args::everything().has_those_that_need_more());
        assert!(has(&["docs::a_newcomer"]) && has(&["-E", "test(/with_tools::every/)"]));
        assert!(!has(&[]) && !has(&["journal"]) && !has(&["-E", "package(lastword)"]));
        let configuration = std::fs::read_to_string(repository::root().join(".config/nextest.toml")).unwrap();
        let filter = configuration.lines().find(|line| line.starts_with("default-filter")).unwrap();
        assert!(NEED_MORE.iter().all(|module| filter.contains(module)), "{filter}");
    }

    #[test]
    fn whatever_failed_is_named_at_the_end() {
        let failed = || Err(anyhow::anyhow!("a reason"));
        assert!(conclude(vec![("one", Ok(())), ("two", Ok(()))]).is_ok());
        let said = conclude(vec![("one", failed()), ("two", Ok(())), ("three", failed())]).unwrap_err().to_string();
        assert_eq!(said, "failed: one, three");
    }
}
