//! The rows of a journal that the [`transition`](super::transition) reads, writes and removes. In memory they are maps, in a file SQL
//! tables. This module decides nothing.

use std::sync::Arc;

use lastword_events::{DrainReason, Event, EventKey, Hook, Identity, PluginName, Session, Timestamp};
use serde::{Deserialize, Serialize};

use super::clean_runs::CleanRuns;
use super::generations::ForgottenGenerations;
use crate::{DeliveryKey, DeliveryState, JournalError, PendingDelivery, Receipt, Settlement};

/// The plugins that are installed in a run, in the order of the configuration, each with the tenants that it serves. None stands for every
/// tenant.
pub type Installed = Vec<(PluginName, Option<Vec<Arc<str>>>)>;

/// The plugins among these that serve `tenant`.
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

    /// The plugins that are installed in this run, once that is recorded.
    fn installed(&self) -> Option<&Installed>;

    /// Records the plugins that are installed in this run. From now on no delivery is orphaned until the runtime says so again.
    fn set_installed(&mut self, installed: &Installed, attaching: bool) -> Result<(), Self::Error>;

    /// Records the plugins that are installed in this run from now on. Orphaned deliveries stay as they are.
    fn change_installed(&mut self, installed: &Installed) -> Result<(), Self::Error>;

    /// Records that this run drains, unless that is recorded already.
    fn set_draining(&mut self, reason: DrainReason, at: Timestamp) -> Result<(), Self::Error>;

    /// The generation of the first request of this kind and session with `op_id`.
    fn generation_of_op(&self, identity: &Identity, kind: Hook, op_id: &str) -> Result<Option<u32>, Self::Error>;

    /// Remembers an `op_id`, and forgets the oldest if there are too many.
    fn insert_op(&mut self, identity: &Identity, kind: Hook, op_id: &Arc<str>, of: u32) -> Result<(), Self::Error>;

    /// The newest generation of an id, over all of its scopes. None if nothing of the id is kept.
    fn latest_generation(&self, identity: &Identity) -> Result<Option<u32>, Self::Error>;

    /// The generations of forgotten ids.
    fn forgotten_generations(&self) -> &ForgottenGenerations;

    /// The number for a new session.
    fn next_sequence(&mut self) -> u64;

    /// Adds a session that is not known yet.
    fn insert_session(&mut self, row: &NewSession<'_>) -> Result<(), Self::Error>;

    /// Records what is known now of an active session, its count of compaction events if that changes, and that this run has seen it. Gives
    /// false if no such session is active.
    fn update_session(
        &mut self,
        sequence: u64,
        session: &Arc<Session>,
        compactions: Option<u32>,
    ) -> Result<bool, Self::Error>;

    /// Records that a plugin was not sent the start of this session, if the session is active.
    fn remove_started(&mut self, sequence: u64, plugin: &PluginName) -> Result<(), Self::Error>;

    /// Ends that a session is active. What drains had recorded of the session's end is removed and given back. None if no such session is
    /// active.
    fn end_session(
        &mut self,
        sequence: u64,
        session: &Arc<Session>,
        event: &Event,
    ) -> Result<Option<EndedSession>, Self::Error>;

    /// Adds deliveries of one event. They are owed from now on.
    fn insert_deliveries<'a>(
        &mut self,
        event: &RecordedEvent<'_>,
        deliveries: impl Iterator<Item = (&'a PluginName, Attempts)>,
    ) -> Result<(), Self::Error>;

    /// Records how an attempt of a recorded delivery ended. Gives false if there is no such delivery.
    fn settle_delivery(
        &mut self,
        delivery: &DeliveryKey,
        attempt: u32,
        settlement: &Settlement,
    ) -> Result<bool, Self::Error>;

    /// Marks the delivery as orphaned: its plugin is not installed.
    fn set_orphaned(&mut self, delivery: &DeliveryKey, late: bool) -> Result<(), Self::Error>;

    /// Records how an attempt of the end of an active session ended. Gives false if no such session is active.
    fn settle_drained_end(
        &mut self,
        sequence: u64,
        plugin: &PluginName,
        attempt: u32,
        settlement: &Settlement,
    ) -> Result<bool, Self::Error>;

    /// Records that a call of this delivery was cut: the number of its attempt is used up.
    fn set_attempt(&mut self, delivery: &DeliveryKey, attempt: u32) -> Result<(), Self::Error>;

    /// Records that this run has ended cleanly, unless one of its outcomes could not be recorded.
    fn set_ended(&mut self) -> Result<(), Self::Error>;

    /// Records that an owner has reported the end of a session. The session has ended.
    fn insert_recent_end(&mut self, end: &RecordedEvent<'_>, received: Receipt) -> Result<(), Self::Error>;

    /// The end of this session has no duplicate any more.
    fn remove_recent_end(&mut self, sequence: u64) -> Result<(), Self::Error>;

    /// The end of the last session of this identity has no duplicate any more.
    fn remove_last_recent_end(&mut self, identity: &Identity) -> Result<(), Self::Error>;

    /// The delivery has had an outcome, so it did not take the process down.
    fn clear_suspect(&mut self, delivery: &DeliveryKey) -> Result<(), Self::Error>;

    /// Whether this session is active.
    fn is_active(&self, sequence: u64) -> Result<bool, Self::Error>;

    /// A delivery that was not made. None if it was made, or never existed.
    fn unmade(&self, delivery: &DeliveryKey) -> Result<Option<Unmade>, Self::Error>;

    /// Makes a delivery owed again that was given up. Gives it, unless only the next run makes it.
    fn revive(&mut self, delivery: &DeliveryKey) -> Result<Option<PendingDelivery>, Self::Error>;

    /// Ends that a delivery is orphaned. Gives it, unless only the next run makes it.
    fn adopt(&mut self, delivery: &DeliveryKey) -> Result<Option<PendingDelivery>, Self::Error>;

    /// Removes a delivery that was not made. It will not be made any more.
    fn forget_delivery(&mut self, delivery: &DeliveryKey) -> Result<(), Self::Error>;

    /// The delivery is not suspect any more, whatever runs died of.
    fn forget_suspicion(&mut self, delivery: &DeliveryKey) -> Result<(), Self::Error>;
}

/// A delivery that was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unmade {
    /// The delivery's state.
    pub state: DeliveryState,
    /// The run in which the delivery's count of attempts was right.
    pub run: u32,
}

/// A session when it becomes known.
#[derive(Debug)]
pub struct NewSession<'a> {
    /// The session's number.
    pub sequence: u64,
    /// All that is known of the session, with its generation.
    pub session: &'a Arc<Session>,
    /// Plugins that are owed the session's start.
    pub started: &'a [PluginName],
    /// Compaction events of the session so far.
    pub compactions: u32,
    /// The session's end, if that is all that was heard of the session.
    pub end: Option<&'a Event>,
}

/// An event of a known session.
#[derive(Debug)]
pub struct RecordedEvent<'a> {
    /// The session's number.
    pub sequence: u64,
    /// The event's key among those of the session.
    pub key: EventKey,
    /// All that is known of the session.
    pub session: &'a Arc<Session>,
    /// The event.
    pub event: &'a Arc<Event>,
}

/// The record of a session that has just ended.
#[derive(Debug)]
pub struct EndedSession {
    /// The run in which the session began.
    pub first_run: u32,
    /// The results of drains for the session's end.
    pub drained: Vec<DrainedRow>,
}

/// A drain's result for the end of an active session, for one plugin. The end itself was not recorded.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DrainedRow {
    /// The plugin that is owed the end.
    pub plugin: PluginName,
    /// The run in which `attempt` was right.
    pub run: u32,
    /// The number of the last attempt.
    pub attempt: u32,
    /// The work that is left.
    pub state: DrainedState,
    /// Recorded failures.
    pub failures: u32,
    /// The last failure.
    pub failure: Option<Failure>,
}

/// The work that is left for an end that a drain has tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DrainedState {
    /// Nothing: the plugin has the end.
    Delivered,
    /// Another attempt.
    Owed,
    /// Nothing: the end was given up.
    Dead,
}

/// Attempts of a delivery before the delivery is recorded as owed. Most deliveries have none.
#[derive(Clone, Debug, Default)]
pub struct Attempts {
    /// The number of the last attempt that may have been made.
    pub attempt: u32,
    /// Recorded failures.
    pub failures: u32,
    /// The last failure.
    pub failure: Option<Failure>,
    /// Whether the delivery was given up.
    pub dead: bool,
    /// The run in which `attempt` was right. None for this run.
    pub run: Option<u32>,
}

/// A failure as an operator sees it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// The cause of the failure.
    pub cause: String,
    /// The message of the failure.
    pub message: String,
}

impl DrainedState {
    /// The work that is left after an outcome.
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
    /// The failure of an outcome. None if the attempt delivered.
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
