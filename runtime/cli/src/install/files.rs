//! Files of the user's, which are changed whole or not at all.

use std::fs::{self, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, ensure};
use lastword_events::text::printable_path;

use crate::limits::{MAX_LINKS, MAX_SETTINGS_BYTES};

/// What a new file may be at most; the user's own mask takes from it.
const PLAIN: u32 = 0o666;
const EXECUTABLE: u32 = 0o777;

/// What is in a file; none when there is no such file.
///
/// # Errors
/// When it cannot be read, is no file, or is longer than settings are.
pub(crate) fn read(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    let cannot = || format!("{} cannot be read", printable_path(path));
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(cannot),
        // To open a pipe would be to wait for whoever writes to it.
        Ok(metadata) => ensure!(metadata.is_file(), "{} is no file", printable_path(path)),
    }
    let mut bytes = Vec::new();
    let mut file = File::open(path).with_context(cannot)?.take(MAX_SETTINGS_BYTES + 1);
    file.read_to_end(&mut bytes).with_context(cannot)?;
    let is_short = u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_SETTINGS_BYTES);
    ensure!(is_short, "{} has more than {MAX_SETTINGS_BYTES} bytes, which no settings have", printable_path(path));
    Ok(Some(bytes))
}

/// Puts these bytes in the place of `expected`: a link stays a link, and mode and owner stay.
///
/// # Errors
/// When the file cannot be written, or has changed meanwhile. It is as it was then.
pub(super) fn write(path: &Path, bytes: &[u8], expected: Option<&[u8]>, is_executable: bool) -> anyhow::Result<()> {
    let target = follow(path)?;
    let cannot = || format!("{} cannot be written", printable_path(&target));
    let folder = target.parent().context("a file is in a folder").with_context(cannot)?;
    fs::create_dir_all(folder).with_context(cannot)?;
    let mode = if is_executable { EXECUTABLE } else { PLAIN };
    let mut temporary = tempfile::Builder::new()
        .prefix(".lastword-")
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(folder)
        .with_context(cannot)?;
    temporary.write_all(bytes).with_context(cannot)?;
    if let Ok(kept) = fs::metadata(&target) {
        let ours = temporary.as_file().metadata().with_context(cannot)?;
        if (ours.uid(), ours.gid()) != (kept.uid(), kept.gid()) {
            fchown(temporary.as_file(), Some(kept.uid()), Some(kept.gid()))
                .with_context(|| format!("{} is another user's, and would not stay so", printable_path(&target)))?;
        }
        temporary.as_file().set_permissions(kept.permissions()).with_context(cannot)?;
    }
    temporary.as_file().sync_all().with_context(cannot)?;
    if read(&target)?.as_deref() != expected {
        return Err(anyhow!("{} has changed meanwhile: try again", printable_path(path)));
    }
    temporary.persist(&target).map_err(|error| error.error).with_context(cannot)?;
    // A folder that cannot be synced has the new name all the same.
    File::open(folder).and_then(|folder| folder.sync_all()).ok();
    Ok(())
}

/// Removes a file; a link to it stays.
///
/// # Errors
/// When it cannot be removed.
pub(super) fn remove(path: &Path) -> anyhow::Result<()> {
    let target = follow(path)?;
    match fs::remove_file(&target) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} cannot be removed", printable_path(&target)))
        }
        _ => Ok(()),
    }
}

/// Copies a file to where nothing else is kept, with its mode.
///
/// # Errors
/// When that cannot be written.
pub(super) fn back_up(path: &Path, to: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let before = read(to)?;
    write(to, bytes, before.as_deref(), false)?;
    let cannot = || format!("{} cannot be given the mode of what it is a copy of", printable_path(to));
    let permissions = fs::metadata(path).with_context(cannot)?.permissions();
    fs::set_permissions(to, permissions).with_context(cannot)
}

/// Where a link leads to in the end, also when there is nothing yet.
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
