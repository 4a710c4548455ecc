//! Names of files.

use std::path::{Path, PathBuf};

/// The file of that name with something added to it, as SQLite names its own.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The same for every path that leads to the file, so that all that is beside it is found.
pub(super) fn the_file(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}
