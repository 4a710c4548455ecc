//! Takes a journal's file: from a path to a file that is ours, is locked, and has that name.

use std::fs;
use std::path::{Path, PathBuf};

use super::content::{Content, examine};
use super::decision::{Decision, Found, decide};
use super::found::{Files, refused, stray_part};
use super::lock::Lock;
use super::open_file::{FileId, OpenFile, Origin};
use super::replacement;
use crate::calls::SUFFIX as CALLS;
use crate::error::OpenError;
use crate::paths::{beside, is_shared_memory, parts, resolved};

/// The number of tries while other files get the name all the time.
const MAX_TRIES: u32 = 10;

/// A file that is a journal, or may become one, and is locked.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) lock: Lock,
    pub(crate) content: Content,
    origin: Origin,
    /// The file's own name: links are followed.
    pub(crate) path: PathBuf,
    /// The files that SQLite had beside it before.
    parts: Vec<PathBuf>,
}

impl Claim {
    /// Claims the journal at `path`, or makes an empty file there.
    ///
    /// # Errors
    /// When the path has something else, or another program has the journal. The files are then as they were.
    pub(crate) fn make(path: &Path) -> Result<Self, OpenError> {
        for _ in 0..MAX_TRIES {
            if let Some(claim) = Self::attempt(path)? {
                return Ok(claim);
            }
        }
        Err(OpenError::Locked { path: path.to_owned(), pid: None })
    }

    /// None when another file got the name meanwhile.
    fn attempt(path: &Path) -> Result<Option<Self>, OpenError> {
        let files = Files::at(path)?;
        match decide(files.found()) {
            Decision::Refuse(refusal) => Err(refused(refusal, &files.path, files.stray_part)),
            Decision::FinishSalvage => {
                let Some(salvaged) = files.salvaged else { return Ok(None) };
                let lock = replacement::finish(&files.path, files.file.map(|(file, _)| file), salvaged)?;
                Ok(lock.map(|lock| Self::new(lock, Content::Journal, Origin::Existing, files.path)))
            }
            Decision::Take(_) => {
                let Some((file, _)) = files.file else { return Ok(None) };
                Self::take(file, Origin::Existing, files.path)
            }
            Decision::Make => {
                let (file, origin) = OpenFile::open_or_make(path)?;
                // Resolved only now, because a link may have led to no file before.
                let path = resolved(path);
                look(&file, &path).inspect_err(|error| unmake(&path, origin, error))?;
                Self::take(file, origin, path)
            }
        }
    }

    /// Locks the file, and examines it once more, because nobody changes it from then on.
    fn take(file: OpenFile, origin: Origin, path: PathBuf) -> Result<Option<Self>, OpenError> {
        let lock = Lock::take(file, &path).inspect_err(|error| unmake(&path, origin, error))?;
        if FileId::at(&path).ok() != Some(lock.file().id()) {
            return Ok(None);
        }
        let content = look(lock.file(), &path).inspect_err(|error| unmake(&path, origin, error))?;
        Ok(Some(Self::new(lock, content, origin, path)))
    }

    fn new(lock: Lock, content: Content, origin: Origin, path: PathBuf) -> Self {
        let parts = parts(&path).collect();
        Self { lock, content, origin, path, parts }
    }

    /// Removes the files that this claim made, if the claim failed. It removes no byte of a journal that existed before, because a log
    /// may have become part of it.
    pub(crate) fn give_up(self) {
        let made = parts(&self.path).filter(|part| !self.parts.contains(part));
        let is_new = self.origin == Origin::Created;
        // `-shm` is memory, and no other program has the journal.
        let holds_nothing =
            |part: &PathBuf| is_new || is_shared_memory(part) || fs::metadata(part).is_ok_and(|part| part.len() == 0);
        let others = [beside(&self.path, CALLS), self.path.clone()];
        for file in made.filter(holds_nothing).chain(others.into_iter().filter(|_| is_new)) {
            fs::remove_file(file).ok();
        }
    }
}

/// Examines the open file. Files that a salvage has left beside it do not count.
fn look(file: &OpenFile, path: &Path) -> Result<Content, OpenError> {
    let content = examine(file, path)?;
    let stray_part = stray_part(path, Some(content));
    match decide(Found { file: Some(content), salvaged: false, stray_part: stray_part.is_some() }) {
        Decision::Refuse(refusal) => Err(refused(refusal, path, stray_part)),
        Decision::Make | Decision::Take(_) | Decision::FinishSalvage => Ok(content),
    }
}

/// Removes the empty file that this claim made. Another program that found the file may have locked it already, or written to it.
fn unmake(path: &Path, origin: Origin, why: &OpenError) {
    let is_empty = || fs::metadata(path).is_ok_and(|file| file.len() == 0);
    if origin == Origin::Created && !matches!(why, OpenError::Locked { .. }) && is_empty() {
        fs::remove_file(path).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::PARTS;

    /// The files by name, with their bytes.
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
        claim.give_up();
        assert_eq!(files(dir.path()), []);
        // A file that existed before stays.
        fs::write(&path, "").unwrap();
        Claim::make(&path).unwrap().give_up();
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
