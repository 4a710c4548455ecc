//! The place of an unmade delivery in the list of them.

use lastword_events::{DeliveryId, JournalName, PluginName};
use lastword_journal::state::last_end_of;

/// The order of the list: by session, then in the order of the file's rows.
pub(super) type Place = (u64, String, PluginName);

pub(super) fn place(id: &DeliveryId) -> Place {
    (id.sequence, id.event.to_string(), id.plugin.clone())
}

/// The place behind the ends of this session.
pub(super) fn behind(sequence: u64, journal: JournalName) -> Option<(Place, DeliveryId)> {
    let id = last_end_of(sequence)?.id(journal);
    Some((place(&id), id))
}
