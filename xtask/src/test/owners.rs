//! `cargo xtask test --owners`: trials with real agents, and the table of what came of them.
//!
//! The agents are npm packages, each of one version. They are installed into the folder of the tools, outside the
//! clone. The tests are in `tests/owners`.

use std::path::PathBuf;

use anyhow::{bail, ensure};

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

/// Installs agents; one that cannot be installed is left out, with a word of why.
///
/// # Errors
/// One cannot be installed, and this is a run of CI's.
fn install(owners: impl Iterator<Item = &'static Owner>) -> anyhow::Result<Vec<(&'static Owner, PathBuf)>> {
    let mut installed = Vec::new();
    // The trials find processes as Linux has it.
    for owner in owners.filter(|_| cfg!(target_os = "linux")) {
        match packages::install(owner) {
            Ok(folder) => installed.push((owner, folder)),
            Err(error) if ci::is_here() => return Err(error),
            Err(error) => say(format_args!("{WARN}left out: the trials of {}: {error:#}{WARN:#}", owner.name)),
        }
    }
    Ok(installed)
}

/// The tests of these owners, as nextest's filter.
fn tests_of(owners: impl Iterator<Item = &'static Owner>) -> String {
    let modules: Vec<_> = owners.map(Owner::module).collect();
    format!("(package(lastword-test-owners) & test(/^with_owners::timed::({})::/))", modules.join("|"))
}

/// Runs all trials of these owners, or of all.
pub(super) fn run(words: &[String], update: bool) -> anyhow::Result<()> {
    let owners = named(words)?;
    guests::build_one("rust-session-log")?;
    let installed = install(owners.into_iter())?;
    let owners: Vec<_> = installed.iter().map(|(owner, _)| *owner).collect();
    ensure!(!owners.is_empty(), "there is no agent to try");
    for (owner, folder) in &installed {
        say(format_args!("{}={}", owner.variable(), folder.display()));
        table::forget(owner)?;
    }
    let mut tests = NEXTEST.command()?;
    tests.args(["nextest", "run", "--workspace", "--all-features", "--ignore-default-filter", "--run-ignored", "all"]);
    // Each as it is done: all of them take a quarter of an hour.
    tests.args(["--status-level", "pass", "-E", &tests_of(owners.iter().copied())]);
    tests.envs(installed.iter().map(|(owner, folder)| (owner.variable(), folder)));
    let result = process::run(tests.env("LASTWORD_OWNERS_RESULTS", table::results()));
    // What failed is in the table too.
    let shown = table::write(&owners)?;
    anstream::eprintln!("\n{shown}");
    say(format_args!("written to {}", repository::shown(&table::file())));
    result?;
    if owners.len() < OWNERS.len() {
        say("README.md has the table of all of them, and is left as it is");
        return Ok(());
    }
    page::compare(&shown, update)
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
    fn each_owner_has_tests() {
        let tests = repository::root().join("tests/owners/tests/trials/main.rs");
        let tests = std::fs::read_to_string(tests).unwrap();
        for owner in &OWNERS {
            assert!(tests.contains(&format!("mod {} {{", owner.module())), "{}", owner.word);
        }
        assert_eq!(OWNERS[0].variable(), "LASTWORD_OWNER_CLAUDE_CODE");
    }
}
