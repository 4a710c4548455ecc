//! The rows of the file. The transition reads and writes them inside the writer's transaction.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use lastword_events::{DrainReason, Event, EventKey, Hook, Identity, PluginName, Session, Timestamp};
use lastword_journal::state::{
    self, Attempts, CleanRuns, EndedSession, ForgottenGenerations, Installed, NewSession, RecordedEvent, Resolved,
    Tables, Unmade,
};
use lastword_journal::{DeliveryKey, JournalError, PendingDelivery, Receipt, Settlement};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::row::{from_json, json};
use crate::sqlite_error::impossible;
use crate::tables::{drained, generations, key_values, ops, recent_ends, suspects};
use crate::unmade;

/// The facts of this run that the writer keeps in memory, beside the file.
#[derive(Debug)]
pub(crate) struct RunState {
    run: u32,
    /// Earlier runs that ended cleanly.
    clean: CleanRuns,
    next_sequence: u64,
    /// The number of this run's first session. Sessions with lower numbers began in an earlier run.
    first_sequence_of_run: u64,
    /// The plugins installed in this run, with their tenants. `None` until the runtime has said them.
    installed: Option<Installed>,
    /// Whether this run drains.
    draining: bool,
    /// Whether this run may have written to `drained`.
    has_drained_ends: bool,
    /// Row numbers of names. They never change, but a row that a transaction inserted goes when the transaction is rolled back.
    plugins: HashMap<PluginName, i64>,
    /// Generations of ids that have no row.
    forgotten: ForgottenGenerations,
    /// When the rows of `recent_end` were received.
    receipts: recent_ends::Receipts,
    /// Deliveries that were under way when runs died, until each has an outcome.
    suspects: HashSet<DeliveryKey>,
    /// The outcome of some call of this run is not on record and never will be. So the run does not end cleanly.
    lacks_outcomes: bool,
}

impl RunState {
    /// The state of run `run` as it begins. Of the earlier runs, those in `clean` ended cleanly. The deliveries in `suspects` were under
    /// way when runs died.
    pub(crate) fn new(
        (run, clean): (u32, CleanRuns),
        next_sequence: u64,
        forgotten: ForgottenGenerations,
        suspects: HashSet<DeliveryKey>,
    ) -> Self {
        Self {
            run,
            clean,
            next_sequence,
            first_sequence_of_run: next_sequence,
            installed: None,
            draining: false,
            has_drained_ends: false,
            plugins: HashMap::new(),
            forgotten,
            receipts: recent_ends::Receipts::default(),
            suspects,
            lacks_outcomes: false,
        }
    }

    /// The state for an operator who changes a file that no program uses.
    pub(crate) fn outside_of_runs() -> Self {
        Self::new((0, CleanRuns::default()), 0, ForgottenGenerations::default(), HashSet::new())
    }

    pub(crate) fn run(&self) -> u32 {
        self.run
    }

    pub(crate) fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining
    }

    /// Generations of ids that have no row. Code that removes rows adds to them.
    pub(crate) fn forgotten_mut(&mut self) -> &mut ForgottenGenerations {
        &mut self.forgotten
    }

    /// Notes that an outcome cannot be recorded, whatever the disk does.
    pub(crate) fn lacks_outcome(&mut self) {
        self.lacks_outcomes = true;
    }

    /// Notes that a transaction was rolled back, and its rows with it.
    pub(crate) fn rolled_back(&mut self) {
        self.plugins.clear();
    }
}

/// Why a write was not carried out.
#[derive(Debug)]
pub(crate) enum Failed {
    /// This write cannot be carried out. The others of the group can.
    Refused(JournalError),
    /// The file cannot be written.
    File(rusqlite::Error),
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        // The writes of others have nothing to do with this error.
        match impossible(&error) {
            Some(what) => Self::Refused(JournalError::Damaged(format!("it was changed by something else: {what}"))),
            None => Self::File(error),
        }
    }
}

impl From<JournalError> for Failed {
    fn from(error: JournalError) -> Self {
        Self::Refused(error)
    }
}

/// The file, inside a transaction.
pub(crate) struct FileTables<'a> {
    // The connection, for code that puts savepoints around changes to these tables.
    pub(super) file: &'a Connection,
    pub(super) state: &'a mut RunState,
}

impl Tables for FileTables<'_> {
    type Error = Failed;

    fn run(&self) -> u32 {
        self.state.run
    }

    fn clean_runs(&self) -> &CleanRuns {
        &self.state.clean
    }

    fn is_draining(&self) -> bool {
        self.state.draining
    }

    fn installed(&self) -> Option<&Installed> {
        self.state.installed.as_ref()
    }

    fn set_installed(&mut self, installed: &Installed, attaching: bool) -> Result<(), Failed> {
        let sql = "UPDATE run SET plugins = ?2, attaching = ?3 WHERE id = ?1";
        self.execute(sql, params![self.state.run, json(installed), attaching])?;
        // The `Orphaned` operations that follow set the marks again.
        self.execute("UPDATE delivery SET orphaned = 0 WHERE orphaned", [])?;
        self.state.installed = Some(installed.clone());
        Ok(())
    }

    fn change_installed(&mut self, installed: &Installed) -> Result<(), Failed> {
        self.execute("UPDATE run SET plugins = ?2 WHERE id = ?1", params![self.state.run, json(installed)])?;
        self.state.installed = Some(installed.clone());
        Ok(())
    }

    fn set_draining(&mut self, reason: DrainReason, at: Timestamp) -> Result<(), Failed> {
        let sql = "UPDATE run SET drain_reason = ?2, draining_at = ?3 WHERE id = ?1 AND drain_reason IS NULL";
        self.execute(sql, params![self.state.run, reason.to_string(), at.as_millisecond()])?;
        self.state.draining = true;
        Ok(())
    }

    fn generation_of_op(&self, identity: &Identity, kind: Hook, op_id: &str) -> Result<Option<u32>, Failed> {
        Ok(ops::generation(self.file, identity, kind, op_id)?)
    }

    fn insert_op(&mut self, identity: &Identity, kind: Hook, op_id: &Arc<str>, of: u32) -> Result<(), Failed> {
        Ok(ops::insert(self.file, identity, kind, op_id, of)?)
    }

    fn latest_generation(&self, identity: &Identity) -> Result<Option<u32>, Failed> {
        Ok(generations::latest(self.file, identity)?.map(|(generation, _)| generation))
    }

    fn forgotten_generations(&self) -> &ForgottenGenerations {
        &self.state.forgotten
    }

    fn next_sequence(&mut self) -> u64 {
        let sequence = self.state.next_sequence;
        self.state.next_sequence += 1;
        sequence
    }

    fn insert_session(&mut self, row: &NewSession<'_>) -> Result<(), Failed> {
        let sql = "INSERT INTO session
                   (sequence, tenant, id, generation, run, facts, started, compactions, ended_run, ended_at, reason, first_run, scope,
                    recorded_at)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?5, ?12, ?13)";
        let &NewSession { sequence, session, started, compactions, end } = row;
        let Session { identity: Identity { tenant, id, scope }, generation, .. } = &**session;
        let started = (!started.is_empty()).then(|| json(started));
        let run = self.state.run;
        let (reason, at) = end.map(end_of).unzip();
        let (ended_run, recorded_at) = end.map(|_| (run, Timestamp::now().as_millisecond())).unzip();
        let facts = json(&**session);
        let row = params![
            sequence,
            tenant,
            id,
            generation,
            run,
            facts,
            started,
            compactions,
            ended_run,
            at,
            reason,
            &**scope,
            recorded_at
        ];
        self.execute(sql, row)?;
        Ok(())
    }

    fn update_session(
        &mut self,
        sequence: u64,
        session: &Arc<Session>,
        compactions: Option<u32>,
    ) -> Result<bool, Failed> {
        let sql = "UPDATE session SET facts = ?2, run = ?3, scope = ?4, compactions = coalesce(?5, compactions)
                   WHERE sequence = ?1 AND ended_run IS NULL";
        let (facts, scope) = (json(&**session), &*session.identity.scope);
        Ok(self.execute(sql, params![sequence, facts, self.state.run, scope, compactions])? > 0)
    }

    fn remove_started(&mut self, sequence: u64, plugin: &PluginName) -> Result<(), Failed> {
        let sql = "SELECT started FROM session WHERE sequence = ?1 AND ended_run IS NULL AND started IS NOT NULL";
        let mut statement = self.file.prepare_cached(sql)?;
        let found = statement.query_row(params![sequence], |row| from_json::<Vec<PluginName>>(row, 0)).optional()?;
        let Some(mut started) = found else { return Ok(()) };
        started.retain(|one| one != plugin);
        let started = (!started.is_empty()).then(|| json(&started));
        self.execute("UPDATE session SET started = ?2 WHERE sequence = ?1", params![sequence, started])?;
        Ok(())
    }

    fn end_session(
        &mut self,
        sequence: u64,
        session: &Arc<Session>,
        event: &Event,
    ) -> Result<Option<EndedSession>, Failed> {
        let (reason, at) = end_of(event);
        // A session that a dead run left has not ended *in this run*: its owner may have resumed it without a start, and
        // the next end is then a new one.
        let sql = "UPDATE session SET facts = ?2, ended_run = run, ended_at = ?3, reason = ?4, scope = ?5,
                   recorded_at = ?6 WHERE sequence = ?1 AND ended_run IS NULL";
        let (facts, scope, recorded_at) =
            (json(&**session), &*session.identity.scope, Timestamp::now().as_millisecond());
        if self.execute(sql, params![sequence, facts, at, reason, scope, recorded_at])? == 0 {
            return Ok(None);
        }
        let is_of_this_run = sequence >= self.state.first_sequence_of_run;
        let first_run = if is_of_this_run { self.state.run } else { self.first_run(sequence)? };
        let drained = if self.state.has_drained_ends || !is_of_this_run {
            drained::take(self.file, sequence)?
        } else {
            Vec::new()
        };
        Ok(Some(EndedSession { first_run, drained }))
    }

    fn insert_deliveries<'a>(
        &mut self,
        event: &RecordedEvent<'_>,
        deliveries: impl Iterator<Item = (&'a PluginName, Attempts)>,
    ) -> Result<(), Failed> {
        let mut texts = None;
        for (plugin, before) in deliveries {
            let plugin = self.plugin(plugin)?;
            let (key, body) = texts.get_or_insert_with(|| (event.key.to_string(), json(&**event.event)));
            self.insert_delivery(event.sequence, key, plugin, &before, body)?;
        }
        Ok(())
    }

    fn settle_delivery(
        &mut self,
        delivery: &DeliveryKey,
        attempt: u32,
        settlement: &Settlement,
    ) -> Result<bool, Failed> {
        let DeliveryKey { sequence, event, plugin } = delivery;
        let (plugin, event, run) = (self.plugin(plugin)?, event.to_string(), self.state.run);
        let changed = match settlement {
            Settlement::Delivered => {
                let sql = "DELETE FROM delivery WHERE sequence = ?1 AND event = ?2 AND plugin = ?3";
                self.execute(sql, params![sequence, event, plugin])?
            }
            Settlement::Owed { failures, late, retry_at, cause, message } => {
                let sql = "UPDATE delivery SET run = ?4, attempt = ?5, failures = ?6, late = ?7, retry_at = ?8,
                           cause = ?9, message = ?10 WHERE sequence = ?1 AND event = ?2 AND plugin = ?3";
                let (cause, retry_at) = (cause.to_string(), retry_at.map(Timestamp::as_millisecond));
                self.execute(
                    sql,
                    params![sequence, event, plugin, run, attempt, failures, late, retry_at, cause, message],
                )?
            }
            Settlement::Dead { failures, cause, message } => {
                let sql = "UPDATE delivery SET run = ?4, attempt = ?5, failures = ?6, dead = 1, retry_at = NULL,
                           cause = ?7, message = ?8 WHERE sequence = ?1 AND event = ?2 AND plugin = ?3";
                let cause = cause.to_string();
                self.execute(sql, params![sequence, event, plugin, run, attempt, failures, cause, message])?
            }
        };
        Ok(changed > 0)
    }

    fn set_orphaned(&mut self, delivery: &DeliveryKey, late: bool) -> Result<(), Failed> {
        let sql = "UPDATE delivery SET orphaned = 1, late = late OR ?4
                   WHERE sequence = ?1 AND event = ?2 AND plugin = ?3";
        let plugin = self.plugin(&delivery.plugin)?;
        self.execute(sql, params![delivery.sequence, delivery.event.to_string(), plugin, late])?;
        Ok(())
    }

    fn settle_drained_end(
        &mut self,
        sequence: u64,
        plugin: &PluginName,
        attempt: u32,
        settlement: &Settlement,
    ) -> Result<bool, Failed> {
        let plugin = self.plugin(plugin)?;
        let is_active = drained::settle(self.file, self.state.run, (sequence, plugin), attempt, settlement)?;
        self.state.has_drained_ends |= is_active;
        Ok(is_active)
    }

    fn set_attempt(&mut self, delivery: &DeliveryKey, attempt: u32) -> Result<(), Failed> {
        let &DeliveryKey { sequence, event, ref plugin } = delivery;
        let (plugin, run) = (self.plugin(plugin)?, self.state.run);
        let sql = "UPDATE delivery SET run = ?4, attempt = ?5 WHERE sequence = ?1 AND event = ?2 AND plugin = ?3";
        let changed = self.execute(sql, params![sequence, event.to_string(), plugin, run, attempt])?;
        if changed == 0 && event == EventKey::End {
            self.state.has_drained_ends |= drained::set_attempt(self.file, run, (sequence, plugin), attempt)?;
        }
        Ok(())
    }

    fn set_ended(&mut self) -> Result<(), Failed> {
        if !self.state.lacks_outcomes {
            let now = Timestamp::now().as_millisecond();
            self.execute("UPDATE run SET ended_at = ?2 WHERE id = ?1", params![self.state.run, now])?;
        }
        Ok(())
    }

    fn insert_recent_end(&mut self, end: &RecordedEvent<'_>, received: Receipt) -> Result<(), Failed> {
        Ok(recent_ends::insert(self.file, &mut self.state.receipts, end.sequence, received)?)
    }

    fn remove_recent_end(&mut self, sequence: u64) -> Result<(), Failed> {
        self.execute("DELETE FROM recent_end WHERE sequence = ?1", params![sequence])?;
        Ok(())
    }

    fn remove_last_recent_end(&mut self, identity: &Identity) -> Result<(), Failed> {
        Ok(recent_ends::remove_last(self.file, identity)?)
    }

    /// Removes the suspicion from the file. It stays in memory, because a transaction that fails is carried out again.
    fn clear_suspect(&mut self, delivery: &DeliveryKey) -> Result<(), Failed> {
        if self.state.suspects.contains(delivery) {
            suspects::clear(self.file, delivery)?;
        }
        Ok(())
    }

    fn is_active(&self, sequence: u64) -> Result<bool, Failed> {
        let sql = "SELECT EXISTS (SELECT 1 FROM session WHERE sequence = ?1 AND ended_run IS NULL)";
        Ok(self.file.prepare_cached(sql)?.query_row(params![sequence], |row| row.get(0))?)
    }

    fn unmade(&self, delivery: &DeliveryKey) -> Result<Option<Unmade>, Failed> {
        Ok(unmade::unmade(self.file, delivery)?)
    }

    fn revive(&mut self, delivery: &DeliveryKey) -> Result<Option<PendingDelivery>, Failed> {
        let plugin = self.plugin(&delivery.plugin)?;
        Ok(unmade::revive(self.file, delivery, plugin, (self.state.run, &self.state.clean))?)
    }

    fn adopt(&mut self, delivery: &DeliveryKey) -> Result<Option<PendingDelivery>, Failed> {
        let plugin = self.plugin(&delivery.plugin)?;
        Ok(unmade::adopt(self.file, delivery, plugin, (self.state.run, &self.state.clean))?)
    }

    fn forget_delivery(&mut self, delivery: &DeliveryKey) -> Result<(), Failed> {
        let plugin = self.plugin(&delivery.plugin)?;
        self.state.has_drained_ends |= unmade::forget(self.file, delivery, plugin)?;
        Ok(())
    }

    fn forget_suspicion(&mut self, delivery: &DeliveryKey) -> Result<(), Failed> {
        Ok(suspects::clear(self.file, delivery)?)
    }
}

impl<'a> FileTables<'a> {
    pub(crate) fn new(file: &'a Connection, state: &'a mut RunState) -> Self {
        Self { file, state }
    }

    pub(crate) fn complete(&mut self, Resolved { completion, staged }: &Resolved) -> Result<(), Failed> {
        if let Some(staged) = staged {
            key_values::store(self.file, staged)?;
        }
        state::complete(self, completion)
    }

    /// The row of a plugin's name.
    fn plugin(&mut self, name: &PluginName) -> Result<i64, Failed> {
        if let Some(&row) = self.state.plugins.get(name) {
            return Ok(row);
        }
        let sql = "INSERT INTO plugin (name) VALUES (?1) ON CONFLICT (name) DO UPDATE SET name = name RETURNING id";
        let row = self.file.prepare_cached(sql)?.query_row(params![name.as_str()], |row| row.get(0))?;
        self.state.plugins.insert(name.clone(), row);
        Ok(row)
    }

    fn insert_delivery(
        &self,
        sequence: u64,
        event: &str,
        plugin: i64,
        before: &Attempts,
        body: &str,
    ) -> Result<(), Failed> {
        let Attempts { attempt, failures, failure, dead, run } = before;
        let run = run.unwrap_or(self.state.run);
        if *attempt == 0 && failure.is_none() {
            // Nearly all rows are new deliveries.
            let sql =
                "INSERT INTO delivery (sequence, event, plugin, run, attempt, body) VALUES (?1, ?2, ?3, ?4, 0, ?5)";
            self.execute(sql, params![sequence, event, plugin, run, body])?;
            return Ok(());
        }
        let sql = "INSERT OR REPLACE INTO delivery
                   (sequence, event, plugin, run, attempt, failures, dead, cause, message, body)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        let (cause, message) = failure.as_ref().map(|failure| (&failure.cause, &failure.message)).unzip();
        self.execute(sql, params![sequence, event, plugin, run, attempt, failures, dead, cause, message, body])?;
        Ok(())
    }

    fn first_run(&self, sequence: u64) -> Result<u32, Failed> {
        let sql = "SELECT first_run FROM session WHERE sequence = ?1";
        Ok(self.file.prepare_cached(sql)?.query_row(params![sequence], |row| row.get(0))?)
    }

    fn execute(&self, sql: &str, params: impl rusqlite::Params) -> rusqlite::Result<usize> {
        self.file.prepare_cached(sql)?.execute(params)
    }
}

/// The reason and the time of an end, for the columns that operators look at.
fn end_of(event: &Event) -> (Option<String>, Option<i64>) {
    match event {
        Event::End(end) => (Some(end.reason.as_str().to_owned()), Some(end.ended_at.as_millisecond())),
        Event::Start(_) | Event::Compaction(_) => (None, None),
    }
}
