//! Finds the files at a journal's path. It changes nothing.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::content::{Content, examine};
use super::decision::{Found, Refusal};
use super::open_file::OpenFile;
use super::replacement;
use crate::error::OpenError;
use crate::paths::{beside, is_shared_memory, parts, resolved};

/// The step by which SQLite's `-shm` grows.
const SHARED_MEMORY_BYTES: u64 = 32 << 10;

/// The first bytes of a rollback journal.
const ROLLBACK_MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];

/// The files at a journal's path.
pub(super) struct Files {
    /// The file's own name: links are followed.
    pub(super) path: PathBuf,
    /// The file itself, and its kind.
    pub(super) file: Option<(OpenFile, Content)>,
    /// A journal that a salvage has written, with its name.
    pub(super) salvaged: Option<(PathBuf, OpenFile)>,
    /// A file beside it that SQLite would remove.
    pub(super) stray_part: Option<PathBuf>,
}

impl Files {
    pub(super) fn at(path: &Path) -> Result<Self, OpenError> {
        let path = resolved(path);
        let file = OpenFile::open(&path)?;
        let salvaged = replacement::left_by_salvage(&path, file.is_some())?;
        let content = file.as_ref().map(|file| examine(file, &path)).transpose()?;
        // A link to a missing file leads to a directory with other files beside it.
        let is_dangling = content.is_none() && fs::symlink_metadata(&path).is_ok();
        let stray_part = if is_dangling { None } else { stray_part(&path, content) };
        Ok(Self { path, file: file.zip(content), salvaged, stray_part })
    }

    pub(super) fn found(&self) -> Found {
        Found {
            file: self.file.as_ref().map(|(_, content)| *content),
            salvaged: self.salvaged.is_some(),
            stray_part: self.stray_part.is_some(),
        }
    }
}

/// The error for a program that wants the journal.
pub(super) fn refused(refusal: Refusal, path: &Path, stray_part: Option<PathBuf>) -> OpenError {
    match refusal {
        Refusal::Foreign => OpenError::foreign(path),
        Refusal::Newer(version) => OpenError::newer(path, version),
        Refusal::StrayPart => OpenError::PartOnly { path: path.to_owned(), beside: stray_part.unwrap_or_default() },
    }
}

/// A file beside a database without content, which SQLite would remove. It may be the log of a journal that was moved away, or somebody's
/// file of that name.
pub(super) fn stray_part(path: &Path, content: Option<Content>) -> Option<PathBuf> {
    if !matches!(content, None | Some(Content::Empty)) {
        return None;
    }
    parts(path).find(|part| !is_nothing(path, part) && !is_unfinished_rollback(part).unwrap_or(false))
}

/// Whether this is an empty log, or the memory that belongs to it. A reader of a journal leaves both, and neither has content.
fn is_nothing(path: &Path, part: &Path) -> bool {
    let length = |path: &Path| fs::symlink_metadata(path).ok().filter(Metadata::is_file).map(|file| file.len());
    let log = length(&beside(path, "-wal"));
    log == Some(0)
        && match length(part) {
            Some(0) => true,
            Some(bytes) => is_shared_memory(part) && bytes % SHARED_MEMORY_BYTES == 0,
            None => false,
        }
}

/// Whether a crash left this while a database was being made. Its first bytes are written last, and may be torn.
fn is_unfinished_rollback(part: &Path) -> io::Result<bool> {
    if !part.as_os_str().as_encoded_bytes().ends_with(b"-journal") || !fs::symlink_metadata(part)?.is_file() {
        return Ok(false);
    }
    let mut start = Vec::new();
    File::open(part)?.take(8).read_to_end(&mut start)?;
    let written = start.iter().zip(ROLLBACK_MAGIC).take_while(|(is, should)| **is == *should).count();
    Ok(start.iter().skip(written).all(|byte| *byte == 0))
}
