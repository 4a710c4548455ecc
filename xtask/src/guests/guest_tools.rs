//! The helper that the Makefiles of plugins in C and Go find on their `PATH` in place of `wit-bindgen` and `wasm-tools`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use super::{Example, Possible};
use crate::{process, repository};

/// What it is made of.
pub(super) fn sources() -> [PathBuf; 2] {
    ["xtask/src/bin/guest-tools", "Cargo.lock"].map(|path| repository::root().join(path))
}

/// `make` in the example's folder, with the two programs.
pub(super) fn make(example: &Example) -> anyhow::Result<Possible<Command>> {
    let mut probe = Command::new("make");
    probe.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if !probe.status().is_ok_and(|status| status.success()) {
        return Ok(Possible::Lacks("it needs make; on Debian: apt install make".to_owned()));
    }
    let mut make = Command::new("make");
    process::from_shell(&mut make, &example.folder);
    // Whether there is anything to do has been decided already, and by more than the times of files.
    make.args(["--silent", "--always-make"]).env("PATH", path_led_by(&programs()?)?);
    Ok(Possible::Done(make))
}

/// A folder in which `wit-bindgen` and `wasm-tools` are programs, as after `cargo install`. Only plugins' own command lines
/// are understood.
pub(crate) fn programs() -> anyhow::Result<PathBuf> {
    let program = build()?;
    let folder = repository::guests_build().join("bin");
    for name in ["wit-bindgen", "wasm-tools"] {
        let script = format!("#!/bin/sh\nexec {} {name} \"$@\"\n", quoted(&program));
        let path = folder.join(name);
        write_program(&path, &script).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(folder)
}

fn write_program(path: &Path, script: &str) -> std::io::Result<()> {
    std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    std::fs::write(path, script)?;
    #[cfg(unix)]
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    Ok(())
}

fn path_led_by(folder: &Path) -> anyhow::Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&path));
    std::env::join_paths(folders).context("a folder of the PATH, or of this clone, has a colon in its name")
}

/// It needs a WebAssembly toolkit: half a minute the first time.
pub(super) fn build() -> anyhow::Result<PathBuf> {
    let mut cargo = process::cargo(&repository::root());
    cargo.args(["build", "--quiet", "--package", "xtask", "--features", "guest-tools", "--bin", "guest-tools"]);
    process::run(&mut cargo)?;
    let program = repository::target()?.join("debug").join(format!("guest-tools{}", std::env::consts::EXE_SUFFIX));
    ensure!(program.is_file(), "{} was not built: is build.target set in your cargo configuration?", program.display());
    Ok(program)
}

/// For the shell that make starts.
pub(super) fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_for_the_shell() {
        assert_eq!(quoted(Path::new("/with a space/it's")), r"'/with a space/it'\''s'");
    }
}
