//! What a delivery is known by within one journal.
//!
//! Apart from [`delivery`](crate::delivery), which needs the journal's errors: those name deliveries.

use lastword_events::{DeliveryId, EventKey, JournalName, PluginName};

/// A delivery without the journal's name, which all of its deliveries share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryKey {
    /// The session's number.
    pub sequence: u64,
    /// Which event of the session.
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
