//! Checks that the journal's files still have their names. Nobody would find rows in a file that has no name any more.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::open_file::FileId;
use crate::paths::beside;

/// The files of an open journal: their names, and the device and inode of each.
#[derive(Debug)]
pub(crate) struct JournalFiles {
    path: PathBuf,
    files: Vec<(PathBuf, FileId)>,
    /// Whether it was logged that they are gone.
    logged: AtomicBool,
}

/// The error when the journal is not at its path any more.
#[derive(Clone, Debug)]
pub(crate) struct TakenAway {
    path: PathBuf,
    file: PathBuf,
}

impl fmt::Display for TakenAway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, file } = self;
        write!(f, "{} was removed, renamed or replaced while the journal was in use", file.display())?;
        write!(f, ": put the files of {} back as they were, or stop this program and start it again", path.display())
    }
}

impl JournalFiles {
    /// The files of a database whose log is not empty.
    pub(crate) fn of(path: &Path) -> std::io::Result<Self> {
        let names = [path.to_owned(), beside(path, "-wal"), beside(path, "-shm")];
        let files = names.into_iter().map(|name| Ok((name.clone(), FileId::at(&name)?)));
        Ok(Self {
            path: path.to_owned(),
            files: files.collect::<std::io::Result<_>>()?,
            logged: AtomicBool::new(false),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Checks that all files are in place. Opens nothing.
    ///
    /// # Errors
    /// When one of the files is gone, or another file has its name.
    pub(crate) fn check(&self) -> Result<(), TakenAway> {
        let gone = self.files.iter().find(|(name, id)| FileId::at(name).ok() != Some(*id));
        match gone {
            None => {
                self.logged.store(false, Ordering::Relaxed);
                Ok(())
            }
            Some((file, _)) => Err(TakenAway { path: self.path.clone(), file: file.clone() }),
        }
    }

    /// Logs that they are gone, once each time.
    pub(crate) fn log(&self, taken_away: &TakenAway) {
        if !self.logged.swap(true, Ordering::Relaxed) {
            tracing::error!("nothing is accepted any more: {taken_away}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn each_file_is_missed_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let names = [path.clone(), beside(&path, "-wal"), beside(&path, "-shm")];
        names.iter().for_each(|name| fs::write(name, "").unwrap());
        let files = JournalFiles::of(&path).unwrap();
        assert!(files.check().is_ok());
        let aside = dir.path().join("aside");
        for name in &names {
            fs::rename(name, &aside).unwrap();
            assert!(files.check().unwrap_err().to_string().contains(&name.display().to_string()));
            fs::write(name, "").unwrap();
            assert!(files.check().is_err(), "another file of that name");
            fs::rename(&aside, name).unwrap();
            assert!(files.check().is_ok());
        }
    }
}
