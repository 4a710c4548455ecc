//! Programs that the checks need and a fresh machine lacks.
//!
//! Each has one version and is compiled once into a folder outside the clone, never into `~/.cargo/bin`: nothing on the
//! machine changes but that folder, and deleting it undoes all.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};

use crate::console::{say, time};
use crate::{process, repository};

/// A program that `cargo install` makes.
pub(crate) struct Tool {
    /// The crate.
    name: &'static str,
    /// Its program.
    program: &'static str,
    /// The version that is installed.
    version: &'static str,
    /// A program of this name on the `PATH` will do when its version begins so.
    will_do: &'static str,
    /// What `cargo install` is told besides.
    options: &'static [&'static str],
    /// How much it is optimised, as cargo has it: most run for a second, and compile for minutes.
    opt_level: &'static str,
}

/// The test runner: each test in a process of its own, and tests that assert a time alone (`.config/nextest.toml`).
/// Without its self-update, which would need a TLS library.
pub(crate) const NEXTEST: Tool = Tool {
    name: "cargo-nextest",
    program: "cargo-nextest",
    version: "0.9.151",
    will_do: "0.9.",
    options: &["--no-default-features", "--features=default-no-update"],
    opt_level: "1",
};

/// The dependency checks of `deny.toml`. 0.20 is the line that Rust 1.95 compiles.
pub(crate) const DENY: Tool = Tool {
    name: "cargo-deny",
    program: "cargo-deny",
    version: "0.20.2",
    will_do: "0.20.",
    options: &[],
    opt_level: "1",
};

/// Compiles and runs what is in `fuzz/`.
pub(crate) const FUZZ: Tool = Tool {
    name: "cargo-fuzz",
    program: "cargo-fuzz",
    version: "0.13.2",
    will_do: "0.13.",
    options: &[],
    opt_level: "1",
};

/// Makes mistakes in sources, one at a time, and runs the tests with each.
pub(crate) const MUTANTS: Tool = Tool {
    name: "cargo-mutants",
    program: "cargo-mutants",
    version: "27.1.0",
    will_do: "27.",
    options: &[],
    opt_level: "1",
};

/// Makes a book of the documents. Of all that it can do only its search is needed.
pub(crate) const MDBOOK: Tool = Tool {
    name: "mdbook",
    program: "mdbook",
    version: "0.4.52",
    will_do: "v0.4.",
    options: &["--no-default-features", "--features=search"],
    opt_level: "1",
};

/// The plain CLI, which runs the example plugins as well. Of the same version as the wasmtime in the runtime; it compiles the
/// plugins itself.
pub(crate) const WASMTIME: Tool = Tool {
    name: "wasmtime-cli",
    program: "wasmtime",
    version: "48.0.8",
    will_do: "48.0.",
    options: &[
        "--no-default-features",
        "--features=run,compile,component-model,wasi-http,wasi-config,wasi-keyvalue,cache,parallel-compilation",
    ],
    opt_level: "2",
};

/// What is compiled once and used for a second need not be the fastest: it is ready in half the time.
const QUICK_BUILD: [(&str, &str); 3] = [
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
    ("CARGO_PROFILE_RELEASE_DEBUG", "0"),
];

impl Tool {
    /// A command that runs the tool in the repository's root, after installing it if it is nowhere.
    ///
    /// # Errors
    /// The tool is missing and cannot be installed.
    pub(crate) fn command(&self) -> anyhow::Result<Command> {
        let mut command = Command::new(self.find_or_install()?);
        process::from_shell(&mut command, &repository::root());
        Ok(command)
    }

    /// The program, after installing it if it is nowhere.
    ///
    /// # Errors
    /// The tool is missing and cannot be installed.
    pub(crate) fn find_or_install(&self) -> anyhow::Result<PathBuf> {
        if self.on_path() {
            return Ok(PathBuf::from(self.program));
        }
        let folder = folder()?.join(format!("{}-{}", self.name, self.version));
        let program = folder.join("bin").join(format!("{}{}", self.program, std::env::consts::EXE_SUFFIX));
        if program.is_file() {
            return Ok(program);
        }
        say(format_args!("{} is missing: installing {} into {}, once", self.name, self.version, folder.display()));
        let begin = Instant::now();
        process::run(
            process::cargo(&repository::root())
                .args(["install", self.name, "--locked", "--version", self.version, "--root"])
                .arg(&folder)
                .args(self.options)
                .envs(QUICK_BUILD)
                .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", self.opt_level)
                // A build directory of its own, which cargo removes afterwards.
                .env_remove("CARGO_TARGET_DIR"),
        )
        .with_context(|| format!("cannot install {}; put a {}x on the PATH yourself", self.name, self.will_do))?;
        ensure!(program.is_file(), "cargo install reported success, yet {} is missing", program.display());
        say(format_args!("{} installed in {}", self.name, time(begin.elapsed())));
        Ok(program)
    }

    fn on_path(&self) -> bool {
        // Not `--version`: a cargo-nextest adds its commit and host there.
        let answer = Command::new(self.program).arg("-V").stdin(Stdio::null()).stderr(Stdio::null()).output();
        answer.is_ok_and(|answer| self.is_version(&String::from_utf8_lossy(&answer.stdout)))
    }

    fn is_version(&self, answer: &str) -> bool {
        answer.split_whitespace().nth(1).is_some_and(|version| version.starts_with(self.will_do))
    }
}

/// `$LASTWORD_TOOLS`, else `lastword/tools` in the user's cache folder.
pub(crate) fn folder() -> anyhow::Result<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("LASTWORD_TOOLS")
        .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("lastword/tools")))
        .or_else(|| std::env::home_dir().map(|home| home.join(".cache/lastword/tools")))
        .context("there is no home folder to keep tools in: set LASTWORD_TOOLS to a folder outside the clone")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_on_the_path_will_do_when_its_version_fits() {
        assert!(DENY.is_version("cargo-deny 0.20.1\n"));
        assert!(!DENY.is_version("cargo-deny 0.19.9\n"), "an older one does not know the configuration");
        assert!(!DENY.is_version(""), "not there");
        assert!(NEXTEST.is_version("cargo-nextest 0.9.120 (abc 2026-01-01)\nrelease: 0.9.120\n"));
    }
}
