use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use lastword_events::{DrainReason, Event, EventKey, Hook, Identity, PluginName, Session, Timestamp};

use super::dead::Dead;
use super::key_values::KeyValues;
use super::recent_ends::RecentEnds;
use crate::{
    Completion, DeliveryKey, DrainedEnd, JournalError, OwedDelivery, RETAINED_ENDED_SESSIONS, RETAINED_OP_IDS, Receipt,
    RecentEnd, Recovered, RecoveredSession, Settlement, Write, Written,
};

/// Everything that the journal's lock protects.
#[derive(Debug, Default)]
pub(super) struct State {
    next_sequence: u64,
    /// Counts calls of `recover`.
    run: u32,
    /// Runs that drained, the oldest first.
    drains: Vec<MemoryDrain>,
    /// This run tells nobody of the end of a session that is left before that is recorded.
    attaching: bool,
    /// All runs before this one, from this number on, were attaching and did not drain.
    attaching_since: u32,
    /// Who is installed in this run.
    installed: Vec<(PluginName, Option<Vec<Arc<str>>>)>,
    /// The newest generation of each id, in whatever scope.
    latest: HashMap<Identity, Latest>,
    /// Ids in the order in which they ended, for forgetting the oldest.
    ended: VecDeque<(Identity, u64)>,
    recent_ends: RecentEnds,
    /// The generation, by the scope of the session.
    ops: HashMap<Op, Vec<(Arc<str>, u32)>>,
    op_order: VecDeque<(Op, Arc<str>)>,
    active: HashMap<u64, Active>,
    /// Recorded events with a delivery that is owed.
    owed: HashMap<DeliveryKey, Owed>,
    pub(super) dead: Dead,
    pub(super) key_values: KeyValues,
}

/// Whose line (without a scope), of which kind, and its owner's name for it.
type Op = (Identity, Hook, Arc<str>);

#[derive(Debug)]
struct MemoryDrain {
    run: u32,
    reason: DrainReason,
    at: Timestamp,
    installed: Vec<(PluginName, Option<Vec<Arc<str>>>)>,
}

#[derive(Debug)]
struct Latest {
    sequence: u64,
    generation: u32,
    has_ended: bool,
}

#[derive(Debug)]
struct Active {
    session: Arc<Session>,
    /// The run in which it was noted.
    run: u32,
    compactions: u32,
    started: Vec<PluginName>,
    settled: Vec<PluginName>,
    failed: Vec<(PluginName, u32)>,
    attempt: u32,
}

#[derive(Debug)]
struct Owed {
    session: Arc<Session>,
    event: Arc<Event>,
    attempt: u32,
    failures: u32,
    late: bool,
}

impl State {
    pub(super) fn new() -> Self {
        Self { next_sequence: 1, ..Self::default() }
    }

    pub(super) fn write(&mut self, write: Write) -> Result<Written, JournalError> {
        match write {
            Write::Start { session, event, owed, op_id } => {
                if let Some(known) = self.known_op(&session.identity, Hook::SessionStart, op_id.as_ref()) {
                    return Ok(known);
                }
                let (sequence, session) = self.next_generation(session);
                self.remember_op(&session.identity, Hook::SessionStart, op_id, session.generation);
                self.owe(sequence, EventKey::Start, &session, &event, &owed);
                self.active.insert(sequence, Active::new(session.clone(), self.run, owed));
                Ok(Written::Session { sequence, session })
            }
            Write::Renote { sequence, session, op_id } => {
                let (run, identity) = (self.run, session.identity.clone());
                let done = self.on_active(sequence, Hook::SessionStart, op_id, |active| {
                    (active.session, active.run) = (session, run);
                })?;
                if done == Written::Done {
                    self.recent_ends.begins_anew(&identity);
                }
                Ok(done)
            }
            Write::Compaction { sequence, n, session, event, owed, op_id } => {
                let (run, now) = (self.run, session.clone());
                let done = self.on_active(sequence, Hook::SessionCompaction, op_id, |active| {
                    (active.compactions, active.run, active.session) = (n, run, now);
                })?;
                if done == Written::Done {
                    self.recent_ends.begins_anew(&session.identity);
                    self.owe(sequence, event.key(n), &session, &event, &owed);
                }
                Ok(done)
            }
            Write::CompactionWithoutStart { session, event, owed, op_id } => {
                if let Some(known) = self.known_op(&session.identity, Hook::SessionCompaction, op_id.as_ref()) {
                    return Ok(known);
                }
                let (sequence, session) = self.next_generation(session);
                self.remember_op(&session.identity, Hook::SessionCompaction, op_id, session.generation);
                self.owe(sequence, event.key(1), &session, &event, &owed);
                let active = Active::new(session.clone(), self.run, Vec::new());
                self.active.insert(sequence, Active { compactions: 1, ..active });
                Ok(Written::Session { sequence, session })
            }
            Write::End { sequence, session, event, owed, received, op_id } => {
                let done = self.on_active(sequence, Hook::SessionEnd, op_id, |active| active.session = session)?;
                if done == Written::Done
                    && let Some(active) = self.active.remove(&sequence)
                {
                    self.owe_end(sequence, &active, &event, &owed);
                    self.note_end(sequence, &active.session, &event, received);
                }
                Ok(done)
            }
            Write::EndWithoutStart { session, event, owed, received, op_id } => {
                if let Some(known) = self.known_op(&session.identity, Hook::SessionEnd, op_id.as_ref()) {
                    return Ok(known);
                }
                let (sequence, session) = self.next_generation(session);
                self.remember_op(&session.identity, Hook::SessionEnd, op_id, session.generation);
                self.owe(sequence, EventKey::End, &session, &event, &owed);
                self.note_end(sequence, &session, &event, Some(received));
                Ok(Written::Session { sequence, session })
            }
            Write::Alive { sequence } => {
                self.recent_ends.forget(sequence);
                Ok(Written::Done)
            }
            Write::Installed { plugins, attaching } => {
                (self.installed, self.attaching) = (plugins, attaching);
                Ok(Written::Done)
            }
            Write::Draining { reason, at } => {
                self.attaching = false;
                if self.drains.last().is_none_or(|drain| drain.run < self.run) {
                    self.drains.push(MemoryDrain { run: self.run, reason, at, installed: self.installed.clone() });
                }
                Ok(Written::Done)
            }
            Write::Orphaned { delivery, late } => {
                // Nobody can look into this journal from outside.
                if let Some(owed) = self.owed.get_mut(&delivery) {
                    owed.late |= late;
                }
                Ok(Written::Done)
            }
        }
    }

    /// Runs `change` on an active session, unless the `op_id` is known.
    fn on_active(
        &mut self,
        sequence: u64,
        kind: Hook,
        op_id: Option<Arc<str>>,
        change: impl FnOnce(&mut Active),
    ) -> Result<Written, JournalError> {
        let active = self.active.get(&sequence).ok_or(JournalError::UnknownSession(sequence))?;
        let (identity, generation) = (active.session.identity.clone(), active.session.generation);
        if let Some(known) = self.known_op(&identity, kind, op_id.as_ref()) {
            return Ok(known);
        }
        self.remember_op(&identity, kind, op_id, generation);
        if let Some(active) = self.active.get_mut(&sequence) {
            change(active);
        }
        Ok(Written::Done)
    }

    fn next_generation(&mut self, mut session: Arc<Session>) -> (u64, Arc<Session>) {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let id = session.identity.unscoped();
        let generation = self.latest.get(&id).map_or(0, |l| l.generation).saturating_add(1);
        self.recent_ends.begins_anew(&session.identity);
        Arc::make_mut(&mut session).generation = generation;
        self.latest.insert(id, Latest { sequence, generation, has_ended: false });
        (sequence, session)
    }

    fn note_end(&mut self, sequence: u64, session: &Session, event: &Event, received: Option<Receipt>) {
        if let (Some(received), Event::End(end)) = (received, event) {
            let (identity, agent_id) = (session.identity.clone(), session.agent_id.clone());
            let (generation, ended_at) = (session.generation, end.ended_at);
            self.recent_ends.add(RecentEnd { sequence, identity, generation, agent_id, ended_at, received });
        }
        let id = session.identity.unscoped();
        // One of another scope may be newer.
        let Some(latest) = self.latest.get_mut(&id).filter(|latest| latest.sequence == sequence) else { return };
        latest.has_ended = true;
        self.ended.push_back((id, sequence));
        if self.ended.len() > RETAINED_ENDED_SESSIONS
            && let Some((oldest, sequence)) = self.ended.pop_front()
            && self.latest.get(&oldest).is_some_and(|l| l.sequence == sequence && l.has_ended)
        {
            self.latest.remove(&oldest);
        }
    }

    fn known_op(&self, identity: &Identity, kind: Hook, op_id: Option<&Arc<str>>) -> Option<Written> {
        let generation = self.generation_of_op(identity, kind, op_id?)?;
        Some(Written::DuplicateOp { generation })
    }

    pub(super) fn generation_of_op(&self, identity: &Identity, kind: Hook, op_id: &str) -> Option<u32> {
        let lines = self.ops.get(&(identity.unscoped(), kind, op_id.into()))?;
        let is_meant = |scope: &str| identity.scope.is_empty() || *scope == *identity.scope;
        lines.iter().rev().find(|(scope, _)| is_meant(scope)).map(|(_, generation)| *generation)
    }

    fn remember_op(&mut self, identity: &Identity, kind: Hook, op_id: Option<Arc<str>>, generation: u32) {
        let Some(op_id) = op_id else { return };
        let (op, scope) = ((identity.unscoped(), kind, op_id), identity.scope.clone());
        self.ops.entry(op.clone()).or_default().push((scope.clone(), generation));
        self.op_order.push_back((op, scope));
        if self.op_order.len() > RETAINED_OP_IDS
            && let Some((oldest, scope)) = self.op_order.pop_front()
            && let Some(lines) = self.ops.get_mut(&oldest)
        {
            lines.retain(|(of, _)| *of != scope);
            if lines.is_empty() {
                self.ops.remove(&oldest);
            }
        }
    }

    fn owe(&mut self, sequence: u64, key: EventKey, session: &Arc<Session>, event: &Arc<Event>, owed: &[PluginName]) {
        for plugin in owed {
            let delivery = DeliveryKey { sequence, event: key, plugin: plugin.clone() };
            self.owed.insert(delivery, Owed::new(session, event));
        }
    }

    /// The end of a session that an earlier run began to drain keeps what that run has settled.
    fn owe_end(&mut self, sequence: u64, active: &Active, event: &Arc<Event>, owed: &[PluginName]) {
        for plugin in owed.iter().filter(|p| !active.settled.contains(p)) {
            let failures = active.failed.iter().find(|(p, _)| p == plugin).map_or(0, |(_, n)| *n);
            let owed = Owed { attempt: active.attempt, failures, ..Owed::new(&active.session, event) };
            self.owed.insert(DeliveryKey { sequence, event: EventKey::End, plugin: plugin.clone() }, owed);
        }
    }

    pub(super) fn complete(&mut self, completion: Completion) {
        let Completion { delivery, attempt, settlement, writes } = completion;
        if settlement == Settlement::Delivered
            && let Some(writes) = writes
        {
            self.key_values.write(*writes);
        }
        if delivery.event == EventKey::End
            && let Some(active) = self.active.get_mut(&delivery.sequence)
        {
            active.complete_end(delivery.plugin.clone(), attempt, &settlement);
            if matches!(settlement, Settlement::Dead { .. }) {
                self.dead.add(delivery);
            }
            return;
        }
        match settlement {
            Settlement::Delivered => {
                self.owed.remove(&delivery);
            }
            Settlement::Owed { failures, late, .. } => {
                if let Some(owed) = self.owed.get_mut(&delivery) {
                    (owed.attempt, owed.failures, owed.late) = (attempt, failures, late);
                }
            }
            Settlement::Dead { .. } => {
                if self.owed.remove(&delivery).is_some() {
                    self.dead.add(delivery);
                }
            }
        }
    }

    pub(super) fn recover(&mut self) -> Recovered {
        self.run += 1;
        if !std::mem::take(&mut self.attaching) {
            self.attaching_since = self.run;
        }
        // A dead run may have begun one attempt of anything that was owed, without a trace.
        if self.run > 1 {
            self.active.values_mut().for_each(|active| active.attempt += 1);
            self.owed.values_mut().for_each(|owed| owed.attempt += 1);
        }
        let mut sessions: Vec<_> = self.active.iter().map(|(&sequence, active)| self.left(sequence, active)).collect();
        sessions.sort_by_key(|s| s.sequence);
        let mut deliveries: Vec<_> = self.owed.iter().map(|(key, owed)| owed.recovered(key)).collect();
        deliveries.sort_by_key(|d| (d.delivery.sequence, d.delivery.event));
        Recovered { sessions, deliveries, ended: self.recent_ends.within(Timestamp::now()) }
    }

    fn left(&self, sequence: u64, active: &Active) -> RecoveredSession {
        let drained = self.drains.iter().find(|drain| drain.run == active.run);
        let drain = drained.map(|drain| (drain.reason, drain.at));
        let owed = drained.map(|drain| serving(&drain.installed, &active.session.identity.tenant));
        let end = DrainedEnd {
            drain,
            owed,
            settled: active.settled.clone(),
            failed: active.failed.clone(),
            suspect: Vec::new(),
        };
        let drained = (end != DrainedEnd::default()).then(|| Box::new(end));
        RecoveredSession {
            attachable: drained.is_none() && active.run + 1 >= self.attaching_since,
            sequence,
            session: active.session.clone(),
            compactions: active.compactions,
            started: active.started.clone(),
            attempt: active.attempt,
            drained,
        }
    }
}

impl Active {
    fn new(session: Arc<Session>, run: u32, started: Vec<PluginName>) -> Self {
        Self { session, run, compactions: 0, started, settled: Vec::new(), failed: Vec::new(), attempt: 0 }
    }

    fn complete_end(&mut self, plugin: PluginName, attempt: u32, settlement: &Settlement) {
        self.attempt = self.attempt.max(attempt);
        match settlement {
            Settlement::Delivered | Settlement::Dead { .. } => self.settled.push(plugin),
            Settlement::Owed { failures, .. } => {
                self.failed.retain(|(p, _)| *p != plugin);
                self.failed.push((plugin, *failures));
            }
        }
    }
}

/// Plugins among these that serve `tenant`.
pub(crate) fn serving<T: AsRef<str>>(installed: &[(PluginName, Option<Vec<T>>)], tenant: &str) -> Vec<PluginName> {
    let serves = |only: &Option<Vec<T>>| only.as_ref().is_none_or(|only| only.iter().any(|t| t.as_ref() == tenant));
    installed.iter().filter(|(_, tenants)| serves(tenants)).map(|(plugin, _)| plugin.clone()).collect()
}

impl Owed {
    fn new(session: &Arc<Session>, event: &Arc<Event>) -> Self {
        Self { session: session.clone(), event: event.clone(), attempt: 0, failures: 0, late: false }
    }

    fn recovered(&self, key: &DeliveryKey) -> OwedDelivery {
        OwedDelivery {
            delivery: key.clone(),
            session: self.session.clone(),
            event: self.event.clone(),
            attempt: self.attempt,
            failures: self.failures,
            late: self.late,
            // The marks went with the process, as everything else here.
            suspect: false,
        }
    }
}
