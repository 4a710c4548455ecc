//! Gives a salvaged journal the name of the damaged one, and finishes a rename that a crash has stopped.

use std::fs::{self, File};
use std::io;
use std::iter;
use std::path::{Path, PathBuf};

use lastword_events::Timestamp;

use super::content::{Content, examine};
use super::lock::{Exclusive, Lock};
use super::open_file::{FileId, OpenFile};
use crate::error::OpenError;
use crate::paths::{PARTS, beside};

/// Added to the new journal's name while it is written.
pub(crate) const WRITING: &str = ".salvaging";
/// Added to its name once it is whole.
pub(crate) const WHOLE: &str = ".salvaged";
/// Added to the name of the damaged one, before the time.
const ASIDE: &str = ".damaged-";
/// Damaged journals of one name that can be kept aside within a millisecond.
const MAX_SALVAGES_AT_ONCE: u32 = 100;

/// A journal that a salvage has written, with its name. The path beside it may have a file or not.
pub(super) fn left_by_salvage(path: &Path, is_there: bool) -> Result<Option<(PathBuf, OpenFile)>, OpenError> {
    // Version 2 renames the damaged file before it gives its name to the new one.
    let suffixes: &[&str] = if is_there { &[WHOLE] } else { &[WHOLE, WRITING] };
    let Some(new) = suffixes.iter().map(|suffix| beside(path, suffix)).find(|new| new.exists()) else {
        return Ok(None);
    };
    let Some(file) = OpenFile::open(&new)? else { return Ok(None) };
    Ok(matches!(examine(&file, &new), Ok(Content::Journal)).then_some((new, file)))
}

/// Finishes a salvage that a crash has stopped. Gives the lock on the new journal. None when another program has finished it meanwhile,
/// and has died since.
pub(super) fn finish(
    path: &Path,
    damaged: Option<OpenFile>,
    (new, file): (PathBuf, OpenFile),
) -> Result<Option<Lock>, OpenError> {
    let damaged = damaged.map(|damaged| Exclusive::take(damaged, path)).transpose()?;
    let lock = Lock::take(file, path)?;
    let names = [(&*new, Some(lock.file().id())), (path, damaged.as_ref().map(|damaged| damaged.file().id()))];
    if names.into_iter().any(|(name, id)| FileId::at(name).ok() != id) {
        return Ok(None);
    }
    put_in_place(&new, path).map_err(|source| OpenError::unusable(path, source))?;
    drop(damaged);
    Ok(Some(lock))
}

/// Gives the new journal the name, and the damaged one another. The damaged file gets its second name first, so that the name always has
/// a journal. Its log is moved before that, because SQLite would take it for the log of the new one.
pub(crate) fn put_in_place(new: &Path, path: &Path) -> io::Result<PathBuf> {
    let aside = name_aside(path)?;
    for suffix in PARTS {
        match fs::rename(beside(path, suffix), beside(&aside, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => (),
        }
    }
    fs::rename(new, path)?;
    sync_directory(path)?;
    Ok(aside)
}

/// Gives the damaged file a name with the time, which no other file has. A salvage that was killed may have done so already.
fn name_aside(path: &Path) -> io::Result<PathBuf> {
    let mut asides = asides(path)?;
    let Ok(damaged) = FileId::at(path) else {
        // Version 2 leaves the files like this. The newest is the right one.
        asides.sort_unstable();
        return Ok(asides.pop().unwrap_or_else(|| dated(path)));
    };
    if let Some(named) = asides.into_iter().find(|aside| FileId::at(aside).is_ok_and(|id| id == damaged)) {
        return Ok(named);
    }
    let named = dated(path);
    for name in iter::once(named.clone()).chain((2..=MAX_SALVAGES_AT_ONCE).map(|n| beside(&named, &format!("-{n}")))) {
        match fs::hard_link(path, &name) {
            Ok(()) => return Ok(name),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => (),
            // Some file systems do not give a file two names.
            Err(_) => return fs::rename(path, &name).map(|()| name),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn dated(path: &Path) -> PathBuf {
    let now: String = Timestamp::now().to_string().chars().filter(|c| !matches!(c, '-' | ':' | '.')).collect();
    beside(path, &format!("{ASIDE}{now}"))
}

/// Damaged journals of this name, without the files beside each.
pub(crate) fn asides(path: &Path) -> io::Result<Vec<PathBuf>> {
    let start = beside(path, ASIDE);
    let mut asides = Vec::new();
    for entry in fs::read_dir(path.parent().unwrap_or(Path::new("/")))? {
        let name = entry?.path();
        let bytes = name.as_os_str().as_encoded_bytes();
        let is_part = PARTS.iter().any(|suffix| bytes.ends_with(suffix.as_bytes()));
        if bytes.starts_with(start.as_os_str().as_encoded_bytes()) && !is_part {
            asides.push(name);
        }
    }
    Ok(asides)
}

/// Syncs the directory, so that a new name is on the disk.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}
