//! Copies of a journal: makes one while a program uses the journal, and makes a journal from one.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use lastword_events::JournalName;
use lastword_journal::state::random_name;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use crate::connection::copying_into;
use crate::error::OpenError;
use crate::file::JournalFile;
use crate::ownership::claim::Claim;
use crate::ownership::content::Content;
use crate::ownership::replacement::sync_directory;
use crate::paths::{beside, resolved};
use crate::salvage::make_room;
use crate::sqlite_error::is_damage;

/// Added to the new journal's name while it is written.
const WRITING: &str = ".restoring";

/// A journal that was made from a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The path of the journal. Links are followed.
    pub path: PathBuf,
    /// The journal's name, with which its delivery ids begin.
    pub name: JournalName,
    /// The name of the journal in the backup.
    pub was: JournalName,
    /// Sessions that are active in it. Its next start ends them as crashed, unless their owners come back.
    pub sessions: u64,
    /// Deliveries that it owes.
    pub deliveries: u64,
}

impl JournalFile {
    /// Copies the journal into a new file, as it is at one moment. A program may use the journal and go on writing meanwhile. The copy is
    /// one file that only its owner may read. Returns its size in bytes.
    ///
    /// # Errors
    /// When a file is there already, when it cannot be written, or when the journal cannot be read. No part of the copy is left then.
    pub fn backup(&self, to: &Path) -> Result<u64, OpenError> {
        create(to)?;
        let to = resolved(to);
        let copied = copy(self.connection(), self.path(), &to, |_| Ok(()));
        let size = copied.and_then(|()| {
            let metadata = sync_directory(&to).and_then(|()| fs::metadata(&to));
            metadata.map_err(|source| OpenError::unusable(&to, source))
        });
        size.map(|file| file.len()).inspect_err(|_| drop(fs::remove_file(&to)))
    }
}

/// Makes a journal from a backup, at a path that has none. The new journal gets a new name. Under the old name it would give out ids
/// again that the journal gave out after the backup, and plugins would take new deliveries for old ones.
///
/// # Errors
/// When the backup is no whole journal, when a journal is there already, or when the new one cannot be written. The files are then as
/// they were.
pub fn restore(backup: &Path, to: &Path) -> Result<Restored, OpenError> {
    let source = JournalFile::look(backup)?;
    if let Some(why) = source.check()?.into_iter().next() {
        return Err(OpenError::Damaged { path: backup.to_owned(), why });
    }
    let (sessions, deliveries) = source.unfinished()?;
    // The claim keeps other programs from beginning a journal there meanwhile.
    let claim = Claim::make(to)?;
    if !matches!(claim.content, Content::Empty | Content::Unwritten) {
        let path = claim.path.clone();
        claim.give_up();
        return Err(OpenError::Exists { path });
    }
    let (path, name) = (claim.path.clone(), random_name());
    match put(&source, &path, name) {
        Ok(()) => Ok(Restored { path, name, was: source.name(), sessions, deliveries }),
        Err(error) => {
            claim.give_up();
            Err(error)
        }
    }
}

/// Writes the journal beside its place, and renames it when it is whole. So a crash before that leaves no journal, and no journal with
/// the name of the other.
fn put(source: &JournalFile, path: &Path, name: JournalName) -> Result<(), OpenError> {
    let writing = beside(path, WRITING);
    make_room(&writing)?;
    create(&writing)?;
    let rename = |new: &Connection| new.execute("UPDATE journal SET name = ?1", [name.as_str()]).map(drop);
    let put = copy(source.connection(), source.path(), &writing, rename).and_then(|()| {
        let renamed = fs::rename(&writing, path).and_then(|()| sync_directory(path));
        renamed.map_err(|source| OpenError::unusable(path, source))
    });
    put.inspect_err(|_| drop(fs::remove_file(&writing)))
}

/// Makes an empty file that only its owner may read, and closes it. SQLite loses its locks on a file when the process closes any
/// descriptor of it, so none may stay open.
fn create(path: &Path) -> Result<(), OpenError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(OpenError::Exists { path: path.to_owned() }),
        Err(source) => Err(OpenError::unusable(path, source)),
    }
}

/// Copies all pages, and changes the copy.
fn copy(
    from: &Connection,
    path: &Path,
    to: &Path,
    change: impl FnOnce(&Connection) -> rusqlite::Result<()>,
) -> Result<(), OpenError> {
    let into = |error: rusqlite::Error| OpenError::sqlite(to, &error);
    let mut new = copying_into(to).map_err(into)?;
    let backup = Backup::new(from, &mut new).map_err(into)?;
    // All pages in one step, because one step is one reading: it holds up no writer, and the copy lacks later writes. A copy in several
    // steps would begin anew after each commit of another process, and would never end beside a busy program.
    let step = backup.step(-1);
    drop(backup);
    match step {
        Ok(StepResult::Done) => {}
        Ok(_) => return Err(OpenError::Sqlite { path: path.to_owned(), why: "it is busy: try again".to_owned() }),
        Err(error) if is_damage(&error) => {
            return Err(OpenError::Damaged { path: path.to_owned(), why: error.to_string() });
        }
        Err(error) => return Err(into(error)),
    }
    // The copy is one whole file without a log beside it, so that a reader needs no right to write.
    new.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())).map_err(into)?;
    change(&new).map_err(into)?;
    new.close().map_err(|(_, error)| into(error))
}
