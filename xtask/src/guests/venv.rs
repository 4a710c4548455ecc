//! Tools that come as Python packages: the compiler of the plugins in Python, the one of those in C, and what asks the daemon's API.
//!
//! Each list of requirements gets a virtual environment of its own, beside the other tools. Packages are named by their
//! hashes, so that nothing else can be installed in their place.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::Context;

use super::Possible;
use super::cache::short_sum;
use crate::console::{say, time};
use crate::{process, repository, tools};

/// The oldest Python that the tools run on; newer ones are found by the same names.
const OLDEST: (u32, u32) = (3, 10);
/// Prints its version, if it has what a virtual environment needs: some distributions keep it in a package of its own.
const PROBE: &str = "import sys, venv, ensurepip; print(*sys.version_info[:2])";

/// A Python of this machine, by the name that finds it.
pub(super) fn python() -> Possible<&'static str> {
    python_since(OLDEST)
}

fn python_since(oldest: (u32, u32)) -> Possible<&'static str> {
    let found = ["python3", "python"].into_iter().find(|name| {
        let probe = Command::new(name).args(["-c", PROBE]).stdin(Stdio::null()).stderr(Stdio::null()).output();
        probe
            .is_ok_and(|probe| probe.status.success() && is_new_enough(&String::from_utf8_lossy(&probe.stdout), oldest))
    });
    found.map_or_else(
        || {
            let (major, minor) = oldest;
            Possible::Lacks(format!(
                "it needs Python {major}.{minor} or newer, with venv and pip; on Debian: apt install python3 python3-venv"
            ))
        },
        Possible::Done,
    )
}

fn is_new_enough(version: &str, oldest: (u32, u32)) -> bool {
    let mut numbers = version.split_whitespace().map(str::parse);
    matches!((numbers.next(), numbers.next()), (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= oldest)
}

/// The Python of a virtual environment in which `requirements` are installed, which happens once.
pub(super) fn with(requirements: &Path) -> anyhow::Result<Possible<PathBuf>> {
    with_since(OLDEST, requirements)
}

/// The same, for packages that run on no older Python than this.
pub(super) fn with_since(oldest: (u32, u32), requirements: &Path) -> anyhow::Result<Possible<PathBuf>> {
    let python = match python_since(oldest) {
        Possible::Done(python) => python,
        Possible::Lacks(what) => return Ok(Possible::Lacks(what)),
    };
    let list = std::fs::read_to_string(requirements).with_context(|| format!("no {}", requirements.display()))?;
    // "componentize-py-0.25.1", for people who look into the folder.
    let package =
        list.lines().filter(|line| !line.starts_with('#')).find_map(|line| line.split_once("==")).map_or_else(
            || "python".to_owned(),
            |(name, version)| format!("{}-{}", name.trim(), version.trim_end_matches('\\').trim()),
        );
    let venv = tools::folder()?.join(format!("{package}-{}", short_sum(&[&list])));
    let inside = venv.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    // Written last: whoever interrupts an installation begins it anew.
    let whole = venv.join("lastword-installed");
    if whole.is_file() && inside.exists() {
        return Ok(Possible::Done(inside));
    }
    say(format_args!("{package} is missing: installing it into {}, once", venv.display()));
    let begin = Instant::now();
    process::run(from_root(python).args(["-m", "venv", "--clear"]).arg(&venv))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r"];
    process::run(from_root(&inside).args(pip).arg(requirements))?;
    std::fs::write(&whole, "").with_context(|| format!("cannot write {}", whole.display()))?;
    say(format_args!("{package} installed in {}", time(begin.elapsed())));
    Ok(Possible::Done(inside))
}

fn from_root(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    process::from_shell(&mut command, &repository::root());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_python_will_not_do() {
        assert!(is_new_enough("3 10\n", OLDEST));
        assert!(is_new_enough("4 0", OLDEST));
        assert!(!is_new_enough("3 9", OLDEST));
        assert!(!is_new_enough("3 10", (3, 11)));
        assert!(!is_new_enough("", OLDEST));
    }
}
