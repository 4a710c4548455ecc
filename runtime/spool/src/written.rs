//! A file that has its name, and is not synced yet.

use std::fs::File;
use std::path::PathBuf;

use crate::error::SpoolError;
use crate::file;

/// An event's file that has its name. The end of this process loses nothing. A power failure may, until the file is
/// [synced](Self::sync).
#[derive(Debug)]
#[must_use = "it is not on the disk before it is synced"]
pub struct Written {
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    /// Directories with a new entry.
    pub(crate) directories: Vec<PathBuf>,
}

impl Written {
    /// Returns when the file and its name are on the disk. On a busy disk this takes seconds.
    ///
    /// # Errors
    /// When the disk fails. The file is written all the same.
    pub fn sync(self) -> Result<(), SpoolError> {
        self.file.sync_all().map_err(SpoolError::io("put on the disk", &self.path))?;
        sync_directories(&self.directories)
    }
}

/// Syncs these directories.
pub(crate) fn sync_directories(directories: &[PathBuf]) -> Result<(), SpoolError> {
    directories
        .iter()
        .try_for_each(|directory| file::sync(directory).map_err(SpoolError::io("put on the disk", directory)))
}
