//! From a path to a file that is ours alone: what it is, and that nobody else has it.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::calls::SUFFIX as CALLS;
use crate::content::{Content, examine};
use crate::error::OpenError;
use crate::lock::Lock;
use crate::name::{beside, the_file};
use crate::open_file::{FileId, Made, OpenFile};
use crate::salvage;

/// How often a name that is given to other files all the time is tried.
const MAX_TRIES: u32 = 10;

/// What SQLite keeps beside a database.
pub(super) const PARTS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// SQLite's `-shm` grows by so much.
const SHARED_MEMORY_BYTES: u64 = 32 << 10;

/// The first bytes of a rollback journal.
const ROLLBACK_MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];

/// A file that is a journal, or may become one, and is locked.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) lock: Lock,
    pub(super) content: Content,
    pub(super) made: Made,
    /// The file's own name: links are followed.
    pub(super) path: PathBuf,
}

impl Claim {
    /// Claims the journal at `path`, or makes an empty file there.
    ///
    /// # Errors
    /// When something else is there, or somebody has it. It is as it was then.
    pub(super) fn make(path: &Path) -> Result<Self, OpenError> {
        for _ in 0..MAX_TRIES {
            if let Some(claim) = Self::attempt(path)? {
                return Ok(claim);
            }
        }
        Err(OpenError::Locked { path: path.to_owned(), pid: None })
    }

    /// None when the name was given to another file meanwhile.
    fn attempt(path: &Path) -> Result<Option<Self>, OpenError> {
        if let Some((lock, path)) = salvage::finish(path)? {
            return Ok(Some(Self { lock, content: Content::Journal, made: Made::Before, path }));
        }
        let (file, made) = OpenFile::open_or_make(path)?;
        // Not before: a link may have led to nothing.
        let path = the_file(path);
        let looked = look(&file, &path).and_then(|_| Lock::take(file, &path));
        let lock = looked.inspect_err(|error| unmake(&path, made, error))?;
        if FileId::at(&path).ok() != Some(lock.file().id()) {
            return Ok(None);
        }
        // Again: nobody changes it from now on.
        let content = look(lock.file(), &path).inspect_err(|error| unmake(&path, made, error))?;
        Ok(Some(Self { lock, content, made, path }))
    }

    /// Takes away what was made, when nothing came of it. Of a journal that was there before, no byte: a log may have become a
    /// part of it.
    pub(super) fn give_up(self, had: &[PathBuf]) {
        let made = parts(&self.path).filter(|part| !had.contains(part));
        let is_new = self.made == Made::Now;
        // `-shm` is memory, and nobody else has the journal.
        let holds_nothing =
            |part: &PathBuf| is_new || is_memory(part) || fs::metadata(part).is_ok_and(|part| part.len() == 0);
        let others = [beside(&self.path, CALLS), self.path.clone()];
        for file in made.filter(holds_nothing).chain(others.into_iter().filter(|_| is_new)) {
            fs::remove_file(file).ok();
        }
    }
}

/// Somebody else who finds the empty file may have taken it already, or written to it.
fn unmake(path: &Path, made: Made, why: &OpenError) {
    let is_empty = || fs::metadata(path).is_ok_and(|file| file.len() == 0);
    if made == Made::Now && !matches!(why, OpenError::Locked { .. }) && is_empty() {
        fs::remove_file(path).ok();
    }
}

fn is_memory(part: &Path) -> bool {
    part.as_os_str().as_encoded_bytes().ends_with(b"-shm")
}

/// Those files of SQLite's that are beside the database.
pub(super) fn parts(path: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let names = PARTS.map(|suffix| beside(path, suffix));
    names.into_iter().filter(|part| fs::symlink_metadata(part).is_ok())
}

fn look(file: &OpenFile, path: &Path) -> Result<Content, OpenError> {
    let content = examine(file, path)?;
    let length = file.metadata().map_err(|source| OpenError::unusable(path, source))?.len();
    if content == Content::Nothing && length == 0 {
        refuse_parts(path)?;
    }
    Ok(content)
}

/// SQLite removes what lies beside a database without content: it may be the log of a journal that was moved away, or
/// somebody's file that has such a name.
fn refuse_parts(path: &Path) -> Result<(), OpenError> {
    for part in parts(path) {
        if !is_nothing(path, &part) && !is_unfinished_rollback(&part).unwrap_or(false) {
            return Err(OpenError::PartOnly { path: path.to_owned(), beside: part });
        }
    }
    Ok(())
}

/// An empty log, with the memory that belongs to it: who only looks into a journal leaves both, and neither says anything.
fn is_nothing(path: &Path, part: &Path) -> bool {
    let length = |path: &Path| fs::symlink_metadata(path).ok().filter(Metadata::is_file).map(|file| file.len());
    let log = length(&beside(path, "-wal"));
    log == Some(0)
        && match length(part) {
            Some(0) => true,
            Some(bytes) => is_memory(part) && bytes % SHARED_MEMORY_BYTES == 0,
            None => false,
        }
}

/// So a crash leaves a database that was being made: its first bytes are written last, and may be torn.
fn is_unfinished_rollback(part: &Path) -> io::Result<bool> {
    if !part.as_os_str().as_encoded_bytes().ends_with(b"-journal") || !fs::symlink_metadata(part)?.is_file() {
        return Ok(false);
    }
    let mut start = Vec::new();
    File::open(part)?.take(8).read_to_end(&mut start)?;
    let written = start.iter().zip(ROLLBACK_MAGIC).take_while(|(is, should)| **is == *should).count();
    Ok(start.iter().skip(written).all(|byte| *byte == 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is there, by name, with its bytes.
    fn files(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = names.map(|name| (name.clone(), fs::read(name).unwrap())).collect();
        files.sort_unstable();
        files
    }

    #[test]
    fn what_lies_beside_a_journal_that_is_not_there_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("yarn");
        for suffix in PARTS {
            for main in [None, Some("")] {
                let part = beside(&path, suffix);
                fs::write(&part, "spun in 1888").unwrap();
                if let Some(bytes) = main {
                    fs::write(&path, bytes).unwrap();
                }
                let before = files(dir.path());
                for _ in 0..2 {
                    let refused = Claim::make(&path).map(drop);
                    assert!(matches!(refused, Err(OpenError::PartOnly { beside, .. }) if beside == part), "{suffix}");
                    assert_eq!(files(dir.path()), before);
                }
                fs::remove_file(&part).unwrap();
                fs::remove_file(&path).ok();
            }
        }
    }

    #[test]
    fn nothing_is_left_of_an_attempt_that_came_to_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let claim = Claim::make(&path).unwrap();
        fs::write(beside(&path, "-wal"), "").unwrap();
        claim.give_up(&[]);
        assert_eq!(files(dir.path()), []);
        // What was there before stays.
        fs::write(&path, "").unwrap();
        Claim::make(&path).unwrap().give_up(&[]);
        assert_eq!(files(dir.path()), [(path, Vec::new())]);
    }

    #[test]
    fn a_link_that_leads_to_nothing_yet_leads_to_the_journal() {
        let dir = tempfile::tempdir().unwrap();
        let (link, file) = (dir.path().join("link.db"), dir.path().join("file.db"));
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let claim = Claim::make(&link).unwrap();
        assert_eq!(claim.path, fs::canonicalize(&file).unwrap());
        for name in [&link, &file] {
            assert!(matches!(Claim::make(name).map(drop), Err(OpenError::Locked { .. })));
        }
    }
}
