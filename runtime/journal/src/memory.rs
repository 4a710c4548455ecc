//! The journal that lives as long as the process.

use std::sync::Arc;

use lastword_events::{Hook, Identity, JournalName, Timestamp};
use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};

use crate::state::{MemoryTables, NothingCommitted, Resolved, Store};
use crate::{
    Appended, ChangedDelivery, Completion, DeliveryChange, DeliveryFilter, DeliveryKey, DeliveryPage, DeliveryRow,
    Durability, Journal, JournalError, JournalOp, PageRequest, Pending, Recovered, Space, StagedCompletions, state,
};

/// A journal that lives as long as the process. What is owed when the process ends is lost.
///
/// A second run on the same value finds what the first run left, as with a file. Between the [release](Journal::release) by one run and the
/// beginning of the next the journal can be read, and not written.
#[derive(Debug)]
pub struct MemoryJournal {
    name: JournalName,
    locked: Mutex<Locked>,
    /// The locks of the store are taken before that of the tables.
    store: Store<NothingCommitted>,
}

#[derive(Debug, Default)]
struct Locked {
    tables: MemoryTables,
    /// Whether the run is over, and the next one has not begun.
    is_released: bool,
}

impl MemoryJournal {
    /// An empty journal with a random name.
    #[must_use]
    pub fn new() -> Self {
        Self { name: crate::state::random_name(), locked: Mutex::default(), store: Store::new(NothingCommitted, []) }
    }

    /// Deliveries that were given up, in that order: the newest [`RETAINED_DEAD_DELIVERIES`](crate::RETAINED_DEAD_DELIVERIES).
    #[must_use]
    pub fn dead(&self) -> Vec<DeliveryKey> {
        self.tables().dead()
    }

    /// How many older deliveries were given up and are forgotten.
    #[must_use]
    pub fn forgotten_dead(&self) -> u64 {
        self.tables().forgotten_dead()
    }

    /// The tables to write to. None once the run has released the journal.
    fn to_write(&self) -> Option<MappedMutexGuard<'_, MemoryTables>> {
        let locked = Some(self.locked.lock()).filter(|locked| !locked.is_released)?;
        Some(MutexGuard::map(locked, |locked| &mut locked.tables))
    }

    /// The tables, also while nothing can be written.
    fn tables(&self) -> MappedMutexGuard<'_, MemoryTables> {
        MutexGuard::map(self.locked.lock(), |locked| &mut locked.tables)
    }
}

fn closed<T>() -> Pending<T> {
    Pending::ready(Err(JournalError::Closed))
}

impl Default for MemoryJournal {
    fn default() -> Self {
        Self::new()
    }
}

impl Journal for MemoryJournal {
    fn name(&self) -> JournalName {
        self.name
    }

    fn durability(&self) -> Durability {
        Durability::Memory
    }

    fn recover(&self) -> Result<Recovered, JournalError> {
        let mut locked = self.locked.lock();
        locked.is_released = false;
        locked.tables.begin_run();
        Ok(locked.tables.recovered(Timestamp::now()))
    }

    fn append(&self, mut op: JournalOp) -> Pending<Appended> {
        let Some(mut tables) = self.to_write() else { return closed() };
        Pending::ready(state::apply(&mut *tables, &mut op))
    }

    fn append_decided(&self, ops: Vec<JournalOp>) -> Pending<()> {
        let Some(mut tables) = self.to_write() else { return closed() };
        // An operation that is not possible is a defect of the caller, and no reason to skip the others.
        for mut op in ops {
            state::apply(&mut *tables, &mut op).ok();
        }
        Pending::ready(Ok(()))
    }

    fn known_op(&self, identity: &Identity, kind: Hook, op_id: &str) -> Option<u32> {
        self.tables().known_op(identity, kind, op_id)
    }

    fn complete(&self, _tenant: &Arc<str>, completions: Vec<Completion>) -> StagedCompletions {
        if self.to_write().is_none() {
            return StagedCompletions::all(closed());
        }
        let (refused, ()) = self.store.stage(completions, |resolved| {
            let mut tables = self.tables();
            for Resolved { completion, .. } in resolved {
                // In memory nothing can fail.
                state::complete(&mut *tables, &completion).ok();
            }
        });
        StagedCompletions { refused, pending: Pending::ready(Ok(())) }
    }

    fn flush(&self) -> Pending<()> {
        self.to_write().map_or_else(closed, |_| Pending::ready(Ok(())))
    }

    fn probe(&self) -> Pending<()> {
        self.flush()
    }

    fn release(&self) -> Pending<()> {
        self.locked.lock().is_released = true;
        Pending::ready(Ok(()))
    }

    fn delivery(&self, delivery: &DeliveryKey) -> Result<Option<DeliveryRow>, JournalError> {
        Ok(self.tables().delivery(delivery, self.name))
    }

    fn deliveries(&self, filter: &DeliveryFilter, page: &PageRequest) -> Result<DeliveryPage, JournalError> {
        Ok(self.tables().deliveries(self.name, filter, page))
    }

    fn change_deliveries(&self, change: DeliveryChange, deliveries: Vec<DeliveryKey>) -> Pending<Vec<ChangedDelivery>> {
        let Some(mut tables) = self.to_write() else { return closed() };
        let changed = deliveries.iter().map(|delivery| state::change_delivery(&mut *tables, change, delivery));
        Pending::ready(changed.collect())
    }

    fn key_value(&self, space: &Space, key: &str) -> Result<Option<Vec<u8>>, JournalError> {
        Ok(self.store.value(space, key)?.map(|value| value.to_vec()))
    }

    fn key_value_len(&self, space: &Space, key: &str) -> Result<Option<u64>, JournalError> {
        self.store.value_len(space, key)
    }

    fn key_value_keys(&self, space: &Space, after: Option<&str>, limit: usize) -> Result<Vec<String>, JournalError> {
        self.store.keys(space, after, limit)
    }

    fn key_value_bytes(&self, space: &Space) -> Result<u64, JournalError> {
        Ok(self.store.bytes(space))
    }

    fn key_value_tenant_bytes(&self, tenant: &str) -> Result<u64, JournalError> {
        Ok(self.store.tenant_bytes(tenant))
    }
}
