//! One program at a time: a lock on the database itself, so that it holds for every name of the file.
//!
//! The lock is `flock`'s. On Linux it and the POSIX locks of SQLite do not conflict. Elsewhere they do, and the lock is on a file of our
//! own (`lock/sibling.rs`). Commands that only read take neither. `sqlite3` does not either.

#[cfg(any(test, not(target_os = "linux")))]
mod sibling;

use std::fs::{self, File, TryLockError};
use std::io::Read as _;
use std::path::Path;

#[cfg(target_os = "linux")]
use super::open_file::FileId;
use super::open_file::OpenFile;
use crate::error::OpenError;
use crate::paths::beside;

/// The longest line of a lock file of version 2: the number of a process.
const MAX_PID_BYTES: u64 = 16;

/// The lock, held as long as the value lives. The operating system releases it when the process dies, however it dies.
#[derive(Debug)]
pub(crate) struct Lock {
    file: Exclusive,
    /// A program of version 2 checks only this file.
    _of_version_2: Option<File>,
}

impl Lock {
    /// Locks the journal in `file`. Its name is `path`.
    pub(crate) fn take(file: OpenFile, path: &Path) -> Result<Self, OpenError> {
        let of_version_2 =
            lock_of_version_2(path).map_err(|pid| OpenError::Locked { path: path.to_owned(), pid: Some(pid) })?;
        Ok(Self { file: Exclusive::take(file, path)?, _of_version_2: of_version_2 })
    }

    pub(crate) fn file(&self) -> &OpenFile {
        &self.file.file
    }

    /// Moves the lock to another file, which has the journal's name now. The old file is free then.
    pub(crate) fn move_to(&mut self, file: Exclusive) {
        self.file = file;
    }
}

/// A file that no other program may have.
#[derive(Debug)]
pub(crate) struct Exclusive {
    file: OpenFile,
    #[cfg(not(target_os = "linux"))]
    _sibling: File,
}

impl Exclusive {
    pub(crate) fn file(&self) -> &OpenFile {
        &self.file
    }

    /// Locks the file. `path` is the name that people use for it.
    #[cfg(target_os = "linux")]
    pub(crate) fn take(mut file: OpenFile, path: &Path) -> Result<Self, OpenError> {
        if file.is_on_network().map_err(|source| OpenError::unusable(path, source))? {
            let source = std::io::Error::other("it is on a network file system");
            return Err(OpenError::NoLocks { path: path.to_owned(), source });
        }
        file.make_private_for(path)?;
        let here = file.is_locked_here().then(std::process::id);
        match file.try_lock() {
            Ok(()) => Ok(Self { file }),
            Err(TryLockError::WouldBlock) => {
                Err(OpenError::Locked { path: path.to_owned(), pid: here.or_else(|| holder(file.id())) })
            }
            Err(TryLockError::Error(source)) => Err(OpenError::NoLocks { path: path.to_owned(), source }),
        }
    }

    /// Locks the file. `path` is the name that people use for it.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn take(mut file: OpenFile, path: &Path) -> Result<Self, OpenError> {
        file.make_private_for(path)?;
        let sibling = sibling::take(&file, path)?;
        file.note_lock();
        Ok(Self { file, _sibling: sibling })
    }
}

/// Locks the file beside the journal in which a program of version 2 writes its process id. Ignores another file of that name. The error
/// is the process id of such a program that runs.
fn lock_of_version_2(path: &Path) -> Result<Option<File>, u32> {
    let at = beside(path, ".lock");
    // Opens only a small regular file.
    if !fs::metadata(&at).is_ok_and(|metadata| metadata.is_file() && metadata.len() <= MAX_PID_BYTES) {
        return Ok(None);
    }
    let Ok(mut file) = File::open(&at) else { return Ok(None) };
    let mut line = String::new();
    let read = file.by_ref().take(MAX_PID_BYTES).read_to_string(&mut line);
    let pid: Option<u32> = line.strip_suffix('\n').and_then(|pid| pid.parse().ok());
    match (read, pid) {
        (Ok(_), Some(pid)) => match file.try_lock() {
            Err(TryLockError::WouldBlock) => Err(pid),
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Some(file)),
        },
        _ => Ok(None),
    }
}

/// The process that has the lock, if the kernel names it. The kernel does not name a process in another container.
#[cfg(target_os = "linux")]
pub(crate) fn holder(id: FileId) -> Option<u32> {
    holder_in(&fs::read_to_string("/proc/locks").ok()?, id)
}

/// A line is `1: FLOCK  ADVISORY  WRITE 4711 fd:01:1234567 0 EOF`: the process, the device and the inode.
#[cfg(target_os = "linux")]
fn holder_in(locks: &str, id: FileId) -> Option<u32> {
    let device = format!("{:02x}:{:02x}", rustix::fs::major(id.device), rustix::fs::minor(id.device));
    let mut by_inode_alone = None;
    for line in locks.lines() {
        let mut words = line.split_whitespace().skip(1);
        let (Some("FLOCK"), Some(_), Some("WRITE"), Some(pid), Some(file)) =
            (words.next(), words.next(), words.next(), words.next(), words.next())
        else {
            continue;
        };
        let Some((on, inode)) = file.rsplit_once(':') else { continue };
        let Some(pid) = pid.parse().ok().filter(|pid| *pid > 0) else { continue };
        if inode.parse() == Ok(id.inode) {
            if on == device {
                return Some(pid);
            }
            // On a file system with subvolumes the kernel reports two devices.
            by_inode_alone = Some(pid);
        }
    }
    by_inode_alone
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path) -> OpenFile {
        OpenFile::open_or_make(path).unwrap().0
    }

    #[test]
    fn whoever_comes_second_is_told_who_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let first = Lock::take(open(&path), &path).unwrap();
        let second = Lock::take(open(&path), &path);
        assert!(matches!(second, Err(OpenError::Locked { pid: Some(pid), .. }) if pid == std::process::id()));
        // A reader has the file open meanwhile.
        let looks = open(&path);
        drop(first);
        let third = Lock::take(open(&path), &path).unwrap();
        drop(looks);
        assert!(third.file().is_locked_here());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_kernel_tells_who_has_a_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let lock = Lock::take(open(&path), &path).unwrap();
        assert_eq!(holder(lock.file().id()), Some(std::process::id()));
        let id = FileId { device: rustix::fs::makedev(0xfd, 1), inode: 12 };
        let locks = "1: POSIX  ADVISORY  READ 1 fd:01:12 0 EOF\n2: FLOCK  ADVISORY  WRITE 2 fd:02:12 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 9 fd:01:12 0 EOF\n3: FLOCK  ADVISORY  WRITE 3 fd:01:12 0 EOF\n";
        assert_eq!(holder_in(locks, id), Some(3));
        assert_eq!(holder_in(locks, FileId { inode: 13, ..id }), None);
    }

    #[test]
    fn a_program_of_the_last_version_is_honoured_and_another_programs_lock_file_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (path, lock_file) = (dir.path().join("yarn"), dir.path().join("yarn.lock"));
        fs::write(&lock_file, "4711\n").unwrap();
        let theirs = File::open(&lock_file).unwrap();
        theirs.try_lock().unwrap();
        assert!(matches!(Lock::take(open(&path), &path), Err(OpenError::Locked { pid: Some(4711), .. })));
        drop(theirs);
        let ours = Lock::take(open(&path), &path).unwrap();
        assert!(File::open(&lock_file).unwrap().try_lock().is_err(), "and it finds the journal in use");
        drop(ours);

        for text in ["# yarn lockfile v1\n", "4711", ""] {
            fs::write(&lock_file, text).unwrap();
            let theirs = File::open(&lock_file).unwrap();
            theirs.try_lock().unwrap();
            drop(Lock::take(open(&path), &path).unwrap());
            assert_eq!(fs::read_to_string(&lock_file).unwrap(), text);
        }
        fs::remove_file(&lock_file).unwrap();
        drop(Lock::take(open(&path), &path).unwrap());
        assert!(!lock_file.exists(), "none is made");
    }
}
