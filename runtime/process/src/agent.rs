//! Which process an agent is, seen from a command that it runs.
//!
//! An agent's hook is run through a shell, which may stay between or not. The agent is the nearest ancestor that is no shell. The
//! process that the user started is often another one, further up, and lives and dies apart from the agent.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::limits::MAX_ANCESTORS;

/// What is known of processes, by their numbers. [`Proc`](crate::Proc) reads it from `/proc`; tests write it down.
pub trait ProcessTable {
    /// The process's parent. None if it has none in this pid namespace, or if the process is not shown.
    fn parent(&self, pid: u32) -> Option<u32>;

    /// The program that the process executes, as a path. None if this user may not know, as of other users' processes.
    fn executable(&self, pid: u32) -> Option<PathBuf>;

    /// The command line's words. Programs may write what they like there. None if this user may not know.
    fn command_line(&self, pid: u32) -> Option<Vec<OsString>>;
}

/// The process that an agent is, for a command that it runs as a hook: the claimed one if it is an ancestor of the command, else
/// the first ancestor that is no shell.
///
/// `claimed` is what the agent itself says, such as `CLAUDE_PID`. A number that some other agent left in the environment is no
/// ancestor, and neither is one from another pid namespace.
#[must_use]
pub fn agent_of(table: &impl ProcessTable, command: u32, claimed: Option<u32>) -> Option<u32> {
    let ancestors = ancestors(table, command);
    claimed.filter(|claimed| ancestors.contains(claimed)).or_else(|| first_that_is_no_shell(table, &ancestors))
}

/// The process's ancestors, the parent first; at most [`MAX_ANCESTORS`].
#[must_use]
pub fn ancestors(table: &impl ProcessTable, pid: u32) -> Vec<u32> {
    let parents = std::iter::successors(table.parent(pid), |pid| table.parent(*pid));
    parents.take(MAX_ANCESTORS).collect()
}

/// The first of these processes whose executable is no shell.
///
/// None if there is none, if nothing is known of the program of one before it, or if it is one that adopts orphans: then the agent
/// has ended, and the rest of the ancestors are not its own.
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

/// Names of programs that are many, of which the command line says which.
const MANY_PROGRAMS: [&str; 2] = ["busybox", "toybox"];

/// Names of programs that become the parents of whom nobody else is the parent of.
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

/// The name of the program that a process executes. The executable's path says it, which the program cannot change; the command
/// line only where the path is not known, or is that of many programs.
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

/// The last component of a path. A login shell's name has `-` before it, a program that was replaced on the disk has
/// ` (deleted)` after it.
fn name(path: &OsStr) -> String {
    let path = path.to_string_lossy();
    let path = path.strip_suffix(" (deleted)").unwrap_or(&path);
    let name = path.rsplit('/').next().unwrap_or(path);
    name.strip_prefix('-').unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests;
