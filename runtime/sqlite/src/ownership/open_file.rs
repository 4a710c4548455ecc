//! Database files that this process has open, each with a descriptor of our own.
//!
//! SQLite's locks are POSIX locks: when a process closes *any* descriptor of a file, it loses all of its locks on that file. So our
//! descriptor is opened before SQLite's first one and closed after its last. Code that looks at a file that is open already gets the
//! existing descriptor. One table, by device and inode, has them.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use parking_lot::Mutex;
use rustix::fs::OFlags;

use crate::error::OpenError;

/// A file, under any of its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileId {
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl FileId {
    fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }

    /// The file that has this name now. Opens no file.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|metadata| Self::of(&metadata))
    }
}

static OPEN: Mutex<BTreeMap<FileId, Entry>> = Mutex::new(BTreeMap::new());

#[derive(Debug, Default)]
struct Entry {
    /// The first one is used. Another exists only if this file got the name between two looks at it.
    files: Vec<File>,
    users: usize,
    locked: bool,
}

/// A file that is open, for as long as the value lives. Drop it after the last connection of SQLite.
#[derive(Debug)]
pub(crate) struct OpenFile {
    id: FileId,
    has_lock: bool,
}

/// Whether the file existed, or was created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Created,
    Existing,
}

impl OpenFile {
    /// Opens the file at `path` for reading. None when there is none.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>, OpenError> {
        let mut open = OPEN.lock();
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(OpenError::unusable(path, source)),
        };
        refuse_special(path, &metadata)?;
        let id = FileId::of(&metadata);
        if let Some(entry) = open.get_mut(&id) {
            entry.users += 1;
            return Ok(Some(Self { id, has_lock: false }));
        }
        // Another file may have got the name meanwhile, and an open of a FIFO would wait.
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
        match opened {
            Ok(file) => Self::enter(&mut open, path, file).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(OpenError::unusable(path, source)),
        }
    }

    /// Opens the file at `path` as [`open`](Self::open) does; an empty file is made, for its owner alone, where there is none.
    pub(crate) fn open_or_make(path: &Path) -> Result<(Self, Origin), OpenError> {
        if let Some(file) = Self::open(path)? {
            return Ok((file, Origin::Existing));
        }
        let mut open = OPEN.lock();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let made = options.custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path);
        let file = made.map_err(|source| {
            // The directory is missing: a missing file would have been made.
            let missing = source.kind() == io::ErrorKind::NotFound;
            OpenError::unusable(path.parent().filter(|_| missing).unwrap_or(path), source)
        })?;
        Self::enter(&mut open, path, file).map(|file| (file, Origin::Created))
    }

    fn enter(open: &mut BTreeMap<FileId, Entry>, path: &Path, file: File) -> Result<Self, OpenError> {
        let metadata = file.metadata().map_err(|source| OpenError::unusable(path, source))?;
        // SQLite has none of these open, so this descriptor may be closed.
        refuse_special(path, &metadata)?;
        let id = FileId::of(&metadata);
        let entry = open.entry(id).or_default();
        entry.files.push(file);
        entry.users += 1;
        Ok(Self { id, has_lock: false })
    }

    pub(crate) fn id(&self) -> FileId {
        self.id
    }

    fn with<T>(&self, work: impl FnOnce(&File) -> io::Result<T>) -> io::Result<T> {
        let open = OPEN.lock();
        let file = open.get(&self.id).and_then(|entry| entry.files.first());
        // The entry exists as long as this value.
        work(file.ok_or(io::ErrorKind::NotFound)?)
    }

    #[cfg(any(test, not(target_os = "linux")))]
    pub(crate) fn metadata(&self) -> io::Result<Metadata> {
        self.with(File::metadata)
    }

    /// At most `most` bytes, beginning at `from`.
    pub(crate) fn read(&self, from: u64, most: usize) -> io::Result<Vec<u8>> {
        self.with(|file| {
            let mut bytes = vec![0; most];
            let mut have = 0;
            while let Some(rest) = bytes.get_mut(have..).filter(|rest| !rest.is_empty()) {
                match file.read_at(rest, from.saturating_add(u64::try_from(have).unwrap_or(u64::MAX))) {
                    Ok(0) => break,
                    Ok(n) => have += n,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                    Err(error) => return Err(error),
                }
            }
            bytes.truncate(have);
            Ok(bytes)
        })
    }

    /// Lets only the owner open the file, because every reader of the file can lock it. SQLite gives the files beside it the same mode.
    ///
    /// # Errors
    /// When the mode cannot be set. A file of another user is no error, because root and the owner may share it.
    pub(crate) fn make_private_for(&self, path: &Path) -> Result<(), OpenError> {
        let made = self.with(|file| {
            let mut permissions = file.metadata()?.permissions();
            if permissions.mode() & 0o077 == 0 {
                return Ok(());
            }
            permissions.set_mode(permissions.mode() & !0o077);
            file.set_permissions(permissions)
        });
        match made {
            Err(source) if source.kind() != io::ErrorKind::PermissionDenied => Err(OpenError::unusable(path, source)),
            _ => Ok(()),
        }
    }

    /// Whether the file is on a server. There `flock` uses the locks that SQLite takes, and conflicts with it.
    #[cfg(target_os = "linux")]
    pub(crate) fn is_on_network(&self) -> io::Result<bool> {
        /// NFS, SMB, CIFS and SMB 2, as Linux's `magic.h` numbers them.
        const NETWORK: [u32; 4] = [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42];
        let kind = self.with(|file| Ok(rustix::fs::fstatfs(file)?.f_type))?;
        // The type is signed, and as wide as the processor's words.
        Ok(NETWORK.iter().any(|network| kind == i64::from(*network) || kind == i64::from(network.cast_signed())))
    }

    /// Takes the lock for this value. Another process may have it, or another value of this process.
    #[cfg(target_os = "linux")]
    pub(crate) fn try_lock(&mut self) -> Result<(), TryLockError> {
        let mut open = OPEN.lock();
        // The entry exists as long as this value.
        let entry = open.entry(self.id).or_default();
        if entry.locked {
            return Err(TryLockError::WouldBlock);
        }
        entry.files.first().ok_or_else(|| TryLockError::Error(io::ErrorKind::NotFound.into()))?.try_lock()?;
        (entry.locked, self.has_lock) = (true, true);
        Ok(())
    }

    /// Notes that the lock is on another file, and that this process has it.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn note_lock(&mut self) {
        OPEN.lock().entry(self.id).or_default().locked = true;
        self.has_lock = true;
    }

    /// Whether this process has the lock.
    pub(crate) fn is_locked_here(&self) -> bool {
        OPEN.lock().get(&self.id).is_some_and(|entry| entry.locked)
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        let mut open = OPEN.lock();
        let Some(entry) = open.get_mut(&self.id) else { return };
        entry.users -= 1;
        if entry.users == 0 {
            // Closes the descriptors, which releases the lock.
            open.remove(&self.id);
        } else if self.has_lock {
            entry.locked = false;
            entry.files.first().map(File::unlock).transpose().ok();
        }
    }
}

fn refuse_special(path: &Path, metadata: &Metadata) -> Result<(), OpenError> {
    let kind = metadata.file_type();
    let what = match () {
        () if kind.is_file() => return Ok(()),
        () if kind.is_dir() => "a directory",
        () if kind.is_fifo() => "a FIFO",
        () if kind.is_socket() => "a socket",
        () => "a device",
    };
    Err(OpenError::NoFile { path: path.to_owned(), what })
}
