//! The agents' packages: exactly what each lockfile names, in the folder of the tools.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, ensure};
use serde_json::Value;

use super::Owner;
use crate::console::{say, time};
use crate::guests::short_sum;
use crate::{process, repository, tools};

const FILES: [&str; 2] = ["package.json", "package-lock.json"];

/// The folder with its `node_modules`, after installing it if it is nowhere.
pub(super) fn install(owner: &Owner) -> anyhow::Result<PathBuf> {
    let (package, lockfile) = (read(owner, FILES[0])?, read(owner, FILES[1])?);
    let folder = tools::folder()?.join("owners").join(format!("{}-{}", owner.word, short_sum(&[&package, &lockfile])));
    let mark = folder.join(".lastword-installed");
    if mark.is_file() {
        return Ok(folder);
    }
    say(format_args!("{} is missing: installing {} into {}, once", owner.name, version(owner)?, folder.display()));
    let begin = Instant::now();
    let write = |file: &str, text: &str| {
        let path = folder.join(file);
        std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::write(&path, text))
            .with_context(|| format!("cannot write {}", path.display()))
    };
    write(FILES[0], &package)?;
    write(FILES[1], &lockfile)?;
    let mut npm = Command::new("npm");
    process::from_shell(&mut npm, &folder);
    // The native programs are packages themselves, so that nothing has to run. Not `npm ci`: npm 11 refuses a lockfile that lacks an
    // optional package for another system, and the agents name some that a registry may not have. What the lockfile has is what
    // is installed, with its checksum.
    npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    process::run(&mut npm).context("it takes npm and the registry; on Debian: apt install nodejs npm")?;
    write(".lastword-installed", "")?;
    say(format_args!("{} installed in {}", owner.name, time(begin.elapsed())));
    Ok(folder)
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
