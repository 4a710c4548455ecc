//! What a program is compiled from, apart from what only builds it.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde::Deserialize;

use crate::process;

/// A package, as far as its licence goes.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Package {
    pub(super) name: String,
    version: String,
    /// Where it comes from; a package of this workspace comes from nowhere.
    source: Option<String>,
    /// As its author says it, in SPDX's words.
    pub(super) license: Option<String>,
    /// A file that its author names, from the package's folder.
    pub(super) license_file: Option<PathBuf>,
    pub(super) repository: Option<String>,
    #[serde(default)]
    pub(super) authors: Vec<String>,
    manifest_path: PathBuf,
}

impl Package {
    /// Where its sources are.
    pub(super) fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// What a program is made of.
#[derive(Debug)]
pub(super) struct Tree {
    /// The program's version.
    pub(super) version: String,
    /// The packages of others, sorted.
    pub(super) others: Vec<Package>,
}

/// Asks cargo what `package` is compiled from with these `features` for a `target`.
///
/// # Errors
/// Cargo cannot say.
pub(super) fn read(root: &Path, package: &str, features: &str, target: &str) -> anyhow::Result<Tree> {
    let ask = |args: &[&str]| {
        let output = process::cargo(root).args(args).output().context("cannot run cargo")?;
        ensure!(output.status.success(), "cargo failed:\n{}", String::from_utf8_lossy(&output.stderr));
        Ok(output.stdout)
    };
    // `metadata` alone says what any package of the workspace asks for; `tree` has what is compiled into this one.
    let mut tree = vec!["tree", "--locked", "--package", package, "--target", target];
    tree.extend(["--features", features, "--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"]);
    let tree = String::from_utf8(ask(&tree)?)?;
    let metadata = ["metadata", "--locked", "--format-version=1", "--features", features, "--filter-platform", target];
    join(package, &tree, &ask(&metadata)?)
}

/// The packages that `cargo tree` names a line each, with what `cargo metadata` says of them.
fn join(package: &str, tree: &str, metadata: &[u8]) -> anyhow::Result<Tree> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    let Metadata { packages } = serde_json::from_slice(metadata).context("cannot read what cargo metadata said")?;
    let mut named: BTreeSet<(&str, &str)> = BTreeSet::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let mut words = line.split(' ');
        let name = words.next().unwrap_or_default();
        let version = words.next().and_then(|word| word.strip_prefix('v'));
        named.insert((name, version.with_context(|| format!("cargo tree says {line:?}, without a version"))?));
    }
    let mut others = Vec::new();
    for (name, version) in &named {
        let found = packages.iter().find(|package| package.name == *name && package.version == *version);
        others.push(found.with_context(|| format!("cargo metadata knows no {name} {version}"))?.clone());
    }
    let program = others.iter().find(|found| found.name == package);
    let version = program.with_context(|| format!("cargo tree does not name {package}"))?.version.clone();
    others.retain(|package| package.source.is_some());
    Ok(Tree { version, others })
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: &str = r#"{"packages": [
        {"name": "program", "version": "1.2.3", "source": null, "manifest_path": "/w/program/Cargo.toml"},
        {"name": "ours", "version": "1.2.3", "source": null, "manifest_path": "/w/ours/Cargo.toml"},
        {"name": "theirs", "version": "0.1.0", "source": "registry", "license": "MIT", "manifest_path": "/r/theirs-0.1.0/Cargo.toml"},
        {"name": "theirs", "version": "0.2.0", "source": "registry", "manifest_path": "/r/theirs-0.2.0/Cargo.toml"},
        {"name": "not-compiled-in", "version": "1.0.0", "source": "registry", "manifest_path": "/r/not/Cargo.toml"}
    ]}"#;

    #[test]
    fn each_package_of_others_is_there_once_in_each_of_its_versions() {
        let tree = "program v1.2.3 (/w/program)\nours v1.2.3 (/w/ours)\ntheirs v0.2.0\ntheirs v0.1.0\nours v1.2.3 (/w/ours) (*)\n";
        let tree = join("program", tree, METADATA.as_bytes()).unwrap();
        assert_eq!(tree.version, "1.2.3");
        let shown: Vec<_> = tree.others.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["theirs 0.1.0", "theirs 0.2.0"]);
        assert_eq!(tree.others[1].folder(), Path::new("/r/theirs-0.2.0"));
    }

    #[test]
    fn a_package_that_is_not_known_is_an_error_and_not_left_out() {
        let error = join("program", "program v1.2.3\nnew v1.0.0\n", METADATA.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("new 1.0.0"), "{error}");
        let error = join("program", "theirs v0.1.0\n", METADATA.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("does not name program"), "{error}");
    }
}
