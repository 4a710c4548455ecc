//! The directory in which the copies are made.

use std::ffi::{OsStr, OsString};
use std::fs::Permissions;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{CWD, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::layout::{LOCK, PREFIX, SUFFIX_LEN, directory, is_scratch_name, take};
use crate::limits::MAX_SCRATCH_ATTEMPTS;
use crate::sweep;

/// A private directory for the copies of one program, removed with its last clone and its last copy.
///
/// A program that was killed leaves its directory behind, transcripts included. The next one that opens a scratch with
/// the same base removes it: a lock, which the system takes from the dead, tells them from the living.
#[derive(Clone, Debug)]
pub struct Scratch(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    base: OwnedFd,
    /// Device and inode of the base, so that it is known again whatever name leads to it.
    base_id: (u64, u64),
    name: OsString,
    path: PathBuf,
    directory: OwnedFd,
    next_copy: AtomicU64,
    /// Held as long as the directory is.
    _lock: OwnedFd,
}

impl Scratch {
    /// Makes the directory `lastword-<random>`, mode 0700, in `base`, and removes those that dead programs of the same
    /// user left there. Anything else in `base` stays.
    ///
    /// `base` should be on a local file system, and not below a grant's root. In memory (`/run`, often `/tmp`) the
    /// copies are memory: calls at once × the grant's `max`.
    ///
    /// # Errors
    /// `base` is no directory, or cannot be written to; or others may rename what is in it (world-writable without the
    /// sticky bit that `/tmp` has), so that no directory in it is private.
    pub fn open(base: &Path) -> io::Result<Self> {
        let path = std::fs::canonicalize(base)?;
        let base = rustix::fs::openat(CWD, &path, directory(), Mode::empty())?;
        let stat = rustix::fs::fstat(&base)?;
        let mode = Mode::from_raw_mode(stat.st_mode);
        if mode.contains(Mode::WOTH) && !mode.contains(Mode::SVTX) {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "every user may rename what is in this directory: choose another for the copies of transcripts, or set its \
                 sticky bit (chmod +t)",
            ));
        }
        sweep::leftovers(&base, rustix::process::geteuid());
        for _ in 0..MAX_SCRATCH_ATTEMPTS {
            if let Some(inner) = Inner::make(&base, &stat, &path)? {
                return Ok(Self(Arc::new(inner)));
            }
        }
        Err(io::Error::other("other programs remove the new directory again and again: try again later"))
    }

    /// Removes what dead programs of this user left in `base`, as [`open`](Self::open) does, and makes nothing. For a
    /// program that may never copy anything: what another one left must not stay for ever.
    ///
    /// # Errors
    /// `base` cannot be opened.
    pub fn sweep(base: &Path) -> io::Result<()> {
        let base = rustix::fs::openat(CWD, base, directory(), Mode::empty())?;
        sweep::leftovers(&base, rustix::process::geteuid());
        Ok(())
    }

    /// The directory's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    pub(crate) fn directory(&self) -> &OwnedFd {
        &self.0.directory
    }

    /// A name that no copy has had.
    pub(crate) fn next_name(&self) -> String {
        self.0.next_copy.fetch_add(1, Ordering::Relaxed).to_string()
    }

    /// Whether `name` in the directory `at` may hold copies, ours or another program's: a root above the base must not
    /// make one tenant's copy a file that another can name.
    pub(crate) fn leads_to_copies(&self, at: impl AsFd, name: &OsStr) -> bool {
        is_scratch_name(name) && rustix::fs::fstat(at).map_or(true, |stat| id(&stat) == self.0.base_id)
    }
}

impl Inner {
    /// None if another program that cleaned up took it for a dead one's, which it looks like until it is locked.
    fn make(base: &OwnedFd, base_stat: &Stat, base_path: &Path) -> io::Result<Option<Self>> {
        let made = tempfile::Builder::new()
            .prefix(PREFIX)
            .rand_bytes(SUFFIX_LEN)
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(base_path)?;
        let Some(name) = made.path().file_name().map(OsStr::to_owned) else {
            return Err(io::ErrorKind::InvalidFilename.into());
        };
        let directory = match rustix::fs::openat(base, &name, directory(), Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            directory => directory?,
        };
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let lock = match rustix::fs::openat(&directory, LOCK, flags, Mode::RUSR | Mode::WUSR) {
            Err(Errno::NOENT) => return Ok(None),
            lock => lock?,
        };
        if !take(&lock)? {
            return Ok(None);
        }
        let path = made.keep();
        Ok(Some(Self {
            base: base.try_clone()?,
            base_id: id(base_stat),
            name,
            path,
            directory,
            next_copy: AtomicU64::new(0),
            _lock: lock,
        }))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Err(error) = sweep::remove(&self.base, &self.name, &self.directory) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the directory of the copied transcripts");
        }
    }
}

#[allow(clippy::unnecessary_cast, clippy::cast_sign_loss, clippy::cast_lossless, reason = "dev_t is an i32 on macOS")]
fn id(stat: &Stat) -> (u64, u64) {
    (stat.st_dev as u64, stat.st_ino as u64)
}
