//! Deliveries that were not made, as the journal has them.

use std::sync::Arc;

use lastword_events::DeliveryId;
use lastword_journal::{
    DeliveryFilter, DeliveryKey, DeliveryPage, DeliveryRow, Durability, Journal, JournalError, PageRequest,
};

use crate::core::Core;
use crate::sync::blocking;

/// A page of deliveries that were not made. The journal first writes what the observer was told of before, if it can.
pub(crate) async fn deliveries(
    core: Arc<Core>,
    filter: DeliveryFilter,
    page: PageRequest,
) -> Result<DeliveryPage, JournalError> {
    // On a full disk an operator sees what is on it.
    core.journal().flush().await.ok();
    read(&core, move |journal| journal.deliveries(&filter, &page)).await
}

/// The named deliveries, each in its place, as a page has them.
pub(crate) async fn named(core: Arc<Core>, ids: Vec<DeliveryId>) -> Result<Vec<Option<DeliveryRow>>, JournalError> {
    core.journal().flush().await.ok();
    let keys = ids.iter().map(DeliveryKey::from).collect();
    let (rows, ours) = (rows(&core, keys).await?, core.journal_name());
    Ok(rows.into_iter().zip(ids).map(|(row, id)| row.filter(|_| id.journal == ours)).collect())
}

/// The deliveries among these that were not made, each in its place.
pub(super) async fn rows(core: &Core, keys: Vec<DeliveryKey>) -> Result<Vec<Option<DeliveryRow>>, JournalError> {
    read(core, move |journal| keys.iter().map(|key| journal.delivery(key)).collect()).await
}

/// Reads the journal. A file is read on a thread that may block.
async fn read<T: Send + 'static>(
    core: &Core,
    read: impl FnOnce(&dyn Journal) -> Result<T, JournalError> + Send + 'static,
) -> Result<T, JournalError> {
    if core.journal().durability() == Durability::Memory {
        return read(&**core.journal());
    }
    let turn = core.operators().reads.clone().lock_owned().await;
    let journal = core.journal().clone();
    let read = move || {
        // Given back behind the read, not by whoever waits for it: else each one who gives up leaves one more thread in a disk that hangs.
        let _turn = turn;
        read(&*journal)
    };
    // None if tokio is shutting down.
    blocking(core.handle(), read).await.unwrap_or(Err(JournalError::Closed))
}
