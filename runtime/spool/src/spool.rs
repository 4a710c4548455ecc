//! The place of a spool, and its state without taking it in.

use std::fs::{self, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::SpoolError;
use crate::event::SpooledEvent;
use crate::file;
use crate::kept::{self, Kept};
use crate::limits::{MAX_KEPT_BYTES, MAX_PAYLOAD_BYTES, MAX_REFUSED};
use crate::name::{self, ENDING, EventName};
use crate::private_directory::{Loose, open_private, parents_of_missing};
use crate::stamp::this_boot;
use crate::writer::Writer;
use crate::written::{Written, sync_directories};

/// The folder of files that could not be read.
const DAMAGED: &str = "damaged";
/// The folder of events that no daemon takes.
const REFUSED: &str = "refused";
/// The file that the daemon which takes the events in holds locked.
const READER_LOCK: &str = "reader.lock";

/// A spool, which may not exist yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spool {
    directory: PathBuf,
}

/// The waiting files of a spool.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) names: Vec<EventName>,
    /// Files with an event's ending and an invalid name.
    pub(crate) strange: Vec<PathBuf>,
}

impl Spool {
    /// Makes the spool of this directory. Creates and reads nothing yet.
    #[must_use]
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// Returns the directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Makes the directory if it is missing, and checks that only this user can write to it.
    ///
    /// # Errors
    /// When other users can, or the disk fails.
    pub fn make(&self) -> Result<(), SpoolError> {
        sync_directories(&make_private(&self.directory)?)
    }

    /// Returns a writer of events.
    ///
    /// # Errors
    /// As [`make`](Self::make), or when the directory cannot be read.
    pub fn writer(&self) -> Result<Writer, SpoolError> {
        let unsynced = make_private(&self.directory)?;
        Writer::new(self.clone(), unsynced)
    }

    /// Whether no event waits.
    ///
    /// # Errors
    /// When the directory cannot be read. A missing one is empty.
    pub fn is_empty(&self) -> Result<bool, SpoolError> {
        let Some(entries) = self.entries()? else { return Ok(true) };
        for entry in entries {
            let entry = entry.map_err(SpoolError::io("read", &self.directory))?;
            if EventName::parse(&entry.file_name()).is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns the number of waiting events.
    ///
    /// # Errors
    /// When the directory cannot be read. A missing one is empty.
    pub fn waiting(&self) -> Result<usize, SpoolError> {
        Ok(self.look()?.names.len())
    }

    /// Whether a daemon takes the events in now.
    ///
    /// # Errors
    /// When the lock cannot be tested.
    pub fn has_reader(&self) -> Result<bool, SpoolError> {
        let path = self.reader_lock();
        let lock = match file::open_lock(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            opened => opened.map_err(SpoolError::io("open", &path))?,
        };
        match lock.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(SpoolError::io("lock", &path)(error)),
        }
    }

    /// Keeps an event that no daemon takes, for people. Its [`refused`](SpooledEvent::refused) has the reason.
    ///
    /// # Errors
    /// When the bound is reached, or the event cannot be written.
    pub fn keep_refused(&self, event: &SpooledEvent) -> Result<Written, SpoolError> {
        let mut unsynced = make_private(&self.directory)?;
        let folder = self.refused_folder();
        unsynced.append(&mut make_private(&folder)?);
        if kept::is_full(&folder, MAX_REFUSED, MAX_KEPT_BYTES)? {
            return Err(SpoolError::KeptFull { directory: folder });
        }
        let mut written = write_event(&folder, event)?;
        written.directories.append(&mut unsynced);
        Ok(written)
    }

    /// Returns the events that no daemon takes, the oldest first.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn refused(&self) -> Result<Vec<Kept>, SpoolError> {
        kept::list(&self.refused_folder())
    }

    /// Returns the files that could not be read, the oldest first.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn damaged(&self) -> Result<Vec<Kept>, SpoolError> {
        kept::list(&self.damaged_folder())
    }

    pub(crate) fn damaged_folder(&self) -> PathBuf {
        self.directory.join(DAMAGED)
    }

    pub(crate) fn refused_folder(&self) -> PathBuf {
        self.directory.join(REFUSED)
    }

    pub(crate) fn reader_lock(&self) -> PathBuf {
        self.directory.join(READER_LOCK)
    }

    /// Returns the waiting files, in order.
    pub(crate) fn look(&self) -> Result<Waiting, SpoolError> {
        let mut waiting = Waiting::default();
        for entry in self.entries()?.into_iter().flatten() {
            let entry = entry.map_err(SpoolError::io("read", &self.directory))?;
            let file = entry.file_name();
            match EventName::parse(&file) {
                Some(name) => waiting.names.push(name),
                None if is_strange(&file) => waiting.strange.push(entry.path()),
                None => {}
            }
        }
        name::sort(&mut waiting.names, this_boot());
        Ok(waiting)
    }

    fn entries(&self) -> Result<Option<fs::ReadDir>, SpoolError> {
        match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            entries => entries.map(Some).map_err(SpoolError::io("read", &self.directory)),
        }
    }
}

/// Whether the name has an event's ending. An unfinished file does not.
fn is_strange(file: &std::ffi::OsStr) -> bool {
    let file = file.as_encoded_bytes();
    file.ends_with(ENDING.as_bytes()) && !file.starts_with(b".")
}

/// Makes the directory if it is missing. Returns the directories that got a new entry and are not synced yet.
pub(crate) fn make_private(directory: &Path) -> Result<Vec<PathBuf>, SpoolError> {
    let parents = parents_of_missing(directory);
    match open_private(directory, Loose::Refuse) {
        Ok(_) => Ok(parents),
        Err(why) => Err(SpoolError::NotPrivate { directory: directory.to_owned(), why }),
    }
}

/// Writes an event's file, under a name that is made from its `op_id` and its time.
pub(crate) fn write_event(directory: &Path, event: &SpooledEvent) -> Result<Written, SpoolError> {
    if event.payload.len() > MAX_PAYLOAD_BYTES {
        return Err(SpoolError::TooLarge { bytes: event.payload.len() });
    }
    let io = |error: io::Error| SpoolError::io("write an event to", directory)(error);
    let content = crate::format::encode(event).map_err(|error| io(error.into()))?;
    let name = EventName::of(event, content.len()).to_string();
    let file = file::write(directory, &name, &content).map_err(io)?;
    Ok(Written { path: directory.join(&name), file, directories: vec![directory.to_owned()] })
}
