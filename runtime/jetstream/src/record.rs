//! What a message carries: inputs of the state machine, in JSON so that a tool can read them.

use std::sync::Arc;

use lastword_events::Timestamp;
use lastword_journal::state::Staged;
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

impl Record {
    /// The record as bytes.
    ///
    /// # Errors
    /// When it has no JSON, which no record of this program is.
    pub fn encode(&self) -> Result<Vec<u8>, RecordError> {
        encode(self)
    }

    /// Reads a record.
    ///
    /// # Errors
    /// When the bytes are no record that this version knows.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode(bytes, "record")
    }
}

impl FenceRecord {
    /// The record as bytes.
    ///
    /// # Errors
    /// When it has no JSON, which no record of this program is.
    pub fn encode(&self) -> Result<Vec<u8>, RecordError> {
        encode(self)
    }

    /// Reads the record of a fence.
    ///
    /// # Errors
    /// When the bytes are none, or of a version that this program does not know.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let fence: Self = decode(bytes, "fence")?;
        if fence.format > FORMAT {
            let (format, by) = (fence.format, fence.by);
            let why = format!("form {format} of the journal, which {by} has written, needs a newer version");
            return Err(RecordError(why));
        }
        Ok(fence)
    }
}

impl RecordedOutcome {
    /// The outcome of a completion, with the values that came of its changes.
    #[must_use]
    pub fn new(completion: Completion, staged: Option<&Staged>) -> Self {
        let Completion { delivery, attempt, settlement, .. } = completion;
        Self { delivery, attempt, settlement, stored: staged.map(|staged| Box::new(StoredValues::from(staged))) }
    }
}

impl From<&Staged> for StoredValues {
    fn from(Staged { space, writes, .. }: &Staged) -> Self {
        let writes = writes.iter().map(|write| (write.key.clone(), write.value.clone().map(Value)));
        Self { space: space.clone(), writes: writes.collect() }
    }
}

fn encode(record: &impl Serialize) -> Result<Vec<u8>, RecordError> {
    serde_json::to_vec(record).map_err(|error| RecordError(format!("it has no JSON: {error}")))
}

fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8], what: &str) -> Result<T, RecordError> {
    serde_json::from_slice(bytes).map_err(|error| RecordError(format!("this is no {what}: {error}")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fence(format: u32) -> FenceRecord {
        let at = Timestamp::from_millisecond(0);
        FenceRecord { format, begins_run: true, by: "node-1".to_owned(), nonce: u64::MAX, at }
    }

    #[test]
    fn the_json_of_records_stays_as_it_is() {
        let session = Arc::new(lastword_events::Session::new("acme", "s1"));
        let event = Arc::new(lastword_events::Event::Start(lastword_events::SessionStart::default()));
        let op_id = Some("o".into());
        let start = JournalOp::Start { session, event, owed: vec!["log".parse().unwrap()], op_id };
        let delivery: DeliveryKey = serde_json::from_str(r#""1/session-end/log""#).unwrap();
        let space = Space { tenant: "acme".into(), plugin: "log".parse().unwrap() };
        let value = |bytes: &[u8]| Some(Value(bytes.into()));
        let writes = vec![("a".into(), value(b"x")), ("b".into(), None), ("c".into(), value(b"\xff"))];
        let stored = Some(Box::new(StoredValues { space, writes }));
        let settlement = Settlement::Delivered;
        let outcome = RecordedOutcome { delivery: delivery.clone(), attempt: 1, settlement, stored };
        let records = [
            (
                Record::Op(start),
                concat!(
                    r#"{"op":{"start":{"session":{"tenant":"acme","id":"s1","generation":0},"#,
                    r#""event":{"Start":{"source":null,"resumed_from":null,"attributes":[]}},"owed":["log"],"op_id":"o"}}}"#
                ),
            ),
            (Record::Decided(vec![JournalOp::Seen { sequence: 7 }]), r#"{"decided":[{"seen":{"sequence":7}}]}"#),
            (
                Record::Outcomes(vec![outcome]),
                concat!(
                    r#"{"outcomes":[{"delivery":"1/session-end/log","attempt":1,"settlement":"delivered","#,
                    r#""stored":{"space":{"tenant":"acme","plugin":"log"},"#,
                    r#""writes":[["a","x"],["b",null],["c","base64:/w=="]]}}]}"#
                ),
            ),
            (
                Record::Changes(DeliveryChange::Redeliver, vec![delivery]),
                r#"{"changes":["redeliver",["1/session-end/log"]]}"#,
            ),
            (Record::Probe, r#""probe""#),
        ];
        for (record, json) in records {
            let bytes = record.encode().unwrap();
            assert_eq!(std::str::from_utf8(&bytes).unwrap(), json);
            assert_eq!(Record::decode(&bytes).unwrap().encode().unwrap(), bytes);
        }
    }

    #[test]
    fn a_fence_of_a_newer_form_is_refused_with_the_name_of_its_writer() {
        let known = fence(FORMAT);
        assert_eq!(FenceRecord::decode(&known.encode().unwrap()).unwrap(), known);
        let error = FenceRecord::decode(&fence(FORMAT + 1).encode().unwrap()).unwrap_err().to_string();
        assert_eq!(error, "form 2 of the journal, which node-1 has written, needs a newer version");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoders_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            Record::decode(&bytes).ok();
            FenceRecord::decode(&bytes).ok();
        }
    }
}
