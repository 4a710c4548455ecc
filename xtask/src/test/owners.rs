//! `cargo xtask test --owners`: trials with real agents, and the table of what came of them. `cargo xtask check` runs a few of them.
//!
//! The agents are npm packages, each of one version. They are installed into the folder of the tools, outside the
//! clone. The tests are in `tests/owners`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{anyhow, bail, ensure};

use super::needs;
use crate::console::{BAD, WARN, say};
use crate::tools::NEXTEST;
use crate::{ci, guests, process, repository};

mod packages;
mod page;
mod table;

/// An agent that there are trials with.
pub(super) struct Owner {
    /// As `lastword install` and the tests' names have it.
    word: &'static str,
    /// As people call it.
    name: &'static str,
    /// The package of the program, whose version is shown.
    package: &'static str,
    /// What has its sessions in the process in the terminal, if they are in a server's otherwise.
    alone: Option<&'static str>,
}

static OWNERS: [Owner; 6] = [
    Owner { word: "claude-code", name: "Claude Code", package: "@anthropic-ai/claude-code", alone: None },
    Owner { word: "codex", name: "Codex", package: "@openai/codex", alone: Some("--no-daemon") },
    Owner { word: "gemini", name: "Gemini", package: "@google/gemini-cli", alone: None },
    Owner { word: "qwen", name: "Qwen Code", package: "@qwen-code/qwen-code", alone: None },
    Owner { word: "copilot", name: "Copilot", package: "@github/copilot", alone: None },
    Owner { word: "opencode", name: "opencode", package: "opencode-ai", alone: None },
];

/// Those with the smallest packages, of which a check runs a few trials. They take 100, 145 and 190 MB as npm installs them, on
/// x86-64; the others take 380 MB and more.
const SMALLEST: [&str; 3] = ["gemini", "qwen", "copilot"];

/// All tests of an owner, as the names in its module begin.
const EVERY_TRIAL: &str = "";
/// Those that a check runs.
const FEW_TRIALS: &str = "in_every_check::";

impl Owner {
    /// What tells the tests where its packages are.
    fn variable(&self) -> String {
        format!("LASTWORD_OWNER_{}", self.module().to_uppercase())
    }

    /// The module of its tests.
    fn module(&self) -> String {
        self.word.replace('-', "_")
    }
}

/// Runs all trials of these owners, or of all.
pub(super) fn run(words: &[String], update: bool) -> anyhow::Result<()> {
    let installed = install(named(words)?)?;
    ensure!(!installed.is_empty(), "there is no agent to try");
    let owners: Vec<_> = installed.iter().map(|(owner, _)| *owner).collect();
    for (owner, folder) in &installed {
        say(format_args!("{}={}", owner.variable(), folder.display()));
        table::forget(owner)?;
    }
    let mut tests = trials(&installed, EVERY_TRIAL)?;
    let result = process::run(tests.env("LASTWORD_OWNERS_RESULTS", table::results()));
    // What failed is in the table too.
    let shown = table::write(&owners)?;
    anstream::eprintln!("\n{shown}");
    say(format_args!("written to {}", repository::shown(&table::file())));
    result?;
    page::compare(&shown, update)
}

/// Runs a few trials of these owners, or of the smallest. What this machine does not allow is left out, but not in CI.
pub(super) fn run_few(words: &[String]) -> anyhow::Result<()> {
    let owners = match words {
        [] => OWNERS.iter().filter(|owner| SMALLEST.contains(&owner.word)).collect(),
        words => named(words)?,
    };
    let installed = install(owners)?;
    if installed.is_empty() {
        return Ok(());
    }
    process::run(&mut trials(&installed, FEW_TRIALS)?)
}

/// Installs agents. What is left out is said, with a word of why.
///
/// # Errors
/// One is left out, and this is a run of CI's.
fn install(owners: Vec<&'static Owner>) -> anyhow::Result<Vec<(&'static Owner, PathBuf)>> {
    let mut installed = Vec::new();
    if !cfg!(target_os = "linux") {
        say(format_args!("{WARN}left out: the trials of agents find processes as Linux has it{WARN:#}"));
        return Ok(installed);
    }
    if !needs::terminals() {
        leave_out("agents", anyhow!("no terminal can be made (/dev/ptmx)"))?;
        return Ok(installed);
    }
    for owner in owners {
        match packages::install(owner) {
            Ok(folder) => installed.push((owner, folder)),
            Err(error) => leave_out(owner.name, error)?,
        }
    }
    Ok(installed)
}

/// Says why these trials are not run.
///
/// # Errors
/// This is a run of CI's: there nothing is left out.
fn leave_out(whose: &str, why: anyhow::Error) -> anyhow::Result<()> {
    if ci::is_here() {
        return Err(why.context(format!("the trials of {whose} cannot be run")));
    }
    say(format_args!("{WARN}left out: the trials of {whose}: {why:#}{WARN:#}"));
    Ok(())
}

/// The test runner, for trials of these agents.
fn trials(installed: &[(&'static Owner, PathBuf)], which: &str) -> anyhow::Result<Command> {
    guests::build_one("rust-session-log")?;
    let mut tests = NEXTEST.command()?;
    tests.args(["nextest", "run", "--workspace", "--all-features", "--ignore-default-filter", "--run-ignored", "all"]);
    // Each as it is done: all of them take a quarter of an hour.
    tests.args(["--status-level", "pass", "-E", &tests_of(installed.iter().map(|(owner, _)| *owner), which)]);
    tests.envs(installed.iter().map(|(owner, folder)| (owner.variable(), folder)));
    Ok(tests)
}

/// The tests of these owners, as nextest's filter.
fn tests_of(owners: impl Iterator<Item = &'static Owner>, which: &str) -> String {
    let modules: Vec<_> = owners.map(Owner::module).collect();
    format!("(package(lastword-test-owners) & test(/^with_owners::timed::({})::{which}/))", modules.join("|"))
}

fn named(words: &[String]) -> anyhow::Result<Vec<&'static Owner>> {
    if words.is_empty() {
        return Ok(OWNERS.iter().collect());
    }
    let mut owners = Vec::new();
    for word in words {
        let Some(owner) = OWNERS.iter().find(|owner| owner.word == word) else {
            let all: Vec<_> = OWNERS.iter().map(|owner| owner.word).collect();
            bail!("there are no trials with {BAD}{word}{BAD:#}; there are: {}", all.join(", "));
        };
        owners.push(owner);
    }
    Ok(owners)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_named_by_its_word() {
        assert_eq!(named(&[]).unwrap().len(), OWNERS.len());
        assert_eq!(named(&["codex".to_owned()]).unwrap()[0].name, "Codex");
        let said = named(&["codec".to_owned()]).err().unwrap().to_string();
        assert!(said.contains("claude-code, codex"), "{said}");
    }

    #[test]
    fn a_check_runs_trials_with_and_without_a_terminal_of_a_clean_exit_sigterm_and_sigkill() {
        assert_eq!(named(&SMALLEST.map(str::to_owned)).unwrap().len(), SMALLEST.len());
        let filter = tests_of(OWNERS.iter().filter(|owner| owner.word == "claude-code"), FEW_TRIALS);
        assert!(filter.contains("::(claude_code)::in_every_check::/"), "{filter}");
        let ways = std::fs::read_to_string(repository::root().join("tests/owners/tests/trials/ways.rs")).unwrap();
        let few = ways.split_once("mod in_every_check {").unwrap().1.split_once('}').unwrap().0;
        for way in ["(Headless, Exit)", "(Headless, Terminate)", "(Terminal, Exit)", "(Terminal, Kill)"] {
            assert!(few.contains(way), "{way}: {few}");
        }
    }

    #[test]
    fn each_owner_has_tests() {
        let tests = repository::root().join("tests/owners/tests/trials/main.rs");
        let tests = std::fs::read_to_string(tests).unwrap();
        for owner in &OWNERS {
            assert!(tests.contains(&format!("mod {} {{", owner.module())), "{}", owner.word);
        }
        assert_eq!(OWNERS[0].variable(), "LASTWORD_OWNER_CLAUDE_CODE");
    }
}
