//! Connections, and their settings.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::format::APPLICATION_ID;

/// How long a connection waits for another program's transaction (`sqlite3` with a write, a backup).
const BUSY: Duration = Duration::from_secs(5);
/// Pages of the log after which SQLite moves them into the database: 16 MiB, so that a drain pays for it only a few times.
const CHECKPOINT_PAGES: u32 = 4096;
/// The size to which SQLite truncates the log after a checkpoint, in bytes.
const LOG_BYTES: u32 = 64 << 20;
/// The writer's page cache, in KiB.
const CACHE_KIB: u32 = 16 << 10;

/// A connection that writes nothing, for use beside a running program.
pub(crate) fn read_only(path: &Path) -> rusqlite::Result<Connection> {
    connection(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

/// A connection that writes. The file must exist.
pub(crate) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let file = connection(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // Until the journal is accepted. Closing a journal that is refused leaves the file and its log as they are.
    file.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // The log mode first. The other settings belong to the connection.
    file.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    file.execute_batch(&format!(
        "PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES};
         PRAGMA journal_size_limit = {LOG_BYTES};
         PRAGMA cache_size = -{CACHE_KIB};
         PRAGMA temp_store = MEMORY;"
    ))?;
    Ok(file)
}

/// A connection to an empty file that a journal is copied into. It changes no setting of that file.
pub(crate) fn copying_into(path: &Path) -> rusqlite::Result<Connection> {
    connection(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
}

/// Accepts the journal for use. The last connection to close moves the log into the database from now on.
pub(crate) fn accept(file: &Connection) -> rusqlite::Result<()> {
    file.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map(drop)
}

/// Marks an empty file as ours, before anything else. So the program knows its own file however little of it was written.
pub(crate) fn mark(path: &Path) -> rusqlite::Result<()> {
    let file = connection(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    file.pragma_update(None, "synchronous", "FULL")?;
    file.pragma_update(None, "application_id", APPLICATION_ID)
}

fn connection(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let file = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    file.busy_timeout(BUSY)?;
    // A plan holds for every value. Otherwise SQLite looks at the values of some statements as it plans them, and plans those anew on
    // each run, which takes ten times as long as the run.
    file.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // A hostile writer of the file may have left triggers or views that run when the program reads or writes a table.
    file.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    file.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    file.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    file.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    file.pragma_update(None, "ignore_check_constraints", true)?;
    Ok(file)
}
