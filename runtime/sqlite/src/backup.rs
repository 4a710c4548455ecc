//! Copies of a journal: one is made while a program uses it, and another journal is made of one.

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

/// A journal that was made of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The journal, by its own name: links are followed.
    pub path: PathBuf,
    /// What its delivery ids begin with.
    pub name: JournalName,
    /// What those of the journal began with that the backup was made of.
    pub was: JournalName,
    /// Sessions that are active in it. Its next start ends them as crashed, unless their owners come back.
    pub sessions: u64,
    /// Deliveries that it owes.
    pub deliveries: u64,
}

impl JournalFile {
    /// Copies the journal into a new file, as it is at one moment. A program may be using it, and goes on writing meanwhile. The
    /// copy is one file, which its owner alone may read. Returns its size in bytes.
    ///
    /// # Errors
    /// When there is a file already, it cannot be written, or the journal cannot be read. Nothing of the copy is left then.
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

/// Makes a journal out of a backup, where there is none. It has a name of its own: between the backup and now the journal has
/// given out ids that would be given out again, and plugins would take what is new for what they have had.
///
/// # Errors
/// When the backup is no whole journal, there is a journal already, or it cannot be written. What is there is as it was then.
pub fn restore(backup: &Path, to: &Path) -> Result<Restored, OpenError> {
    let source = JournalFile::look(backup)?;
    if let Some(why) = source.check()?.into_iter().next() {
        return Err(OpenError::Damaged { path: backup.to_owned(), why });
    }
    let (sessions, deliveries) = source.unfinished()?;
    // Nobody begins a journal there meanwhile.
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

/// Writes the journal beside its place, and gives it its name when it is whole: a crash before that leaves no journal, and none that
/// has the name of the other.
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

/// Makes an empty file, for its owner alone. It is closed again: SQLite's locks on a file go with the first descriptor of it that a
/// process closes.
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
    // All of it at once, because that is one reading: it holds no writer up, and what is written meanwhile is not in it. In several
    // steps it would begin anew after each commit of another process, and beside a busy program never end.
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
    // One file that is whole by itself: it has no log beside it, and to read it takes no right to write.
    new.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())).map_err(into)?;
    change(&new).map_err(into)?;
    new.close().map_err(|(_, error)| into(error))
}
