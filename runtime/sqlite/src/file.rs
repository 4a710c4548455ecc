//! A journal file as an operator sees it: to look at while a program runs, and to change while none does.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use lastword_events::{DeliveryId, EventKey, JournalName, PluginName, Session, Timestamp};
use lastword_journal::state::serving;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

use crate::connect::{accept, connect, read_only};
use crate::content::{Content, examine};
use crate::erase::{Erased, Whose};
use crate::error::{OpenError, is_damage};
use crate::lock::Lock;
use crate::name::the_file;
use crate::open_file::OpenFile;
use crate::recover::{self, from_json, parsed};
use crate::tables::{DEAD, DELIVERED};
use crate::{SCHEMA_VERSION, damage_note, erase, migrate, salvage, suspects};

/// The first version of the schema with a table for what was set aside.
const FIRST_WITH_SET_ASIDE: u32 = 5;

/// A session that is active, or whose end is not written down yet.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SessionRow {
    /// Its number.
    pub sequence: u64,
    /// All that is known of it.
    #[serde(flatten)]
    pub session: Session,
    /// How many compaction events it has had.
    pub compactions: u32,
}

/// What a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// It goes out at the next start, or is being tried again.
    Owed,
    /// Given up: it waits for [`JournalFile::redeliver`] or [`JournalFile::forget`].
    Dead,
    /// Its plugin was not installed for its tenant when the program last started.
    Orphaned,
}

/// A delivery that was not made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeliveryRow {
    /// Its id.
    pub delivery: DeliveryId,
    /// What it is.
    pub state: DeliveryState,
    /// Whose session.
    pub tenant: String,
    /// Which session.
    pub session: String,
    /// Which of its runs.
    pub generation: u32,
    /// Why the session ended, if it has.
    pub reason: Option<String>,
    /// The number of the last attempt that is written down.
    pub attempt: u32,
    /// Recorded failures.
    pub failures: u32,
    /// Newer events of the session id have gone ahead of it.
    pub late: bool,
    /// When it is tried again, if a program runs that long.
    pub retry_at: Option<Timestamp>,
    /// The last failure's cause.
    pub cause: Option<String>,
    /// The last failure's message.
    pub message: Option<String>,
}

/// Something that could not be recorded by itself. What it was about is owed, or active, as it was before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SetAsideRow {
    /// When.
    pub at: Timestamp,
    /// Whose it was; empty when it was nobody's.
    pub tenant: String,
    /// Of which session; empty when of none.
    pub session: String,
    /// All that is known of it, as JSON.
    pub what: String,
    /// What SQLite said.
    pub why: String,
}

/// What [`JournalFile::redeliver`] or [`JournalFile::forget`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// What was asked.
    Done,
    /// Nothing: it is owed already.
    AlreadyOwed,
    /// Nothing: the journal has no such delivery; it was made, or never was.
    Unknown,
}

/// What [`JournalFile::erase`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Erasure {
    /// What was asked. Nothing of it is in the journal's files any more.
    Done {
        /// What it was.
        erased: Erased,
        /// Damaged journals of this name that were kept aside, and may have more of it.
        aside: Vec<PathBuf>,
    },
    /// Nothing: somebody is still to be told of it.
    StillOwed {
        /// Sessions that are active: their ends will be owed.
        active: u64,
        /// Deliveries that are owed, dead ones aside.
        owed: u64,
    },
}

/// An open file.
#[derive(Debug)]
pub struct JournalFile {
    path: PathBuf,
    file: Connection,
    name: JournalName,
    // Last, because fields are dropped in their order: SQLite closes the file first.
    _held: Held,
}

/// What keeps the file open, see [`OpenFile`].
#[derive(Debug)]
enum Held {
    Open(#[expect(dead_code, reason = "held, not read")] OpenFile),
    /// While it may be changed.
    Locked(#[expect(dead_code, reason = "held, not read")] Lock),
}

impl JournalFile {
    /// Opens a journal to look at it; a program may be using it.
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
        let missing = || OpenError::Missing { path: path.to_owned() };
        let file = OpenFile::open(path)?.ok_or_else(missing)?;
        let path = the_file(path);
        match examine(&file, &path)? {
            Content::Journal => Ok((file, path)),
            Content::Nothing => Err(OpenError::NotOurs { path }),
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
            let name = recover::header(&file)?.name;
            accept(&file)?;
            Ok((file, name))
        };
        match open() {
            Ok((file, name)) => Ok(Self { path, file, name, _held: held }),
            Err(error) => Err(trouble(&path, &error)),
        }
    }

    /// The journal's name, with which its delivery ids begin.
    #[must_use]
    pub fn name(&self) -> JournalName {
        self.name
    }

    /// How many sessions are active, and how many deliveries are owed: of those that [`sessions`](Self::sessions) and
    /// [`deliveries`](Self::deliveries) list.
    pub(super) fn unfinished(&self) -> Result<(u64, u64), OpenError> {
        let sql = "SELECT (SELECT count(*) FROM session s WHERE ended_run IS NULL
                           AND NOT EXISTS (SELECT 1 FROM run WHERE id = s.run AND drain_reason IS NOT NULL)),
                          (SELECT count(*) FROM delivery WHERE NOT dead)";
        let counts = self.file.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)));
        let (sessions, recorded): (u64, u64) = counts.map_err(|error| trouble(&self.path, &error))?;
        let drained = self.drained()?.into_iter().filter(|row| row.state != DeliveryState::Dead).count();
        Ok((sessions, recorded + u64::try_from(drained).unwrap_or(u64::MAX)))
    }

    /// Sessions that are active, in the order of their starts. Of a program that is not running any more, those whose end
    /// its next start will tell of as crashed; the ones that a drain has ended are not among them.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn sessions(&self) -> Result<Vec<SessionRow>, OpenError> {
        let sql = "SELECT sequence, facts, compactions FROM session s WHERE ended_run IS NULL
                   AND NOT EXISTS (SELECT 1 FROM run WHERE id = s.run AND drain_reason IS NOT NULL)
                   ORDER BY sequence";
        self.rows(sql, |row| {
            Ok(SessionRow { sequence: row.get(0)?, session: from_json(row, 1)?, compactions: row.get(2)? })
        })
    }

    /// Deliveries that were not made, by session and event.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn deliveries(&self) -> Result<Vec<DeliveryRow>, OpenError> {
        let sql = "SELECT d.sequence, d.event, p.name, d.dead, d.orphaned, s.tenant, s.id, s.generation, s.reason,
                          d.attempt, d.failures, d.late, d.retry_at, d.cause, d.message
                   FROM delivery d JOIN plugin p ON p.id = d.plugin JOIN session s ON s.sequence = d.sequence";
        let mut rows = self.rows(sql, |row| {
            let (dead, orphaned): (bool, bool) = (row.get(3)?, row.get(4)?);
            Ok(DeliveryRow {
                delivery: self.id(row.get(0)?, parsed(row, 1)?, parsed(row, 2)?),
                state: match (dead, orphaned) {
                    (true, _) => DeliveryState::Dead,
                    (false, true) => DeliveryState::Orphaned,
                    (false, false) => DeliveryState::Owed,
                },
                tenant: row.get(5)?,
                session: row.get(6)?,
                generation: row.get(7)?,
                reason: row.get(8)?,
                attempt: row.get(9)?,
                failures: row.get(10)?,
                late: row.get(11)?,
                retry_at: row.get::<_, Option<i64>>(12)?.map(Timestamp::from_millisecond),
                cause: row.get(13)?,
                message: row.get(14)?,
            })
        })?;
        rows.extend(self.drained()?);
        rows.sort_by(|a, b| a.delivery.cmp(&b.delivery));
        Ok(rows)
    }

    /// Ends that a drain could not make, of sessions whose end the next start will write down.
    fn drained(&self) -> Result<Vec<DeliveryRow>, OpenError> {
        type Tried = (u8, u32, u32, Option<String>, Option<String>);
        let sql = "SELECT d.sequence, p.name, d.state, d.attempt, d.failures, d.cause, d.message
                   FROM drained d JOIN plugin p ON p.id = d.plugin";
        let tried: HashMap<(u64, PluginName), Tried> = self
            .rows(sql, |row| {
                let key = (row.get(0)?, parsed(row, 1)?);
                Ok((key, (row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?)))
            })?
            .into_iter()
            .collect();
        let sql = "SELECT s.sequence, s.tenant, s.id, s.generation, s.started, r.drain_reason, r.plugins
                   FROM session s JOIN run r ON r.id = s.run AND r.drain_reason IS NOT NULL
                   WHERE s.ended_run IS NULL";
        let sessions = self.rows(sql, |row| {
            let (sequence, tenant): (u64, String) = (row.get(0)?, row.get(1)?);
            let installed = installed_for(row, &tenant)?;
            let mut owed = installed.clone();
            if row.get::<_, Option<String>>(4)?.is_some() {
                owed.extend(from_json::<Vec<PluginName>>(row, 4)?);
            }
            let mut seen = HashSet::new();
            owed.retain(|plugin| seen.insert(plugin.clone()));
            let mut rows = Vec::new();
            for plugin in owed {
                let tried = tried.get(&(sequence, plugin.clone())).cloned();
                let (state, attempt, failures, cause, message) = tried.unwrap_or((u8::MAX, 0, 0, None, None));
                if state != DELIVERED {
                    rows.push(DeliveryRow {
                        state: match state {
                            DEAD => DeliveryState::Dead,
                            _ if installed.contains(&plugin) => DeliveryState::Owed,
                            _ => DeliveryState::Orphaned,
                        },
                        delivery: self.id(sequence, EventKey::End, plugin),
                        tenant: tenant.clone(),
                        session: row.get(2)?,
                        generation: row.get(3)?,
                        reason: row.get(5)?,
                        attempt,
                        failures,
                        late: false,
                        retry_at: None,
                        cause,
                        message,
                    });
                }
            }
            Ok(rows)
        })?;
        Ok(sessions.into_iter().flatten().collect())
    }

    /// Makes deliveries that were given up owed again, with no failures: the next start tries them.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn redeliver(&mut self, ids: &[DeliveryId]) -> Result<Vec<Changed>, OpenError> {
        self.change_each(
            ids,
            "UPDATE delivery SET dead = 0, failures = 0, retry_at = NULL, late = 1 WHERE sequence = ?1 AND event = ?2 AND plugin = ?3
             AND dead",
            "UPDATE drained SET state = 1, failures = 0 WHERE sequence = ?1 AND ?2 = 'session-end' AND plugin = ?3
             AND state = 2",
        )
    }

    /// Forgets deliveries: nobody will be told of them any more.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn forget(&mut self, ids: &[DeliveryId]) -> Result<Vec<Changed>, OpenError> {
        self.change_each(
            ids,
            "DELETE FROM delivery WHERE sequence = ?1 AND event = ?2 AND plugin = ?3",
            "INSERT INTO drained (sequence, plugin, run, attempt, state)
             SELECT sequence, ?3, run, 0, 0 FROM session WHERE sequence = ?1 AND ?2 = 'session-end' AND ended_run IS NULL
             ON CONFLICT (sequence, plugin) DO UPDATE SET state = 0",
        )
    }

    /// Erases what the journal keeps of a session, or of a tenant: sessions with all that is known of them, events, names of
    /// lines, and what plugins have stored for the tenant. With `drop_owed` also what somebody is still to be told of. A file of
    /// an earlier version is migrated if there is something to erase.
    ///
    /// # Errors
    /// When the file cannot be written, or there is no room for a copy of it; what was erased by then stays so, and may still
    /// have bytes in the file until this is done again.
    pub fn erase(&mut self, whose: Whose<'_>, drop_owed: bool) -> Result<Erasure, OpenError> {
        let path = self.path.clone();
        let failed = |error: &rusqlite::Error| trouble(&path, error);
        let found = recover::version(&self.file).map_err(|error| failed(&error))?;
        let is_meant =
            |tenant: &str, id: &str| tenant == whose.tenant && whose.session.is_none_or(|session| session == id);
        let active = self.sessions()?.into_iter().map(|row| row.session.identity);
        let active = active.filter(|identity| is_meant(&identity.tenant, &identity.id)).count();
        let owed = self.deliveries()?.into_iter().filter(|row| row.state != DeliveryState::Dead);
        let owed = owed.filter(|row| is_meant(&row.tenant, &row.session)).count();
        if active + owed > 0 && !drop_owed {
            let [active, owed] = [active, owed].map(|count| u64::try_from(count).unwrap_or(u64::MAX));
            return Ok(Erasure::StillOwed { active, owed });
        }
        let aside = salvage::asides(&path).unwrap_or_default();
        if found < SCHEMA_VERSION {
            // No program that erases has had this file: nothing is left over from a time before.
            if !erase::has_any(&self.file, whose, found).map_err(|error| failed(&error))? {
                return Ok(Erasure::Done { erased: Erased::default(), aside });
            }
            migrate::migrate(&mut self.file, found).map_err(|trouble| trouble.at(&path))?;
        }
        let erased = erase::erase(&mut self.file, whose).map_err(|error| failed(&error))?;
        // Also when nothing was found: the last time there may have been no room.
        if !erase::scrub(&self.file).map_err(|error| failed(&error))? {
            return Err(OpenError::BeingRead { path });
        }
        Ok(Erasure::Done { erased, aside })
    }

    /// All of them or none, in one transaction.
    fn change_each(&mut self, ids: &[DeliveryId], recorded: &str, drained: &str) -> Result<Vec<Changed>, OpenError> {
        let known: HashSet<DeliveryId> = self.deliveries()?.into_iter().map(|row| row.delivery).collect();
        let path = self.path.clone();
        let mut change = || -> rusqlite::Result<Vec<Changed>> {
            let transaction = self.file.transaction()?;
            let mut changed = Vec::new();
            for id in ids {
                if !known.contains(id) {
                    changed.push(Changed::Unknown);
                    continue;
                }
                let plugin: Option<i64> = transaction
                    .query_row("SELECT id FROM plugin WHERE name = ?1", [id.plugin.as_str()], |row| row.get(0))
                    .optional()?;
                let plugin = match plugin {
                    Some(plugin) => plugin,
                    None => {
                        transaction.execute("INSERT INTO plugin (name) VALUES (?1)", [id.plugin.as_str()])?;
                        transaction.last_insert_rowid()
                    }
                };
                let key = params![id.sequence, id.event.to_string(), plugin];
                let mut rows = transaction.execute(recorded, key)?;
                // It begins with a clean record.
                suspects::clear(&transaction, &id.into())?;
                if rows == 0 {
                    rows = transaction.execute(drained, params![id.sequence, id.event.to_string(), plugin])?;
                }
                changed.push(if rows > 0 { Changed::Done } else { Changed::AlreadyOwed });
            }
            transaction.commit()?;
            Ok(changed)
        };
        change().map_err(|error| trouble(&path, &error))
    }

    /// What was set aside, in the order in which it was: the newest [`RETAINED_SET_ASIDE`](crate::RETAINED_SET_ASIDE).
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn set_aside(&self) -> Result<Vec<SetAsideRow>, OpenError> {
        let version = recover::version(&self.file).map_err(|error| trouble(&self.path, &error))?;
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

    /// What is wrong with the file; nothing, if it is whole.
    ///
    /// # Errors
    /// When it cannot be read at all.
    pub fn check(&self) -> Result<Vec<String>, OpenError> {
        let found = self.rows("PRAGMA integrity_check", |row| row.get::<_, String>(0));
        let mut problems = match found {
            Ok(found) => found,
            // What SQLite cannot walk through is its answer.
            Err(OpenError::Damaged { why, .. }) => {
                damage_note::leave(&self.path);
                return Ok(vec![why]);
            }
            Err(error) => return Err(error),
        };
        problems.retain(|line| line != "ok");
        let lost = "SELECT 'delivery ' || sequence || '/' || event || ' is of no session' FROM delivery
                    WHERE sequence NOT IN (SELECT sequence FROM session)";
        problems.extend(self.rows(lost, |row| row.get::<_, String>(0))?);
        // Values that the program could not read at its next start.
        for problem in [self.sessions().err(), self.deliveries().err()].into_iter().flatten() {
            problems.push(problem.to_string());
        }
        if !problems.is_empty() {
            damage_note::leave(&self.path);
        }
        Ok(problems)
    }

    /// Gives space that is not used any more back to the file system. Returns the sizes before and after, in bytes.
    ///
    /// # Errors
    /// When there is no room for a copy, or the file cannot be written.
    pub fn compact(&mut self) -> Result<(u64, u64), OpenError> {
        let size = || std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len());
        let run = |sql: &str| self.file.execute_batch(sql).map_err(|error| trouble(&self.path, &error));
        // What is in the log only is not in the file's size.
        run("PRAGMA wal_checkpoint(TRUNCATE)")?;
        let before = size();
        // The copy is as large as the file: not in memory.
        run("PRAGMA temp_store = FILE; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")?;
        Ok((before, size()))
    }

    /// Everything that is active or owed, one JSON object a line.
    ///
    /// # Errors
    /// When the file cannot be read, or `out` not written.
    pub fn export(&self, out: &mut impl Write) -> Result<(), OpenError> {
        let unusable = |source| OpenError::Unusable { path: "the output".into(), source };
        let line = |out: &mut dyn Write, value: serde_json::Value| writeln!(out, "{value}").map_err(unusable);
        line(out, serde_json::json!({ "journal": self.name }))?;
        for session in self.sessions()? {
            line(out, serde_json::json!({ "session": session }))?;
        }
        for delivery in self.deliveries()? {
            line(out, serde_json::json!({ "delivery": delivery }))?;
        }
        Ok(())
    }

    fn id(&self, sequence: u64, event: EventKey, plugin: PluginName) -> DeliveryId {
        DeliveryId { journal: self.name, sequence, event, plugin }
    }

    fn rows<T>(&self, sql: &str, read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>) -> Result<Vec<T>, OpenError> {
        let rows = || self.file.prepare(sql)?.query_map([], read)?.collect::<rusqlite::Result<Vec<T>>>();
        rows().map_err(|error| trouble(&self.path, &error))
    }
}

/// Plugins that served `tenant` in the run whose row this is.
fn installed_for(row: &Row<'_>, tenant: &str) -> rusqlite::Result<Vec<PluginName>> {
    if !recover::has(row, 6)? {
        return Ok(Vec::new());
    }
    let installed: Vec<(PluginName, Option<Vec<String>>)> = from_json(row, 6)?;
    Ok(serving(&installed, tenant))
}

fn trouble(path: &Path, error: &rusqlite::Error) -> OpenError {
    if is_damage(error) {
        return OpenError::Damaged { path: path.to_owned(), why: error.to_string() };
    }
    OpenError::sqlite(path, error)
}
