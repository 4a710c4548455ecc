//! The agents' packages: exactly what each lockfile names, in the folder of the tools.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use serde_json::Value;

use super::Owner;
use crate::repository;
use crate::test::npm::{self, FILES};

/// The folder with its `node_modules`, after installing it if it is nowhere.
pub(super) fn install(owner: &Owner) -> anyhow::Result<PathBuf> {
    let what = format!("{} {}", owner.name, version(owner)?);
    npm::install(&what, &folder(owner), &format!("owners/{}", owner.word))
}

/// The version that its package.json asks for.
pub(super) fn version(owner: &Owner) -> anyhow::Result<String> {
    let package: Value = serde_json::from_str(&read(owner, FILES[0])?)?;
    let version = package.get("dependencies").and_then(|all| all.get(owner.package)?.as_str());
    let version = version.with_context(|| format!("{} is no dependency of its package.json", owner.package))?;
    ensure!(version.starts_with(|first: char| first.is_ascii_digit()), "{version} is no version");
    Ok(version.to_owned())
}

fn read(owner: &Owner, file: &str) -> anyhow::Result<String> {
    let path = folder(owner).join(file);
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// Where its files are in the clone.
fn folder(owner: &Owner) -> PathBuf {
    repository::root().join("tests/owners/packages").join(owner.word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::owners::OWNERS;

    #[test]
    fn each_lockfile_has_the_version_that_is_asked_for_and_no_registry_of_ours() {
        for owner in &OWNERS {
            let lockfile = read(owner, FILES[1]).unwrap();
            assert!(!lockfile.contains("\"resolved\""), "{} names a registry", owner.word);
            let lockfile: Value = serde_json::from_str(&lockfile).unwrap();
            let locked = &lockfile["packages"][format!("node_modules/{}", owner.package)];
            assert_eq!(locked["version"], version(owner).unwrap());
            assert!(locked["integrity"].is_string(), "{}", owner.word);
        }
    }
}
