//! Changes files of the user, each completely or not at all.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, ensure};
use lastword_events::text::printable_path;
use tempfile::NamedTempFile;

use crate::limits::{MAX_LINKS, MAX_SETTINGS_BYTES};

/// The largest mode of a new file. The user's umask restricts it.
const PLAIN: u32 = 0o666;
const EXECUTABLE: u32 = 0o777;
/// The mode of a file until it gets the mode of the file that it replaces.
const PRIVATE: u32 = 0o600;

/// Reads a file. `None` if it does not exist.
///
/// # Errors
/// When it cannot be read, is no file, or is too long for settings.
pub(crate) fn read(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    let cannot = || format!("{} cannot be read", printable_path(path));
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(cannot),
        // Opening a pipe would wait for its writer.
        Ok(metadata) => ensure!(metadata.is_file(), "{} is no file", printable_path(path)),
    }
    let mut bytes = Vec::new();
    let mut file = File::open(path).with_context(cannot)?.take(MAX_SETTINGS_BYTES + 1);
    file.read_to_end(&mut bytes).with_context(cannot)?;
    let is_short = u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_SETTINGS_BYTES);
    ensure!(is_short, "{} has more than {MAX_SETTINGS_BYTES} bytes, which no settings have", printable_path(path));
    Ok(Some(bytes))
}

/// Replaces the content `expected` with these bytes. Keeps a link, the mode and the owner.
///
/// # Errors
/// When the file cannot be written, or has changed meanwhile. The file is then unchanged.
pub(super) fn write(path: &Path, bytes: &[u8], expected: Option<&[u8]>, is_executable: bool) -> anyhow::Result<()> {
    let target = follow(path)?;
    let kept = fs::metadata(&target).ok();
    let like = kept.as_ref().map_or(Like::New { is_executable }, Like::File);
    put(&target, bytes, expected, like)
}

/// Removes a file that still has the expected content. Keeps a link to it.
///
/// # Errors
/// When the file cannot be removed, or has changed meanwhile.
pub(super) fn remove(path: &Path, expected: &[u8]) -> anyhow::Result<()> {
    let target = follow(path)?;
    match read(&target)? {
        None => return Ok(()),
        Some(there) if there != expected => return Err(changed(path)),
        Some(_) => {}
    }
    match fs::remove_file(&target) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} cannot be removed", printable_path(&target)))
        }
        _ => Ok(()),
    }
}

/// Copies a file to an unused path, with its mode and owner.
///
/// # Errors
/// When the copy cannot be written.
pub(super) fn back_up(path: &Path, to: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let cannot = || format!("{} cannot be read", printable_path(path));
    let original = fs::metadata(path).with_context(cannot)?;
    let target = follow(to)?;
    let before = read(&target)?;
    put(&target, bytes, before.as_deref(), Like::File(&original))
}

/// The owner and the mode of a file to be written.
#[derive(Clone, Copy)]
enum Like<'m> {
    File(&'m Metadata),
    New { is_executable: bool },
}

fn put(target: &Path, bytes: &[u8], expected: Option<&[u8]>, like: Like<'_>) -> anyhow::Result<()> {
    let cannot = || format!("{} cannot be written", printable_path(target));
    let folder = target.parent().context("a file is in a folder").with_context(cannot)?;
    fs::create_dir_all(folder).with_context(cannot)?;
    let mut temporary = empty(folder, like).with_context(cannot)?;
    temporary.write_all(bytes).with_context(cannot)?;
    temporary.as_file().sync_all().with_context(cannot)?;
    if read(target)?.as_deref() != expected {
        return Err(changed(target));
    }
    match expected {
        Some(_) => temporary.persist(target).map_err(|error| error.error).with_context(cannot)?,
        None => temporary.persist_noclobber(target).map_err(|error| match error.error {
            error if error.kind() == io::ErrorKind::AlreadyExists => changed(target),
            error => anyhow::Error::new(error).context(cannot()),
        })?,
    };
    // If the folder cannot be synced, it has the new name all the same.
    File::open(folder).and_then(|folder| folder.sync_all()).ok();
    Ok(())
}

/// Makes a temporary file. Its content may be secret, so its owner and mode are set first.
fn empty(folder: &Path, like: Like<'_>) -> anyhow::Result<NamedTempFile> {
    let mode = match like {
        Like::File(_) => PRIVATE,
        Like::New { is_executable: true } => EXECUTABLE,
        Like::New { is_executable: false } => PLAIN,
    };
    let permissions = Permissions::from_mode(mode);
    let file = tempfile::Builder::new().prefix(".lastword-").permissions(permissions).tempfile_in(folder)?;
    if let Like::File(kept) = like {
        let ours = file.as_file().metadata()?;
        if (ours.uid(), ours.gid()) != (kept.uid(), kept.gid()) {
            fchown(file.as_file(), Some(kept.uid()), Some(kept.gid()))
                .context("it is another user's, and would not stay so")?;
        }
        file.as_file().set_permissions(kept.permissions())?;
    }
    Ok(file)
}

fn changed(path: &Path) -> anyhow::Error {
    anyhow!("{} has changed meanwhile: try again", printable_path(path))
}

/// Resolves links, even if the last one leads to no file.
fn follow(path: &Path) -> anyhow::Result<PathBuf> {
    let mut target = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&target) {
            Ok(link) => target = target.parent().unwrap_or(Path::new("")).join(link),
            Err(_) => return Ok(target),
        }
    }
    Err(anyhow!("{} is a link that leads nowhere", printable_path(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn a_file_has_its_mode_before_anything_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let (secret, backup) = (dir.path().join("secret"), dir.path().join("backup"));
        for wanted in [0o600, 0o640, 0o444] {
            fs::write(&secret, "old").unwrap();
            fs::set_permissions(&secret, Permissions::from_mode(wanted)).unwrap();
            let metadata = fs::metadata(&secret).unwrap();
            let temporary = empty(dir.path(), Like::File(&metadata)).unwrap();
            assert_eq!((mode(temporary.path()), temporary.as_file().metadata().unwrap().len()), (wanted, 0));
            drop(temporary);
            back_up(&secret, &backup, b"old").unwrap();
            write(&secret, b"new", Some(b"old"), false).unwrap();
            assert_eq!((mode(&secret), mode(&backup)), (wanted, wanted));
            assert_eq!((fs::read(&secret).unwrap(), fs::read(&backup).unwrap()), (b"new".to_vec(), b"old".to_vec()));
            fs::remove_file(&secret).unwrap();
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside the copy");
    }

    #[test]
    fn what_has_changed_meanwhile_is_neither_written_over_nor_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("settings.json");
        fs::write(&path, "theirs").unwrap();
        for refused in
            [write(&path, b"ours", None, false), write(&path, b"ours", Some(b"old"), false), remove(&path, b"old")]
        {
            assert!(refused.unwrap_err().to_string().contains("has changed meanwhile"));
        }
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        remove(&path, b"theirs").unwrap();
        remove(&path, b"theirs").unwrap();
        assert!(!path.exists());
    }
}
