//! Compiled code on disk: one file for each component and engine, named after the hash of both.
//!
//! An entry is `magic, key, length, SHA-256 of the code, code`. One that is damaged, torn or not what its name says is
//! ignored, and replaced by the next [`CodeCache::put`]. Files are written aside and renamed, so processes can share the
//! directory. It is bounded by [`MAX_CODE_CACHE_BYTES`]: when a new entry goes over it, those that were not used for
//! longest are removed.
//!
//! A cache that cannot be used is a warning, never an error: plugins are compiled again.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::SystemTime;

use sha2::digest::Output;
use sha2::{Digest, Sha256};

use crate::limits::MAX_CODE_CACHE_BYTES;

const MAGIC: &[u8; 8] = b"LWCODE1\n";
const SUFFIX: &str = "lwcode";
const HEADER_BYTES: usize = MAGIC.len() + 32 + 8 + 32;

/// The name of an entry: the hash of component and engine.
pub(crate) struct Key(Output<Sha256>);

impl Key {
    pub(crate) fn new(component: &[u8; 32], fingerprint: &[u8; 32]) -> Self {
        Self(Sha256::new().chain_update(component).chain_update(fingerprint).finalize())
    }

    fn file_name(&self) -> String {
        format!("{:x}.{SUFFIX}", self.0)
    }
}

pub(crate) struct CodeCache {
    dir: PathBuf,
    max_bytes: u64,
    /// Whether the warning was logged. It is logged once, however many plugins there are.
    warned: AtomicBool,
}

impl CodeCache {
    /// Makes the directory when there is none. `None`, and a warning, when it cannot be trusted.
    pub(crate) fn open(dir: &Path) -> Option<Self> {
        let opened = make_private_dir(dir).and_then(|()| check_private_dir(dir));
        match opened {
            Ok(()) => {
                Some(Self { dir: dir.to_owned(), max_bytes: MAX_CODE_CACHE_BYTES, warned: AtomicBool::new(false) })
            }
            Err(error) => {
                tracing::warn!(
                    dir = %dir.display(),
                    %error,
                    "compiled code is not cached: plugins are compiled at every start"
                );
                None
            }
        }
    }

    /// The directory.
    #[cfg(not(feature = "compile"))]
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The code of an entry that is whole and has this key.
    pub(crate) fn get(&self, key: &Key) -> Option<Vec<u8>> {
        // Another user who could have changed the directory since it was opened could have put code there.
        if let Err(error) = check_private_dir(&self.dir) {
            tracing::warn!(dir = %self.dir.display(), %error, "the code cache is not used any more");
            return None;
        }
        let path = self.dir.join(key.file_name());
        let entry = match read_own(&path) {
            Ok(entry) => entry,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "cannot read this entry of the code cache");
                return None;
            }
        };
        let Some(code) = code_of(&entry, key) else {
            tracing::warn!(path = %path.display(), "this entry of the code cache is damaged: compiling again");
            return None;
        };
        Some(code.to_vec())
    }

    /// Whether a new entry would be kept, as far as that can be known before: the disk may be full by then.
    pub(crate) fn takes_entries(&self) -> bool {
        check_private_dir(&self.dir).is_ok() && is_writable(&self.dir)
    }

    /// Keeps compiled code. Gives whether the cache has it, and warns the first time that it has not.
    pub(crate) fn put(&self, key: &Key, code: &[u8]) -> bool {
        let written = self.write(key, code).and_then(|()| self.evict(&key.file_name()));
        if let Err(error) = &written
            && !self.warned.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                dir = %self.dir.display(),
                %error,
                "compiled code cannot be kept here: plugins are compiled again at the next start"
            );
        }
        written.is_ok()
    }

    fn write(&self, key: &Key, code: &[u8]) -> io::Result<()> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        check_private_dir(&self.dir)?;
        let n = COUNTER.fetch_add(1, Ordering::Relaxed);
        let aside = self.dir.join(format!("{}-{n}.tmp", std::process::id()));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = options.open(&aside).and_then(|mut file| {
            file.write_all(MAGIC)?;
            file.write_all(&key.0)?;
            file.write_all(&u64::try_from(code.len()).unwrap_or(u64::MAX).to_le_bytes())?;
            file.write_all(&Sha256::digest(code))?;
            file.write_all(code)
        });
        let renamed = written.and_then(|()| fs::rename(&aside, self.dir.join(key.file_name())));
        if renamed.is_err() {
            let _nothing_more_to_do = fs::remove_file(&aside);
        }
        renamed
    }

    /// Removes the entries that were not used for longest, until the rest fits. Never removes the entry that was just written.
    fn evict(&self, just_written: &str) -> io::Result<()> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            // Another process may have removed or renamed the file meanwhile.
            if let Some(metadata) = unless_gone(entry.metadata())? {
                entries.push((metadata.modified()?, metadata.len(), entry.path()));
            }
        }
        entries.sort();
        let mut total: u64 = entries.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, path) in entries {
            if total <= self.max_bytes {
                break;
            }
            let ours = path.extension().is_some_and(|e| e == SUFFIX || e == "tmp");
            if ours && path.file_name().is_some_and(|name| name != just_written) {
                unless_gone(fs::remove_file(&path))?;
                total = total.saturating_sub(bytes);
            }
        }
        Ok(())
    }
}

fn unless_gone<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

/// Reads a file that only our own user can have written. It checks the open file and not its name, because the name may be another file's
/// by then, and because a directory that is private now may not have been when the file was put there.
fn read_own(path: &Path) -> io::Result<Vec<u8>> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, NO_FOLLOW);
    let mut file = options.open(path)?;
    check_own_file(&file.metadata()?)?;
    let mut entry = Vec::new();
    file.read_to_end(&mut entry)?;
    // Marks the entry as used now. If that fails, the entry is removed too early, and no more.
    let _unimportant = file.set_modified(SystemTime::now());
    Ok(entry)
}

/// Refuses a link, and opens a pipe without a wait for its writer.
#[cfg(unix)]
const NO_FOLLOW: i32 = rustix::fs::OFlags::NOFOLLOW.union(rustix::fs::OFlags::NONBLOCK).bits().cast_signed();

fn check_own_file(metadata: &fs::Metadata) -> io::Result<()> {
    let untrusted = |why: &str| Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    if !metadata.is_file() {
        return untrusted("not a regular file");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return untrusted("it belongs to another user");
        }
        if metadata.mode() & 0o022 != 0 {
            return untrusted("others may write to it");
        }
    }
    Ok(())
}

fn code_of<'a>(entry: &'a [u8], key: &Key) -> Option<&'a [u8]> {
    let (header, code) = entry.split_at_checked(HEADER_BYTES)?;
    let header = header.strip_prefix(MAGIC)?.strip_prefix(&*key.0)?;
    let (length, digest) = header.split_at_checked(8)?;
    let length = u64::from_le_bytes(length.try_into().ok()?);
    let whole = u64::try_from(code.len()).ok()? == length && *digest == *Sha256::digest(code);
    whole.then_some(code)
}

fn make_private_dir(dir: &Path) -> io::Result<()> {
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

#[cfg(unix)]
fn is_writable(dir: &Path) -> bool {
    rustix::fs::access(dir, rustix::fs::Access::WRITE_OK).is_ok()
}

#[cfg(not(unix))]
fn is_writable(dir: &Path) -> bool {
    fs::metadata(dir).is_ok_and(|metadata| !metadata.permissions().readonly())
}

/// Whether only our own user can have written here.
fn check_private_dir(dir: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(dir)?;
    let untrusted = |why: String| Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    if !metadata.is_dir() {
        return untrusted(format!("{} is not a directory (a link does not do)", dir.display()));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let user = rustix::process::geteuid().as_raw();
        if metadata.uid() != user {
            return untrusted(format!("{} belongs to user {}, not to {user}", dir.display(), metadata.uid()));
        }
        let mode = metadata.mode() & 0o777;
        if mode & 0o077 != 0 {
            return untrusted(format!("others have access to {} (mode {mode:o}): chmod 700", dir.display()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn cache(dir: &Path) -> CodeCache {
        CodeCache::open(&dir.join("code")).unwrap()
    }

    fn key(n: u8) -> Key {
        Key::new(&[n; 32], &[0; 32])
    }

    #[test]
    fn what_was_put_is_found_again_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let cache = cache(dir.path());
        assert!(cache.get(&key(1)).is_none());
        cache.put(&key(1), b"code");
        assert_eq!(cache.get(&key(1)).unwrap(), b"code");
        assert!(cache.get(&Key::new(&[1; 32], &[9; 32])).is_none(), "another engine's");
        let names: Vec<_> = fs::read_dir(&cache.dir).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names.len(), 1, "nothing is left beside the entry: {names:?}");
    }

    #[cfg(unix)]
    #[test]
    fn an_entry_that_others_could_have_written_is_not_trusted() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let dir = tempfile::tempdir().unwrap();
        let cache = cache(dir.path());
        cache.put(&key(1), b"code");
        let path = cache.dir.join(key(1).file_name());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(cache.get(&key(1)).is_none(), "the directory may have been open to others when it was put there");
        let elsewhere = dir.path().join("elsewhere");
        fs::rename(&path, &elsewhere).unwrap();
        fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o600)).unwrap();
        symlink(&elsewhere, &path).unwrap();
        assert!(cache.get(&key(1)).is_none(), "a link does not do");
    }

    #[test]
    fn a_damaged_entry_is_not_trusted() {
        let dir = tempfile::tempdir().unwrap();
        let cache = cache(dir.path());
        cache.put(&key(1), b"some code");
        let path = cache.dir.join(key(1).file_name());
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&path, damaged).unwrap();
            assert!(cache.get(&key(1)).is_none(), "bit flipped in byte {at}");
        }
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(cache.get(&key(1)).is_none(), "torn after {length} bytes");
        }
        // Under another name: foreign.
        fs::write(cache.dir.join(key(2).file_name()), &whole).unwrap();
        assert!(cache.get(&key(2)).is_none());
    }

    #[test]
    fn the_size_is_bounded_and_the_least_used_goes_first() {
        let dir = tempfile::tempdir().unwrap();
        let mut cache = cache(dir.path());
        cache.max_bytes = 3 * (HEADER_BYTES as u64 + 1000);
        let long_ago = SystemTime::now() - Duration::from_secs(3600);
        for n in 1..=3 {
            cache.put(&key(n), &[n; 1000]);
            let file = fs::File::open(cache.dir.join(key(n).file_name())).unwrap();
            file.set_modified(long_ago + Duration::from_secs(n.into())).unwrap();
        }
        assert!(cache.get(&key(1)).is_some(), "used just now");
        cache.put(&key(4), &[4; 1000]);
        assert!(cache.get(&key(2)).is_none());
        for kept in [1, 3, 4] {
            assert!(cache.get(&key(kept)).is_some(), "{kept}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_directory_that_others_can_write_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let cache = cache(dir.path());
        cache.put(&key(1), b"code");
        assert_eq!(fs::metadata(&cache.dir).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(cache.takes_entries());
        fs::set_permissions(&cache.dir, fs::Permissions::from_mode(0o770)).unwrap();
        assert!(cache.get(&key(1)).is_none() && !cache.takes_entries(), "also when it was safe once");
        assert!(CodeCache::open(&cache.dir).is_none());
        fs::set_permissions(&cache.dir, fs::Permissions::from_mode(0o700)).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&cache.dir, &link).unwrap();
        assert!(CodeCache::open(&link).is_none());
    }
}
