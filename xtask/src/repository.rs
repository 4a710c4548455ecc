//! Where things are in this repository.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde::Deserialize;

use crate::process;

/// The repository's root.
///
/// Asked of the environment first: a clone that was moved, or built elsewhere, keeps the old path compiled in.
pub(crate) fn root() -> PathBuf {
    let manifest_folder =
        std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest_folder.parent().map_or_else(|| manifest_folder.clone(), Path::to_path_buf)
}

/// Where finished plugins go. Fixed, whatever `CARGO_TARGET_DIR` says: tests and documents name it.
pub(crate) fn guests() -> PathBuf {
    root().join("target").join("guests")
}

/// Where plugins are compiled.
pub(crate) fn guests_build() -> PathBuf {
    root().join("target").join("guests-build")
}

/// `path` as a person in the root would write it.
pub(crate) fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// Cargo's target directory, which the user's own settings may have moved.
pub(crate) fn target() -> anyhow::Result<PathBuf> {
    #[derive(Deserialize)]
    struct Metadata {
        target_directory: PathBuf,
    }
    let mut command: Command = process::cargo(&root());
    let output = command.args(["metadata", "--no-deps", "--format-version=1"]).output().context("cannot run cargo")?;
    ensure!(output.status.success(), "cargo metadata failed:\n{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Metadata = serde_json::from_slice(&output.stdout).context("cannot read what cargo metadata said")?;
    Ok(metadata.target_directory)
}
