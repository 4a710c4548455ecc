//! The connections through which the program reads while it runs.
//!
//! Each read has a connection of its own, so no read waits for another one. No connection can write, and none keeps a transaction beyond
//! its one statement, because a long read keeps SQLite from moving the log into the database.

use std::path::Path;
use std::sync::Arc;

use lastword_journal::state::Committed;
use lastword_journal::{JournalError, Space};
use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;

use crate::connection::read_only;
use crate::sqlite_error::unavailable;
use crate::tables::key_values;

/// The most connections, each with two descriptors and up to 2 MiB of pages. A look-up takes some microseconds, and a worker does much
/// else, so four connections are enough for more than four workers. When all are in use, a look-up waits for one.
const MAX_READERS: usize = 4;

/// A pool of connections. All are opened at the beginning, because the path may lead to another file later.
#[derive(Debug)]
pub(crate) struct Readers {
    /// Locked to take a connection, or to put one back.
    pool: Mutex<Pool>,
    put_back: Condvar,
}

#[derive(Debug)]
struct Pool {
    idle: Vec<Connection>,
    /// The number in use.
    taken: usize,
    /// Whether the pool is closed.
    closed: bool,
}

impl Readers {
    pub(crate) fn open(path: &Path) -> rusqlite::Result<Self> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let idle = (0..processors.min(MAX_READERS)).map(|_| read_only(path)).collect::<rusqlite::Result<_>>()?;
        Ok(Self { pool: Mutex::new(Pool { idle, taken: 0, closed: false }), put_back: Condvar::new() })
    }

    /// Reads with a connection of its own.
    ///
    /// # Errors
    /// When the file cannot be read, or the journal was closed.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, JournalError> {
        let taken = self.take().ok_or(JournalError::Closed)?;
        let connection = taken.connection.as_ref().ok_or(JournalError::Closed)?;
        read(connection).map_err(|error| unavailable(&error))
    }

    /// Closes all connections. Waits for running reads, which take as long as a local disk.
    pub(crate) fn close(&self) {
        let mut pool = self.pool.lock();
        pool.closed = true;
        // Wakes the reads that wait for a connection. They get none.
        self.put_back.notify_all();
        self.put_back.wait_while(&mut pool, |pool| pool.taken > 0);
        let idle = std::mem::take(&mut pool.idle);
        drop(pool);
        drop(idle);
    }

    /// None once the pool is closed.
    fn take(&self) -> Option<Taken<'_>> {
        let mut pool = self.pool.lock();
        loop {
            if pool.closed {
                return None;
            }
            if let Some(connection) = pool.idle.pop() {
                pool.taken += 1;
                return Some(Taken { connection: Some(connection), readers: self });
            }
            self.put_back.wait(&mut pool);
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
        let mut pool = self.readers.pool.lock();
        pool.idle.extend(self.connection.take());
        pool.taken -= 1;
        // After the pool is closed, only `close` waits.
        self.readers.put_back.notify_one();
    }
}

impl Committed for Readers {
    fn value(&self, space: &Space, key: &str) -> Result<Option<Arc<[u8]>>, JournalError> {
        self.read(|file| key_values::value(file, space, key))
    }

    fn value_len(&self, space: &Space, key: &str) -> Result<Option<u64>, JournalError> {
        self.read(|file| key_values::value_len(file, space, key))
    }

    fn keys(&self, space: &Space, after: Option<&str>, limit: usize) -> Result<Vec<String>, JournalError> {
        self.read(|file| key_values::keys(file, space, after, limit))
    }
}
