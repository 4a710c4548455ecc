//! Running other programs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, bail};

/// What `cargo run` tells the program that it starts. A cargo inside would hand it on to build scripts and to tests, and
/// rebuild what depends on it.
const SET_BY_CARGO_RUN: [&str; 3] = ["CARGO", "CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH"];
const SET_BY_CARGO_RUN_PREFIX: &str = "CARGO_PKG_";

/// `cargo`, as if typed in `folder`.
///
/// By its name and not by `$CARGO`: so rustup chooses the toolchain. `RUSTUP_TOOLCHAIN` stays, for
/// `cargo +nightly xtask …` to mean the same inside.
pub(crate) fn cargo(folder: &Path) -> Command {
    let mut command = Command::new("cargo");
    from_shell(&mut command, folder);
    command
}

/// Where cargo compiles, if not where the person's own settings say.
static TARGET: OnceLock<PathBuf> = OnceLock::new();

/// Has every cargo that is started from now on compile there. The first one counts.
pub(crate) fn compile_in(target: PathBuf) {
    TARGET.get_or_init(|| target);
}

/// Makes `command` run in `folder` with the environment that `cargo run` found.
pub(crate) fn from_shell(command: &mut Command, folder: &Path) {
    command.current_dir(folder);
    if let Some(target) = TARGET.get() {
        command.env("CARGO_TARGET_DIR", target);
    }
    for name in SET_BY_CARGO_RUN {
        command.env_remove(name);
    }
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with(SET_BY_CARGO_RUN_PREFIX)) {
            command.env_remove(&name);
        }
    }
}

/// Runs `command` with our stdin, stdout and stderr.
///
/// # Errors
/// It cannot be started, or it failed. The message shows the command as it could be typed.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let shown = shown(command);
    let status = command.status().with_context(|| format!("cannot run {shown}"))?;
    if !status.success() {
        bail!("`{shown}` failed ({status})");
    }
    Ok(())
}

/// The command line as a person would type it, as far as this matters to a reader.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_else(|| command.get_program());
    let mut words = vec![program.to_string_lossy()];
    words.extend(command.get_args().map(std::ffi::OsStr::to_string_lossy));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nested_cargo_is_not_told_of_this_package() {
        let command = cargo(Path::new("."));
        let removed = |name| command.get_envs().any(|(key, value)| key == name && value.is_none());
        assert!(std::env::var_os("CARGO_PKG_NAME").is_some(), "a test is run as `cargo run` runs");
        for name in ["CARGO", "CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_PKG_VERSION"] {
            assert!(removed(name), "{name} goes through");
        }
    }

    #[test]
    fn a_failure_shows_the_command() {
        let error = run(Command::new("false").arg("--at-all")).unwrap_err().to_string();
        assert!(error.contains("`false --at-all` failed"), "{error}");
    }
}
