//! Extism, by a program of a workspace of its own (`bench/extism`): it brings another wasmtime, which nothing else has to compile.

use std::process::Command;

use anyhow::{Context as _, ensure};

use super::other::Other;
use super::{root, target};
use crate::rounds::say;

/// Builds the program, and starts it.
///
/// # Errors
/// When it cannot be built: the first time it takes the registry, and some minutes.
pub(super) fn start() -> anyhow::Result<Other> {
    let (folder, target) = (root().join("bench").join("extism"), target().join("extism"));
    say("building Extism and its own wasmtime: minutes the first time");
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--locked", "--quiet", "--target-dir"]).arg(&target).current_dir(&folder);
    from_shell(&mut cargo);
    ensure!(cargo.status().context("cannot run cargo")?.success(), "{} cannot be built", folder.display());
    let program = target.join("release").join(format!("lastword-bench-extism{}", std::env::consts::EXE_SUFFIX));
    Other::start(&mut Command::new(&program))
}

/// What one call takes, in µs: of a `fresh` plugin each, or of one that is `kept`.
///
/// # Errors
/// When it cannot be called.
pub(super) fn each(extism: &mut Other, how: &str, calls: u32) -> anyhow::Result<f64> {
    let answer = extism.ask(&format!("{how} {calls}"))?;
    answer.parse().with_context(|| format!("{answer:?} is no time"))
}

/// What `cargo run` has set for us would have build scripts run again.
fn from_shell(cargo: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            cargo.env_remove(&name);
        }
    }
}
