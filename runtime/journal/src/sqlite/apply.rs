//! What each write does to the tables. All of it inside the writer's transaction.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use lastword_events::{Event, EventKey, Hook, Identity, PluginName, Session, Timestamp, key_value_bytes};
use rusqlite::{Connection, OptionalExtension, params};

use super::error::impossible;
use super::read;
use super::recent_ends;
use super::recover::MAX_COUNT;
use super::suspects;
use super::text::json;
use crate::{
    Completion, DeliveryKey, JournalError, KeyValueWrites, RETAINED_OP_IDS, Settlement, Write, Written, serving,
};

/// States in `drained`.
pub(super) const DELIVERED: u8 = 0;
pub(super) const OWED: u8 = 1;
pub(super) const DEAD: u8 = 2;

/// How often the oldest `op_id`s are forgotten: each so many new ones.
const OP_IDS_AT_ONCE: i64 = 1_000;

type Installed = Vec<(PluginName, Option<Vec<Arc<str>>>)>;

/// What the writer knows besides the file.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) run: u32,
    pub(super) next_sequence: u64,
    /// Sessions below it were noted by an earlier run.
    pub(super) first_sequence_of_run: u64,
    /// Who is installed in this run, and for which tenants, once that was said.
    pub(super) installed: Option<Installed>,
    /// This run drains.
    pub(super) draining: bool,
    /// Row numbers of names. They never change, but one that was made in a transaction goes with it.
    pub(super) plugins: HashMap<PluginName, i64>,
    /// Ends that owners have told of since those that cannot be told again were forgotten.
    pub(super) recent_ends: u32,
    /// What was under way when runs died, until it has an outcome.
    pub(super) suspects: HashSet<DeliveryKey>,
}

/// Why a write was not carried out.
#[derive(Debug)]
pub(super) enum Failed {
    /// This one cannot be; the others of the group can.
    Refused(JournalError),
    /// The file cannot be written.
    File(rusqlite::Error),
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        // Others' writes have nothing to do with it.
        match impossible(&error) {
            Some(what) => Self::Refused(JournalError::Unavailable(format!("it was changed by something else: {what}"))),
            None => Self::File(error),
        }
    }
}

/// The file, inside a transaction.
pub(super) struct Apply<'a> {
    pub(super) file: &'a Connection,
    pub(super) known: &'a mut Known,
}

impl Apply<'_> {
    /// A session that begins is given its generation in place.
    pub(super) fn write(&mut self, write: &mut Write) -> Result<Written, Failed> {
        match write {
            Write::Start { session, event, owed, op_id } => {
                self.unless_known(&session.identity.clone(), Hook::SessionStart, op_id.as_deref(), |this| {
                    let (sequence, session) = this.next_generation(session)?;
                    this.insert_session(sequence, &session, owed, 0, None)?;
                    this.owe(sequence, EventKey::Start, event, owed)?;
                    Ok((session.generation, Written::Session { sequence, session }))
                })
            }
            Write::Renote { sequence, session, op_id } => {
                self.unless_known(&session.identity, Hook::SessionStart, op_id.as_deref(), |this| {
                    let sql =
                        "UPDATE session SET facts = ?2, run = ?3, scope = ?4 WHERE sequence = ?1 AND ended_run IS NULL";
                    let scope = &session.identity.scope;
                    this.on_active(
                        *sequence,
                        session,
                        sql,
                        params![*sequence, json(&**session), this.known.run, scope],
                    )?;
                    Ok((session.generation, Written::Done))
                })
            }
            Write::Compaction { sequence, n, session, event, owed, op_id } => {
                self.unless_known(&session.identity, Hook::SessionCompaction, op_id.as_deref(), |this| {
                    let sql = "UPDATE session SET compactions = ?2, run = ?3, facts = ?4, scope = ?5
                               WHERE sequence = ?1 AND ended_run IS NULL";
                    let (facts, scope) = (json(&**session), &session.identity.scope);
                    this.on_active(*sequence, session, sql, params![*sequence, *n, this.known.run, facts, scope])?;
                    this.owe(*sequence, event.key(*n), event, owed)?;
                    Ok((session.generation, Written::Done))
                })
            }
            Write::CompactionWithoutStart { session, event, owed, op_id } => {
                self.unless_known(&session.identity.clone(), Hook::SessionCompaction, op_id.as_deref(), |this| {
                    let (sequence, session) = this.next_generation(session)?;
                    this.insert_session(sequence, &session, &[], 1, None)?;
                    this.owe(sequence, event.key(1), event, owed)?;
                    Ok((session.generation, Written::Session { sequence, session }))
                })
            }
            Write::End { sequence, session, event, owed, received, op_id } => {
                self.unless_known(&session.identity, Hook::SessionEnd, op_id.as_deref(), |this| {
                    this.end(*sequence, session, event, owed)?;
                    if let Some(received) = received {
                        recent_ends::insert(this.file, this.known, *sequence, *received)?;
                    }
                    Ok((session.generation, Written::Done))
                })
            }
            Write::EndWithoutStart { session, event, owed, received, op_id } => {
                self.unless_known(&session.identity.clone(), Hook::SessionEnd, op_id.as_deref(), |this| {
                    let (sequence, session) = this.next_generation(session)?;
                    this.insert_session(sequence, &session, &[], 0, Some(event))?;
                    recent_ends::insert(this.file, this.known, sequence, *received)?;
                    this.owe(sequence, EventKey::End, event, owed)?;
                    Ok((session.generation, Written::Session { sequence, session }))
                })
            }
            Write::Alive { sequence } => {
                self.execute("DELETE FROM recent_end WHERE sequence = ?1", params![*sequence])?;
                Ok(Written::Done)
            }
            Write::Draining { reason, at } => {
                let sql = "UPDATE run SET drain_reason = ?2, draining_at = ?3 WHERE id = ?1 AND drain_reason IS NULL";
                self.execute(sql, params![self.known.run, reason.to_string(), at.as_millisecond()])?;
                self.known.draining = true;
                Ok(Written::Done)
            }
            Write::Installed { plugins, attaching } => {
                let sql = "UPDATE run SET plugins = ?2, attaching = ?3 WHERE id = ?1";
                self.execute(sql, params![self.known.run, json(plugins), *attaching])?;
                // Who is orphaned depends on it, and is said next.
                self.execute("UPDATE delivery SET orphaned = 0 WHERE orphaned", [])?;
                self.known.installed = Some(plugins.clone());
                Ok(Written::Done)
            }
            Write::Orphaned { delivery, late } => {
                let sql = "UPDATE delivery SET orphaned = 1, late = late OR ?4
                           WHERE sequence = ?1 AND event = ?2 AND plugin = ?3";
                let plugin = self.plugin(&delivery.plugin)?;
                self.execute(sql, params![delivery.sequence, delivery.event.to_string(), plugin, *late])?;
                Ok(Written::Done)
            }
        }
    }

    /// Carries out a write, unless a line of its kind and session has had the `op_id`, and then remembers it.
    fn unless_known(
        &mut self,
        identity: &Identity,
        kind: Hook,
        op_id: Option<&str>,
        work: impl FnOnce(&mut Self) -> Result<(u32, Written), Failed>,
    ) -> Result<Written, Failed> {
        let Some(op_id) = op_id else { return Ok(work(self)?.1) };
        if let Some(generation) = read::generation_of_op(self.file, identity, kind, op_id)? {
            return Ok(Written::DuplicateOp { generation });
        }
        let (generation, written) = work(self)?;
        let sql = "INSERT INTO op (tenant, op_id, session, kind, scope, generation) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let Identity { tenant, id, scope } = identity;
        self.execute(sql, params![tenant, op_id, id, kind.as_str(), scope, generation])?;
        let number = self.file.last_insert_rowid();
        if number % OP_IDS_AT_ONCE == 0 {
            let retained = i64::try_from(RETAINED_OP_IDS).unwrap_or(i64::MAX);
            self.execute("DELETE FROM op WHERE number <= ?1", params![number.saturating_sub(retained)])?;
        }
        Ok(written)
    }

    fn end(&mut self, sequence: u64, session: &Session, event: &Event, owed: &[PluginName]) -> Result<(), Failed> {
        let (reason, at) = end_of(event);
        // A session that a dead run left has not ended *in this run*: its owner may have resumed it without a start, and
        // the next end is then a new one.
        let sql = "UPDATE session SET facts = ?2, ended_run = run, ended_at = ?3, reason = ?4, scope = ?5
                   WHERE sequence = ?1 AND ended_run IS NULL";
        self.on_active(sequence, session, sql, params![sequence, json(session), at, reason, session.identity.scope])?;
        if sequence < self.known.first_sequence_of_run {
            return self.owe_recovered_end(sequence, session, event, owed);
        }
        self.owe(sequence, EventKey::End, event, owed)
    }

    /// The end of a session of an earlier run: what that run's drain has settled stays so. Every run since the session began
    /// may have made an attempt, its owner's noting it later or not: a drain that was killed before its first commit has
    /// left no trace.
    fn owe_recovered_end(
        &mut self,
        sequence: u64,
        session: &Session,
        event: &Event,
        owed: &[PluginName],
    ) -> Result<(), Failed> {
        let first_run: u32 = self
            .file
            .prepare_cached("SELECT first_run FROM session WHERE sequence = ?1")?
            .query_row(params![sequence], |row| row.get(0))?;
        let sql = "SELECT plugin, run, attempt, state, failures, cause, message FROM drained WHERE sequence = ?1";
        let drained: Vec<Drained> =
            self.file.prepare_cached(sql)?.query_map(params![sequence], Drained::read)?.collect::<Result<_, _>>()?;
        let run = self.known.run;
        let attempts = drained.iter().map(|one| one.attempt.saturating_add(run.saturating_sub(one.run)));
        let attempt = attempts.max().unwrap_or(0).max(run.saturating_sub(first_run));
        let body = json(event);
        for plugin in owed {
            let plugin = self.plugin(plugin)?;
            match drained.iter().find(|one| one.plugin == plugin) {
                Some(settled) if settled.state != OWED => (),
                failed => self.insert_recovered(sequence, plugin, attempt, failed, &body)?,
            }
        }
        // Nobody has to be told of these again, and an operator has to see them.
        for dead in drained.iter().filter(|one| one.state == DEAD) {
            self.insert_recovered(sequence, dead.plugin, dead.attempt, Some(dead), &body)?;
        }
        self.execute("DELETE FROM drained WHERE sequence = ?1", params![sequence])?;
        self.mark_orphaned_ends(sequence, session, owed)
    }

    /// Plugins that were sent the session's start and are gone are owed its end all the same.
    fn mark_orphaned_ends(&mut self, sequence: u64, session: &Session, owed: &[PluginName]) -> Result<(), Failed> {
        let Some(installed) = &self.known.installed else { return Ok(()) };
        let serving = serving(installed, &session.identity.tenant);
        for plugin in owed.iter().filter(|plugin| !serving.contains(plugin)) {
            let delivery = DeliveryKey { sequence, event: EventKey::End, plugin: plugin.clone() };
            self.write(&mut Write::Orphaned { delivery, late: false })?;
        }
        Ok(())
    }

    fn insert_recovered(
        &self,
        sequence: u64,
        plugin: i64,
        attempt: u32,
        drained: Option<&Drained>,
        body: &str,
    ) -> Result<(), Failed> {
        let sql = "INSERT OR REPLACE INTO delivery
                   (sequence, event, plugin, run, attempt, failures, dead, cause, message, body)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        let (failures, dead, cause, message) = match drained {
            Some(d) => (d.failures, d.state == DEAD, d.cause.as_deref(), d.message.as_deref()),
            None => (0, false, None, None),
        };
        let event = EventKey::End.to_string();
        let run = self.known.run;
        self.execute(sql, params![sequence, event, plugin, run, attempt, failures, dead, cause, message, body])?;
        Ok(())
    }

    fn owe(&mut self, sequence: u64, key: EventKey, event: &Event, owed: &[PluginName]) -> Result<(), Failed> {
        if owed.is_empty() {
            return Ok(());
        }
        let (key, body) = (key.to_string(), json(event));
        let sql = "INSERT INTO delivery (sequence, event, plugin, run, attempt, body) VALUES (?1, ?2, ?3, ?4, 0, ?5)";
        for plugin in owed {
            let plugin = self.plugin(plugin)?;
            self.execute(sql, params![sequence, key, plugin, self.known.run, body])?;
        }
        Ok(())
    }

    fn insert_session(
        &self,
        sequence: u64,
        session: &Session,
        started: &[PluginName],
        compactions: u32,
        end: Option<&Event>,
    ) -> Result<(), Failed> {
        let sql = "INSERT INTO session
                   (sequence, tenant, id, generation, run, facts, started, compactions, ended_run, ended_at, reason, first_run, scope)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?5, ?12)";
        let Session { identity: Identity { tenant, id, scope }, generation, .. } = session;
        let started = (!started.is_empty()).then(|| json(started));
        let run = self.known.run;
        let (reason, at) = end.map(end_of).unzip();
        let ended_run = end.map(|_| run);
        self.execute(
            sql,
            params![
                sequence,
                tenant,
                id,
                generation,
                run,
                json(session),
                started,
                compactions,
                ended_run,
                at,
                reason,
                scope
            ],
        )?;
        Ok(())
    }

    /// Runs a statement that changes the session's row if it is active, and refuses the write if it is not.
    fn on_active(
        &self,
        sequence: u64,
        session: &Session,
        sql: &str,
        params: impl rusqlite::Params,
    ) -> Result<(), Failed> {
        if self.execute(sql, params)? == 0 {
            return Err(Failed::Refused(JournalError::UnknownSession(sequence)));
        }
        // It may have been known without its scope, or with another.
        if !session.identity.scope.is_empty() {
            recent_ends::begins_anew(self.file, &session.identity)?;
        }
        Ok(())
    }

    fn next_generation(&mut self, session: &mut Arc<Session>) -> Result<(u64, Arc<Session>), Failed> {
        let latest = read::latest_generation(self.file, &session.identity)?.map_or(0, |(generation, _)| generation);
        if latest >= MAX_COUNT {
            // No program has written that. There is no row for one more.
            let why = format!("generation {latest} of this session id is the last there can be: was the file changed?");
            return Err(Failed::Refused(JournalError::Unavailable(why)));
        }
        if latest > 0 {
            recent_ends::begins_anew(self.file, &session.identity)?;
        }
        Arc::make_mut(session).generation = latest + 1;
        let sequence = self.known.next_sequence;
        self.known.next_sequence += 1;
        Ok((sequence, session.clone()))
    }

    /// The row of a plugin's name.
    fn plugin(&mut self, name: &PluginName) -> Result<i64, Failed> {
        if let Some(&row) = self.known.plugins.get(name) {
            return Ok(row);
        }
        let sql = "INSERT INTO plugin (name) VALUES (?1) ON CONFLICT (name) DO UPDATE SET name = name RETURNING id";
        let row = self.file.prepare_cached(sql)?.query_row(params![name.as_str()], |row| row.get(0))?;
        self.known.plugins.insert(name.clone(), row);
        Ok(row)
    }

    pub(super) fn complete(&mut self, completion: &Completion) -> Result<(), Failed> {
        let Completion { delivery, attempt, settlement, writes } = completion;
        if *settlement == Settlement::Delivered
            && let Some(writes) = writes
        {
            self.store(writes)?;
        }
        // It stays in the set: a transaction that fails is done again.
        if self.known.suspects.contains(delivery) {
            suspects::clear(self.file, delivery)?;
        }
        let DeliveryKey { sequence, event, plugin } = delivery;
        let plugin = self.plugin(plugin)?;
        let is_end = *event == EventKey::End;
        // While a drain goes on nearly every end is of this kind, and a look for the other costs as much as the write.
        if is_end && self.known.draining && self.complete_drained(*sequence, plugin, *attempt, settlement)? {
            return Ok(());
        }
        let key = params![sequence, event.to_string(), plugin];
        let changed = match settlement {
            Settlement::Delivered => {
                self.execute("DELETE FROM delivery WHERE sequence = ?1 AND event = ?2 AND plugin = ?3", key)?
            }
            Settlement::Owed { failures, late, retry_at, cause, message } => {
                let sql = "UPDATE delivery SET run = ?4, attempt = ?5, failures = ?6, late = ?7, retry_at = ?8,
                           cause = ?9, message = ?10 WHERE sequence = ?1 AND event = ?2 AND plugin = ?3";
                let (run, cause) = (self.known.run, cause.to_string());
                let retry_at = retry_at.map(Timestamp::as_millisecond);
                let event = event.to_string();
                self.execute(
                    sql,
                    params![sequence, event, plugin, run, attempt, failures, late, retry_at, cause, message],
                )?
            }
            Settlement::Dead { failures, cause, message } => {
                let sql = "UPDATE delivery SET run = ?4, attempt = ?5, failures = ?6, dead = 1, retry_at = NULL,
                           cause = ?7, message = ?8 WHERE sequence = ?1 AND event = ?2 AND plugin = ?3";
                let (run, cause, event) = (self.known.run, cause.to_string(), event.to_string());
                self.execute(sql, params![sequence, event, plugin, run, attempt, failures, cause, message])?
            }
        };
        if changed == 0 && is_end && !self.known.draining {
            self.complete_drained(*sequence, plugin, *attempt, settlement)?;
        }
        Ok(())
    }

    /// An end that a drain made, of a session whose end is not written down. False when it is.
    fn complete_drained(
        &self,
        sequence: u64,
        plugin: i64,
        attempt: u32,
        settlement: &Settlement,
    ) -> Result<bool, Failed> {
        // The index is small and in memory when the sessions themselves are not.
        let sql = "INSERT OR REPLACE INTO drained (sequence, plugin, run, attempt, state, failures, cause, message)
                   SELECT sequence, ?2, ?3, ?4, ?5, ?6, ?7, ?8 FROM session INDEXED BY session_active
                   WHERE sequence = ?1 AND ended_run IS NULL";
        let (state, failures, why) = match settlement {
            Settlement::Delivered => (DELIVERED, 0, None),
            Settlement::Owed { failures, cause, message, .. } => (OWED, *failures, Some((cause, message))),
            Settlement::Dead { failures, cause, message } => (DEAD, *failures, Some((cause, message))),
        };
        let (cause, message) = why.map(|(cause, message)| (cause.to_string(), message)).unzip();
        let run = self.known.run;
        Ok(self.execute(sql, params![sequence, plugin, run, attempt, state, failures, cause, message])? > 0)
    }

    /// What a delivered call wrote.
    fn store(&self, KeyValueWrites { space, writes }: &KeyValueWrites) -> Result<(), Failed> {
        let sql = "INSERT INTO space (tenant, plugin, bytes) VALUES (?1, ?2, 0)
                   ON CONFLICT (tenant, plugin) DO UPDATE SET bytes = bytes RETURNING id";
        let id: i64 =
            self.file.prepare_cached(sql)?.query_row(params![space.tenant, space.plugin.as_str()], |row| row.get(0))?;
        let mut growth = 0i64;
        let size = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        for write in writes {
            let old: Option<u64> = self
                .file
                .prepare_cached("SELECT length(value) FROM key_value WHERE space = ?1 AND key = ?2")?
                .query_row(params![id, write.key], |row| row.get(0))
                .optional()?;
            growth -= old.map_or(0, |bytes| size(key_value_bytes(&write.key, &[]) + bytes));
            match &write.value {
                Some(value) => {
                    growth += size(key_value_bytes(&write.key, value));
                    let sql = "INSERT INTO key_value (space, key, value) VALUES (?1, ?2, ?3)
                               ON CONFLICT (space, key) DO UPDATE SET value = excluded.value";
                    self.execute(sql, params![id, write.key, value])?;
                }
                None => {
                    self.execute("DELETE FROM key_value WHERE space = ?1 AND key = ?2", params![id, write.key])?;
                }
            }
        }
        self.execute("UPDATE space SET bytes = bytes + ?2 WHERE id = ?1", params![id, growth])?;
        Ok(())
    }

    fn execute(&self, sql: &str, params: impl rusqlite::Params) -> rusqlite::Result<usize> {
        self.file.prepare_cached(sql)?.execute(params)
    }
}

/// Why and when, for the columns that operators look at.
fn end_of(event: &Event) -> (Option<String>, Option<i64>) {
    match event {
        Event::End(end) => (Some(end.reason.as_str().to_owned()), Some(end.ended_at.as_millisecond())),
        Event::Start(_) | Event::Compaction(_) => (None, None),
    }
}

struct Drained {
    plugin: i64,
    run: u32,
    attempt: u32,
    state: u8,
    failures: u32,
    cause: Option<String>,
    message: Option<String>,
}

impl Drained {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            plugin: row.get(0)?,
            run: row.get(1)?,
            attempt: row.get(2)?,
            state: row.get(3)?,
            failures: row.get(4)?,
            cause: row.get(5)?,
            message: row.get(6)?,
        })
    }
}
