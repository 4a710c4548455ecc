//! Opens the transcript one name at a time, so that no link that was put in the way leads anywhere.
//!
//! Linux could do it in one call (`openat2` with `RESOLVE_BENEATH`), but a second way would be needed all the same, for
//! macOS and for containers whose seccomp filter does not know that call; one way is tested better than two.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};
use std::sync::atomic::AtomicBool;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::copy::go_on;
use crate::limits::MAX_DEPTH;
use crate::{Kind, Scratch, TenantRoot, TranscriptError};

/// The regular file that `path` names below `root`, open for reading.
pub(crate) fn open(
    root: &TenantRoot,
    scratch: &Scratch,
    path: &[u8],
    cancelled: &AtomicBool,
) -> Result<File, TranscriptError> {
    let names = names(path)?;
    let real = fs::canonicalize(&root.operators).map_err(TranscriptError::NoRoot)?;
    // Owners may have asked the system where they are, and name the root as it really is (/private/var for /var).
    let rest = below(&names, &root.operators, &root.below)
        .or_else(|| below(&names, &real, &root.below))
        .ok_or(TranscriptError::OutsideRoot)?;
    let (file, directories) = rest.split_last().ok_or(TranscriptError::OutsideRoot)?;
    if root.below.len() + rest.len() > MAX_DEPTH {
        return Err(TranscriptError::TooDeep { max: MAX_DEPTH });
    }
    let mut at =
        rustix::fs::openat(CWD, &real, directory(), Mode::empty()).map_err(|e| TranscriptError::NoRoot(e.into()))?;
    for name in root.below.iter().map(OsString::as_os_str).chain(directories.iter().copied()) {
        go_on(cancelled)?;
        if scratch.leads_to_copies(&at, name) {
            return Err(TranscriptError::OutsideRoot);
        }
        at = rustix::fs::openat(&at, name, directory(), Mode::empty()).map_err(|error| no_way(&at, name, error))?;
    }
    go_on(cancelled)?;
    open_file(&at, file)
}

/// The names of an absolute path. Where `..` leads depends on links, so it leads nowhere here.
fn names(path: &[u8]) -> Result<Vec<&OsStr>, TranscriptError> {
    let names = path.split(|&byte| byte == b'/').filter(|name| !name.is_empty());
    names
        .map(|name| match name {
            b"." | b".." => Err(TranscriptError::OutsideRoot),
            name => Ok(OsStr::from_bytes(name)),
        })
        .collect()
}

/// What is left of the names after those of the root.
fn below<'a, 'b>(names: &'a [&'b OsStr], operators: &Path, below: &[OsString]) -> Option<&'a [&'b OsStr]> {
    let operators = operators.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name),
        _ => None,
    });
    let mut rest = names;
    for expected in operators.chain(below.iter().map(OsString::as_os_str)) {
        rest = rest.split_first().filter(|(name, _)| **name == expected)?.1;
    }
    Some(rest)
}

/// How a directory on the way is opened. On Linux only to pass through it, which needs the same right as any path has.
const fn directory() -> OFlags {
    OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(PASS)
}

#[cfg(target_os = "linux")]
const PASS: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const PASS: OFlags = OFlags::RDONLY;

/// What is checked is the file that was opened, not the name, which may mean something else by now.
fn open_file(at: &OwnedFd, name: &OsStr) -> Result<File, TranscriptError> {
    // NONBLOCK: a named pipe would be waited for until somebody writes to it, and files such as /proc/kmsg when read.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(at, name, flags, Mode::empty()).map_err(|error| no_file(at, name, error))?;
    let stat = rustix::fs::fstat(&file).map_err(TranscriptError::io("look at the transcript"))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile if stat.st_nlink > 1 => Err(TranscriptError::HardLink),
        FileType::RegularFile => Ok(File::from(file)),
        other => Err(TranscriptError::NotAFile(kind(other))),
    }
}

/// Why a name could not be passed through.
fn no_way(at: &OwnedFd, name: &OsStr, error: Errno) -> TranscriptError {
    match error {
        // Linux says NOTDIR for a link too.
        Errno::NOTDIR if found(at, name) == Some(FileType::Symlink) => TranscriptError::Link,
        Errno::NOTDIR => TranscriptError::Gone,
        error => refused(error),
    }
}

/// Why the last name could not be opened.
fn no_file(at: &OwnedFd, name: &OsStr, error: Errno) -> TranscriptError {
    match (error, found(at, name)) {
        // A socket, or a device without a driver; each system has its own word for it.
        (Errno::NXIO | Errno::NODEV | Errno::OPNOTSUPP, Some(found)) if found != FileType::RegularFile => {
            TranscriptError::NotAFile(kind(found))
        }
        (error, _) => refused(error),
    }
}

fn refused(error: Errno) -> TranscriptError {
    match error {
        // No file can have a name that is too long.
        Errno::NOENT | Errno::NAMETOOLONG => TranscriptError::Gone,
        Errno::LOOP | Errno::MLINK => TranscriptError::Link,
        error => TranscriptError::io("open the transcript")(error),
    }
}

/// What the name means at this moment. Only for the words of a refusal that has already happened.
fn found(at: impl AsFd, name: &OsStr) -> Option<FileType> {
    let stat = rustix::fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    Some(FileType::from_raw_mode(stat.st_mode))
}

fn kind(found: FileType) -> Kind {
    match found {
        FileType::Directory => Kind::Directory,
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        FileType::CharacterDevice | FileType::BlockDevice => Kind::Device,
        _ => Kind::Other,
    }
}
