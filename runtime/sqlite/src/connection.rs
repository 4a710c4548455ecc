//! Connections, and what is set for each.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::format::APPLICATION_ID;

/// How long another program's transaction (`sqlite3` with a write, a backup) is waited for.
const BUSY: Duration = Duration::from_secs(5);
/// Pages of the log after which they are moved into the database: 16 MiB, so that a drain pays for it a few times only.
const CHECKPOINT_PAGES: u32 = 4096;
/// What the log is cut back to once it is in the database, in bytes.
const LOG_BYTES: u32 = 64 << 20;
/// What the writer keeps of the database in memory, in KiB.
const CACHE_KIB: u32 = 16 << 10;

/// A connection that writes nothing, as beside a running program.
pub(crate) fn read_only(path: &Path) -> rusqlite::Result<Connection> {
    connection(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

/// A connection that writes. The file has to be there.
pub(crate) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let file = connection(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // Until it is accepted: who closes a journal that is refused leaves it, and its log, as they are.
    file.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // The log first: the other settings are the connection's.
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

/// A connection to an empty file that a journal is copied into: nothing of that file is set.
pub(crate) fn copying_into(path: &Path) -> rusqlite::Result<Connection> {
    connection(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
}

/// The journal is used from now on: whoever closes it last moves its log into it.
pub(crate) fn accept(file: &Connection) -> rusqlite::Result<()> {
    file.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map(drop)
}

/// Says in an empty file, before anything else, whose it is: so it is known for ours however little of it was written.
pub(crate) fn mark(path: &Path) -> rusqlite::Result<()> {
    let file = connection(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    file.pragma_update(None, "synchronous", "FULL")?;
    file.pragma_update(None, "application_id", APPLICATION_ID)
}

fn connection(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let file = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    file.busy_timeout(BUSY)?;
    // A plan holds for every value: else SQLite, which looks at the values of some statements as it plans them, plans those
    // anew each time that they are run, which takes ten times as long as running them.
    file.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // Whoever could write the file may have left something in it that runs when we read or write a table.
    file.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    file.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    file.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    file.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    file.pragma_update(None, "ignore_check_constraints", true)?;
    Ok(file)
}
