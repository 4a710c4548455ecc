//! The names of a journal's files.

use std::fs;
use std::path::{Path, PathBuf};

/// What SQLite adds to the name of a database for the files that it keeps beside it.
pub(crate) const PARTS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// The file of that name with something added to it, as SQLite names its own.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// One name for every path that leads to the file, so that all that is beside it is found. Links are followed. A file that is not
/// there has the directory in which it would be.
pub(crate) fn resolved(path: &Path) -> PathBuf {
    let in_its_directory = || {
        let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
        let directory = fs::canonicalize(directory.unwrap_or(Path::new("."))).ok()?;
        Some(directory.join(path.file_name()?))
    };
    fs::canonicalize(path).ok().or_else(in_its_directory).unwrap_or_else(|| path.to_owned())
}

/// Those files of SQLite's that are beside the database.
pub(crate) fn parts(path: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let names = PARTS.map(|suffix| beside(path, suffix));
    names.into_iter().filter(|part| fs::symlink_metadata(part).is_ok())
}

/// Whether it is the one of them that is shared memory: it holds nothing that another file has not.
pub(crate) fn is_shared_memory(part: &Path) -> bool {
    part.as_os_str().as_encoded_bytes().ends_with(b"-shm")
}
