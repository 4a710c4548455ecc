//! `cargo xtask guests`: builds the plugins of `guest-examples/` into `target/guests/`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, bail, ensure};

use crate::console::{say, time};
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

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folders of guest-examples/ [default: all of them]
    names: Vec<String>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let guests = Guest::named(&args.names)?;
    build(&guests)
}

/// Builds every guest.
pub(crate) fn build_all() -> anyhow::Result<()> {
    build(&Guest::all()?)
}

fn build(guests: &[Guest]) -> anyhow::Result<()> {
    add_target()?;
    for guest in guests {
        let begin = Instant::now();
        say(format_args!("building the plugin {}", guest.name));
        process::run(guest.cargo("build").args(["--target", TARGET]))?;
        let component = guest.place()?;
        let size = component.metadata()?.len() / 1000;
        say(format_args!("{} ({size} kB, {})", repository::shown(&component), time(begin.elapsed())));
    }
    Ok(())
}

/// A crate in `guest-examples/`, a workspace of its own.
pub(crate) struct Guest {
    name: String,
    folder: PathBuf,
}

impl Guest {
    /// Every example that cargo can build, by name.
    pub(crate) fn all() -> anyhow::Result<Vec<Self>> {
        let examples = repository::root().join("guest-examples");
        let mut guests = Vec::new();
        for entry in examples.read_dir().with_context(|| format!("cannot list {}", examples.display()))? {
            let entry = entry?;
            if let Ok(name) = entry.file_name().into_string()
                && entry.path().join("Cargo.toml").is_file()
            {
                guests.push(Self { name, folder: entry.path() });
            }
        }
        guests.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(guests)
    }

    fn named(names: &[String]) -> anyhow::Result<Vec<Self>> {
        let all = Self::all()?;
        let known: Vec<_> = all.iter().map(|guest| guest.name.clone()).collect();
        if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
            bail!("guest-examples/ has no `{unknown}` with a Cargo.toml; it has {}", known.join(", "));
        }
        Ok(all.into_iter().filter(|guest| names.is_empty() || names.contains(&guest.name)).collect())
    }

    /// The folder's name.
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

    /// Copies the component to where tests and people look for it. By renaming: a test may be reading the old one.
    fn place(&self) -> anyhow::Result<PathBuf> {
        let file = format!("{}.wasm", self.name.replace('-', "_"));
        let built = repository::guests_build().join(TARGET).join("release").join(&file);
        ensure!(
            built.is_file(),
            "{} was not built: the crate in guest-examples/{} must bear its folder's name and be a cdylib",
            built.display(),
            self.name
        );
        let folder = repository::guests();
        let place = || -> std::io::Result<PathBuf> {
            std::fs::create_dir_all(&folder)?;
            let new = tempfile::Builder::new().prefix(&file).tempfile_in(&folder)?;
            std::fs::copy(&built, new.path())?;
            let component = folder.join(&file);
            new.persist(&component)?;
            Ok(component)
        };
        place().with_context(|| format!("cannot write {file} to {}", folder.display()))
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
