//! The connections through which the program reads while it runs.
//!
//! Each read has a connection of its own, so no read waits for another one. None of them can write, and none keeps a
//! transaction beyond the one statement that it is asked: what reads for long keeps the log from being moved into the
//! database.

use std::path::Path;
use std::sync::Arc;

use lastword_journal::state::Committed;
use lastword_journal::{JournalError, Space};
use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;

use crate::connection::read_only;
use crate::sqlite_error::unavailable;
use crate::tables::key_values;

/// Connections at most, each with two descriptors and up to 2 MiB of pages. A look-up takes some microseconds, and a worker does
/// much else: so many are enough for more workers than that. When all are in use a look-up waits for another one's.
const MAX_READERS: usize = 4;

/// A pool of connections. All are opened at the beginning: the file may be another one at this path later on.
#[derive(Debug)]
pub(crate) struct Readers {
    /// Held to take one, or to put it back.
    idle: Mutex<Vec<Connection>>,
    put_back: Condvar,
}

impl Readers {
    pub(crate) fn open(path: &Path) -> rusqlite::Result<Self> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let idle = (0..processors.min(MAX_READERS)).map(|_| read_only(path)).collect::<rusqlite::Result<_>>()?;
        Ok(Self { idle: Mutex::new(idle), put_back: Condvar::new() })
    }

    /// Reads with a connection that nobody else has meanwhile.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let taken = self.take();
        taken.connection.as_ref().map_or(Err(rusqlite::Error::InvalidQuery), read)
    }

    fn take(&self) -> Taken<'_> {
        let mut idle = self.idle.lock();
        loop {
            if let Some(connection) = idle.pop() {
                return Taken { connection: Some(connection), readers: self };
            }
            self.put_back.wait(&mut idle);
        }
    }
}

/// A connection, until it is put back.
struct Taken<'a> {
    connection: Option<Connection>,
    readers: &'a Readers,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.readers.idle.lock().extend(self.connection.take());
        self.readers.put_back.notify_one();
    }
}

impl Committed for Readers {
    fn value(&self, space: &Space, key: &str) -> Result<Option<Arc<[u8]>>, JournalError> {
        self.read(|file| key_values::value(file, space, key)).map_err(|error| unavailable(&error))
    }

    fn value_len(&self, space: &Space, key: &str) -> Result<Option<u64>, JournalError> {
        self.read(|file| key_values::value_len(file, space, key)).map_err(|error| unavailable(&error))
    }

    fn keys(&self, space: &Space, after: Option<&str>, limit: usize) -> Result<Vec<String>, JournalError> {
        self.read(|file| key_values::keys(file, space, after, limit)).map_err(|error| unavailable(&error))
    }
}
