//! The lock where a lock on the database would conflict with SQLite's own: a file in a directory of ours, named by the database's device
//! and inode.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::error::OpenError;
use crate::ownership::open_file::{FileId, OpenFile};

/// Locks a file in one directory for each system user who has journals. No environment variable moves this directory, and the system does not empty
/// it while programs run.
#[cfg_attr(test, expect(dead_code, reason = "this test runs where the lock is on the database"))]
pub(super) fn take(file: &OpenFile, path: &Path) -> Result<File, OpenError> {
    let owner = file.metadata().map_err(|source| OpenError::unusable(path, source))?.uid();
    let directory = Path::new("/var/tmp").join(format!("lastword-{owner}"));
    take_in(&directory, owner, file.id(), path)
}

fn take_in(directory: &Path, owner: u32, id: FileId, path: &Path) -> Result<File, OpenError> {
    let unusable = |source| OpenError::unusable(directory, source);
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(unusable(error)),
        _ => (),
    }
    let found = fs::symlink_metadata(directory).map_err(unusable)?;
    if !found.is_dir() || found.uid() != owner || found.mode() & 0o022 != 0 {
        let why = format!("it has to be a directory that only user {owner}, whose the journal is, can write to");
        return Err(unusable(io::Error::new(io::ErrorKind::PermissionDenied, why)));
    }
    let at = directory.join(format!("{:x}-{:x}.lock", id.device, id.inode));
    let mut options = OpenOptions::new();
    // Not truncated before it is locked, because it says who has the lock.
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(at).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => (),
        Err(TryLockError::Error(source)) => return Err(OpenError::NoLocks { path: directory.to_owned(), source }),
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            // The process with the lock may be about to write its number.
            let pid = file.read_to_string(&mut pid).ok().and_then(|_| pid.trim().parse().ok());
            return Err(OpenError::Locked { path: path.to_owned(), pid });
        }
    }
    // The number is for people. The lock holds without it.
    let write = |file: &mut File| {
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        writeln!(file, "{}", std::process::id())
    };
    write(&mut file).ok();
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn one_file_by_any_name_has_one_lock_in_a_directory_of_its_owners() {
        let dir = tempfile::tempdir().unwrap();
        let (directory, owner) = (dir.path().join("locks"), fs::metadata(dir.path()).unwrap().uid());
        let id = FileId { device: 1, inode: 2 };
        let first = take_in(&directory, owner, id, Path::new("a.db")).unwrap();
        let second = take_in(&directory, owner, id, Path::new("b.db"));
        assert!(matches!(second, Err(OpenError::Locked { pid: Some(pid), .. }) if pid == std::process::id()));
        take_in(&directory, owner, FileId { inode: 3, ..id }, Path::new("c.db")).unwrap();
        drop(first);
        take_in(&directory, owner, id, Path::new("b.db")).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(take_in(&directory, owner, id, Path::new("a.db")).is_err(), "somebody else could move the lock away");
    }
}
