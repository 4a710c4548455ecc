//! Plugins in Rust: crates for another target, each a workspace of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

use super::{Example, Language};
use crate::console::say;
use crate::{process, repository};

/// `std` with stdio, and a component straight from cargo.
pub(crate) const TARGET: &str = "wasm32-wasip2";

/// Meant for programs of this machine; a plugin is none. Wrappers such as sccache stay.
const FOR_THE_HOST: [&str; 6] = [
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_TARGET_DIR",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTFLAGS",
];

/// A crate in `guest-examples/`.
pub(crate) struct Guest {
    name: String,
    folder: PathBuf,
    package: String,
}

impl Guest {
    pub(super) fn of(example: &Example) -> Self {
        let Example { name, folder, product, .. } = example;
        Self { name: name.clone(), folder: folder.clone(), package: product.clone() }
    }

    /// Every example in Rust, by name.
    pub(crate) fn all() -> anyhow::Result<Vec<Self>> {
        let examples = Example::all()?;
        Ok(examples.iter().filter(|example| example.language == Language::Rust).map(Self::of).collect())
    }

    /// The example's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// `cargo VERB --release` of this guest. Always in release: its lints, its tests and the plugin share one build of
    /// what they depend on.
    pub(crate) fn cargo(&self, verb: &str) -> Command {
        let mut command = process::cargo(&self.folder);
        for name in FOR_THE_HOST {
            command.env_remove(name);
        }
        command.args([verb, "--release"]).env("CARGO_TARGET_DIR", repository::guests_build());
        command
    }

    /// Runs `cargo ARGS` in the guest's folder, without building.
    pub(crate) fn plain_cargo(&self) -> Command {
        process::cargo(&self.folder)
    }

    pub(crate) fn manifest(&self) -> PathBuf {
        self.folder.join("Cargo.toml")
    }

    /// Builds the component, and says where it is.
    pub(super) fn build(&self) -> anyhow::Result<PathBuf> {
        add_target()?;
        process::run(self.cargo("build").args(["--target", TARGET]))?;
        let file = format!("{}.wasm", self.package.replace('-', "_"));
        let built = repository::guests_build().join(TARGET).join("release").join(file);
        ensure!(
            built.is_file(),
            "{} was not built: the crate in {} must be called {} and be a cdylib",
            built.display(),
            repository::shown(&self.folder),
            self.package
        );
        Ok(built)
    }
}

/// Makes sure that the compiler can build plugins.
///
/// A `targets` line in rust-toolchain.toml would not: rustup acts on it only when it installs the toolchain itself.
pub(crate) fn add_target() -> anyhow::Result<()> {
    if has_target()? {
        return Ok(());
    }
    say(format_args!("the Rust target {TARGET} is missing: adding it"));
    let mut rustup = Command::new("rustup");
    process::from_shell(&mut rustup, &repository::root());
    let added = process::run(rustup.args(["target", "add", TARGET]));
    if has_target()? {
        return Ok(());
    }
    let why = added.map_or_else(|error| format!("{error:#}"), |()| "rustc does not find it all the same".to_owned());
    bail!(
        "{why}\nPlugins cannot be built without the Rust target {TARGET}.\n\
         With rustup, type in this folder: rustup target add {TARGET}\n\
         Without rustup, install your distribution's package of Rust's standard library for {TARGET}, or rustup."
    )
}

/// Asks the compiler and not rustup: a distribution's Rust has no rustup.
fn has_target() -> anyhow::Result<bool> {
    let mut rustc = Command::new("rustc");
    process::from_shell(&mut rustc, &repository::root());
    let output = rustc.args(["--print", "target-libdir", "--target", TARGET]).output().context("cannot run rustc")?;
    // A compiler that does not even know the name fails; that too means "no".
    Ok(output.status.success() && Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}
