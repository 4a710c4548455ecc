//! A journal file as an operator sees it. An operator can look at it while a program runs, and change it while none does.

mod erase;
mod rows;

use std::io::Write;
use std::path::{Path, PathBuf};

use lastword_events::{DeliveryId, JournalName, Timestamp};
use lastword_journal::{
    Changed, DeliveryChange, DeliveryFilter, DeliveryPage, DeliveryRow, DeliveryState, PageRequest, SessionRow,
};
use rusqlite::{Connection, Row, TransactionBehavior};

pub use self::erase::{Erased, Erasure, ErasureTarget};
pub use self::rows::SetAsideRow;

use crate::apply::change_outside_of_runs;
use crate::connection::{accept, connect, read_only};
use crate::error::OpenError;
use crate::export::Export;
use crate::format::SCHEMA_VERSION;
use crate::header::Header;
use crate::ownership::content::{Content, examine};
use crate::ownership::lock::Lock;
use crate::ownership::open_file::OpenFile;
use crate::ownership::replacement;
use crate::paths::resolved;
use crate::sqlite_error::is_damage;
use crate::unmade::{self, DrainedEnds};
use crate::{damage_note, schema, sqlite_version};

/// The first version of the schema with a table for writes that were set aside.
const FIRST_WITH_SET_ASIDE: u32 = 5;
/// The first version of the schema that records whether a run ended cleanly.
const FIRST_WITH_CLEAN_ENDS: u32 = 6;

/// A journal file that is open.
#[derive(Debug)]
pub struct JournalFile {
    path: PathBuf,
    file: Connection,
    name: JournalName,
    // Last, because Rust drops fields in their order: SQLite closes the file first.
    _held: Held,
}

/// The value that keeps the file open, see [`OpenFile`].
#[derive(Debug)]
enum Held {
    Open(#[expect(dead_code, reason = "held, not read")] OpenFile),
    /// Held while the file may be changed.
    Locked(#[expect(dead_code, reason = "held, not read")] Lock),
}

impl JournalFile {
    /// Opens a journal to look at it. A program may use it meanwhile.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn look(path: &Path) -> Result<Self, OpenError> {
        let (file, path) = Self::find(path)?;
        Self::open(path, Held::Open(file), read_only)
    }

    /// Opens a journal to change it.
    ///
    /// # Errors
    /// When a program has it, there is none, or it cannot be read and written.
    pub fn change(path: &Path) -> Result<Self, OpenError> {
        let (file, path) = Self::find(path)?;
        let lock = Lock::take(file, &path)?;
        Self::open(path, Held::Locked(lock), connect)
    }

    /// The file, if it is a journal.
    fn find(path: &Path) -> Result<(OpenFile, PathBuf), OpenError> {
        sqlite_version::check()?;
        let missing = || OpenError::Missing { path: path.to_owned() };
        let file = OpenFile::open(path)?.ok_or_else(missing)?;
        let path = resolved(path);
        match examine(&file, &path)?.ours(&path)? {
            Content::Journal => Ok((file, path)),
            Content::Empty | Content::Unwritten | Content::Foreign | Content::Newer(_) => {
                Err(OpenError::foreign(&path))
            }
            Content::Headless => Err(OpenError::Damaged { path, why: "its header is gone".to_owned() }),
        }
    }

    fn open(
        path: PathBuf,
        held: Held,
        connect: impl Fn(&Path) -> rusqlite::Result<Connection>,
    ) -> Result<Self, OpenError> {
        let open = || -> rusqlite::Result<(Connection, JournalName)> {
            let file = connect(&path)?;
            let name = Header::read(&file)?.name;
            accept(&file)?;
            Ok((file, name))
        };
        match open() {
            Ok((file, name)) => Ok(Self { path, file, name, _held: held }),
            Err(error) => Err(failed(&path, &error)),
        }
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.file
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The journal's name, with which its delivery ids begin.
    #[must_use]
    pub fn name(&self) -> JournalName {
        self.name
    }

    /// The number of active sessions and of owed deliveries, among those that [`sessions`](Self::sessions) and
    /// [`deliveries`](Self::deliveries) list.
    pub(crate) fn unfinished(&self) -> Result<(u64, u64), OpenError> {
        let sql = "SELECT (SELECT count(*) FROM session s WHERE ended_run IS NULL
                           AND NOT EXISTS (SELECT 1 FROM run WHERE id = s.run AND drain_reason IS NOT NULL)),
                          (SELECT count(*) FROM delivery WHERE NOT dead)";
        let counts = self.file.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)));
        let (sessions, recorded): (u64, u64) = counts.map_err(|error| self.failed(&error))?;
        let drained = unmade::all_drained(&self.file, self.name).map_err(|error| self.failed(&error))?;
        let drained = drained.into_iter().filter(|row| row.state != DeliveryState::Dead).count();
        Ok((sessions, recorded + u64::try_from(drained).unwrap_or(u64::MAX)))
    }

    /// Sessions that are active, in the order of their starts. If the program is not running, these are
    /// the sessions that its next start recovers. Sessions that a drain has ended are not among them.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn sessions(&self) -> Result<Vec<SessionRow>, OpenError> {
        rows::sessions(&self.file).map_err(|error| self.failed(&error))
    }

    /// Deliveries that were not made, by session and event.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn deliveries(&self) -> Result<Vec<DeliveryRow>, OpenError> {
        unmade::all(&self.file, self.name).map_err(|error| self.failed(&error))
    }

    /// A page of the deliveries that were not made.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn deliveries_page(&self, filter: &DeliveryFilter, page: &PageRequest) -> Result<DeliveryPage, OpenError> {
        unmade::page(&self.file, self.name, DrainedEnds::Listed, filter, page).map_err(|error| self.failed(&error))
    }

    /// Makes deliveries that were given up owed again, with no failures: the next start tries them.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn redeliver(&mut self, ids: &[DeliveryId]) -> Result<Vec<Changed>, OpenError> {
        self.change_each(ids, DeliveryChange::Redeliver)
    }

    /// Forgets deliveries: they will not be made any more.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn forget(&mut self, ids: &[DeliveryId]) -> Result<Vec<Changed>, OpenError> {
        self.change_each(ids, DeliveryChange::Forget)
    }

    /// Erases the data of a session or of a tenant: sessions with their facts, events, `op_id`s, and the values that plugins have stored
    /// for the tenant. With `drop_owed` it also erases deliveries that are still owed. It migrates a file of an earlier version if there
    /// is something to erase.
    ///
    /// # Errors
    /// When the file cannot be written, or when there is no room for a copy of it. Rows that were erased by then stay erased, and their
    /// bytes may stay in the file until the next erasure.
    pub fn erase(&mut self, target: ErasureTarget<'_>, drop_owed: bool) -> Result<Erasure, OpenError> {
        let path = self.path.clone();
        let failed = |error: rusqlite::Error| failed(&path, &error);
        let found = schema::version(&self.file).map_err(failed)?;
        let is_meant =
            |tenant: &str, id: &str| tenant == target.tenant && target.session.is_none_or(|session| session == id);
        let active = self.sessions()?.into_iter().map(|row| row.session.identity);
        let active = active.filter(|identity| is_meant(&identity.tenant, &identity.id)).count();
        let owed = self.deliveries()?.into_iter().filter(|row| row.state != DeliveryState::Dead);
        let owed = owed.filter(|row| is_meant(&row.tenant, &row.session)).count();
        if active + owed > 0 && !drop_owed {
            let [active, owed] = [active, owed].map(|count| u64::try_from(count).unwrap_or(u64::MAX));
            return Ok(Erasure::StillOwed { active, owed });
        }
        let aside = replacement::asides(&path).unwrap_or_default();
        if found < SCHEMA_VERSION {
            // No program that erases has written this file, so no earlier erasure left bytes in it.
            if !erase::has_any(&self.file, target, found).map_err(failed)? {
                return Ok(Erasure::Done { erased: Erased::default(), aside });
            }
            schema::migrate(&mut self.file, found).map_err(|failure| failure.at(&path))?;
        }
        let erased = erase::erase(&mut self.file, target).map_err(failed)?;
        // Scrubs although no row was found, because the last erasure may have had no room for it.
        if !erase::scrub(&self.file).map_err(failed)? {
            return Err(OpenError::BeingRead { path });
        }
        Ok(Erasure::Done { erased, aside })
    }

    /// Changes all of them or none, in one transaction.
    fn change_each(&mut self, ids: &[DeliveryId], what: DeliveryChange) -> Result<Vec<Changed>, OpenError> {
        let journal = self.name;
        let change = |file: &mut Connection| {
            let transaction = file.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let of_this = |id: &DeliveryId| id.journal == journal;
            let changed = change_outside_of_runs(&transaction, what, ids.iter().map(|id| of_this(id).then_some(id)))?;
            transaction.commit()?;
            Ok(changed)
        };
        change(&mut self.file).map_err(|error: rusqlite::Error| failed(&self.path, &error))
    }

    /// The writes that were set aside, oldest first: the newest [`RETAINED_SET_ASIDE`](crate::RETAINED_SET_ASIDE).
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn set_aside(&self) -> Result<Vec<SetAsideRow>, OpenError> {
        let version = schema::version(&self.file).map_err(|error| self.failed(&error))?;
        if version < FIRST_WITH_SET_ASIDE {
            return Ok(Vec::new());
        }
        self.rows("SELECT at, tenant, session, what, why FROM set_aside ORDER BY number", |row| {
            Ok(SetAsideRow {
                at: Timestamp::from_millisecond(row.get(0)?),
                tenant: row.get(1)?,
                session: row.get(2)?,
                what: row.get(3)?,
                why: row.get(4)?,
            })
        })
    }

    /// Checks the file. Gives a line for each fault, and none if the file is whole.
    ///
    /// # Errors
    /// When the file cannot be read at all.
    pub fn check(&self) -> Result<Vec<String>, OpenError> {
        let found = self.rows("PRAGMA integrity_check", |row| row.get::<_, String>(0));
        let mut problems = match found {
            Ok(found) => found,
            // A file that SQLite cannot walk through is an answer too.
            Err(OpenError::Damaged { why, .. }) => {
                damage_note::write(&self.path);
                return Ok(vec![why]);
            }
            Err(error) => return Err(error),
        };
        problems.retain(|line| line != "ok");
        let lost = "SELECT 'delivery ' || sequence || '/' || event || ' is of no session' FROM delivery
                    WHERE sequence NOT IN (SELECT sequence FROM session)";
        problems.extend(self.rows(lost, |row| row.get::<_, String>(0))?);
        let version = schema::version(&self.file).map_err(|error| self.failed(&error))?;
        if version >= FIRST_WITH_CLEAN_ENDS {
            let odd = "SELECT 'run ' || id || ' ended at ' || quote(ended_at) || ', which is no time' FROM run
                       WHERE ended_at IS NOT NULL AND typeof(ended_at) <> 'integer'";
            problems.extend(self.rows(odd, |row| row.get::<_, String>(0))?);
        }
        // Reads the sessions and deliveries as the next start of the program does.
        for problem in [self.sessions().err(), self.deliveries().err()].into_iter().flatten() {
            problems.push(problem.to_string());
        }
        if !problems.is_empty() {
            damage_note::write(&self.path);
        }
        Ok(problems)
    }

    /// Returns unused space to the file system. Gives the sizes before and after, in bytes.
    ///
    /// # Errors
    /// When there is no room for a copy, or the file cannot be written.
    pub fn compact(&mut self) -> Result<(u64, u64), OpenError> {
        let size = || std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len());
        let run = |sql: &str| self.file.execute_batch(sql).map_err(|error| self.failed(&error));
        // Pages that only the log has do not count in the file's size.
        run("PRAGMA wal_checkpoint(TRUNCATE)")?;
        let before = size();
        // The copy is as large as the file, so it does not go into memory.
        run("PRAGMA temp_store = FILE; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")?;
        Ok((before, size()))
    }

    /// Writes the journal's name, the active sessions, and all deliveries that were not made, dead ones too: one JSON object a line.
    ///
    /// # Errors
    /// When the file cannot be read, or `out` cannot be written.
    pub fn export(&self, out: &mut impl Write) -> Result<(), OpenError> {
        let unusable = |source| OpenError::Unusable { path: "the output".into(), source };
        let mut export = Export::begin(out, self.name, None).map_err(unusable)?;
        export.sessions(self.sessions()?).map_err(unusable)?;
        export.deliveries(self.deliveries()?).map_err(unusable)
    }

    fn rows<T>(&self, sql: &str, read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>) -> Result<Vec<T>, OpenError> {
        rows::rows(&self.file, sql, read).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &rusqlite::Error) -> OpenError {
        failed(&self.path, error)
    }
}

/// The error for an operator's command on the journal at `path`.
fn failed(path: &Path, error: &rusqlite::Error) -> OpenError {
    if is_damage(error) {
        return OpenError::Damaged { path: path.to_owned(), why: error.to_string() };
    }
    OpenError::sqlite(path, error)
}
