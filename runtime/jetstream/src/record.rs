//! What a message carries: inputs of the state machine, in JSON so that a tool can read them.

use std::sync::Arc;

use lastword_events::Timestamp;
use lastword_journal::state::Resolved;
use lastword_journal::{Completion, DeliveryChange, DeliveryKey, JournalOp, Settlement, Space};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::values::Value;

/// An input of the state machine. The same records in the same order make the same state, on every node.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// An operation whose answer somebody waits for.
    Op(JournalOp),
    /// Operations that the runtime has decided or found out, in this order. One that is not possible does not prevent the others.
    Decided(Vec<JournalOp>),
    /// How attempts of one tenant ended, and what their calls have stored.
    Outcomes(Vec<RecordedOutcome>),
    /// An operator's change of deliveries.
    Changes(DeliveryChange, Vec<DeliveryKey>),
    /// Nothing: it was written to see whether something can be.
    Probe,
}

/// How an attempt ended, with the values that came of its changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RecordedOutcome {
    /// The delivery.
    pub delivery: DeliveryKey,
    /// The attempt's number.
    pub attempt: u32,
    /// The state of the delivery now.
    pub settlement: Settlement,
    /// The values that the call has stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<Box<StoredValues>>,
}

/// Values that one call has stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoredValues {
    /// The space of the keys.
    pub space: Space,
    /// Each key with its new value. None removes the key.
    pub writes: Vec<(Arc<str>, Option<Value>)>,
}

/// The one record of a fence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FenceRecord {
    /// The version of the form of all messages up to the next fence: [`FORMAT`].
    pub format: u32,
    /// Whether a run begins: the journal is new, or it was taken over. Otherwise its writer has renewed its own fence, before a snapshot.
    pub begins_run: bool,
    /// The name of the node that has written it.
    pub by: String,
    /// A random number, so that no two fences are the same bytes.
    pub nonce: u64,
    /// When it was written, by the node's clock. Nothing is decided by it.
    pub at: Timestamp,
}

/// The version of the form of messages that this program writes.
pub const FORMAT: u32 = 1;

/// A record that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct RecordError(pub String);
