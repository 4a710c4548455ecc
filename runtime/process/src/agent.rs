//! Finds an agent's process from a command that it runs.
//!
//! An agent runs a hook through a shell, which may or may not stay in between. The agent is the nearest ancestor that
//! is no shell. The process that the user started is often another one, further up, which does not end with the agent.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::limits::MAX_ANCESTORS;

/// The table of processes by pid. [`Proc`](crate::Proc) reads it from `/proc`; tests define their own.
pub trait ProcessTable {
    /// Returns the process's parent. `None` if it has none in this pid namespace, or if the process is hidden.
    fn parent(&self, pid: u32) -> Option<u32>;

    /// Returns the path of the executable. `None` if this user may not know it, as for other users' processes.
    fn executable(&self, pid: u32) -> Option<PathBuf>;

    /// Returns the words of the command line, which programs may change. `None` if this user may not know it.
    fn command_line(&self, pid: u32) -> Option<Vec<OsString>>;
}

/// Returns the agent's process, for a command that the agent runs as a hook: the claimed one if it is an ancestor of
/// the command, else the first ancestor that is no shell.
///
/// `claimed` is the agent's own word, such as `CLAUDE_PID`. A pid that another agent left in the environment is no
/// ancestor, and neither is one from another pid namespace.
#[must_use]
pub fn agent_of(table: &impl ProcessTable, command: u32, claimed: Option<u32>) -> Option<u32> {
    let ancestors = ancestors(table, command);
    claimed.filter(|claimed| ancestors.contains(claimed)).or_else(|| first_that_is_no_shell(table, &ancestors))
}

/// Returns the process's ancestors, the parent first; at most [`MAX_ANCESTORS`].
#[must_use]
pub fn ancestors(table: &impl ProcessTable, pid: u32) -> Vec<u32> {
    let parents = std::iter::successors(table.parent(pid), |pid| table.parent(*pid));
    parents.take(MAX_ANCESTORS).collect()
}

/// Returns the first of these processes whose executable is no shell.
///
/// `None` if there is none, if the program of an earlier one is unknown, or if it is one that adopts orphans: then the
/// agent has ended, and the remaining ancestors are not its own.
#[must_use]
pub fn first_that_is_no_shell(table: &impl ProcessTable, pids: &[u32]) -> Option<u32> {
    for pid in pids {
        let program = program(table, *pid)?;
        if ADOPTERS.contains(&program.as_str()) {
            return None;
        }
        if !is_shell(&program) {
            return Some(*pid);
        }
    }
    None
}

/// Names of shells, without the version that some systems append.
const SHELLS: [&str; 20] = [
    "ash", "bash", "csh", "dash", "elvish", "fish", "hush", "ksh", "lksh", "mksh", "nu", "oksh", "osh", "posh", "pwsh",
    "rbash", "sh", "tcsh", "yash", "zsh",
];

/// Names of executables that contain many programs. The command line tells which one runs.
const MANY_PROGRAMS: [&str; 2] = ["busybox", "toybox"];

/// Names of programs that adopt orphaned processes.
const ADOPTERS: [&str; 10] = [
    "catatonit",
    "docker-init",
    "dumb-init",
    "init",
    "launchd",
    "openrc-init",
    "runit",
    "s6-svscan",
    "systemd",
    "tini",
];

fn is_shell(program: &str) -> bool {
    let without_version = program.trim_end_matches(|end: char| end.is_ascii_digit() || end == '.' || end == '-');
    SHELLS.contains(&without_version)
}

/// Returns the name of a process's program, from the path of its executable, which the program cannot change. The
/// command line is used only if the path is unknown, or is that of many programs.
fn program(table: &impl ProcessTable, pid: u32) -> Option<String> {
    let words = || table.command_line(pid).unwrap_or_default();
    let Some(executable) = table.executable(pid) else { return words().first().map(|word| name(word)) };
    let program = name(executable.as_os_str());
    if !MANY_PROGRAMS.contains(&program.as_str()) {
        return Some(program);
    }
    let named = words().iter().map(|word| name(word)).find(|word| *word != program);
    Some(named.unwrap_or(program))
}

/// Returns the last component of a path. A login shell's name has a leading `-`, and a program that was replaced on the
/// disk has ` (deleted)` at the end.
fn name(path: &OsStr) -> String {
    let path = path.to_string_lossy();
    let path = path.strip_suffix(" (deleted)").unwrap_or(&path);
    let name = path.rsplit('/').next().unwrap_or(path);
    name.strip_prefix('-').unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests;
