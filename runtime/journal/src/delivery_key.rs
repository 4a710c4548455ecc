//! The key of a delivery within one journal.
//!
//! It is apart from [`delivery`](crate::delivery), which needs the journal's errors, because those errors name deliveries.

use std::borrow::Cow;
use std::fmt;

use lastword_events::{DeliveryId, EventKey, JournalName, PluginName};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The key of a delivery. It has no name of the journal, because all deliveries of a journal share that name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryKey {
    /// The session's number.
    pub sequence: u64,
    /// The event of the session.
    pub event: EventKey,
    /// The plugin that is owed the delivery.
    pub plugin: PluginName,
}

impl DeliveryKey {
    /// The delivery's id in the journal called `journal`.
    #[must_use]
    pub fn id(&self, journal: JournalName) -> DeliveryId {
        DeliveryId { journal, sequence: self.sequence, event: self.event, plugin: self.plugin.clone() }
    }
}

/// The form in a delivery id, without the journal: `17/session-end/memory`.
impl fmt::Display for DeliveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.sequence, self.event, self.plugin)
    }
}

impl Serialize for DeliveryKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DeliveryKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        parse(&text).ok_or_else(|| {
            de::Error::custom(format_args!("{text:?} is no delivery; one looks like 17/session-end/memory"))
        })
    }
}

fn parse(text: &str) -> Option<DeliveryKey> {
    let mut parts = text.splitn(3, '/');
    let (sequence, event, plugin) = (parts.next()?, parts.next()?, parts.next()?);
    Some(DeliveryKey { sequence: sequence.parse().ok()?, event: event.parse().ok()?, plugin: plugin.parse().ok()? })
}

impl From<&DeliveryId> for DeliveryKey {
    fn from(id: &DeliveryId) -> Self {
        Self { sequence: id.sequence, event: id.event, plugin: id.plugin.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_json_is_a_delivery_id_without_its_journal() {
        let plugin = PluginName::new("memory").unwrap();
        let key = DeliveryKey { sequence: 17, event: "session-compaction.2-after".parse().unwrap(), plugin };
        let json = serde_json::to_string(&key).unwrap();
        assert_eq!(json, r#""17/session-compaction.2-after/memory""#);
        assert_eq!(serde_json::from_str::<DeliveryKey>(&json).unwrap(), key);
        for bad in ["", "17", "17/session-end", "x/session-end/a", "17/end/a", "17/session-end/a/b", "17/session-end/A"]
        {
            let error = serde_json::from_str::<DeliveryKey>(&format!("{bad:?}")).unwrap_err().to_string();
            assert!(error.contains("is no delivery"), "{bad}: {error}");
        }
    }
}
