//! What a journal keeps, as the [`transition`](super::transition) sees it: rows that are read, written and removed. In memory
//! they are maps, in a file SQL tables. Nothing is decided here.

use std::sync::Arc;

use lastword_events::{DrainReason, Event, EventKey, Hook, Identity, PluginName, Session, Timestamp};

use super::clean_runs::CleanRuns;
use super::generations::ForgottenGenerations;
use crate::{DeliveryKey, DeliveryState, JournalError, PendingDelivery, Receipt, Settlement};

/// Plugins that are installed in a run, in the order of the configuration, and the tenants that each serves; none stands for all.
pub type Installed = Vec<(PluginName, Option<Vec<Arc<str>>>)>;

/// Plugins among these that serve `tenant`.
#[must_use]
pub fn serving<T: AsRef<str>>(installed: &[(PluginName, Option<Vec<T>>)], tenant: &str) -> Vec<PluginName> {
    let serves = |only: &Option<Vec<T>>| only.as_ref().is_none_or(|only| only.iter().any(|t| t.as_ref() == tenant));
    installed.iter().filter(|(_, tenants)| serves(tenants)).map(|(plugin, _)| plugin.clone()).collect()
}

/// The rows of one journal, inside one transaction.
///
/// A function that fails leaves the transaction to be rolled back, unless the error says that this one write is refused.
pub trait Tables {
    /// Why a row could not be read or written.
    type Error: From<JournalError>;

    /// The number of this run, from 1.
    fn run(&self) -> u32;

    /// Runs before this one that have ended cleanly.
    fn clean_runs(&self) -> &CleanRuns;

    /// Whether this run drains.
    fn is_draining(&self) -> bool;

    /// Who is installed in this run, once that is recorded.
    fn installed(&self) -> Option<&Installed>;

    /// Records who is installed in this run. Until the runtime says again who is orphaned, nobody is.
    fn set_installed(&mut self, installed: &Installed, attaching: bool) -> Result<(), Self::Error>;

    /// Records who is installed in this run from now on. Nobody's orphans change.
    fn change_installed(&mut self, installed: &Installed) -> Result<(), Self::Error>;

    /// Records that this run drains, unless that is recorded.
    fn set_draining(&mut self, reason: DrainReason, at: Timestamp) -> Result<(), Self::Error>;

    /// The generation of which the first line of this kind and session with `op_id` spoke.
    fn generation_of_op(&self, identity: &Identity, kind: Hook, op_id: &str) -> Result<Option<u32>, Self::Error>;

    /// Remembers an `op_id`, and forgets the oldest where there are too many.
    fn insert_op(&mut self, identity: &Identity, kind: Hook, op_id: &Arc<str>, of: u32) -> Result<(), Self::Error>;

    /// The newest generation of an id of which something is kept, over all of its scopes.
    fn latest_generation(&self, identity: &Identity) -> Result<Option<u32>, Self::Error>;

    /// Generations of ids of which nothing is kept.
    fn forgotten_generations(&self) -> &ForgottenGenerations;

    /// The number of a new session.
    fn next_sequence(&mut self) -> u64;

    /// A session that is not known yet.
    fn insert_session(&mut self, row: &NewSession<'_>) -> Result<(), Self::Error>;

    /// What is known now of an active session, and its count of compaction events if that changes: this run has seen it. False
    /// when no such session is active.
    fn update_session(
        &mut self,
        sequence: u64,
        session: &Arc<Session>,
        compactions: Option<u32>,
    ) -> Result<bool, Self::Error>;

    /// A plugin was not sent the start of this session, if it is active.
    fn remove_started(&mut self, sequence: u64, plugin: &PluginName) -> Result<(), Self::Error>;

    /// An active session is so no more, and what drains had recorded of its end is removed and given back. None when no such
    /// session is active.
    fn end_session(
        &mut self,
        sequence: u64,
        session: &Arc<Session>,
        event: &Event,
    ) -> Result<Option<EndedSession>, Self::Error>;

    /// Deliveries of one event that are owed from now on.
    fn insert_deliveries<'a>(
        &mut self,
        event: &RecordedEvent<'_>,
        deliveries: impl Iterator<Item = (&'a PluginName, Attempts)>,
    ) -> Result<(), Self::Error>;

    /// How an attempt of a recorded delivery ended. False when there is no such delivery.
    fn settle_delivery(
        &mut self,
        delivery: &DeliveryKey,
        attempt: u32,
        settlement: &Settlement,
    ) -> Result<bool, Self::Error>;

    /// Marks the delivery as orphaned: its plugin is not installed.
    fn set_orphaned(&mut self, delivery: &DeliveryKey, late: bool) -> Result<(), Self::Error>;

    /// How an attempt of the end of an active session ended. False when no such session is active.
    fn settle_drained_end(
        &mut self,
        sequence: u64,
        plugin: &PluginName,
        attempt: u32,
        settlement: &Settlement,
    ) -> Result<bool, Self::Error>;

    /// A call of this delivery was cut: the number of its attempt is used up.
    fn set_attempt(&mut self, delivery: &DeliveryKey, attempt: u32) -> Result<(), Self::Error>;

    /// Records that this run has ended cleanly, unless one of its outcomes could not be recorded.
    fn set_ended(&mut self) -> Result<(), Self::Error>;

    /// An owner has reported the end of a session that has ended.
    fn insert_recent_end(&mut self, end: &RecordedEvent<'_>, received: Receipt) -> Result<(), Self::Error>;

    /// The end of this session is not reported again.
    fn remove_recent_end(&mut self, sequence: u64) -> Result<(), Self::Error>;

    /// The end of the last session of this identity is not reported again.
    fn remove_last_recent_end(&mut self, identity: &Identity) -> Result<(), Self::Error>;

    /// The delivery has had an outcome, so it did not take the program down.
    fn clear_suspect(&mut self, delivery: &DeliveryKey) -> Result<(), Self::Error>;

    /// Whether this session is active.
    fn is_active(&self, sequence: u64) -> Result<bool, Self::Error>;

    /// What a delivery is that was not made; none when it was made, or never was.
    fn unmade(&self, delivery: &DeliveryKey) -> Result<Option<Unmade>, Self::Error>;

    /// A delivery that was given up is owed again. Gives it, unless only the next run makes it.
    fn revive(&mut self, delivery: &DeliveryKey) -> Result<Option<PendingDelivery>, Self::Error>;

    /// An orphaned delivery is so no more. Gives it, unless only the next run makes it.
    fn adopt(&mut self, delivery: &DeliveryKey) -> Result<Option<PendingDelivery>, Self::Error>;

    /// A delivery that was not made will not be made any more.
    fn forget_delivery(&mut self, delivery: &DeliveryKey) -> Result<(), Self::Error>;

    /// Nothing of what runs died of counts for the delivery any more.
    fn forget_suspicion(&mut self, delivery: &DeliveryKey) -> Result<(), Self::Error>;
}

/// A delivery that was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unmade {
    /// What it is.
    pub state: DeliveryState,
    /// The run in which its count of attempts was right.
    pub run: u32,
}

/// A session as it is first known.
#[derive(Debug)]
pub struct NewSession<'a> {
    /// The session's number.
    pub sequence: u64,
    /// All that is known of it, with its generation.
    pub session: &'a Arc<Session>,
    /// Plugins that are owed its start.
    pub started: &'a [PluginName],
    /// Compaction events so far.
    pub compactions: u32,
    /// Its end, if that is all that was heard of it.
    pub end: Option<&'a Event>,
}

/// An event of a session that is known.
#[derive(Debug)]
pub struct RecordedEvent<'a> {
    /// The session's number.
    pub sequence: u64,
    /// The event's name among those of the session.
    pub key: EventKey,
    /// All that is known of the session.
    pub session: &'a Arc<Session>,
    /// What happened.
    pub event: &'a Arc<Event>,
}

/// What was recorded of a session that has ended now.
#[derive(Debug)]
pub struct EndedSession {
    /// The run in which it began.
    pub first_run: u32,
    /// What drains have made of its end.
    pub drained: Vec<DrainedRow>,
}

/// What a drain has made of the end of a session whose end was not recorded, for one plugin.
#[derive(Clone, Debug)]
pub struct DrainedRow {
    /// The plugin that is owed the end.
    pub plugin: PluginName,
    /// The run in which `attempt` was right.
    pub run: u32,
    /// The number of the last attempt.
    pub attempt: u32,
    /// What is left to do.
    pub state: DrainedState,
    /// Recorded failures.
    pub failures: u32,
    /// The last failure.
    pub failure: Option<Failure>,
}

/// What is left to do of an end that a drain has tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainedState {
    /// Nothing: the plugin has it.
    Delivered,
    /// Another attempt.
    Owed,
    /// Nothing: it was given up.
    Dead,
}

/// Attempts of a delivery before it is recorded as owed. Most have none.
#[derive(Clone, Debug, Default)]
pub struct Attempts {
    /// The number of the last one that may have been made.
    pub attempt: u32,
    /// Recorded failures.
    pub failures: u32,
    /// The last failure.
    pub failure: Option<Failure>,
    /// It was given up.
    pub dead: bool,
    /// The run in which `attempt` was right; none for this one.
    pub run: Option<u32>,
}

/// A failure as an operator sees it.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Its cause.
    pub cause: String,
    /// Its message.
    pub message: String,
}

impl DrainedState {
    /// What an outcome leaves to do.
    #[must_use]
    pub fn of(settlement: &Settlement) -> Self {
        match settlement {
            Settlement::Delivered => Self::Delivered,
            Settlement::Owed { .. } => Self::Owed,
            Settlement::Dead { .. } => Self::Dead,
        }
    }
}

impl Failure {
    /// The failure of an outcome; none where the attempt delivered.
    #[must_use]
    pub fn of(settlement: &Settlement) -> Option<Self> {
        match settlement {
            Settlement::Delivered => None,
            Settlement::Owed { cause, message, .. } | Settlement::Dead { cause, message, .. } => {
                Some(Self { cause: cause.to_string(), message: message.clone() })
            }
        }
    }
}

impl Attempts {
    /// The attempts that a drain has made of an end.
    pub(super) fn of_drain(row: &DrainedRow) -> Self {
        let DrainedRow { attempt, state, failures, failure, .. } = row;
        let dead = *state == DrainedState::Dead;
        Self { attempt: *attempt, failures: *failures, failure: failure.clone(), dead, run: None }
    }
}
