//! Files that are kept for people: damaged files, and events that no daemon takes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::SpoolError;
use crate::event::SpooledEvent;
use crate::file::{self, UNFINISHED};
use crate::format::{MAX_FILE_BYTES, decode};

/// A file that is kept for people.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kept {
    /// The file's path.
    pub path: PathBuf,
    /// The event, if the file can be read.
    pub event: Option<SpooledEvent>,
}

/// Whether the folder has reached its bound of files or of bytes.
pub(crate) fn is_full(folder: &Path, most: usize, most_bytes: u64) -> Result<bool, SpoolError> {
    let paths = paths(folder)?;
    // A file that is gone meanwhile has none.
    let bytes = |path: &PathBuf| fs::symlink_metadata(path).map_or(0, |metadata| metadata.len());
    Ok(paths.len() >= most || paths.iter().map(bytes).fold(0, u64::saturating_add) >= most_bytes)
}

/// Returns the files, in the order of their names.
pub(crate) fn list(folder: &Path) -> Result<Vec<Kept>, SpoolError> {
    let mut paths = paths(folder)?;
    paths.sort();
    let read = |path: &Path| decode(&file::read(path, MAX_FILE_BYTES).ok()?).ok();
    Ok(paths.into_iter().map(|path| Kept { event: read(&path), path }).collect())
}

fn paths(folder: &Path) -> Result<Vec<PathBuf>, SpoolError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(SpoolError::io("read", folder))?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry.map_err(SpoolError::io("read", folder))?;
        if !entry.file_name().as_encoded_bytes().ends_with(UNFINISHED.1.as_bytes()) {
            paths.push(entry.path());
        }
    }
    Ok(paths)
}
