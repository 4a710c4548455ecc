//! Opening the file: which version it has, and whether it is whole.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use lastword_events::JournalName;
use lastword_journal::state::{ForgottenGenerations, Store};
use lastword_journal::{DeliveryKey, JournalError, Recovered, state};
use parking_lot::Mutex;
use rusqlite::{Connection, TransactionBehavior, params};

use crate::calls::CallsUnderWay;
use crate::claim::{Claim, parts};
use crate::connect::{accept, connect, mark};
use crate::content::{APPLICATION_ID, Content};
use crate::error::{OpenError, is_damage, unavailable};
use crate::place::Place;
use crate::readers::Readers;
use crate::retention::Retention;
use crate::suspects::Suspects;
use crate::tables::Known;
#[cfg(target_os = "linux")]
use crate::watch::Watch;
use crate::writer::Queue;
use crate::{
    SCHEMA_VERSION, SqliteJournal, damage_note, generations, migrate, recent_ends, recover, salvage, shape, writer,
};

/// What to do about a thread that cannot be started.
const NO_THREAD: &str =
    "raise the number of processes that this user may have (`ulimit -u`, or the container's pids limit)";

pub(super) fn open(path: &Path) -> Result<SqliteJournal, OpenError> {
    let mut claim = Claim::make(path)?;
    let had: Vec<PathBuf> = parts(&claim.path).collect();
    match begin_or_salvage(&mut claim) {
        Ok((file, readers, begun)) => Ok(SqliteJournal {
            name: begun.name,
            path: claim.path,
            store: Arc::new(Store::new(readers, begun.sizes)),
            opened: Mutex::new(Some(Opened {
                file,
                name: begun.name,
                run: begun.run,
                next_sequence: begun.next_sequence,
                recovered: begun.recovered,
                forgotten: begun.forgotten,
                calls: begun.calls,
                suspects: begun.suspects,
            })),
            run: OnceLock::new(),
            _lock: claim.lock,
        }),
        Err(error) => {
            claim.give_up(&had);
            Err(error)
        }
    }
}

fn begin_or_salvage(claim: &mut Claim) -> Result<(Connection, Readers, Begun), OpenError> {
    let path = claim.path.clone();
    let begun = match claim.content {
        Content::Headless => Err(Trouble::Damage("its header is gone".to_owned())),
        Content::Nothing => mark(&path).map_err(Trouble::from).and_then(|()| begin(&path)),
        Content::Journal => begin(&path),
    };
    let (file, begun) = match begun {
        Err(Trouble::Damage(why)) => {
            let salvaged = salvage::salvage(&path, &why, &mut claim.lock)?;
            tracing::error!("{salvaged}");
            begin(&path).map_err(|trouble| trouble.at(&path))?
        }
        begun => begun.map_err(|trouble| trouble.at(&path))?,
    };
    accept(&file).map_err(|error| OpenError::sqlite(&path, &error))?;
    file.set_prepared_statement_cache_capacity(64);
    let readers = Readers::open(&path).map_err(|error| OpenError::sqlite(&path, &error))?;
    Ok((file, readers, begun))
}

/// A run, until it is dropped.
#[derive(Debug)]
pub(super) struct Run {
    // First, because fields are dropped in their order: the writer ends when nobody can send it anything.
    #[cfg(target_os = "linux")]
    _watch: Option<Watch>,
    pub(super) queue: Queue,
    pub(super) calls: Option<Arc<CallsUnderWay>>,
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Some(calls) = &self.calls {
            calls.leave();
        }
    }
}

/// A journal that has been read, before its run begins.
#[derive(Debug)]
pub(super) struct Opened {
    file: Connection,
    name: JournalName,
    run: u32,
    next_sequence: u64,
    pub(super) recovered: Recovered,
    forgotten: ForgottenGenerations,
    calls: Option<Arc<CallsUnderWay>>,
    suspects: Suspects,
}

impl Opened {
    /// Begins the run: from now on what dead runs left is this one's.
    pub(super) fn begin(mut self, path: &Path, store: &Arc<Store<Readers>>) -> Result<(Run, Recovered), JournalError> {
        let suspects = self.begin_run().map_err(|error| unavailable(&error))?;
        // Not before: what it has of the dead run is written down now.
        if let Some(calls) = &self.calls {
            calls.begin(self.name);
        }
        let known = Known {
            run: self.run,
            next_sequence: self.next_sequence,
            first_sequence_of_run: self.next_sequence,
            installed: None,
            draining: false,
            has_drained_ends: false,
            forgotten: self.forgotten,
            recent_ends: 0,
            plugins: HashMap::new(),
            suspects,
        };
        let place = Place::of(path)
            .map_err(|error| JournalError::Unavailable(format!("its files cannot be found any more: {error}")))?;
        let place = Arc::new(place);
        let queue =
            writer::spawn(self.file, place.clone(), known, store.clone(), Retention::new()).map_err(|error| {
                JournalError::Unavailable(format!("its thread could not be started: {error}; {NO_THREAD}"))
            })?;
        let run = Run {
            #[cfg(target_os = "linux")]
            _watch: Watch::start(&place, queue.nudge()),
            queue,
            calls: self.calls,
        };
        Ok((run, self.recovered))
    }

    fn begin_run(&mut self) -> rusqlite::Result<HashSet<DeliveryKey>> {
        let transaction = self.file.transaction_with_behavior(TransactionBehavior::Immediate)?;
        recover::begin_run(&transaction, self.run)?;
        recent_ends::forget(&transaction)?;
        let suspects = self.suspects.record(&transaction, self.run, self.name)?;
        transaction.commit()?;
        Ok(suspects)
    }
}

/// What was read as the run began.
struct Begun {
    name: JournalName,
    next_sequence: u64,
    run: u32,
    recovered: Recovered,
    forgotten: ForgottenGenerations,
    sizes: Vec<(lastword_journal::Space, u64)>,
    calls: Option<Arc<CallsUnderWay>>,
    suspects: Suspects,
}

/// Why a journal cannot be used.
pub(super) enum Trouble {
    /// The file is broken.
    Damage(String),
    /// It is whole, and something else is in the way.
    Sqlite(rusqlite::Error),
    /// Its tables are not ours.
    Altered(String),
    Newer(u32),
}

impl Trouble {
    pub(super) fn at(self, path: &Path) -> OpenError {
        let path = path.to_owned();
        match self {
            Self::Damage(why) => OpenError::Sqlite { path, why },
            Self::Sqlite(error) => OpenError::sqlite(&path, &error),
            Self::Altered(what) => OpenError::Altered { path, what },
            Self::Newer(found) => OpenError::Newer { path, found, known: SCHEMA_VERSION },
        }
    }
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        if is_damage(&error) { Self::Damage(error.to_string()) } else { Self::Sqlite(error) }
    }
}

fn begin(path: &Path) -> Result<(Connection, Begun), Trouble> {
    let mut file = connect(path)?;
    if recover::is_empty(&file)? {
        create(&mut file, state::random_name(), 1)?;
    }
    let found = recover::version(&file)?;
    if found > SCHEMA_VERSION {
        // The header was of a known version, and the log in front of it is not.
        return Err(Trouble::Newer(found));
    }
    if let Some(why) = damage(&file)? {
        return Err(Trouble::Damage(why));
    }
    if found < SCHEMA_VERSION {
        migrate::migrate(&mut file, found)?;
    } else if let Some(misfit) = shape::misfit(&file)? {
        return Err(Trouble::Altered(misfit));
    }
    let header = recover::header(&file)?;
    if let Some(misfit) = recover::next_sequence(&file, &header)? {
        return Err(Trouble::Altered(misfit));
    }
    let run = recover::next_run(&file)?;
    let mut recovered = recover::recovered(&file, run)?;
    let (calls, under_way) = CallsUnderWay::open(path, header.name);
    let suspects = Suspects::read(&file, under_way)?;
    suspects.mark(&mut recovered);
    let begun = Begun {
        name: header.name,
        next_sequence: header.next_sequence,
        run,
        recovered,
        forgotten: generations::read(&file)?,
        sizes: recover::sizes(&file)?,
        calls,
        suspects,
    };
    Ok((file, begun))
}

/// The largest file that is looked through at every start, in bytes: it takes some 100 ms. Of a larger one every page that
/// is owed to somebody is read anyway.
const CHECKED_BYTES: u64 = 32 << 20;

/// What SQLite finds wrong with the file, if anything.
fn damage(file: &Connection) -> rusqlite::Result<Option<String>> {
    let Some(path) = file.path().map(Path::new) else { return Ok(None) };
    let bytes = fs::metadata(path).map_or(0, |metadata| metadata.len());
    let check = match (damage_note::is_left(path), bytes <= CHECKED_BYTES) {
        (true, _) => "PRAGMA integrity_check(1)",
        (false, true) => "PRAGMA quick_check(1)",
        (false, false) => return Ok(None),
    };
    let found: String = file.query_row(check, [], |row| row.get(0))?;
    if found == "ok" {
        damage_note::remove(path);
    }
    // It is told in one line of a log.
    let found = found.trim_start_matches("*** in database main ***").trim().replace('\n', "; ");
    Ok((found != "ok").then_some(found))
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
