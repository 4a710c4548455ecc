//! The key of a delivery within one journal.
//!
//! It is apart from [`delivery`](crate::delivery), which needs the journal's errors, because those errors name deliveries.

use lastword_events::{DeliveryId, EventKey, JournalName, PluginName};

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

impl From<&DeliveryId> for DeliveryKey {
    fn from(id: &DeliveryId) -> Self {
        Self { sequence: id.sequence, event: id.event, plugin: id.plugin.clone() }
    }
}
