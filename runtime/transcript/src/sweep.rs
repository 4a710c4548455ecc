//! Removes a scratch directory: our own, or one whose program is dead.
//!
//! Only what this crate makes is removed, by its exact names and one level at a time: `lastword-<random>`, in it the lock
//! and one directory a copy, in that one `transcript`. A directory with anything else in it stays, and no link is followed.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Uid};
use rustix::io::Errno;

use crate::layout::{LOCK, TRANSCRIPT, directory, is_scratch_name, take};
use crate::limits::MAX_LEFTOVERS;

/// Removes what dead programs of the user `uid` left in `base`. A start does not fail over what it cannot remove.
pub(crate) fn leftovers(base: &OwnedFd, uid: Uid) {
    let names = match entries(base) {
        Ok(names) => names,
        Err(error) => {
            tracing::warn!(%error, "cannot look for transcripts that dead programs left");
            return;
        }
    };
    for name in
        names.iter().map(|name| OsStr::from_bytes(name)).filter(|name| is_scratch_name(name)).take(MAX_LEFTOVERS)
    {
        match leftover(base, name, uid) {
            Ok(true) => tracing::info!(directory = %name.display(), "removed what a dead program left"),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(directory = %name.display(), %error, "cannot remove what a dead program left");
            }
        }
    }
}

/// Whether it was a dead program's and is removed now.
fn leftover(base: &OwnedFd, name: &OsStr, uid: Uid) -> io::Result<bool> {
    let found = rustix::fs::statat(base, name, AtFlags::SYMLINK_NOFOLLOW);
    if !found.is_ok_and(|stat| stat.st_uid == uid.as_raw() && FileType::from_raw_mode(stat.st_mode).is_dir()) {
        return Ok(false);
    }
    let directory = match rustix::fs::openat(base, name, directory(), Mode::empty()) {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(false),
        directory => directory?,
    };
    // The name may have got another meaning since.
    let stat = rustix::fs::fstat(&directory)?;
    let others = Mode::from_raw_mode(stat.st_mode).intersects(Mode::RWXG | Mode::RWXO);
    if stat.st_uid != uid.as_raw() || others {
        return Ok(false);
    }
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match rustix::fs::openat(&directory, LOCK, flags, Mode::empty()) {
        // Killed before it made its lock, or after it removed it. If it is just about to make it, it tries again.
        Err(Errno::NOENT) => Ok(rustix::fs::unlinkat(base, name, AtFlags::REMOVEDIR).is_ok()),
        Err(error) => Err(error.into()),
        Ok(lock) if take(&lock)? => remove(base, name, &directory).map(|()| true),
        Ok(_) => Ok(false),
    }
}

/// Removes the scratch directory `name`, whose lock the caller holds. The lock goes last, so that who cannot finish
/// leaves something that the next can.
pub(crate) fn remove(base: &OwnedFd, name: &OsStr, scratch: &OwnedFd) -> io::Result<()> {
    for copy in entries(scratch)?.iter().filter(|name| name.iter().all(u8::is_ascii_digit)) {
        remove_copy(scratch, OsStr::from_bytes(copy))?;
    }
    // Whatever else is in it is not ours: then the lock stays as well, and the directory is looked at again next time.
    if let Some(other) = entries(scratch)?.iter().find(|name| *name != LOCK.as_bytes()) {
        let other = OsStr::from_bytes(other);
        return Err(io::Error::new(
            io::ErrorKind::DirectoryNotEmpty,
            format!("there is something else in it: {other:?}"),
        ));
    }
    gone(rustix::fs::unlinkat(scratch, LOCK, AtFlags::empty()))?;
    Ok(gone(rustix::fs::unlinkat(base, name, AtFlags::REMOVEDIR))?)
}

/// Removes one copy.
pub(crate) fn remove_copy(scratch: &OwnedFd, name: &OsStr) -> io::Result<()> {
    let copy = rustix::fs::openat(scratch, name, directory(), Mode::empty())?;
    gone(rustix::fs::unlinkat(&copy, TRANSCRIPT, AtFlags::empty()))?;
    Ok(gone(rustix::fs::unlinkat(scratch, name, AtFlags::REMOVEDIR))?)
}

/// Another program that cleans up may have been faster.
fn gone(removed: rustix::io::Result<()>) -> rustix::io::Result<()> {
    if removed == Err(Errno::NOENT) { Ok(()) } else { removed }
}

/// All names in a directory but `.` and `..`: collected first, because not every file system goes on correctly after a
/// removal.
fn entries(directory: impl AsFd) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if !matches!(&*name, b"." | b"..") {
            names.push(name);
        }
    }
    Ok(names)
}
