//! One program at a time. The lock is a file of its own, so that `sqlite3` and our read-only commands are not kept out.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::error::OpenError;

/// Held as long as the value lives; the operating system lets go when the process dies, however it dies.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "held, not read")] File);

impl Lock {
    /// Takes the journal at `path`.
    pub(super) fn take(path: &Path) -> Result<Self, OpenError> {
        let at = beside(&the_file(path), ".lock");
        let unusable = |source: std::io::Error| {
            // It is the directory that is missing: the file would be made.
            let missing = source.kind() == std::io::ErrorKind::NotFound;
            let path = path.parent().filter(|_| missing).map_or_else(|| at.clone(), Path::to_owned);
            OpenError::Unusable { path, source }
        };
        // Not truncated before it is ours: it says who has it.
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&at).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => (),
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // Whoever has it may be about to write it.
                let pid = file.read_to_string(&mut pid).ok().and_then(|_| pid.trim().parse().ok());
                return Err(OpenError::Locked { path: path.to_owned(), pid });
            }
        }
        // The number is for people: without it the lock holds all the same.
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            writeln!(file, "{}", std::process::id())
        };
        write(&mut file).ok();
        Ok(Self(file))
    }
}

/// The same for every path that leads to the file, so that nobody has it twice, and all that is beside it is found.
pub(super) fn the_file(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// The file of that name with something added to it, as SQLite names its own.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
