//! Plugins in Go: their Makefile builds them, with the Go of this machine or one that comes as a Python package.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;
use serde::Deserialize;

use super::cache::Recipe;
use super::{Example, Possible, guest_tools, venv};
use crate::{process, repository, tools};

const REQUIREMENTS: &str = "xtask/src/guests/requirements/go.txt";
/// The crate that writes the bindings carries the package that they import, of the same version: nothing is downloaded
/// from anywhere that Go would ask.
const BINDINGS: &str = "wit-bindgen-go";
/// The oldest Go that the bindings' package compiles with.
const OLDEST: (u32, u32) = (1, 25);

pub(super) fn recipe() -> Recipe {
    let mut paths = vec![repository::root().join(REQUIREMENTS)];
    paths.extend(guest_tools::sources());
    Recipe { texts: vec![include_str!("go.rs"), include_str!("guest_tools.rs"), include_str!("venv.rs")], paths }
}

pub(super) fn build(example: &Example) -> anyhow::Result<Possible<PathBuf>> {
    let go = match go()? {
        Possible::Done(go) => go,
        Possible::Lacks(what) => return Ok(Possible::Lacks(what)),
    };
    let mut make = match guest_tools::make(example)? {
        Possible::Done(make) => make,
        Possible::Lacks(what) => return Ok(Possible::Lacks(what)),
    };
    let adapter = repository::guests_build().join("wasi_snapshot_preview1.reactor.wasm");
    process::run(Command::new(guest_tools::build()?).arg("adapter").arg(&adapter))?;
    make.arg(format!("GO={}", guest_tools::quoted(&go)));
    make.arg(format!("GO_PKG={}", guest_tools::quoted(&bindings_package()?)));
    // make itself looks at this one as a file.
    make.arg(format!("ADAPTER={}", adapter.display()));
    process::run(alone(&mut make)?)?;
    Ok(Possible::Done(example.output()))
}

pub(super) fn test(example: &Example) -> anyhow::Result<Possible<()>> {
    let go = match go()? {
        Possible::Done(go) => go,
        Possible::Lacks(what) => return Ok(Possible::Lacks(what)),
    };
    let mut test = Command::new(go);
    process::from_shell(&mut test, &example.folder);
    // The packages that import nothing of the bindings.
    process::run(alone(test.args(["test", "-mod=mod", "./webhook"]))?)?;
    Ok(Possible::Done(()))
}

/// Keeps Go to itself: no other toolchain, no module from elsewhere, its caches beside the other tools.
fn alone(command: &mut Command) -> anyhow::Result<&mut Command> {
    let folder = tools::folder()?;
    command.env("GOCACHE", folder.join("go-cache")).env("GOPATH", folder.join("go-path"));
    for name in ["GOARCH", "GOFLAGS", "GOOS", "GOWORK"] {
        command.env_remove(name);
    }
    Ok(command.env("GOENV", "off").env("GOPROXY", "off").env("GOTOOLCHAIN", "local"))
}

fn go() -> anyhow::Result<Possible<PathBuf>> {
    let version = Command::new("go").arg("version").stdin(Stdio::null()).stderr(Stdio::null()).output();
    if version.is_ok_and(|version| is_new_enough(&String::from_utf8_lossy(&version.stdout))) {
        return Ok(Possible::Done(PathBuf::from("go")));
    }
    Ok(match venv::with(&repository::root().join(REQUIREMENTS))? {
        Possible::Done(python) => Possible::Done(python.with_file_name("go")),
        Possible::Lacks(_) => {
            let (major, minor) = OLDEST;
            Possible::Lacks(format!("it needs Go {major}.{minor} or newer, or Python 3.10 to install it with"))
        }
    })
}

/// `go version go1.27.3 linux/amd64`
fn is_new_enough(answer: &str) -> bool {
    let version = answer.split_whitespace().nth(2).and_then(|word| word.strip_prefix("go")).unwrap_or_default();
    let mut numbers = version.split('.').map(str::parse);
    matches!((numbers.next(), numbers.next()), (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= OLDEST)
}

/// Where cargo keeps the sources of the package that the bindings import.
fn bindings_package() -> anyhow::Result<PathBuf> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        manifest_path: PathBuf,
    }
    let mut command = process::cargo(&repository::root());
    let output =
        command.args(["metadata", "--all-features", "--format-version=1"]).output().context("cannot run cargo")?;
    let metadata: Metadata = serde_json::from_slice(&output.stdout).context("cannot read what cargo metadata said")?;
    let package = metadata.packages.into_iter().find(|package| package.name == BINDINGS);
    let package = package.with_context(|| format!("{BINDINGS} is no dependency any more"))?;
    Ok(package.manifest_path.parent().unwrap_or(Path::new("")).join("src/pkg"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_go_will_not_do() {
        assert!(is_new_enough("go version go1.27.3 linux/amd64\n"));
        assert!(is_new_enough("go version go1.25 darwin/arm64"));
        assert!(!is_new_enough("go version go1.19.8 linux/amd64"));
        assert!(!is_new_enough(""));
    }

    #[test]
    fn the_package_that_bindings_import_comes_with_the_crate_that_writes_them() {
        let package = bindings_package().unwrap();
        assert!(package.join("wit/types/result.go").is_file(), "{}", package.display());
    }
}
