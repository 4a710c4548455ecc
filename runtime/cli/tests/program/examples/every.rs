//! Every example plugin: it passes `lastword test`, and the plain `wasmtime` CLI runs it unmodified and agrees with
//! `lastword run`.
//!
//! `cargo xtask test` builds the examples in Rust. `cargo xtask test --all` builds every one, installs the CLI and says where it
//! is.

use std::path::{Path, PathBuf};

use crate::support::{Ended, Launch};

/// Every example that was built, in the languages whose names `wanted` holds for.
fn examples(wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests");
    let mut found: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "wasm"));
    // `spin` is of the demo.
    let language = |path: &Path| Some(path.file_name()?.to_str()?.split_once('_')?.0.to_owned());
    found.retain(|path| language(path).is_some_and(|language| wanted(&language)));
    found.sort();
    assert!(!found.is_empty(), "cargo xtask guests builds them");
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

fn pass_the_conformance_test(examples: Vec<PathBuf>) {
    for plugin in examples {
        let ended = lastword("test", &plugin, &[]);
        assert_eq!(ended.code(), 0, "{}\n{}", ended.stdout(), ended.stderr());
    }
}

#[test]
fn every_example_in_rust_passes_the_conformance_test() {
    pass_the_conformance_test(examples(|language| language == "rust"));
}

/// Needs what only `cargo xtask test --all` has.
mod with_tools {
    use std::path::Path;
    use std::process::Command;

    use super::{Ended, examples, lastword, pass_the_conformance_test};

    fn wasmtime() -> Command {
        let program =
            std::env::var_os("LASTWORD_WASMTIME").expect("cargo xtask test --all says where the wasmtime CLI is");
        let folder = Path::new(&program).parent().unwrap().to_owned();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut command = Command::new("sh");
        command.env("PATH", std::env::join_paths([folder].into_iter().chain(std::env::split_paths(&path))).unwrap());
        command
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
    fn every_example_in_another_language_passes_the_conformance_test() {
        pass_the_conformance_test(examples(|language| language != "rust"));
    }

    #[test]
    fn every_example_runs_under_the_wasmtime_cli_and_answers_what_lastword_run_says() {
        for plugin in examples(|_| true) {
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
}
