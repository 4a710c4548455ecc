//! Opening the file: whose it is, which version it has, and whether it is whole.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use lastword_events::{JournalName, Timestamp};
use parking_lot::Mutex;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};

use super::ahead::Ahead;
use super::apply::Known;
use super::error::{OpenError, is_damage};
use super::lock::{Lock, beside, the_file};
use super::retention::Retention;
use super::writer::Queue;
use super::{SCHEMA_VERSION, SqliteJournal, migrate, recover, salvage, writer};
use crate::{JournalError, Recovered};

/// How long another program's transaction (`sqlite3` with a write, a backup) is waited for.
const BUSY: Duration = Duration::from_secs(5);
/// "LstW": what `file` and SQLite's own tools can tell the file by.
const APPLICATION_ID: i32 = 0x4c73_7457;
/// Pages of the log after which they are moved into the database: 16 MiB, so that a drain pays for it a few times only.
const CHECKPOINT_PAGES: u32 = 4096;
/// What the log is cut back to once it is in the database, in bytes.
const LOG_BYTES: u32 = 64 << 20;
/// What the writer keeps of the database in memory, in KiB.
const CACHE_KIB: u32 = 16 << 10;

pub(super) fn open(path: &Path) -> Result<SqliteJournal, OpenError> {
    let path = &the_file(path);
    let was_ours = is_ours(path);
    let lock = Lock::take(path)?;
    let unusable = |source| OpenError::Unusable { path: path.to_owned(), source };
    salvage::finish(path).map_err(unusable)?;
    refuse_foreign(path, was_ours)?;
    make_private(path).map_err(unusable)?;
    let (file, begun) = match begin(path) {
        Ok(begun) => begun,
        Err(Trouble::Damage(why)) => {
            let salvaged = salvage::salvage(path, &why)?;
            tracing::error!("{salvaged}");
            begin(path).map_err(|trouble| trouble.at(path))?
        }
        Err(trouble) => return Err(trouble.at(path)),
    };
    let sqlite = |error: rusqlite::Error| OpenError::Sqlite { path: path.to_owned(), why: error.to_string() };
    file.set_prepared_statement_cache_capacity(64);
    let reader = read_only(path).map_err(sqlite)?;
    Ok(SqliteJournal {
        name: begun.name,
        path: path.to_owned(),
        reader: Mutex::new(reader),
        ahead: Arc::new(Mutex::new(Ahead::with_sizes(begun.sizes))),
        opened: Mutex::new(Some(Opened {
            file,
            run: begun.run,
            next_sequence: begun.next_sequence,
            recovered: begun.recovered,
        })),
        queue: OnceLock::new(),
        _lock: lock,
    })
}

/// A journal that has been read, before its run begins.
#[derive(Debug)]
pub(super) struct Opened {
    file: Connection,
    run: u32,
    next_sequence: u64,
    recovered: Recovered,
}

impl Opened {
    /// Begins the run: from now on what dead runs left is this one's.
    pub(super) fn begin(mut self, ahead: &Arc<Mutex<Ahead>>) -> Result<(Queue, Recovered), JournalError> {
        let transaction = self.file.transaction_with_behavior(TransactionBehavior::Immediate)?;
        recover::begin_run(&transaction, self.run)?;
        transaction.commit()?;
        let known = Known {
            run: self.run,
            next_sequence: self.next_sequence,
            first_sequence_of_run: self.next_sequence,
            installed: None,
            draining: false,
            plugins: HashMap::new(),
        };
        let queue = writer::spawn(self.file, known, ahead.clone(), Retention::new())
            .map_err(|error| JournalError::Unavailable(format!("its thread could not be started: {error}")))?;
        Ok((queue, self.recovered))
    }
}

/// Whether a journal has been there before, as far as the files beside it tell.
fn is_ours(path: &Path) -> bool {
    [".lock", "-wal", ".salvaging"].iter().any(|suffix| beside(path, suffix).exists())
}

/// Sessions' directories, transcripts and what plugins stored are nobody else's business. SQLite gives the files beside it
/// the same mode.
pub(super) fn make_private(path: &Path) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// A connection that writes nothing, as beside a running program.
pub(super) fn read_only(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let file = connection(path, flags)?;
    Ok(file)
}

/// Looks at the header alone: opening a database in the ordinary way may already change files. What `was_ours` is taken
/// for a damaged journal when it has no header of one.
pub(super) fn refuse_foreign(path: &Path, was_ours: bool) -> Result<(), OpenError> {
    /// The file's header, and that of its first page.
    const HEADER_BYTES: u64 = 108;
    const MAGIC: &[u8] = b"SQLite format 3\0";
    let unusable = |source| OpenError::Unusable { path: path.to_owned(), source };
    let mut header = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(HEADER_BYTES).read_to_end(&mut header).map_err(unusable)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unusable(error)),
    };
    let number = |at: usize| {
        header.get(at..at + 4).and_then(|bytes| Some(u32::from_be_bytes(bytes.try_into().ok()?))).unwrap_or(0)
    };
    let (found, application) = (number(60), number(68));
    let is_database = header.starts_with(MAGIC);
    if is_database && application == APPLICATION_ID.cast_unsigned() && found > SCHEMA_VERSION {
        return Err(OpenError::Newer { path: path.to_owned(), found, known: SCHEMA_VERSION });
    }
    // A new journal that the power has cut off may have no table yet: no cell on its first page.
    let is_new = header.is_empty() || is_database && header.get(103..105) == Some(&[0, 0]);
    let is_ours = is_new || was_ours || application == APPLICATION_ID.cast_unsigned();
    let is_foreign = is_database && application != 0 && application != APPLICATION_ID.cast_unsigned();
    if is_foreign || !is_ours { Err(OpenError::NotOurs { path: path.to_owned() }) } else { Ok(()) }
}

/// What was read as the run began.
struct Begun {
    name: JournalName,
    next_sequence: u64,
    run: u32,
    recovered: Recovered,
    sizes: Vec<(crate::Space, u64)>,
}

enum Trouble {
    /// The file is broken.
    Damage(String),
    /// It is whole, and something else is in the way.
    Sqlite(String),
    Refused(OpenError),
}

impl Trouble {
    fn at(self, path: &Path) -> OpenError {
        match self {
            Self::Damage(why) | Self::Sqlite(why) => OpenError::Sqlite { path: path.to_owned(), why },
            Self::Refused(error) => error,
        }
    }
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        if is_damage(&error) { Self::Damage(error.to_string()) } else { Self::Sqlite(error.to_string()) }
    }
}

fn begin(path: &Path) -> Result<(Connection, Begun), Trouble> {
    let mut file = connect(path)?;
    if recover::is_empty(&file)? {
        create(&mut file, random_name(), 1)?;
    }
    let found = recover::version(&file)?;
    match found {
        1..=SCHEMA_VERSION => (),
        0 => return Err(Trouble::Refused(OpenError::NotOurs { path: path.to_owned() })),
        // The header was of a known version, and the log in front of it is not.
        _ => {
            return Err(Trouble::Refused(OpenError::Newer { path: path.to_owned(), found, known: SCHEMA_VERSION }));
        }
    }
    if let Some(why) = damage(&file)? {
        return Err(Trouble::Damage(why));
    }
    if found < SCHEMA_VERSION {
        migrate::migrate(&mut file, found)?;
    }
    let header = recover::header(&file)?;
    let run = recover::next_run(&file)?;
    let recovered = recover::recovered(&file, run)?;
    let sizes = recover::sizes(&file)?;
    let begun = Begun { name: header.name, next_sequence: header.next_sequence, run, recovered, sizes };
    Ok((file, begun))
}

/// Added to the name of a file that is there when somebody has found the journal damaged.
const SUSPECT: &str = ".suspect";

/// Leaves word that the journal is damaged: the next start looks through all of it.
pub(super) fn suspect(path: &Path) {
    fs::write(beside(path, SUSPECT), "found damaged; the next start of the program looks through the journal\n").ok();
}

/// The largest file that is looked through at every start, in bytes: it takes some 100 ms. Of a larger one every page that
/// is owed to somebody is read anyway.
const CHECKED_BYTES: u64 = 32 << 20;

/// What SQLite finds wrong with the file, if anything.
fn damage(file: &Connection) -> rusqlite::Result<Option<String>> {
    let Some(path) = file.path().map(Path::new) else { return Ok(None) };
    let bytes = fs::metadata(path).map_or(0, |metadata| metadata.len());
    let suspect = beside(path, SUSPECT);
    let check = match (suspect.exists(), bytes <= CHECKED_BYTES) {
        (true, _) => "PRAGMA integrity_check(1)",
        (false, true) => "PRAGMA quick_check(1)",
        (false, false) => return Ok(None),
    };
    let found: String = file.query_row(check, [], |row| row.get(0))?;
    if found == "ok" {
        // It was mended, or never was damaged.
        fs::remove_file(suspect).ok();
    }
    // It is told in one line of a log.
    let found = found.trim_start_matches("*** in database main ***").trim().replace('\n', "; ");
    Ok((found != "ok").then_some(found))
}

pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let file = connection(path, flags)?;
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

fn connection(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let file = Connection::open_with_flags(path, flags)?;
    file.busy_timeout(BUSY)?;
    // A plan holds for every value: else SQLite, which looks at the values of some statements as it plans them, plans those
    // anew each time that they are run, which takes ten times as long as running them.
    file.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(file)
}

/// Makes the tables of a new journal.
pub(super) fn create(file: &mut Connection, name: JournalName, next_sequence: u64) -> rusqlite::Result<()> {
    let transaction = file.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(include_str!("schema.sql"))?;
    transaction.execute(
        "INSERT INTO journal (only, name, next_sequence) VALUES (1, ?1, ?2)",
        params![name.as_str(), next_sequence],
    )?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()
}

pub(crate) fn random_name() -> JournalName {
    let mut bytes = [0; JournalName::LEN];
    // Without the system's randomness the name only has to differ from run to run.
    if getrandom::fill(&mut bytes).is_err() {
        bytes = Timestamp::now().as_millisecond().to_le_bytes();
    }
    JournalName::from_random(bytes)
}
