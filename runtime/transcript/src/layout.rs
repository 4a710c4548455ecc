//! What is in the directory of all programs' copies: `lastword-<random>` for each program, in it a lock and a directory for each copy,
//! in that one the file `transcript`.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{FlockOperation, OFlags};
use rustix::io::Errno;

pub(crate) const PREFIX: &str = "lastword-";
/// Random letters and digits after the prefix.
pub(crate) const SUFFIX_LEN: usize = 12;
/// The file that the living hold locked.
pub(crate) const LOCK: &str = ".lastword-lock";

/// The name of the copy in its directory.
pub const TRANSCRIPT: &str = "transcript";

/// Takes the lock, unless another program has it, or had it and removed the file.
pub(crate) fn take(lock: &OwnedFd) -> io::Result<bool> {
    match rustix::fs::flock(lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(rustix::fs::fstat(lock)?.st_nlink > 0),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

pub(crate) const fn directory() -> OFlags {
    OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC)
}

/// Capitals do not matter, as they may not matter to the file system.
pub(crate) fn is_scratch_name(name: &OsStr) -> bool {
    name.as_encoded_bytes().split_at_checked(PREFIX.len()).is_some_and(|(prefix, random)| {
        prefix.eq_ignore_ascii_case(PREFIX.as_bytes())
            && random.len() == SUFFIX_LEN
            && random.iter().all(u8::is_ascii_alphanumeric)
    })
}
