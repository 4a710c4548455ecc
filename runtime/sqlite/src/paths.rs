//! The names of a journal's files.

use std::fs;
use std::path::{Path, PathBuf};

/// Suffixes that SQLite adds to a database's name for the files beside it.
pub(crate) const PARTS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// The path with a suffix, as SQLite names its own files.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// One name for every path that leads to the file, so that all files beside it are found. Links are followed. A missing file has the
/// directory in which it would be.
pub(crate) fn resolved(path: &Path) -> PathBuf {
    let in_its_directory = || {
        let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
        let directory = fs::canonicalize(directory.unwrap_or(Path::new("."))).ok()?;
        Some(directory.join(path.file_name()?))
    };
    fs::canonicalize(path).ok().or_else(in_its_directory).unwrap_or_else(|| path.to_owned())
}

/// The files of SQLite that are beside the database.
pub(crate) fn parts(path: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let names = PARTS.map(|suffix| beside(path, suffix));
    names.into_iter().filter(|part| fs::symlink_metadata(part).is_ok())
}

/// Whether the part is shared memory, which holds nothing that the other files lack.
pub(crate) fn is_shared_memory(part: &Path) -> bool {
    part.as_os_str().as_encoded_bytes().ends_with(b"-shm")
}
