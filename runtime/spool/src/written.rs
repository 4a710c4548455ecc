//! A file that has its name, and is not on the disk yet.

use std::fs::File;
use std::path::PathBuf;

use crate::error::SpoolError;
use crate::file;

/// An event's file that has its name: whoever ends this process now loses nothing. Power that fails may, until it is
/// [synced](Self::sync).
#[derive(Debug)]
#[must_use = "it is not on the disk before it is synced"]
pub struct Written {
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    /// Directories in which there is a new name.
    pub(crate) directories: Vec<PathBuf>,
}

impl Written {
    /// Returns when it is on the disk, with its name. On a busy disk that takes seconds.
    ///
    /// # Errors
    /// When the disk fails. The file is where it was written all the same.
    pub fn sync(self) -> Result<(), SpoolError> {
        self.file.sync_all().map_err(SpoolError::io("put on the disk", &self.path))?;
        sync_directories(&self.directories)
    }
}

/// Puts the names in these directories on the disk.
pub(crate) fn sync_directories(directories: &[PathBuf]) -> Result<(), SpoolError> {
    directories
        .iter()
        .try_for_each(|directory| file::sync(directory).map_err(SpoolError::io("put on the disk", directory)))
}
