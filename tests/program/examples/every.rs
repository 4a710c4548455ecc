//! Every example plugin: it passes `lastword test`, and the plain `wasmtime` CLI runs it unmodified and agrees with
//! `lastword run`.
//!
//! `cargo xtask test` builds the examples, installs the CLI and says where it is.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Ended, Launch};

fn wasmtime() -> Command {
    let program = std::env::var_os("LASTWORD_WASMTIME").expect("cargo xtask test says where the wasmtime CLI is");
    let folder = Path::new(&program).parent().unwrap().to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut command = Command::new("sh");
    command.env("PATH", std::env::join_paths([folder].into_iter().chain(std::env::split_paths(&path))).unwrap());
    command
}

/// Every example that was built.
fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests");
    let mut found: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "wasm"));
    found.retain(|path| path.file_stem().is_none_or(|stem| stem != "spin"));
    found.sort();
    found
}

/// All that the examples ask for; nobody listens at the addresses.
const GRANTS: [&str; 8] = [
    "--grant-keyvalue",
    "--grant-http=http://127.0.0.1:9",
    "--grant-config=report-url=http://127.0.0.1:9/reports",
    "--grant-config=worker=http://127.0.0.1:9",
    "--grant-config=webhook=http://127.0.0.1:9/hook",
    "--deadline=10s",
    "--fuel=1_000_000_000",
    "--memory=64MiB",
];

/// Compiled once for all tests: one of them takes half a minute.
fn lastword(command: &str, plugin: &Path, args: &[&str]) -> Ended {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
    let launch = Launch::command(command).arg(plugin).arg("--cache-dir").arg(cache);
    GRANTS.iter().chain(args).fold(launch, |launch, arg| launch.arg(*arg)).run()
}

/// What the answer is called in the words of `wasmtime run --invoke`.
fn answer(ended: &Ended) -> &'static str {
    let first = &ended.text[0];
    match first.split_once(": ").unwrap().1 {
        "delivered" => "ok",
        failed if failed.starts_with("failed(retry): ") => "err(retry(",
        failed if failed.starts_with("failed(fatal): ") => "err(fatal(",
        _ => panic!("{first}"),
    }
}

#[test]
fn every_example_passes_the_conformance_test() {
    let examples = examples();
    assert!(!examples.is_empty(), "cargo xtask guests builds them");
    for plugin in examples {
        let ended = lastword("test", &plugin, &[]);
        assert_eq!(ended.code(), 0, "{}\n{}", ended.stdout(), ended.stderr());
    }
}

#[test]
fn every_example_runs_under_the_wasmtime_cli_and_answers_what_lastword_run_says() {
    let examples = examples();
    assert!(!examples.is_empty(), "cargo xtask guests builds them");
    for plugin in examples {
        let ours = lastword("run", &plugin, &[]);
        let printed = lastword("run", &plugin, &["--print-wasmtime"]);
        let output = wasmtime().arg("-c").arg(&printed.text[0]).output().unwrap();
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{}: {stderr}", plugin.display());
        let theirs = stdout.lines().last().unwrap_or_default();
        assert!(theirs.starts_with(answer(&ours)), "{}: {theirs}, and {}", plugin.display(), ours.text[0]);
        // What the guest printed is the same, but for what depends on the moment.
        let lines = stdout.lines().count() - 1 + stderr.lines().count();
        let ours = ours.text.iter().filter(|line| line.contains(" | ") || line.contains(" ! ")).count();
        assert_eq!(lines, ours, "{}:\n{stdout}{stderr}", plugin.display());
    }
}
