//! Plugins in TypeScript: tsc checks them, componentize-qjs puts them into a component together with QuickJS.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::Context;

use super::cache::{Recipe, short_sum};
use super::{Example, Possible};
use crate::console::{say, time};
use crate::process;

/// The oldest Node that the tools run on.
const OLDEST_NODE: u32 = 20;

pub(super) fn recipe() -> Recipe {
    Recipe { texts: vec![include_str!("typescript.rs")], paths: Vec::new() }
}

pub(super) fn build(example: &Example) -> anyhow::Result<Possible<PathBuf>> {
    if !has_node() {
        return Ok(lacks());
    }
    install(example)?;
    process::run(npm(example).args(["run", "--silent", "build"]))?;
    Ok(Possible::Done(example.output()))
}

pub(super) fn test(example: &Example) -> anyhow::Result<Possible<()>> {
    if !has_node() {
        return Ok(lacks());
    }
    install(example)?;
    process::run(npm(example).args(["run", "--silent", "test"]))?;
    Ok(Possible::Done(()))
}

fn lacks<T>() -> Possible<T> {
    Possible::Lacks(format!("it needs Node {OLDEST_NODE} or newer, with npm; on Debian: apt install nodejs npm"))
}

fn has_node() -> bool {
    let answer = |program: &str| {
        let mut command = Command::new(program);
        let output = command.arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    answer("node").is_some_and(|version| is_new_enough(&version)) && answer("npm").is_some()
}

fn is_new_enough(version: &str) -> bool {
    let major = version.trim_start_matches('v').split('.').next();
    major.and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major >= OLDEST_NODE)
}

/// Puts exactly what the lockfile names into the example's `node_modules`, unless it is there.
fn install(example: &Example) -> anyhow::Result<()> {
    let lockfile = example.folder.join("package-lock.json");
    let list = std::fs::read_to_string(&lockfile).with_context(|| format!("no {}", lockfile.display()))?;
    let (mark, sum) = (example.folder.join("node_modules/.lastword-installed"), short_sum(&[&list]));
    if std::fs::read_to_string(&mark).is_ok_and(|last| last == sum) {
        return Ok(());
    }
    say(format_args!("installing the packages of {}", example.name));
    let begin = Instant::now();
    // None of them has to run anything when it is installed, and none may.
    process::run(npm(example).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]))?;
    std::fs::write(&mark, sum).with_context(|| format!("cannot write {}", mark.display()))?;
    say(format_args!("packages installed in {}", time(begin.elapsed())));
    Ok(())
}

fn npm(example: &Example) -> Command {
    let mut command = Command::new("npm");
    process::from_shell(&mut command, &example.folder);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_node_will_not_do() {
        assert!(is_new_enough("v20.0.0\n"));
        assert!(is_new_enough("v104.1.2"));
        assert!(!is_new_enough("v18.20.1"));
        assert!(!is_new_enough(""));
    }
}
