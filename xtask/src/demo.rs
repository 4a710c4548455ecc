//! `cargo xtask demo`: the real program, with sessions of a real owner, stopped in the middle of its work.
//!
//! First with a good plugin; then with one beside it that never comes back; then it is killed, and started again. What is
//! shown is what the program printed; what it promises is checked, and the demo fails when a promise was broken.

use std::path::PathBuf;

use anyhow::{Context, ensure};

use crate::console::{BOLD, say};
use crate::{guests, process, repository};

mod act;
mod killed;
mod owner;
mod picture;
mod program;
mod protocol;
mod show;
mod tally;
mod verdict;

/// In Rust, so that the demo needs nothing but what builds the program.
const GOOD_PLUGIN: &str = "rust-session-log";
/// Open sessions besides those of the captured file: enough for a picture, few enough for a table.
const MADE_UP_SESSIONS: usize = 12;

pub(crate) fn run() -> anyhow::Result<()> {
    let lastword = build()?;
    let good = repository::guests().join(format!("{}.wasm", GOOD_PLUGIN.replace('-', "_")));
    let captured = owner::Captured::read(&repository::root().join("tests/data/openclaw-2026.9.6-hooks.ndjson"))?;
    let more = owner::made_up(MADE_UP_SESSIONS);
    let journals = tempfile::tempdir().context("no temporary directory")?;
    let journal = |act: &str| journals.path().join(format!("{act}.db"));

    title("1  A gateway is stopped while sessions are open");
    let lines: Vec<String> = captured.until_stop.iter().chain(&more).cloned().collect();
    let played = act::play(&lastword, std::slice::from_ref(&good), &journal("1"), &lines)?;
    show::replayed(&captured, &more, &played);
    show::calls(&played);
    let first = verdict::show(&played, verdict::Expected::AllDelivered);

    title("2  The same, beside a plugin that never comes back");
    // One of the tests' hostile plugins: a loop.
    let spin = test_guest("spin")?;
    // Starts only: the ends of ordinary work would keep the spinner in the way of the drain that is to be seen.
    let lines: Vec<String> = captured.starts().chain(&more).cloned().collect();
    let played = act::play(&lastword, &[good.clone(), spin], &journal("2"), &lines)?;
    show::opened(&played);
    show::plugins(&played);
    let second = verdict::show(&played, verdict::Expected::DeliveredBy(GOOD_PLUGIN));

    title("3  The program is killed, and started again");
    let third = killed::show(&lastword, &good, &journal("3"), &lines)?;

    ensure!(first && second && third, "a promise was broken, see ✗ above");
    Ok(())
}

fn title(text: &str) {
    anstream::println!("\n{BOLD}{text}{BOLD:#}\n");
}

/// Builds a plugin, the program, and the helper that makes the tests' plugins. Gives the program.
///
/// # Errors
/// Something of it cannot be built.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    guests::build_one(GOOD_PLUGIN)?;
    say("building the program and its tests; wasmtime takes some minutes the first time");
    let mut build = process::cargo(&repository::root());
    // All that the tests need as well: another selection would have other features, and wasmtime would be compiled twice.
    process::run(build.args(["build", "--workspace", "--all-targets", "--all-features"]))?;
    program("lastword")
}

fn program(name: &str) -> anyhow::Result<PathBuf> {
    let path = repository::target()?.join("debug").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    ensure!(path.is_file(), "{} was not built: is build.target set in your cargo configuration?", path.display());
    Ok(path)
}

/// One of the tests' plugins, which are texts, as a component. What makes it is [built](build) before.
///
/// # Errors
/// There is none of this name, or it cannot be written.
pub(crate) fn test_guest(name: &str) -> anyhow::Result<PathBuf> {
    let mut write = std::process::Command::new(program("write-guest")?);
    let output = write.arg(name).arg(repository::guests()).output().context("cannot run write-guest")?;
    ensure!(output.status.success(), "write-guest failed:\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim_end()))
}
