//! npm packages: exactly what a lockfile names, in the folder of the tools.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::Context;

use crate::console::{say, time};
use crate::guests::short_sum;
use crate::{process, tools};

/// What says which packages they are.
pub(super) const FILES: [&str; 2] = ["package.json", "package-lock.json"];

/// The folder with the `node_modules` that the two files in `from` ask for, after installing them if they are nowhere. `what` is for people, and `place`
/// is where in the folder of the tools.
///
/// # Errors
/// They cannot be read, or not be installed.
pub(super) fn install(what: &str, from: &Path, place: &str) -> anyhow::Result<PathBuf> {
    let read = |file: &str| {
        let path = from.join(file);
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let [package, lockfile] = FILES.map(read);
    let (package, lockfile) = (package?, lockfile?);
    let folder = tools::folder()?.join(format!("{place}-{}", short_sum(&[&package, &lockfile])));
    let mark = folder.join(".lastword-installed");
    if mark.is_file() {
        return Ok(folder);
    }
    say(format_args!("{what} is missing: installing it into {}, once", folder.display()));
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
    say(format_args!("{what} installed in {}", time(begin.elapsed())));
    Ok(folder)
}
