//! The tables of a journal in memory.

use std::collections::HashMap;
use std::sync::Arc;

use lastword_events::{DrainReason, Event, EventKey, Hook, Identity, PluginName, Session, Timestamp};

use super::dead::Dead;
use super::generations::Generations;
use super::ops::Ops;
use super::recent_ends::RecentEnds;
use super::runs::Runs;
use crate::state::{
    Attempts, DrainedRow, DrainedState, EndedSession, Failure, ForgottenGenerations, Installed, NewSession,
    RecordedEvent, Tables, attempt_in_run, serving,
};
use crate::{
    DeliveryKey, DrainedEnd, JournalError, PendingDelivery, Receipt, RecentEnd, Recovered, RecoveredSession, Settlement,
};

/// Everything that the journal's lock protects.
#[derive(Debug, Default)]
pub(super) struct MemoryTables {
    /// Sessions so far.
    sequence: u64,
    runs: Runs,
    generations: Generations,
    recent_ends: RecentEnds,
    pub(super) ops: Ops,
    active: HashMap<u64, ActiveSession>,
    /// Recorded deliveries that are owed.
    owed: HashMap<DeliveryKey, DeliveryRow>,
    pub(super) dead: Dead,
}

#[derive(Debug)]
struct ActiveSession {
    session: Arc<Session>,
    first_run: u32,
    /// The run in which its owner last spoke of it.
    run: u32,
    compactions: u32,
    started: Vec<PluginName>,
    /// What drains have made of its end.
    drained: Vec<DrainedRow>,
}

#[derive(Debug)]
struct DeliveryRow {
    session: Arc<Session>,
    event: Arc<Event>,
    /// The run in which `attempt` was right.
    run: u32,
    attempt: u32,
    failures: u32,
    late: bool,
}

impl Tables for MemoryTables {
    type Error = JournalError;

    fn run(&self) -> u32 {
        self.runs.current()
    }

    fn is_draining(&self) -> bool {
        self.runs.is_draining()
    }

    fn installed(&self) -> Option<&Installed> {
        self.runs.installed()
    }

    fn set_installed(&mut self, installed: &Installed, attaching: bool) -> Result<(), JournalError> {
        self.runs.set_installed(installed.clone(), attaching);
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
        for (plugin, Attempts { attempt, failures, dead, .. }) in deliveries {
            let delivery = DeliveryKey { sequence, event: key, plugin: plugin.clone() };
            // What a drain gave up is among the dead since then.
            if !dead {
                let (session, event, run) = (session.clone(), event.clone(), self.runs.current());
                self.owed.insert(delivery, DeliveryRow { session, event, run, attempt, failures, late: false });
            }
        }
        Ok(())
    }

    fn settle_delivery(
        &mut self,
        delivery: &DeliveryKey,
        attempt: u32,
        settlement: &Settlement,
    ) -> Result<bool, JournalError> {
        match *settlement {
            Settlement::Delivered => Ok(self.owed.remove(delivery).is_some()),
            Settlement::Owed { failures, late, .. } => {
                let Some(owed) = self.owed.get_mut(delivery) else { return Ok(false) };
                (owed.run, owed.attempt, owed.failures, owed.late) = (self.runs.current(), attempt, failures, late);
                Ok(true)
            }
            Settlement::Dead { .. } => {
                let found = self.owed.remove(delivery).is_some();
                if found {
                    self.dead.add(delivery.clone());
                }
                Ok(found)
            }
        }
    }

    /// Nobody can look into this journal from outside.
    fn set_orphaned(&mut self, delivery: &DeliveryKey, late: bool) -> Result<(), JournalError> {
        if let Some(owed) = self.owed.get_mut(delivery) {
            owed.late |= late;
        }
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
        if state == DrainedState::Dead {
            let delivery = DeliveryKey { sequence, event: EventKey::End, plugin: plugin.clone() };
            self.dead.add(delivery);
        }
        let row = DrainedRow { plugin, run, attempt, state, failures, failure };
        match active.drained.iter_mut().find(|known| known.plugin == row.plugin) {
            Some(known) => *known = row,
            None => active.drained.push(row),
        }
        Ok(true)
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

    /// What is marked goes with the process.
    fn clear_suspect(&mut self, _delivery: &DeliveryKey) -> Result<(), JournalError> {
        Ok(())
    }
}

impl MemoryTables {
    /// Begins a run, and gives what is there.
    pub(super) fn recover(&mut self) -> Recovered {
        self.runs.begin();
        let mut sessions: Vec<_> =
            self.active.iter().map(|(&sequence, active)| self.recovered(sequence, active)).collect();
        sessions.sort_by_key(|session| session.sequence);
        let run = self.runs.current();
        let mut deliveries: Vec<_> = self.owed.iter().map(|(key, owed)| owed.recovered(key, run)).collect();
        deliveries.sort_by_key(|owed| (owed.delivery.sequence, owed.delivery.event));
        Recovered { sessions, deliveries, ended: self.recent_ends.within(Timestamp::now()) }
    }

    fn recovered(&self, sequence: u64, active: &ActiveSession) -> RecoveredSession {
        let ActiveSession { session, first_run, run: last_run, compactions, started, drained } = active;
        let run = self.runs.current();
        let drain = self.runs.drain_of(*last_run);
        let settled = |row: &&DrainedRow| row.state != DrainedState::Owed;
        let end = || DrainedEnd {
            drain: drain.map(|(reason, at, _)| (reason, at)),
            owed: drain.and_then(|(.., installed)| Some(serving(installed?, &session.identity.tenant))),
            settled: drained.iter().filter(settled).map(|row| row.plugin.clone()).collect(),
            failed: drained.iter().filter(|row| !settled(row)).map(|row| (row.plugin.clone(), row.failures)).collect(),
            suspect: Vec::new(),
        };
        let is_drained = drain.is_some() || !drained.is_empty();
        let attempts = drained.iter().map(|row| attempt_in_run(row.attempt, row.run, run));
        RecoveredSession {
            sequence,
            compactions: *compactions,
            started: started.clone(),
            attachable: !is_drained && last_run + 1 >= self.runs.attaching_since(),
            attempt: attempts.max().unwrap_or(0).max(run - first_run),
            drained: is_drained.then(|| Box::new(end())),
            session: session.clone(),
        }
    }
}

impl DeliveryRow {
    fn recovered(&self, key: &DeliveryKey, run: u32) -> PendingDelivery {
        PendingDelivery {
            delivery: key.clone(),
            session: self.session.clone(),
            event: self.event.clone(),
            attempt: attempt_in_run(self.attempt, self.run, run),
            failures: self.failures,
            late: self.late,
            // The marks went with the process, as everything else here.
            suspect: false,
        }
    }
}
