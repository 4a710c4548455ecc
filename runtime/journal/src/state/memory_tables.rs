//! The tables of a journal whose state is in memory: the journal in memory, and one that makes its state of a log.
//!
//! What is in them follows from the operations and their order alone: there is no clock and no chance in it.

mod drained_ends;
mod generations;
mod ops;
mod owed;
mod recent_ends;
mod rows;
mod runs;

use std::collections::BTreeMap;
use std::sync::Arc;

use lastword_events::{DrainReason, Event, EventKey, Hook, Identity, JournalName, PluginName, Session, Timestamp};
use serde::{Deserialize, Serialize};

use self::drained_ends::DrainedSession;
use self::generations::Generations;
use self::ops::Ops;
use self::owed::{Owed, OwedRow};
use self::recent_ends::RecentEnds;
pub use self::rows::TableRow;
use self::runs::Runs;
use crate::state::{
    self, Attempts, CleanRuns, DrainedRow, DrainedState, EndedSession, Failure, ForgottenGenerations, Installed,
    NewSession, RecordedEvent, Tables, Unmade, serving,
};
use crate::{
    DeliveryFilter, DeliveryKey, DeliveryPage, DeliveryRow, DrainedEnd, JournalError, MAX_PAGE_ROWS, PageRequest,
    PendingDelivery, Receipt, RecentEnd, Recovered, RecoveredSession, SessionRow, Settlement, TriedEnd,
};

/// The rows of a journal, in maps. They keep the newest of what is remembered, by the counts in the crate's limits.
#[derive(Clone, Debug, Default)]
pub struct MemoryTables {
    /// How many sessions there were.
    sequence: u64,
    runs: Runs,
    generations: Generations,
    recent_ends: RecentEnds,
    ops: Ops,
    active: BTreeMap<u64, ActiveSession>,
    /// Recorded deliveries.
    owed: Owed,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ActiveSession {
    session: Arc<Session>,
    first_run: u32,
    /// The run in which the session's owner last spoke of it.
    run: u32,
    compactions: u32,
    started: Vec<PluginName>,
    /// The results of drains for the session's end.
    drained: Vec<DrainedRow>,
}

impl Tables for MemoryTables {
    type Error = JournalError;

    fn run(&self) -> u32 {
        self.runs.current()
    }

    fn clean_runs(&self) -> &CleanRuns {
        self.runs.clean()
    }

    fn is_draining(&self) -> bool {
        self.runs.is_draining()
    }

    fn installed(&self) -> Option<&Installed> {
        self.runs.installed()
    }

    fn set_installed(&mut self, installed: &Installed, attaching: bool) -> Result<(), JournalError> {
        self.runs.set_installed(installed.clone(), attaching);
        self.owed.clear_orphaned();
        Ok(())
    }

    fn change_installed(&mut self, installed: &Installed) -> Result<(), JournalError> {
        self.runs.change_installed(installed.clone());
        Ok(())
    }

    fn set_draining(&mut self, reason: DrainReason, at: Timestamp) -> Result<(), JournalError> {
        self.runs.set_draining(reason, at);
        Ok(())
    }

    fn generation_of_op(&self, identity: &Identity, kind: Hook, op_id: &str) -> Result<Option<u32>, JournalError> {
        Ok(self.ops.generation(identity, kind, op_id))
    }

    fn insert_op(&mut self, identity: &Identity, kind: Hook, op_id: &Arc<str>, of: u32) -> Result<(), JournalError> {
        self.ops.insert(identity, kind, op_id.clone(), of);
        Ok(())
    }

    fn latest_generation(&self, identity: &Identity) -> Result<Option<u32>, JournalError> {
        Ok(self.generations.latest(identity))
    }

    fn forgotten_generations(&self) -> &ForgottenGenerations {
        self.generations.forgotten()
    }

    fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    fn insert_session(&mut self, row: &NewSession<'_>) -> Result<(), JournalError> {
        let &NewSession { sequence, session, started, compactions, end } = row;
        self.generations.begins(&session.identity, sequence, session.generation);
        if end.is_some() {
            self.generations.ends(&session.identity, sequence);
            return Ok(());
        }
        let (session, started, run) = (session.clone(), started.to_vec(), self.runs.current());
        let active = ActiveSession { session, first_run: run, run, compactions, started, drained: Vec::new() };
        self.active.insert(sequence, active);
        Ok(())
    }

    fn update_session(
        &mut self,
        sequence: u64,
        session: &Arc<Session>,
        compactions: Option<u32>,
    ) -> Result<bool, JournalError> {
        let Some(active) = self.active.get_mut(&sequence) else { return Ok(false) };
        (active.session, active.run) = (session.clone(), self.runs.current());
        active.compactions = compactions.unwrap_or(active.compactions);
        Ok(true)
    }

    fn remove_started(&mut self, sequence: u64, plugin: &PluginName) -> Result<(), JournalError> {
        if let Some(active) = self.active.get_mut(&sequence) {
            active.started.retain(|started| started != plugin);
        }
        Ok(())
    }

    fn end_session(
        &mut self,
        sequence: u64,
        session: &Arc<Session>,
        _event: &Event,
    ) -> Result<Option<EndedSession>, JournalError> {
        let Some(ActiveSession { first_run, drained, .. }) = self.active.remove(&sequence) else { return Ok(None) };
        self.generations.ends(&session.identity, sequence);
        Ok(Some(EndedSession { first_run, drained }))
    }

    fn insert_deliveries<'a>(
        &mut self,
        event: &RecordedEvent<'_>,
        deliveries: impl Iterator<Item = (&'a PluginName, Attempts)>,
    ) -> Result<(), JournalError> {
        let &RecordedEvent { sequence, key, session, event } = event;
        for (plugin, Attempts { attempt, failures, failure, dead, run }) in deliveries {
            let delivery = DeliveryKey { sequence, event: key, plugin: plugin.clone() };
            let mut row = OwedRow::new(session, event, run.unwrap_or(self.runs.current()));
            (row.attempt, row.failures, row.failure) = (attempt, failures, failure);
            if dead { self.owed.insert_dead(delivery, row) } else { self.owed.insert(delivery, row) }
        }
        Ok(())
    }

    fn settle_delivery(
        &mut self,
        delivery: &DeliveryKey,
        attempt: u32,
        settlement: &Settlement,
    ) -> Result<bool, JournalError> {
        Ok(self.owed.settle(delivery, self.runs.current(), attempt, settlement))
    }

    fn set_orphaned(&mut self, delivery: &DeliveryKey, late: bool) -> Result<(), JournalError> {
        self.owed.set_orphaned(delivery, late);
        Ok(())
    }

    fn settle_drained_end(
        &mut self,
        sequence: u64,
        plugin: &PluginName,
        attempt: u32,
        settlement: &Settlement,
    ) -> Result<bool, JournalError> {
        let Some(active) = self.active.get_mut(&sequence) else { return Ok(false) };
        let state = DrainedState::of(settlement);
        let failures = match settlement {
            Settlement::Delivered => 0,
            Settlement::Owed { failures, .. } | Settlement::Dead { failures, .. } => *failures,
        };
        let (plugin, run, failure) = (plugin.clone(), self.runs.current(), Failure::of(settlement));
        active.settle(DrainedRow { plugin, run, attempt, state, failures, failure });
        Ok(true)
    }

    fn set_attempt(&mut self, delivery: &DeliveryKey, attempt: u32) -> Result<(), JournalError> {
        let run = self.runs.current();
        if !self.owed.set_attempt(delivery, run, attempt) && delivery.event == EventKey::End {
            self.change_drained(delivery, |row| (row.run, row.attempt) = (run, attempt));
        }
        Ok(())
    }

    fn set_ended(&mut self) -> Result<(), JournalError> {
        self.runs.set_ended();
        Ok(())
    }

    fn insert_recent_end(&mut self, end: &RecordedEvent<'_>, received: Receipt) -> Result<(), JournalError> {
        if let (Event::End(event), session) = (&**end.event, end.session) {
            let (identity, agent_id) = (session.identity.clone(), session.agent_id.clone());
            let (sequence, generation, ended_at) = (end.sequence, session.generation, event.ended_at);
            self.recent_ends.add(RecentEnd { sequence, identity, generation, agent_id, ended_at, received });
        }
        Ok(())
    }

    fn remove_recent_end(&mut self, sequence: u64) -> Result<(), JournalError> {
        self.recent_ends.forget(sequence);
        Ok(())
    }

    fn remove_last_recent_end(&mut self, identity: &Identity) -> Result<(), JournalError> {
        self.recent_ends.remove_last(identity);
        Ok(())
    }

    /// The marks of calls are gone with the process.
    fn clear_suspect(&mut self, _delivery: &DeliveryKey) -> Result<(), JournalError> {
        Ok(())
    }

    fn is_active(&self, sequence: u64) -> Result<bool, JournalError> {
        Ok(self.active.contains_key(&sequence))
    }

    fn unmade(&self, delivery: &DeliveryKey) -> Result<Option<Unmade>, JournalError> {
        let drained = || {
            let session = self.drained_end(delivery)?;
            Some(Unmade { state: session.state_of(&delivery.plugin)?, run: session.run_of(&delivery.plugin) })
        };
        Ok(self.owed.unmade(delivery).or_else(drained))
    }

    fn revive(&mut self, delivery: &DeliveryKey) -> Result<Option<PendingDelivery>, JournalError> {
        if self.owed.unmade(delivery).is_some() {
            return Ok(self.owed.revive(delivery, self.runs.current(), self.runs.clean()));
        }
        self.change_drained(delivery, |row| (row.state, row.failures) = (DrainedState::Owed, 0));
        Ok(None)
    }

    fn adopt(&mut self, delivery: &DeliveryKey) -> Result<Option<PendingDelivery>, JournalError> {
        Ok(self.owed.adopt(delivery, self.runs.current(), self.runs.clean()))
    }

    fn forget_delivery(&mut self, delivery: &DeliveryKey) -> Result<(), JournalError> {
        if !self.owed.remove(delivery) {
            self.change_drained(delivery, |row| row.state = DrainedState::Delivered);
        }
        Ok(())
    }

    fn forget_suspicion(&mut self, _delivery: &DeliveryKey) -> Result<(), JournalError> {
        Ok(())
    }
}

impl MemoryTables {
    /// Begins a run.
    pub fn begin_run(&mut self) {
        self.runs.begin();
    }

    /// The sessions and deliveries that dead runs left, for the run that has [begun](Self::begin_run). Ends count as recent that were reported
    /// within [`DUPLICATE_WITHIN`](crate::DUPLICATE_WITHIN) before `now`.
    #[must_use]
    pub fn recovered(&self, now: Timestamp) -> Recovered {
        let sessions = self.active.iter().map(|(&sequence, active)| self.recovered_session(sequence, active)).collect();
        let deliveries = self.owed.recovered(self.runs.current(), self.runs.clean());
        let mut dead = self.owed.count_dead();
        for row in self.active.values().flat_map(|active| &active.drained) {
            if row.state == DrainedState::Dead {
                *dead.entry(row.plugin.clone()).or_default() += 1;
            }
        }
        Recovered { sessions, deliveries, ended: self.recent_ends.within(now), dead }
    }

    /// Looks an `op_id` up, see [`Journal::known_op`](crate::Journal::known_op).
    #[must_use]
    pub fn known_op(&self, identity: &Identity, kind: Hook, op_id: &str) -> Option<u32> {
        self.ops.generation(identity, kind, op_id)
    }

    /// The deliveries that were given up, in that order. Then those that a drain has given up: the next run writes their ends down.
    #[must_use]
    pub fn dead(&self) -> Vec<DeliveryKey> {
        let drained = self.active.iter().flat_map(|(&sequence, active)| {
            let dead = active.drained.iter().filter(|row| row.state == DrainedState::Dead);
            dead.map(move |row| DeliveryKey { sequence, event: EventKey::End, plugin: row.plugin.clone() })
        });
        self.owed.dead().into_iter().chain(drained).collect()
    }

    /// How many older deliveries were given up and are forgotten.
    #[must_use]
    pub fn forgotten_dead(&self) -> u64 {
        self.owed.forgotten()
    }

    /// The delivery with this key, if it was not made.
    #[must_use]
    pub fn delivery(&self, delivery: &DeliveryKey, journal: JournalName) -> Option<DeliveryRow> {
        self.owed.listed(delivery, journal).or_else(|| {
            let session = self.drained_end(delivery).filter(|_| self.runs.is_draining())?;
            session.rows(journal).into_iter().map(|(_, row)| row).find(|row| row.delivery.plugin == delivery.plugin)
        })
    }

    /// A page of deliveries that were not made.
    #[must_use]
    pub fn deliveries(&self, journal: JournalName, filter: &DeliveryFilter, page: &PageRequest) -> DeliveryPage {
        let limit = page.limit.clamp(1, MAX_PAGE_ROWS);
        let after = page.after.as_ref().map(DeliveryKey::from);
        let recorded = self.owed.look(journal, filter, after.as_ref(), limit);
        let from = after.as_ref().map_or(0, |after| after.sequence);
        // Only these sessions have ends that are not written down.
        let drained = self.active.range(from..).filter(|_| self.runs.is_draining());
        let drained = drained.map(|(&sequence, active)| (sequence, self.drained_session(sequence, active)));
        state::page([recorded, drained_ends::look(journal, filter, after.as_ref(), limit, drained)], limit)
    }

    /// The sessions that are active, in the order of their starts. Those that a drain has ended are not among them: what is left of their
    /// ends is among the [`unmade_deliveries`](Self::unmade_deliveries).
    pub fn sessions(&self) -> impl Iterator<Item = SessionRow> {
        let active = self.active.iter().filter(move |(_, active)| self.runs.drain_of(active.run).is_none());
        active.map(|(&sequence, ActiveSession { session, compactions, .. })| SessionRow {
            sequence,
            session: Session::clone(session),
            compactions: *compactions,
        })
    }

    /// All deliveries that were not made, by their ids, with the ends that a drain could not make. In the tables of a run that serves its
    /// sessions these are the ones of [`deliveries`](Self::deliveries).
    #[must_use]
    pub fn unmade_deliveries(&self, journal: JournalName) -> Vec<DeliveryRow> {
        let drained = self.active.iter().filter_map(|(&sequence, active)| self.drained_session(sequence, active));
        let drained = drained.flat_map(|session| session.rows(journal)).map(|(_, row)| row);
        let mut rows: Vec<DeliveryRow> = self.owed.all(journal).chain(drained).collect();
        rows.sort_by(|a, b| a.delivery.cmp(&b.delivery));
        rows
    }

    /// The session of an end, if a drain has found the session active.
    fn drained_end(&self, delivery: &DeliveryKey) -> Option<DrainedSession<'_>> {
        let active = self.active.get(&delivery.sequence).filter(|_| delivery.event == EventKey::End)?;
        self.drained_session(delivery.sequence, active)
    }

    /// None if the run in which the owner last spoke of the session did not drain.
    fn drained_session<'a>(&'a self, sequence: u64, active: &'a ActiveSession) -> Option<DrainedSession<'a>> {
        let ActiveSession { session, started, drained, run, .. } = active;
        let (reason, _, installed) = self.runs.drain_of(*run)?;
        let installed = installed.map_or_else(Vec::new, |installed| serving(installed, &session.identity.tenant));
        Some(DrainedSession { sequence, session, started, drained, reason, installed })
    }

    fn change_drained(&mut self, delivery: &DeliveryKey, change: impl FnOnce(&mut DrainedRow)) {
        let Some(active) = self.active.get_mut(&delivery.sequence) else { return };
        let (plugin, run) = (delivery.plugin.clone(), active.run);
        let known = active.drained.iter().find(|row| row.plugin == plugin).cloned();
        let (attempt, failures, state) = (0, 0, DrainedState::Owed);
        let mut row = known.unwrap_or(DrainedRow { plugin, run, attempt, state, failures, failure: None });
        change(&mut row);
        active.settle(row);
    }

    fn recovered_session(&self, sequence: u64, active: &ActiveSession) -> RecoveredSession {
        let ActiveSession { session, first_run, run: last_run, compactions, started, drained } = active;
        let run = self.runs.current();
        let drain = self.runs.drain_of(*last_run);
        let untraced = self.runs.clean().untraced(*first_run, run);
        let attempt_of = |row: &DrainedRow| self.runs.clean().attempt_in_run(row.attempt, row.run, run).max(untraced);
        let settled = |row: &&DrainedRow| row.state != DrainedState::Owed;
        let tried = |row: &DrainedRow| {
            let (plugin, failures) = (row.plugin.clone(), row.failures);
            TriedEnd { plugin, failures, attempt: attempt_of(row) }
        };
        let end = || DrainedEnd {
            drain: drain.map(|(reason, at, _)| (reason, at)),
            owed: drain.and_then(|(.., installed)| Some(serving(installed?, &session.identity.tenant))),
            settled: drained.iter().filter(settled).map(|row| row.plugin.clone()).collect(),
            tried: drained.iter().filter(|row| !settled(row)).map(tried).collect(),
            suspect: Vec::new(),
        };
        let is_drained = drain.is_some() || !drained.is_empty();
        RecoveredSession {
            sequence,
            compactions: *compactions,
            started: started.clone(),
            attachable: !is_drained && last_run.saturating_add(1) >= self.runs.attaching_since(),
            attempt: untraced,
            drained: is_drained.then(|| Box::new(end())),
            session: session.clone(),
        }
    }
}

impl ActiveSession {
    /// Records a drain's result for the session's end, for one plugin.
    fn settle(&mut self, row: DrainedRow) {
        match self.drained.iter_mut().find(|known| known.plugin == row.plugin) {
            Some(known) => *known = row,
            None => self.drained.push(row),
        }
    }
}
