//! A journal that crashes at a given command: what a killed run leaves.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use lastword::events::{Hook, Identity, JournalName};
use lastword::{Durability, Journal, JournalError, SqliteJournal};
use lastword_journal::{
    Appended, ChangedDelivery, Completion, DeliveryChange, DeliveryFilter, DeliveryKey, DeliveryPage, DeliveryRow,
    JournalOp, PageRequest, Pending, Recovered, Space, StagedCompletions,
};
use parking_lot::Mutex;

use super::case::CrashPoint;

/// A journal in a file that crashes at a given command. From there on nothing is written and everything is refused, so a run on
/// it does what a killed one may have done without leaving a trace.
///
/// Its commands reach the file in the order in which they are given, so what the file has is a beginning of them.
pub(super) struct CrashingJournal {
    state: Mutex<State>,
    file: SqliteJournal,
    /// Dropped after the file is closed.
    _open: Sender<()>,
}

#[derive(Default)]
struct State {
    crash_point: Option<CrashPoint>,
    /// What is on record besides outcomes, in order.
    recorded: Vec<JournalOp>,
    /// The last of them, if nobody was told of it.
    unanswered: Option<Pending<Appended>>,
    /// The last thing on record are ends that the runtime has decided, and it was not told so.
    ends_are_unanswered: bool,
    /// The last thing on record is what an operator has changed, and nobody was told so.
    unanswered_change: bool,
    /// Attempts whose outcome was refused, and whether it is on record all the same.
    refused: HashMap<(DeliveryKey, u32), bool>,
}

/// What becomes of a command.
enum Handling {
    Answered,
    Unanswered,
    Refused,
}

impl State {
    fn handle_next(&mut self) -> Handling {
        match &mut self.crash_point {
            None => Handling::Answered,
            Some(CrashPoint { commands: 0, .. }) => Handling::Refused,
            Some(CrashPoint { commands, answers_last }) => {
                *commands -= 1;
                if *commands == 0 && !*answers_last { Handling::Unanswered } else { Handling::Answered }
            }
        }
    }
}

impl CrashingJournal {
    /// The receiver is disconnected once the journal is closed.
    pub(super) fn open(path: &Path, crash_point: Option<CrashPoint>) -> (Arc<Self>, Receiver<()>) {
        let (open, closed) = channel();
        let state = Mutex::new(State { crash_point, ..State::default() });
        (Arc::new(Self { state, file: SqliteJournal::open(path).unwrap(), _open: open }), closed)
    }

    pub(super) fn has_crashed(&self) -> bool {
        self.state.lock().crash_point.is_some_and(|crash_point| crash_point.commands == 0)
    }

    pub(super) fn has(&self, what: impl Fn(&JournalOp) -> bool) -> bool {
        self.state.lock().recorded.iter().any(what)
    }

    /// How many deliveries are on record as orphans.
    pub(super) fn orphans(&self) -> usize {
        self.state.lock().recorded.iter().filter(|write| matches!(write, JournalOp::Orphaned { .. })).count()
    }

    /// How many sessions are on record as alive after their end.
    pub(super) fn seen(&self) -> usize {
        self.state.lock().recorded.iter().filter(|write| matches!(write, JournalOp::Seen { .. })).count()
    }

    /// Whether the last thing on record are ends that the runtime has decided, and it was not told so.
    pub(super) fn ends_are_unanswered(&self) -> bool {
        self.state.lock().ends_are_unanswered
    }

    /// Whether the last thing on record is what an operator has changed, and nobody was told so. Says it once.
    pub(super) fn change_is_unanswered(&self) -> bool {
        std::mem::take(&mut self.state.lock().unanswered_change)
    }

    /// None for an outcome that was not refused; else whether it is on record all the same.
    pub(super) fn refused(&self, delivery: DeliveryKey, attempt: u32) -> Option<bool> {
        self.state.lock().refused.get(&(delivery, attempt)).copied()
    }

    /// The session whose request is the last thing on record, if the request was refused and has changed something all the same.
    pub(super) async fn unanswered(&self) -> Option<Identity> {
        let written = self.state.lock().unanswered.take()?;
        let changed = match written.await {
            // Both parts, or neither.
            Ok(Appended::Replaced { end, .. }) => has_changed(&end),
            Ok(appended) => has_changed(&appended),
            Err(_) => false,
        };
        self.state.lock().recorded.last().filter(|_| changed).and_then(identity)
    }
}

fn has_changed(appended: &Appended) -> bool {
    matches!(appended, Appended::Done | Appended::Session { .. })
}

/// The session of an owner's request; of a replacement that which ends.
fn identity(write: &JournalOp) -> Option<Identity> {
    match write {
        JournalOp::Start { session, .. }
        | JournalOp::CompactionWithoutStart { session, .. }
        | JournalOp::EndWithoutStart { session, .. } => Some(session.identity.clone()),
        JournalOp::Update { session, .. } | JournalOp::Compaction { session, .. } | JournalOp::End { session, .. } => {
            Some(session.identity.clone())
        }
        JournalOp::Replace { end, .. } => identity(end),
        JournalOp::Seen { .. }
        | JournalOp::Installed { .. }
        | JournalOp::PluginsChanged { .. }
        | JournalOp::Orphaned { .. }
        | JournalOp::EndNotOwed { .. }
        | JournalOp::Draining { .. }
        | JournalOp::Ended { .. } => None,
    }
}

fn closed<T>() -> Pending<T> {
    Pending::ready(Err(JournalError::Closed))
}

impl Journal for CrashingJournal {
    fn append(&self, op: JournalOp) -> Pending<Appended> {
        let mut state = self.state.lock();
        let handling = state.handle_next();
        if matches!(handling, Handling::Refused) {
            return closed();
        }
        state.recorded.push(op.clone());
        let pending = self.file.append(op);
        if matches!(handling, Handling::Answered) {
            return pending;
        }
        state.unanswered = Some(pending);
        closed()
    }

    fn append_decided(&self, ops: Vec<JournalOp>) -> Pending<()> {
        let mut state = self.state.lock();
        let handling = state.handle_next();
        if matches!(handling, Handling::Refused) {
            return closed();
        }
        state.recorded.extend(ops.iter().cloned());
        let has_ends = ops.iter().any(|op| matches!(op, JournalOp::End { .. }));
        let pending = self.file.append_decided(ops);
        if matches!(handling, Handling::Answered) {
            return pending;
        }
        state.ends_are_unanswered = has_ends;
        closed()
    }

    fn complete(&self, tenant: &Arc<str>, completions: Vec<Completion>) -> StagedCompletions {
        let mut state = self.state.lock();
        let handling = state.handle_next();
        if matches!(handling, Handling::Answered) {
            return self.file.complete(tenant, completions);
        }
        let on_record = matches!(handling, Handling::Unanswered);
        state.refused.extend(completions.iter().map(|one| ((one.delivery.clone(), one.attempt), on_record)));
        if on_record {
            drop(self.file.complete(tenant, completions));
        }
        StagedCompletions::all(closed())
    }

    fn flush(&self) -> Pending<()> {
        if self.has_crashed() { closed() } else { self.file.flush() }
    }

    fn probe(&self) -> Pending<()> {
        if self.has_crashed() { closed() } else { self.file.probe() }
    }

    fn delivery(&self, delivery: &DeliveryKey) -> Result<Option<DeliveryRow>, JournalError> {
        self.file.delivery(delivery)
    }

    fn deliveries(&self, filter: &DeliveryFilter, page: &PageRequest) -> Result<DeliveryPage, JournalError> {
        self.file.deliveries(filter, page)
    }

    fn change_deliveries(&self, change: DeliveryChange, deliveries: Vec<DeliveryKey>) -> Pending<Vec<ChangedDelivery>> {
        let mut state = self.state.lock();
        let handling = state.handle_next();
        if matches!(handling, Handling::Refused) {
            return closed();
        }
        let pending = self.file.change_deliveries(change, deliveries);
        if matches!(handling, Handling::Answered) {
            return pending;
        }
        state.unanswered_change = true;
        closed()
    }

    fn name(&self) -> JournalName {
        self.file.name()
    }

    fn durability(&self) -> Durability {
        self.file.durability()
    }

    fn recover(&self) -> Result<Recovered, JournalError> {
        self.file.recover()
    }

    fn known_op(&self, identity: &Identity, kind: Hook, op_id: &str) -> Option<u32> {
        self.file.known_op(identity, kind, op_id)
    }

    fn key_value(&self, space: &Space, key: &str) -> Result<Option<Vec<u8>>, JournalError> {
        self.file.key_value(space, key)
    }

    fn key_value_keys(&self, space: &Space, after: Option<&str>, limit: usize) -> Result<Vec<String>, JournalError> {
        self.file.key_value_keys(space, after, limit)
    }

    fn key_value_bytes(&self, space: &Space) -> Result<u64, JournalError> {
        self.file.key_value_bytes(space)
    }

    fn key_value_tenant_bytes(&self, tenant: &str) -> Result<u64, JournalError> {
        self.file.key_value_tenant_bytes(tenant)
    }
}
