//! How attempts ended, and what a journal made of that.

use lastword_events::{Change, FailureCause, Timestamp, key_value_bytes};

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
    /// What the delivery is now.
    pub settlement: Settlement,
    /// What the guest changed; nothing comes of it unless the attempt delivered. (Boxed: few calls change anything, and
    /// all are recorded.)
    pub changes: Option<Box<KeyValueChanges>>,
}

impl Completion {
    /// What the completion counts for until it is written: the bytes that a guest has stored, and for each row what it takes to
    /// write it. A bound on what waits for a disk is in these.
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

/// What a key with its value counts for until it is written.
pub(crate) fn key_value_row_bytes(key: &str, value: &[u8]) -> u64 {
    key_value_bytes(key, value).saturating_add(ROW_BYTES)
}

/// What a delivery is after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// Nothing more is owed: the plugin has it.
    Delivered,
    /// Still owed after a failure.
    Owed {
        /// Recorded failures so far.
        failures: u32,
        /// Whether newer events of the session id have overtaken it.
        late: bool,
        /// When the next attempt is due; none: as soon as possible.
        retry_at: Option<Timestamp>,
        /// The last failure's cause.
        cause: FailureCause,
        /// The last failure's message.
        message: String,
    },
    /// Given up until an operator redelivers or drops it.
    Dead {
        /// Recorded failures.
        failures: u32,
        /// The last failure's cause.
        cause: FailureCause,
        /// The last failure's message.
        message: String,
    },
}

/// What became of [completions](Completion) that a journal was to record.
#[derive(Debug)]
#[must_use = "a completion that was refused has to be recorded as a failure"]
pub struct StagedCompletions {
    /// The completions that were refused. Nothing of them is recorded, and their changes are seen by nobody.
    pub refused: Vec<RefusedCompletion>,
    /// When the others are durable, or why they cannot be.
    pub pending: Pending<()>,
}

impl StagedCompletions {
    /// None was refused.
    pub fn all(pending: Pending<()>) -> Self {
        Self { refused: Vec::new(), pending }
    }
}

/// A completion that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedCompletion {
    /// Its position among those that were to be recorded, from 0.
    pub at: usize,
    /// Why it was refused.
    pub why: KeyValueConflict,
}
