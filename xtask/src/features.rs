//! The libraries without some of their features, and the program without its own: they compile, and what a feature is for is not in the
//! tree without it.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};

use crate::console::say;
use crate::{beside, process, repository};

/// Sets of `lastword`'s features that are compiled beside all of them: one without a compiler, and one for tests without HTTP. A program
/// with the journal alone is compiled as [`beside`] is tested.
const SETS: [&str; 2] = ["sqlite,http,serde", "compile,test-util"];
/// A set of features, and crates that are not in the tree with it.
const ABSENT: [(&str, &[&str]); 3] = [
    ("", &["hyper", "rustls", "cranelift-codegen", "rayon", "libsqlite3-sys"]),
    ("sqlite,compile,serde", &["hyper", "rustls", "tokio-rustls", "wasmtime-wasi-http"]),
    ("sqlite,http,serde", &["cranelift-codegen", "wasmtime-cranelift", "wasmtime-internal-cranelift", "rayon"]),
];
/// The program, its feature for traces, and what is not in its tree without that.
const PROGRAM: (&str, &str, [&str; 3]) = ("lastword-cli", "otlp", ["opentelemetry", "opentelemetry-otlp", "prost"]);
/// Crates that are in the tree with all features: else the names above say nothing.
const PRESENT: [&str; 5] = ["hyper", "rustls", "cranelift-codegen", "rayon", "libsqlite3-sys"];

/// Checks the manifests, the trees and the code.
///
/// # Errors
/// Something is in a tree that should not be, or a set of features does not compile.
pub(crate) fn check() -> anyhow::Result<()> {
    check_forwarding(&repository::root())?;
    check_trees()?;
    for features in SETS {
        say(format_args!("lastword with {}", shown(features)));
        process::run(lastword("check", features).arg("--lib"))?;
    }
    let (program, feature, _) = PROGRAM;
    say(format_args!("{program} without {feature}"));
    process::run(&mut package(program, "check", ""))?;
    beside::test()
}

fn lastword(verb: &str, features: &str) -> std::process::Command {
    package("lastword", verb, features)
}

fn package(name: &str, verb: &str, features: &str) -> std::process::Command {
    let mut cargo = process::cargo(&repository::root());
    cargo.args([verb, "--locked", "--package", name, "--no-default-features", "--features", features]);
    cargo
}

fn shown(features: &str) -> String {
    if features.is_empty() { "no feature".to_owned() } else { features.to_owned() }
}

/// `crate?/feature` has Cargo look for a version of an optional crate even where nobody asked for the crate: then a program that
/// has another SQLite cannot depend on ours, though it turned the feature off.
fn check_forwarding(root: &Path) -> anyhow::Result<()> {
    let runtime = root.join("runtime");
    for entry in fs::read_dir(&runtime).with_context(|| format!("cannot list {}", runtime.display()))? {
        let manifest = entry?.path().join("Cargo.toml");
        let text = fs::read_to_string(&manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
        let weak = weak_forwarding(&text);
        ensure!(weak.is_empty(), "{} forwards features with `?/`: {}", manifest.display(), weak.join(", "));
    }
    Ok(())
}

/// The lines of a manifest that forward a feature of a crate that may not be there.
fn weak_forwarding(manifest: &str) -> Vec<&str> {
    manifest.lines().map(str::trim).filter(|line| !line.starts_with('#') && line.contains("?/")).collect()
}

fn check_trees() -> anyhow::Result<()> {
    let all = tree("lastword", "sqlite,http,compile,serde")?;
    for name in PRESENT {
        ensure!(all.iter().any(|found| found == name), "{name} is not in the tree: it has another name now");
    }
    for (features, absent) in ABSENT {
        let tree = tree("lastword", features)?;
        let found: Vec<&str> = absent.iter().copied().filter(|name| tree.iter().any(|found| found == name)).collect();
        ensure!(found.is_empty(), "lastword with {} has {} in its tree", shown(features), found.join(", "));
    }
    let (program, feature, absent) = PROGRAM;
    let (with, without) = (tree(program, feature)?, tree(program, "")?);
    for name in absent {
        ensure!(with.iter().any(|found| found == name), "{name} is not in the tree: it has another name now");
        ensure!(!without.iter().any(|found| found == name), "{program} without {feature} has {name} in its tree");
    }
    Ok(())
}

/// The names of what this package with these features is made of.
fn tree(name: &str, features: &str) -> anyhow::Result<Vec<String>> {
    let mut cargo = package(name, "tree", features);
    let output = cargo.args(["--edges", "normal", "--prefix", "none", "--format", "{p}"]).output();
    let output = output.context("cannot run cargo tree")?;
    ensure!(output.status.success(), "cargo tree failed:\n{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwarding_that_brings_a_crate_back_is_found() {
        let manifest =
            "# not `crate?/feature`\nsqlite = [\"dep:lastword-sqlite\"]\nserde = [\"lastword-sqlite?/serde\"]\n";
        assert_eq!(weak_forwarding(manifest), ["serde = [\"lastword-sqlite?/serde\"]"]);
        check_forwarding(&repository::root()).unwrap();
    }

    #[test]
    fn what_a_feature_is_for_is_not_in_the_tree_without_it() {
        check_trees().unwrap();
    }
}
