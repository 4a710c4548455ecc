//! What takes the events of a spool in. There is one at a time.

use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use lastword_events::text::printable_path;
use rustix::event::{Timespec, poll};

use crate::error::SpoolError;
use crate::event::SpooledEvent;
use crate::file::{self, UNFINISHED};
use crate::format::{MAX_FILE_BYTES, decode};
use crate::kept;
use crate::limits::{LOCK_PAUSE, LOCK_TRIES, MAX_DAMAGED, UNFINISHED_KEPT};
use crate::name::EventName;
use crate::spool::{Spool, make_private};

/// What takes the events of a spool in: the only one, until it is dropped or [released](Self::release).
#[derive(Debug)]
pub struct Reader {
    spool: Spool,
    lock: File,
    /// Damaged files for which there is no room in their folder. They stay where they are.
    left: Mutex<HashSet<String>>,
    /// What is to be told to people, a sentence each.
    warnings: Mutex<Vec<String>>,
}

impl Reader {
    /// Begins to take a spool in. Its directory is made where it is missing.
    ///
    /// # Errors
    /// When another daemon does so already, or the directory is not this user's alone to write to.
    pub fn begin(spool: &Spool) -> Result<Self, SpoolError> {
        spool.make()?;
        let path = spool.reader_lock();
        let lock = file::open_lock(&path).map_err(SpoolError::io("open", &path))?;
        take(&lock, spool, &path)?;
        let reader = Self { spool: spool.clone(), lock, left: Mutex::default(), warnings: Mutex::default() };
        reader.remove_unfinished();
        Ok(reader)
    }

    /// The spool that it takes in.
    #[must_use]
    pub fn spool(&self) -> &Spool {
        &self.spool
    }

    /// What waits, in the order in which it came.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn list(&self) -> Result<Vec<EventName>, SpoolError> {
        let waiting = self.spool.look()?;
        for path in waiting.strange {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            self.set_aside(&name, &path, "its name is none of ours");
        }
        let left = lock(&self.left);
        Ok(waiting.names.into_iter().filter(|name| !left.contains(&name.to_string())).collect())
    }

    /// What an event's file says; none when it is not there any more, or is damaged: then it is put aside, and a
    /// [warning](Self::warnings) names it.
    ///
    /// # Errors
    /// When it cannot be read now, and perhaps later.
    pub fn read(&self, name: &EventName) -> Result<Option<SpooledEvent>, SpoolError> {
        let file = name.to_string();
        let path = self.spool.directory().join(&file);
        let content = match file::read(&path, MAX_FILE_BYTES) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData || is_link(&path) => {
                self.set_aside(&file, &path, &error.to_string());
                return Ok(None);
            }
            content => content.map_err(SpoolError::io("read", &path))?,
        };
        match decode(&content) {
            Ok(event) => Ok(Some(event)),
            Err(why) => {
                self.set_aside(&file, &path, &why);
                Ok(None)
            }
        }
    }

    /// Removes an event that is on record.
    ///
    /// # Errors
    /// When it cannot be removed: then it comes again, under the same `op_id`.
    pub fn remove(&self, name: &EventName) -> Result<(), SpoolError> {
        let path = self.spool.directory().join(name.to_string());
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(SpoolError::io("remove", &path)),
        }
    }

    /// Keeps an event that no daemon takes, with the reason, and removes it from those that wait. Where no more are
    /// kept it is removed all the same, and a [warning](Self::warnings) says so.
    ///
    /// # Errors
    /// When it cannot be kept now: then it waits still.
    pub fn refuse(&self, name: &EventName, event: SpooledEvent, why: &str) -> Result<(), SpoolError> {
        match self.spool.keep_refused(&event.refused_for(why)) {
            Err(full @ SpoolError::KeptFull { .. }) => self.warn(format!("an event is not kept: {full}")),
            kept => kept?,
        }
        self.remove(name)
    }

    /// What people should be told since the last call, a sentence each.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.warnings))
    }

    /// Another may take the spool in from now on. Whoever puts an event into it and then finds that nobody does knows
    /// that this one has not seen it, unless it is seen when the spool is [looked at](Spool::is_empty) now.
    ///
    /// # Errors
    /// When the system does not let the lock go; the end of the process does.
    pub fn release(&self) -> Result<(), SpoolError> {
        self.lock.unlock().map_err(SpoolError::io("unlock", &self.spool.reader_lock()))
    }

    /// Moves a file to those that are kept because they are damaged. It is never deleted.
    fn set_aside(&self, name: &str, path: &Path, why: &str) {
        let folder = self.spool.damaged_folder();
        let moved = make_private(&folder).and_then(|()| match kept::count(&folder)? {
            MAX_DAMAGED.. => Err(SpoolError::KeptFull { directory: folder.clone() }),
            _ => fs::rename(path, folder.join(name)).map_err(SpoolError::io("move", path)),
        });
        match moved {
            Ok(()) => {
                let at = folder.join(name);
                self.warn(format!("an event cannot be read ({why}); its file is kept as {}", printable_path(&at)));
            }
            Err(error) => {
                if lock(&self.left).insert(name.to_owned()) {
                    self.warn(format!(
                        "an event cannot be read ({why}): {}, which stays: {error}",
                        printable_path(path)
                    ));
                }
            }
        }
    }

    /// What writers have left that were killed. Nobody was told that it is kept.
    fn remove_unfinished(&self) {
        let Ok(entries) = fs::read_dir(self.spool.directory()) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.as_encoded_bytes();
            let is_unfinished = name.starts_with(UNFINISHED.0.as_bytes()) && name.ends_with(UNFINISHED.1.as_bytes());
            let written = || entry.metadata().and_then(|metadata| metadata.modified()).ok();
            let age = |written| SystemTime::now().duration_since(written).unwrap_or_default();
            if is_unfinished && written().is_some_and(|written| age(written) > UNFINISHED_KEPT) {
                fs::remove_file(entry.path()).ok();
            }
        }
    }

    fn warn(&self, warning: String) {
        lock(&self.warnings).push(warning);
    }
}

/// A hook may look at the lock at this moment, which takes it microseconds.
fn take(file: &File, spool: &Spool, path: &Path) -> Result<(), SpoolError> {
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => pause(),
            Err(TryLockError::Error(error)) => return Err(SpoolError::io("lock", path)(error)),
        }
    }
    Err(SpoolError::Taken { directory: spool.directory().to_owned() })
}

/// Nobody tells when a lock is free.
fn pause() {
    let time = Timespec::try_from(LOCK_PAUSE).ok();
    // A signal makes it shorter.
    poll(&mut [], time.as_ref()).ok();
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
}

fn lock<T>(value: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
