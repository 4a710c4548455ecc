//! Where a delivery that was not made has its place in the list of them.

use lastword_events::{DeliveryId, JournalName, PluginName};
use lastword_journal::state::last_end_of;

/// The order of what is listed: by session, then as the file has its rows.
pub(super) type Place = (u64, String, PluginName);

pub(super) fn place(id: &DeliveryId) -> Place {
    (id.sequence, id.event.to_string(), id.plugin.clone())
}

/// What follows the ends of this session.
pub(super) fn behind(sequence: u64, journal: JournalName) -> Option<(Place, DeliveryId)> {
    let id = last_end_of(sequence)?.id(journal);
    Some((place(&id), id))
}
