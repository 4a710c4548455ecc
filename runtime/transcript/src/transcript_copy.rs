//! One copy, for one call.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use rustix::fs::{Mode, OFlags};

use crate::copy::{Copied, copy, go_on};
use crate::layout::TRANSCRIPT;
use crate::{Scratch, TenantRoot, TranscriptError, sweep, uri, walk};

/// Copies the first `max_bytes` of the transcript that an owner named into a private directory.
///
/// The path must be below `root` and is opened without following links; see the [crate's documentation](crate) for all
/// rules. Nothing is left of a copy that fails.
///
/// It blocks as long as the disk does: call it where that is allowed. `cancelled` is looked at between two system calls,
/// of which the longest copies [`CHUNK_BYTES`](crate::limits::CHUNK_BYTES).
///
/// # Errors
/// [`TranscriptError`] says why not; to a guest, all of it means that there is no transcript.
pub fn copy_transcript(
    scratch: &Scratch,
    root: &TenantRoot,
    uri: &str,
    max_bytes: u64,
    cancelled: &AtomicBool,
) -> Result<TranscriptCopy, TranscriptError> {
    go_on(cancelled)?;
    let path = uri::path(uri)?;
    let mut original = walk::open(root, scratch, &path, cancelled)?;
    let (directory, mut transcript) = CopyDirectory::make(scratch)?;
    let Copied { bytes, cut } = copy(&mut original, &mut transcript, max_bytes, cancelled)?;
    Ok(TranscriptCopy { directory, bytes, cut })
}

/// The copy of a transcript. Dropping this removes it.
#[derive(Debug)]
#[must_use = "the copy is removed when this is dropped"]
pub struct TranscriptCopy {
    directory: CopyDirectory,
    bytes: u64,
    cut: bool,
}

impl TranscriptCopy {
    /// A directory of mode 0700 with one file in it, `transcript`, of mode 0400.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.directory.path
    }

    /// The size of the copy.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the original is longer. The copy is its beginning, so that an offset means the same in both; its last
    /// line may be cut in the middle.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.cut
    }
}

/// The directory of one copy: there from its creation, not only after the copy, so that a failed copy is removed too.
#[derive(Debug)]
struct CopyDirectory {
    scratch: Scratch,
    name: String,
    path: PathBuf,
}

impl CopyDirectory {
    fn make(scratch: &Scratch) -> Result<(Self, File), TranscriptError> {
        let name = scratch.next_name();
        rustix::fs::mkdirat(scratch.directory(), &*name, Mode::RWXU)
            .map_err(TranscriptError::io("make a private directory"))?;
        let directory = Self { scratch: scratch.clone(), path: scratch.path().join(&name), name };
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let path = Path::new(&directory.name).join(TRANSCRIPT);
        let file = rustix::fs::openat(scratch.directory(), path, flags, Mode::RUSR);
        Ok((directory, File::from(file.map_err(TranscriptError::io("make the copy"))?)))
    }
}

impl Drop for CopyDirectory {
    fn drop(&mut self) {
        if let Err(error) = sweep::remove_copy(self.scratch.directory(), OsStr::new(&self.name)) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the copy of a transcript");
        }
    }
}
