//! How attempts ended, and whether a journal records that.

use lastword_events::{Change, FailureCause, Timestamp, key_value_bytes};
use serde::{Deserialize, Serialize};

use crate::delivery_key::DeliveryKey;
use crate::key_value::{KeyValueChanges, KeyValueConflict};
use crate::limits::ROW_BYTES;
use crate::pending::Pending;

/// How one attempt ended, as far as it matters for what is owed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The delivery.
    pub delivery: DeliveryKey,
    /// The attempt's number.
    pub attempt: u32,
    /// The state of the delivery now.
    pub settlement: Settlement,
    /// The guest's changes. They count only if the attempt delivered. (Boxed: few calls change anything, and all calls are recorded.)
    pub changes: Option<Box<KeyValueChanges>>,
}

impl Completion {
    /// The cost of the completion until it is written: the bytes that a guest has stored, and for each row the cost of writing it. These
    /// bytes bound the completions that wait for a disk.
    #[must_use]
    pub fn unwritten_bytes(&self) -> u64 {
        let changes = self.changes.iter().flat_map(|changes| &changes.changes);
        let stored = changes.map(|(key, change)| match change {
            Change::Set(value) => key_value_row_bytes(key, value),
            Change::Add(_) | Change::Delete => key_value_row_bytes(key, &[]),
        });
        let said = match &self.settlement {
            Settlement::Delivered => 0,
            Settlement::Owed { message, .. } | Settlement::Dead { message, .. } => message.len(),
        };
        stored.fold(ROW_BYTES.saturating_add(u64::try_from(said).unwrap_or(u64::MAX)), u64::saturating_add)
    }
}

/// The cost of a key with its value until it is written.
pub(crate) fn key_value_row_bytes(key: &str, value: &[u8]) -> u64 {
    key_value_bytes(key, value).saturating_add(ROW_BYTES)
}

/// The state of a delivery after an attempt. Its JSON is in journals that are a log, as that of [`JournalOp`](crate::JournalOp).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settlement {
    /// The plugin has the delivery. Nothing more is owed.
    Delivered,
    /// The attempt failed, and the delivery is still owed.
    Owed {
        /// Recorded failures so far.
        failures: u32,
        /// Whether newer events of the session id have gone ahead.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        late: bool,
        /// When the next attempt is due. None: as soon as possible.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<Timestamp>,
        /// The cause of the last failure.
        cause: FailureCause,
        /// The message of the last failure.
        message: String,
    },
    /// The delivery was given up, until an operator redelivers or forgets it.
    Dead {
        /// Recorded failures.
        failures: u32,
        /// The cause of the last failure.
        cause: FailureCause,
        /// The message of the last failure.
        message: String,
    },
}

/// The answer to [completions](Completion) that a journal was to record.
#[derive(Debug)]
#[must_use = "a completion that was refused has to be recorded as a failure"]
pub struct StagedCompletions {
    /// The completions that were refused. Nothing of them is recorded, and nobody sees their changes.
    pub refused: Vec<RefusedCompletion>,
    /// When the other completions are durable, or why they cannot be.
    pub pending: Pending<()>,
}

impl StagedCompletions {
    /// No completion was refused.
    pub fn all(pending: Pending<()>) -> Self {
        Self { refused: Vec::new(), pending }
    }
}

/// A completion that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedCompletion {
    /// The completion's position among those that were to be recorded, from 0.
    pub at: usize,
    /// Why the completion was refused.
    pub why: KeyValueConflict,
}
