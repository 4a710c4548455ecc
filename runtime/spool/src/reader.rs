//! The reader of a spool, which takes its events in. There is one at a time.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use lastword_events::text::printable_path;
use rustix::event::{Timespec, poll};
use rustix::io::Errno;

use crate::error::SpoolError;
use crate::event::SpooledEvent;
use crate::file::{self, UNFINISHED};
use crate::format::{MAX_FILE_BYTES, decode};
use crate::kept;
use crate::limits::{DISK_PATIENCE, LOCK_PAUSE, LOCK_TRIES, MAX_DAMAGED, MAX_KEPT_BYTES, UNFINISHED_KEPT, YOUNG};
use crate::name::EventName;
use crate::spool::{Spool, make_private};
use crate::stamp::wall_ms;

/// The reader of a spool: the only one, until it is dropped or [released](Self::release).
#[derive(Debug)]
pub struct Reader {
    spool: Spool,
    lock: File,
    /// Damaged files for which the folder has no room. They stay in place.
    left: Mutex<HashSet<String>>,
    /// Files that could not be read the last time, and since when.
    failing: Mutex<HashMap<String, Instant>>,
    /// Warnings for people, a sentence each.
    warnings: Mutex<Vec<String>>,
}

impl Reader {
    /// Begins to take a spool in. Makes its directory if it is missing.
    ///
    /// # Errors
    /// When another daemon does so already, or other users can write to the directory.
    pub fn begin(spool: &Spool) -> Result<Self, SpoolError> {
        spool.make()?;
        let path = spool.reader_lock();
        let lock = file::open_lock(&path).map_err(SpoolError::io("open", &path))?;
        take(&lock, spool, &path)?;
        let (left, failing, warnings) = (Mutex::default(), Mutex::default(), Mutex::default());
        let reader = Self { spool: spool.clone(), lock, left, failing, warnings };
        reader.remove_unfinished();
        Ok(reader)
    }

    /// Returns the spool.
    #[must_use]
    pub fn spool(&self) -> &Spool {
        &self.spool
    }

    /// Returns the waiting events, in the order in which they came.
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

    /// Reads an event. `None` if its file is gone, or damaged: a damaged file is set aside, and a
    /// [warning](Self::warnings) names it.
    ///
    /// # Errors
    /// When it cannot be read now, but perhaps later. The first time adds a warning.
    pub fn read(&self, name: &EventName) -> Result<Option<SpooledEvent>, SpoolError> {
        let file = name.to_string();
        let path = self.spool.directory().join(&file);
        let read = file::read(&path, MAX_FILE_BYTES);
        let decoded = match read {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if will_stay(&error, &path) => Err((error, true)),
            Err(error) => {
                let is_over = error.raw_os_error() == Some(Errno::IO.raw_os_error())
                    && self.fails_for(&file).is_some_and(|time| time >= DISK_PATIENCE);
                Err((error, is_over))
            }
            Ok(content) => match decode(&content) {
                Ok(event) => Ok(Some(event)),
                Err(why) => Err((io::Error::new(io::ErrorKind::InvalidData, why), !is_young(name))),
            },
        };
        match decoded {
            Ok(event) => {
                lock(&self.failing).remove(&file);
                Ok(event)
            }
            Err((why, true)) => {
                lock(&self.failing).remove(&file);
                self.set_aside(&file, &path, &why.to_string());
                Ok(None)
            }
            Err((why, false)) => {
                // A young file is not reported.
                let is_news = self.fails_for(&file).is_none();
                lock(&self.failing).entry(file).or_insert_with(Instant::now);
                if is_news && why.kind() != io::ErrorKind::InvalidData {
                    let path = printable_path(&path);
                    self.warn(format!("an event cannot be read now, and others wait for it: {path}: {why}"));
                }
                Err(SpoolError::io("read", &path)(why))
            }
        }
    }

    /// Removes an event that is on record.
    ///
    /// # Errors
    /// When it cannot be removed. The event then comes again, under the same `op_id`.
    pub fn remove(&self, name: &EventName) -> Result<(), SpoolError> {
        let path = self.spool.directory().join(name.to_string());
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(SpoolError::io("remove", &path)),
        }
    }

    /// Keeps an event that no daemon takes, with the reason, and removes it from the waiting events. If no more can be
    /// kept, removes it all the same, and adds a [warning](Self::warnings).
    ///
    /// # Errors
    /// When it cannot be kept now. The event then still waits.
    pub fn refuse(&self, name: &EventName, event: SpooledEvent, why: &str) -> Result<(), SpoolError> {
        match self.spool.keep_refused(&event.refused_for(why)) {
            Err(full @ SpoolError::KeptFull { .. }) => self.warn(format!("an event is not kept: {full}")),
            // Removed only after the sync.
            kept => kept?.sync()?,
        }
        self.remove(name)
    }

    /// Returns the warnings since the last call, a sentence each.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.warnings))
    }

    /// Lets another reader take the spool in from now on. A writer that puts an event into the spool and then finds no
    /// reader knows that this one may have missed it, unless this one [looks](Spool::is_empty) now.
    ///
    /// # Errors
    /// When the system does not release the lock. The end of the process does.
    pub fn release(&self) -> Result<(), SpoolError> {
        self.lock.unlock().map_err(SpoolError::io("unlock", &self.spool.reader_lock()))
    }

    /// Moves a damaged file to the folder of damaged files. It is never deleted.
    fn set_aside(&self, name: &str, path: &Path, why: &str) {
        let folder = self.spool.damaged_folder();
        let moved = make_private(&folder).and_then(|_| match kept::is_full(&folder, MAX_DAMAGED, MAX_KEPT_BYTES)? {
            true => Err(SpoolError::KeptFull { directory: folder.clone() }),
            false => fs::rename(path, folder.join(name)).map_err(SpoolError::io("move", path)),
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

    /// Returns for how long this file has not been readable.
    fn fails_for(&self, file: &str) -> Option<Duration> {
        lock(&self.failing).get(file).map(Instant::elapsed)
    }

    /// Removes unfinished files of killed writers, whose hooks did not report success.
    fn remove_unfinished(&self) {
        remove_unfinished_in(self.spool.directory());
        remove_unfinished_in(&self.spool.refused_folder());
    }

    fn warn(&self, warning: String) {
        lock(&self.warnings).push(warning);
    }
}

fn remove_unfinished_in(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
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

/// Whether a file can never be read, for this reason: it is no plain file, or this user may not read it.
fn will_stay(error: &io::Error, path: &Path) -> bool {
    let is_foreign = matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::PermissionDenied);
    is_foreign || error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) || is_link(path)
}

/// Whether an event came a moment ago. An event in the future is old: the clock was set.
fn is_young(name: &EventName) -> bool {
    Duration::from_millis(wall_ms().abs_diff(name.wall_ms)) < YOUNG
}

/// Takes the lock. Retries, because a hook may hold it for some microseconds.
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

/// Pauses, because no event tells when a lock is free.
fn pause() {
    let time = Timespec::try_from(LOCK_PAUSE).ok();
    // A signal may end the pause earlier.
    poll(&mut [], time.as_ref()).ok();
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
}

fn lock<T>(value: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
