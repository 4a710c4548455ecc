//! The table of what came of the trials: how many ends each agent delivers, by itself and with Lastword.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use serde::Deserialize;

use super::{Owner, packages};
use crate::repository;

/// A column: its name, and the word of its way.
const COLUMNS: [(&str, &str); 6] = [
    ("exits", "exit"),
    ("SIGINT", "interrupt"),
    ("SIGTERM", "terminate"),
    ("SIGHUP", "hang-up"),
    ("terminal closed", "closed"),
    ("SIGKILL", "kill"),
];
const MODES: [&str; 2] = ["headless", "terminal"];
/// A row of its own: in a terminal, without the server that has the sessions otherwise.
const ALONE: [&str; 1] = ["alone"];
/// Between what came without a terminal and what came in one.
const APART: &str = " · ";
/// What a trial has where there is none.
const NONE: &str = "?";

/// What the table needs of a trial's report.
#[derive(Deserialize)]
struct Trial {
    own_ends: usize,
    stayed: bool,
    sessions: Vec<Session>,
}

#[derive(Deserialize)]
struct Session {
    starts: usize,
    ends: Vec<serde_json::Value>,
}

/// Where the trials leave their reports.
pub(super) fn results() -> PathBuf {
    repository::root().join("target/owners/results")
}

pub(super) fn file() -> PathBuf {
    repository::root().join("target/owners.md")
}

/// Removes what earlier trials of this agent have left.
pub(super) fn forget(owner: &Owner) -> anyhow::Result<()> {
    for (path, _) in reports_of(owner)? {
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

/// Makes the table of these agents, and writes it.
pub(super) fn write(owners: &[&Owner]) -> anyhow::Result<String> {
    let mut table = head();
    for owner in owners {
        let name = format!("{} {}", owner.name, packages::version(owner)?);
        let (alone, trials): (Vec<_>, Vec<_>) =
            trials_of(owner)?.into_iter().partition(|(name, _)| name.starts_with(ALONE[0]));
        table += &row(&name, &MODES, &trials);
        if let Some(option) = owner.alone {
            table += &row(&format!("{name}, `{option}`"), &ALONE, &alone);
        }
    }
    fs::write(file(), &table).with_context(|| format!("cannot write {}", file().display()))?;
    Ok(table)
}

/// The mode and the way of each trial, `headless_kill`, and what it has shown.
fn trials_of(owner: &Owner) -> anyhow::Result<Vec<(String, Trial)>> {
    let mut trials = Vec::new();
    for (path, name) in reports_of(owner)? {
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let trial = serde_json::from_str(&text).with_context(|| format!("not a report: {}", path.display()))?;
        trials.push((name, trial));
    }
    Ok(trials)
}

/// The files of an agent's reports, and the mode and way of each: `headless_kill`.
fn reports_of(owner: &Owner) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let folder = results();
    let list = || format!("cannot list {}", folder.display());
    fs::create_dir_all(&folder).with_context(list)?;
    let mut reports = Vec::new();
    for entry in folder.read_dir().with_context(list)? {
        let path = entry.with_context(list)?.path();
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if let Some(rest) = name.strip_prefix(owner.word).and_then(|rest| rest.strip_prefix('_')) {
            reports.push((path, rest.to_owned()));
        }
    }
    reports.sort();
    Ok(reports)
}

pub(super) fn head() -> String {
    let names: Vec<_> = COLUMNS.iter().map(|(name, _)| *name).collect();
    let lines = "|---".repeat(COLUMNS.len() + 2);
    format!("| | {} | with Lastword |\n{lines}|\n", names.join(" | "))
}

fn row(name: &str, modes: &[&str], trials: &[(String, Trial)]) -> String {
    let find = |mode: &str, way: &str| {
        let wanted = format!("{mode}_{way}");
        trials.iter().find(|(name, _)| *name == wanted).map(|(_, trial)| trial)
    };
    let cells = COLUMNS.map(|(_, way)| {
        // A run without a terminal has none that can be closed.
        let modes = modes.iter().filter(|mode| (**mode, way) != ("headless", "closed"));
        modes.map(|mode| find(mode, way).map_or_else(|| NONE.to_owned(), own)).collect::<Vec<_>>().join(APART)
    });
    format!("| {name} | {} | {} |\n", cells.join(" | "), with_lastword(trials))
}

/// How many ends the agent delivered. What is lost stands out.
fn own(trial: &Trial) -> String {
    match trial.own_ends {
        _ if trial.stayed => "goes on".to_owned(),
        0 => "**0**".to_owned(),
        1 => "1".to_owned(),
        // How many is chance: the process does not wait for all of its hooks.
        _ => "2+".to_owned(),
    }
}

/// How many ends of each session a plugin was told of, over all trials.
fn with_lastword(trials: &[(String, Trial)]) -> String {
    // The end of what was never started is one too many of another session.
    let is_right = |told: &Session| told.starts > 0 && told.ends.len() == 1;
    let is_one = |trial: &Trial| !trial.sessions.is_empty() && trial.sessions.iter().all(is_right);
    let others: Vec<_> = trials.iter().filter(|(_, trial)| !is_one(trial)).map(|(name, _)| name.as_str()).collect();
    match others.as_slice() {
        _ if trials.is_empty() => NONE.to_owned(),
        [] => "1, always".to_owned(),
        others => format!("not 1: {}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(name: &str, own_ends: usize, ends: usize) -> (String, Trial) {
        let sessions = vec![Session { starts: 1, ends: vec![serde_json::Value::Null; ends] }];
        (name.to_owned(), Trial { own_ends, stayed: false, sessions })
    }

    #[test]
    fn a_row_has_what_came_without_lastword_and_whether_one_end_came_with_it() {
        let mut trials =
            vec![trial("headless_exit", 1, 1), trial("terminal_exit", 3, 1), trial("terminal_closed", 0, 1)];
        assert_eq!(
            row("G 1", &MODES, &trials),
            "| G 1 | 1 · 2+ | ? · ? | ? · ? | ? · ? | **0** | ? · ? | 1, always |\n"
        );
        trials.push(trial("headless_kill", 0, 2));
        assert!(row("G 1", &MODES, &trials).ends_with("**0** · ? | not 1: headless_kill |\n"));
        let alone = [trial("alone_closed", 0, 1)];
        assert_eq!(row("G 1, `-x`", &ALONE, &alone), "| G 1, `-x` | ? | ? | ? | ? | **0** | ? | 1, always |\n");
        trials.truncate(3);
        trials[1].1.sessions.push(Session { starts: 0, ends: vec![serde_json::Value::Null] });
        assert!(row("G 1", &MODES, &trials).ends_with("| not 1: terminal_exit |\n"));
        trials[1].1.stayed = true;
        assert!(row("G 1", &MODES, &trials).starts_with("| G 1 | 1 · goes on |"));
    }

    #[test]
    fn the_head_has_as_many_columns_as_a_row() {
        let pipes = |line: &str| line.matches('|').count();
        let (head, row) = (head(), row("G 1", &MODES, &[]));
        assert!(head.lines().all(|line| pipes(line) == pipes(row.trim_end())), "{head}{row}");
    }
}
